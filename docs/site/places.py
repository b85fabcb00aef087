"""Where a file of the checkout stands on the site, and what a link in one of them leads to."""

import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

ROOT = Path(__file__).resolve().parents[2]
PICTURES = {".png", ".svg", ".gif", ".jpg"}
OUTSIDE = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
ABSENT = {"runs", "build", "dist", ".venv", ".bench-venv", ".git"}
"""Folders that are not part of what is published."""


def output_of(source: str) -> str:
    """Path on the site of a file or folder: pages of docs/ at the top, the rest in source/."""
    place = source.removeprefix("docs/") if source.startswith("docs/") else f"source/{source}"
    if (ROOT / source).is_dir():
        return posixpath.join(place, "index.html")
    stem, suffix = posixpath.splitext(place)
    if suffix == ".md":
        return f"{stem}.html"
    return place if suffix in PICTURES else f"{place}.html"


@dataclass
class Places:
    """Every file that the site shows, found by following links from page to page."""

    made: set[str] = field(default_factory=set)
    """Pages that have no file, such as the reference: their paths, as if they had one."""
    queue: list[str] = field(default_factory=list)
    known: set[str] = field(default_factory=set)
    wanted: list[tuple[str, str, str]] = field(default_factory=list)
    """Links to a place in a page: (where the link stands, path of the page, name of the place)."""
    problems: list[str] = field(default_factory=list)

    def show(self, source: str) -> None:
        """Have a page made of this file too."""
        if source not in self.known:
            self.known.add(source)
            self.queue.append(source)

    def exists(self, source: str) -> bool:
        """Is there such a file or folder, or such a page without a file?"""
        return source in self.made or (
            source.split("/", 1)[0] not in ABSENT and not source.startswith("..") and (ROOT / source).exists()
        )

    def follow(self, page: str, href: str, where: str) -> str:
        """The link for the site. page: path of the file that it stands in; where: file:line, for problems."""
        if OUTSIDE.match(href) or href.startswith("//"):
            return href
        path, _, anchor = unquote(href).partition("#")
        target = posixpath.normpath(posixpath.join(posixpath.dirname(page), path)) if path else page
        if not self.exists(target):
            self.problems.append(f"{where}: the link {href} leads nowhere")
            return href
        self.show(target)
        if anchor:
            self.wanted.append((where, target, anchor))
        return self.relative(page, target) + (f"#{anchor}" if anchor else "")

    def relative(self, page: str, target: str) -> str:
        """The link from one page of the site to another, both named by their files."""
        return posixpath.relpath(output_of(target), posixpath.dirname(output_of(page)) or ".")
