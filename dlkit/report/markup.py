"""HTML as strings: whatever comes from a user is escaped here, and only here."""

import json
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from typing import Any

POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
"""The page may fetch nothing, whatever a user's text says (Content-Security-Policy)."""


class Html(str):
    """A text that is markup already."""

    __slots__ = ()


def text(value: object) -> Html:
    """A user's text, or markup as it is."""
    return value if isinstance(value, Html) else Html(escape(str(value), quote=True))


def element(tag: str, *content: object, **attributes: object) -> Html:
    """`<tag attributes>content</tag>`; class_ is class, aria_label aria-label; None leaves one out."""
    written = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{escape(str(value), quote=True)}"'
        for name, value in attributes.items()
        if value is not None
    )
    return Html(f"<{tag}{written}>{''.join(text(part) for part in content)}</{tag}>")


def join(parts: Iterable[object]) -> Html:
    """Pieces of markup one after the other, a line each."""
    return Html("\n".join(text(part) for part in parts))


def table(
    caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], *, unseen: bool = False
) -> Html:
    """A table whose first column names its rows; it scrolls by itself where it is wide.

    unseen: the caption is read aloud, and not shown.
    """
    top = element("tr", *(element("th", cell, scope="col") for cell in head))
    body = [
        element(
            "tr",
            element("th", first, scope="row"),
            *(element("td", cell, class_=_long(cell)) for cell in rest),
        )
        for first, *rest in rows
    ]
    about = element("caption", caption, class_="unseen" if unseen else None)
    made = element("table", about, element("thead", top), element("tbody", *body))
    return element("div", made, class_="wide", tabindex=0, role="region", aria_label=caption)


def _long(cell: object) -> str | None:
    """Class of a cell whose words are too long for a line: a sum, a path."""
    words = () if isinstance(cell, Html) else str(cell).split()
    return "long" if max(map(len, words), default=0) > 40 else None


def shaded_table(
    caption: str, head: Sequence[object], rows: Iterable[Sequence[object]], shades: Iterable[Sequence[float]]
) -> Html:
    """The same, its caption unseen, every cell but the first of a row shaded from 0 (not) to 1 (most)."""
    body = [
        element(
            "tr",
            element("th", first, scope="row"),
            *(
                element("td", cell, style=f"--v:{min(max(shade, 0), 1):.2f}")
                for cell, shade in zip(rest, one, strict=True)
            ),
        )
        for (first, *rest), one in zip(rows, shades, strict=True)
    ]
    top = element("tr", *(element("th", cell, scope="col") for cell in head))
    about = element("caption", caption, class_="unseen")
    made = element("table", about, element("thead", top), element("tbody", *body))
    return element("div", made, class_="wide shaded", tabindex=0, role="region", aria_label=caption)


def data(name: str, value: Any) -> Html:
    """JSON for the script: no `<` or `&` in it, so no text can end the element."""
    written = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        written = written.replace(sign, f"\\u{ord(sign):04x}")
    return Html(f'<script type="application/json" id="{name}">{written}</script>')


def resource(name: str) -> Html:
    """A file of this package: the style sheet or the script."""
    return Html(files("dlkit.report").joinpath(name).read_text(encoding="utf-8"))


def document(title: str, *body: object, scripts: Sequence[str] = ()) -> bytes:
    """A whole page as UTF-8. `scripts`: names of files of this package that run at its end."""
    head = (
        f'<meta charset="utf-8">\n<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
        f"{element('title', title)}\n<style>\n{resource('page.css')}</style>"
    )
    end = "".join(f"\n<script>\n{resource(script)}</script>" for script in scripts)
    page = f'<!doctype html>\n<html lang="en">\n<head>\n{head}\n</head>\n<body>\n{join(body)}{end}\n'
    return f"{page}</body>\n</html>\n".encode("utf-8", "replace")


def number(value: object) -> str:
    """A figure for reading: six significant digits, thousands apart; words as they are."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "" if value is None else str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
