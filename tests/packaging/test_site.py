"""The documentation as a site: complete, no dead link, nothing from outside, a reference never stale."""

import json
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest

ROOT = Path(__file__).resolve().parents[2]
missing = "the extra [docs] is not installed: pip install '.[docs]'"
pytest.importorskip("markdown_it", reason=missing)
pytest.importorskip("latex2mathml", reason=missing)

from dlkit.cli import cli  # noqa: E402
from docs.site import build, markdown, reference  # noqa: E402
from docs.site.examples import recipes_of  # noqa: E402
from docs.site.places import Places, output_of  # noqa: E402

SECTIONS = ["What a run leaves", "What can be asked", "What to expect"]


class Read(HTMLParser):
    """Links, assets, places and headings of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.assets: list[str] = []
        self.places: set[str] = set()
        self.sections: list[str] = []
        self.inside: str | None = None
        self.pictures_without_text = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = {name: value or "" for name, value in attrs}
        self.inside = tag
        if "id" in told:
            self.places.add(told["id"])
        if tag == "a":
            self.links.append(told["href"])
        elif "src" in told or "href" in told:
            self.assets.append(told.get("src") or told["href"])
        if tag == "img" and not told.get("alt"):
            self.pictures_without_text += 1
        if tag == "h2":
            self.sections.append("")

    def handle_endtag(self, tag: str) -> None:
        self.inside = None if tag == "h2" else self.inside

    def handle_data(self, data: str) -> None:
        if self.inside == "h2":
            self.sections[-1] += data


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built once; nothing is wrong with its pages."""
    out = tmp_path_factory.mktemp("頁") / "site"
    assert build.build(out) == []
    return out


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[str, Read]:
    """Every page by its path on the site."""
    return {
        str(path.relative_to(site)): Read(path.read_text(encoding="utf-8")) for path in site.rglob("*.html")
    }


def test_every_page_is_in_the_navigation() -> None:
    shown = {path for group in build.navigation() for _, path in group.pages}
    written = {path.relative_to(ROOT).as_posix() for path in (ROOT / "docs").glob("*.md")}
    assert written - shown == {build.INDEX}


def test_no_link_is_dead(site: Path, pages: dict[str, Read]) -> None:
    dead = []
    for name, page in pages.items():
        for link in [*page.links, *page.assets]:
            path, _, place = unquote(link).partition("#")
            if re.match(r"[a-z]+:", path):
                continue
            target = (site / name).parent.joinpath(path).resolve() if path else site / name
            here = pages.get(str(target.relative_to(site)))
            if not target.is_file() or (place and (here is None or place not in here.places)):
                dead.append(f"{name}: {link}")
    assert dead == []


def test_nothing_is_fetched_from_outside(site: Path, pages: dict[str, Read]) -> None:
    outside = re.compile(r"(?:https?:)?//")
    assert [(name, one) for name, page in pages.items() for one in page.assets if outside.match(one)] == []
    for name in ("style.css", "search.js"):
        assert not re.search(r"url\(|@import|https?:|fetch\(", (site / name).read_text(encoding="utf-8"))


def test_every_picture_has_a_text(pages: dict[str, Read]) -> None:
    assert [name for name, page in pages.items() if page.pictures_without_text] == []


@pytest.mark.parametrize("command", reference.commands())
def test_every_algorithm_has_its_page(command: str, pages: dict[str, Read], site: Path) -> None:
    page = pages[f"{command}.html"]
    assert sorted(one for one in page.sections if one in SECTIONS) == SECTIONS
    text = (site / f"{command}.html").read_text(encoding="utf-8")
    assert len(page.sections) > len(SECTIONS) and "<math " in text, "the mathematics"
    assert any(one.endswith(".png") for one in page.assets)
    assert cli.table[command].help.split(":")[0][:20] in text
    code = [link for link in page.links if "dlkit/algorithms/" in link]
    assert code and any(link.startswith("source/recipes/") for link in page.links)
    assert f"reference/{command}.html" in page.links
    assert recipes_of(command)


@pytest.mark.parametrize("command", reference.commands())
def test_the_reference_has_every_key(command: str, site: Path) -> None:
    """Every key of the JSON schema is one of some table or a heading, with a meaning and an example."""
    text = reference.page(command)
    rows = re.findall(r"(?m)^\| `([^`]+)` \| (.+?) \| (.+?) \| (.+?) \| (.*?) \|$", text)
    told = {path.split(".")[-1] for path, *_ in rows} | set(re.findall(r"(?m)^### `(.+)`$", text))
    schema = json.loads((ROOT / "recipes" / "schema" / f"{command}.json").read_text(encoding="utf-8"))
    assert set(keys(schema)) - told <= {"name"}, "of what is chosen by name"
    assert [path for path, *_, meaning, _ in rows if not meaning.strip()] == []
    assert [path for path, kind, *_, example in rows if not example and "keys" not in kind] == []


def keys(node: Any) -> Iterator[str]:
    """Names of all properties in a JSON schema."""
    if isinstance(node, dict):
        for name, inner in node.items():
            if name == "properties":
                yield from inner
                inner = list(inner.values())  # noqa: PLW2901
            if name not in {"default", "enum", "const", "examples"}:
                yield from keys(inner)
    elif isinstance(node, list):
        for inner in node:
            yield from keys(inner)


def test_a_wrong_link_place_or_picture_is_told() -> None:
    places = Places()
    text = "# a\n\n[b](gone.md) [c](gpu.md#nowhere)\n\n![](https://example.org/x.png)\n"
    markdown.page_of("docs/made.md", text, places)
    assert places.problems == [
        "docs/made.md:3: the link gone.md leads nowhere",
        "docs/made.md:5: the picture https://example.org/x.png is not one of ours",
        "docs/made.md:5: the picture https://example.org/x.png has no text for who cannot see it",
    ]
    assert places.wanted == [("docs/made.md:3", "docs/gpu.md", "nowhere")]


def test_markup_of_a_page() -> None:
    text = "# Größe `x`\n\n## a b\n\n## a b\n\n<b> `dlkit/cli.py`\n\n```math\n\\frac{a}{b}\n```\n"
    page = markdown.page_of("docs/made.md", text, Places())
    assert page.headings == [(1, "größe-x", "Größe x"), (2, "a-b", "a b"), (2, "a-b-1", "a b")]
    assert "&lt;b&gt;" in page.body and "<math" in page.body and "<mfrac" in page.body
    assert '<a href="source/dlkit/cli.py.html"><code>' in page.body
    assert output_of("docs/gpu.md") == "gpu.html"


def test_a_folder_of_somebody_else_stays(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").touch()
    (problem,) = build.build(tmp_path)
    assert "not a site" in problem and (tmp_path / "thesis.txt").exists()
