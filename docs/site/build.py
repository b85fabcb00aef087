"""Builds the site: pages from docs/index.md on, whatever they link to, the reference, a search."""

import html
import json
import re
import shutil
import string
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dlkit.cli import cli
from docs.site import reference
from docs.site.examples import recipes_of
from docs.site.markdown import Page, page_of
from docs.site.places import PICTURES, ROOT, Places, output_of

HERE = Path(__file__).resolve().parent
INDEX = "docs/index.md"
REFERENCE = "docs/reference.md"
IN_INDEX = re.compile(r"(?m)^## (?P<group>.+)$|^- \[(?P<title>[^\]]+)\]\((?P<link>[^)#]+\.md)\)")


@dataclass
class Group:
    """A heading of docs/index.md and the pages below it."""

    title: str
    pages: list[tuple[str, str]] = field(default_factory=list)
    """Title and path of each."""


def navigation() -> list[Group]:
    """What stands beside every page: the headings and lists of docs/index.md."""
    groups: list[Group] = []
    for found in IN_INDEX.finditer((ROOT / INDEX).read_text(encoding="utf-8")):
        if found["group"]:
            groups.append(Group(found["group"]))
        elif groups:
            path = (ROOT / "docs" / found["link"]).resolve().relative_to(ROOT).as_posix()
            groups[-1].pages.append((found["title"].replace("`", ""), path))
    groups[1].pages.append(("Every key of every recipe", REFERENCE))
    return [group for group in groups if group.pages]


def build(out: Path) -> list[str]:
    """Write the site into a folder, which is replaced if it is one. Returns what is wrong with the pages."""
    if out.exists():
        if not (out / ".site").exists() and any(out.iterdir()):
            return [f"{out}: not a site that was built here; name an empty folder"]
        shutil.rmtree(out)
    out.mkdir(parents=True)
    (out / ".site").touch()
    made = {reference.source_of(name): reference.page(name) for name in reference.commands()}
    made[REFERENCE] = reference.overview()
    places = Places(made=set(made))
    for source in (INDEX, *made, *(path for group in navigation() for _, path in group.pages)):
        places.show(source)
    pages: dict[str, Page] = {}
    while places.queue:
        source = places.queue.pop(0)
        target = out / output_of(source)
        target.parent.mkdir(parents=True, exist_ok=True)
        if Path(source).suffix in PICTURES:
            shutil.copyfile(ROOT / source, target)
        else:
            pages[source] = _page(source, made.get(source), places)
    places.problems += [
        f"{where}: {target} has no place #{anchor}"
        for where, target, anchor in places.wanted
        if target in pages and anchor not in pages[target].anchors
    ]
    _write(out, pages, places)
    return places.problems


def _page(source: str, text: str | None, places: Places) -> Page:
    """Any file as a page: Markdown is set, a folder is a list, everything else is shown as it is."""
    path = ROOT / source
    if text is not None or path.suffix == ".md":
        page = page_of(source, text or path.read_text(encoding="utf-8"), places)
        command = source.removeprefix("docs/").removesuffix(".md")
        if command in reference.commands():
            page.body = page.body.replace("</h1>\n", f"</h1>\n{glance(command, source, places)}", 1)
        return page
    if path.is_dir():
        names = sorted(one.name for one in path.iterdir() if one.is_file() and not one.name.startswith("."))
        listed = "".join(f"- [{name}]({path.name}/{name})\n" for name in names)
        page = page_of(source, f"# {source}\n\n{listed}", places)
        return page
    lines = path.read_text(encoding="utf-8").splitlines()
    numbered = "".join(
        f'<span id="L{k}">{html.escape(line, quote=False)}</span>\n' for k, line in enumerate(lines, 1)
    )
    title = f"<h1>{html.escape(source)}</h1>\n"
    body = f'{title}<pre class="source" tabindex="0"><code>{numbered}</code></pre>\n'
    return Page(source, source, body, [(2, f"L{k}", "") for k in range(1, len(lines) + 1)])


def glance(command: str, source: str, places: Places) -> str:
    """What every command's page begins with: what it does, its keys, recipes, verbs and code."""

    def link(target: str, text: str) -> str:
        places.show(target)
        return f'<a href="{html.escape(places.relative(source, target))}">{html.escape(text)}</a>'

    algorithm = cli.algorithm(command)
    recipes = ", ".join(link(f"recipes/{path.name}", path.stem) for path in recipes_of(command))
    code = f"{algorithm.__module__.replace('.', '/')}.py"
    told = {
        "Does": html.escape(cli.table[command].help),
        "Keys": f"{link(reference.source_of(command), 'every key of its recipe')}, "
        f"<code>dlkit recipe new {command}</code>",
        "Recipes": recipes,
        "Verbs": ", ".join(f"<code>{verb}</code>" for verb in sorted({"inspect", *algorithm.ASKED})),
        "Code": link(code, code),
    }
    return f'<dl class="glance">{"".join(f"<dt>{k}</dt><dd>{v}</dd>" for k, v in told.items())}</dl>\n'


def _write(out: Path, pages: Mapping[str, Page], places: Places) -> None:
    template = string.Template((HERE / "page.html").read_text(encoding="utf-8"))
    groups = navigation()
    order = [path for group in groups for _, path in group.pages]
    for source, page in pages.items():
        places_on_it = [(name, text) for level, name, text in page.headings if level == 2 and text]
        filled = template.substitute(
            language="ja" if source.endswith(".ja.md") else "en",
            title=html.escape(page.title),
            about=html.escape(page.first[:300]),
            root=places.relative(source, INDEX).removesuffix("index.html"),
            navigation=_beside(groups, source, places),
            contents="".join(
                f'<li><a href="#{name}">{html.escape(text)}</a></li>' for name, text in places_on_it
            ),
            body=page.body,
            onward=_onward(order, source, pages, places),
        )
        (out / output_of(source)).write_text(filled, encoding="utf-8")
    for name in ("style.css", "search.js"):
        shutil.copyfile(HERE / name, out / name)
    entries = [
        [output_of(source), page.title, _plain(page.body)]
        for source, page in pages.items()
        if source.endswith(".md")
    ]
    told = json.dumps(entries, ensure_ascii=False, separators=(",", ":"))
    (out / "words.js").write_text(f"const PAGES={told};\n", encoding="utf-8")


def _beside(groups: list[Group], source: str, places: Places) -> str:
    here, parts = ' aria-current="page"', []
    for group in groups:
        items = "".join(
            f'<li><a href="{html.escape(places.relative(source, path))}"{here if path == source else ""}>'
            f"{html.escape(title)}</a></li>"
            for title, path in group.pages
        )
        parts.append(f"<h2>{html.escape(group.title)}</h2><ul>{items}</ul>")
    return "".join(parts)


def _onward(order: list[str], source: str, pages: Mapping[str, Page], places: Places) -> str:
    if source not in order:
        return ""
    at = order.index(source)
    around = (("prev", at - 1), ("next", at + 1))
    return "".join(
        f'<a rel="{rel}" href="{html.escape(places.relative(source, order[k]))}">'
        f"{html.escape(pages[order[k]].title)}</a>"
        for rel, k in around
        if 0 <= k < len(order)
    )


def _plain(body: str) -> str:
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", body))).strip()
