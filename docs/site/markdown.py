"""Markdown to HTML: links followed, headings named as on code hosts, formulas as MathML, code linked."""

import html
import posixpath
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from latex2mathml.converter import convert
from markdown_it import MarkdownIt
from markdown_it.token import Token

from docs.site.places import ROOT, Places

IN_CODE = re.compile(
    r"(dlkit|recipes|data|docs|tests|benchmarks|examples)/[\w./-]+\.(py|yaml|md|mk|csv|json)"
)
BESIDE = re.compile(r"[a-z]\w*\.py")


@dataclass
class Page:
    """One page of the site."""

    source: str
    """Its file, relative to the checkout."""
    title: str
    body: str
    headings: list[tuple[int, str, str]] = field(default_factory=list)
    """Level, name of the place, text."""
    first: str = ""
    """Its first paragraph, as text."""

    @property
    def anchors(self) -> set[str]:
        """Places in it that a link may lead to."""
        return {name for _, name, _ in self.headings}


def slug(text: str, taken: Sequence[str]) -> str:
    """The name of a heading, as code hosts make it from the text."""
    name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
    found, number = name, 0
    while found in taken:
        number += 1
        found = f"{name}-{number}"
    return found


def formula(tex: str) -> str:
    """A block of MathML of a formula in LaTeX."""
    markup = convert(tex.strip(), display="block")
    spaced = re.sub(r"(<mi>(?:log|tanh)</mi>)(?!<mo)", r'\1<mspace width="0.17em"/>', markup)
    return f'<div class="formula">{spaced}</div>\n'


@cache
def _parser() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])


class _Walk:
    """Turns the tokens of one page into what the site needs."""

    def __init__(self, source: str, places: Places) -> None:
        self.source, self.places = source, places
        self.page = Page(source, posixpath.basename(source), "")

    def file_in_code(self, text: str) -> str | None:
        """The file that a piece of code names, with its folder or as one of dlkit/algorithms."""
        if IN_CODE.fullmatch(text) and (ROOT / text).is_file():
            return text
        if BESIDE.fullmatch(text) and (ROOT / "dlkit/algorithms" / text).is_file():
            return f"dlkit/algorithms/{text}"
        return None

    def inline(self, token: Token) -> None:
        where = f"{self.source}:{token.map[0] + 1 if token.map else 1}"
        linked = False
        for one in token.children or []:
            if one.type in {"link_open", "link_close"}:
                linked = one.type == "link_open"
            if one.type == "link_open":
                one.attrSet("href", self.places.follow(self.source, str(one.attrGet("href")), where))
            elif one.type == "image":
                self.picture(one, where)
            elif one.type == "code_inline" and not linked and (file := self.file_in_code(one.content)):
                self.places.show(file)
                one.meta["href"] = self.places.relative(self.source, file)

    def picture(self, token: Token, where: str) -> None:
        source = str(token.attrGet("src"))
        if source.startswith(("http:", "https:", "//", "data:")):
            self.places.problems.append(f"{where}: the picture {source} is not one of ours")
        if not token.content.strip():
            self.places.problems.append(f"{where}: the picture {source} has no text for who cannot see it")
        token.attrSet("src", self.places.follow(self.source, source, where))
        token.attrSet("loading", "lazy")

    def heading(self, token: Token, inline: Token) -> None:
        text = "".join(one.content for one in inline.children or [] if one.type in {"text", "code_inline"})
        level = int(token.tag[1])
        name = slug(text, [name for _, name, _ in self.page.headings])
        token.attrSet("id", name)
        if level == 1:
            self.page.title = text
        self.page.headings.append((level, name, text))

    def render(self, text: str) -> Page:
        parser = _parser()
        tokens = parser.parse(text)
        for before, token in zip([None, *tokens], tokens, strict=False):
            if token.type != "inline":
                continue
            self.inline(token)
            if before is not None and before.type == "heading_open":
                self.heading(before, token)
            elif not self.page.first and before is not None and before.type == "paragraph_open":
                self.page.first = re.sub(r"\s+", " ", "".join(one.content for one in token.children or []))
        if [level for level, _, _ in self.page.headings].count(1) != 1:
            self.places.problems.append(f"{self.source}: expected one heading of the first level")
        self.page.body = _Render(parser).render(tokens, parser.options, {})
        return self.page


class _Render:
    """The parser's own renderer, with ours for code, formulas and tables."""

    def __init__(self, parser: MarkdownIt) -> None:
        self.renderer: Any = parser.renderer
        self.renderer.rules |= {
            "code_inline": _code_inline,
            "code_block": _code_block,
            "fence": _code_block,
            "table_open": lambda *_: '<div class="wide" tabindex="0"><table>\n',
            "table_close": lambda *_: "</table></div>\n",
        }

    def render(self, tokens: Sequence[Token], options: Any, env: Any) -> str:
        return str(self.renderer.render(tokens, options, env))


def _code_inline(tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    code = f"<code>{html.escape(token.content, quote=False)}</code>"
    return f'<a href="{html.escape(token.meta["href"])}">{code}</a>' if "href" in token.meta else code


def _code_block(tokens: Sequence[Token], index: int, options: Any, env: Any) -> str:
    token = tokens[index]
    if token.info.strip() == "math":
        return formula(token.content)
    lines = [
        f'<span class="typed">{escaped}</span>' if line.startswith("$ ") else escaped
        for line in token.content.rstrip("\n").split("\n")
        for escaped in [html.escape(line, quote=False)]
    ]
    return f'<pre tabindex="0"><code>{chr(10).join(lines)}\n</code></pre>\n'


def page_of(source: str, text: str, places: Places) -> Page:
    """The page of a text in Markdown. source: its path in the checkout, from which its links lead."""
    return _Walk(source, places).render(text)
