"""What the lines of a basket file mean, told from the first of them."""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Any, Literal

from dlkit.errors import DataError
from dlkit.readers.cell_codes import CellCodes, rows_of
from dlkit.readers.delimited import WHITESPACE

Format = Literal["rows", "pairs", "table"]

_SAMPLE, _SAMPLE_ROWS = 1 << 16, 100
_YES, _NO = {"1", "true", "t", "yes", "y", "1.0"}, {"0", "false", "f", "no", "n", "0.0", ""}
_SURE = {"1", "true", "yes", "1.0", "0", "false", "no", "0.0"}
"""What is taken for a 0/1 table without being told; "t" and "" may well be items."""
_BASKET = re.compile(
    r"basket|transaction|trans|tid|order|invoice|receipt|session|visit|customer|member|user|id$|_id|no$"
    r"|注文|取引|伝票|会計|顧客|会員|番号"
)
_ITEM = re.compile(r"item|product|article|goods|stock|sku|description|name|品|商品|項目")
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_WORDS = {WHITESPACE: "blanks", "\t": "tabs", ",": "commas", ";": "semicolons", "|": "bars"}


@dataclass
class Layout:
    """How a file was read."""

    format: Format
    delimiter: str
    header: bool = False
    """The first row names the columns."""
    width: int = 0
    """Columns of pairs and tables."""
    columns: tuple[int, int] = (0, 1)
    """Of pairs: the basket's and the item's. Of a table: the first item's, and unused."""
    names: list[str] | None = None
    """Of a table: all columns' names."""

    def __str__(self) -> str:
        kinds = {"rows": "a basket a line", "pairs": "basket and item pairs", "table": "a 0/1 table"}
        return f"{kinds[self.format]}, {_WORDS.get(self.delimiter, self.delimiter)}"

    @staticmethod
    def truth(text: str) -> int:
        """1: the item is in the basket; 0: it is not; -1: neither can be said."""
        text = text.lower()
        return 1 if text in _YES else 0 if text in _NO else -1


def delimiter_of(data: bytes) -> str:
    """Tab, comma, semicolon or bar, whichever most of the first lines hold; blanks where none is in any."""
    text = data[:_SAMPLE].decode("utf-8", "replace")
    if '"' in text:
        text = re.sub(r'"[^"]*"', "q", text)
    lines = [line.strip() for line in text.replace("\r", "\n").split("\n")]
    there = [delimiter for delimiter in "\t,;|" if delimiter in text]
    holds = {delimiter: sum(delimiter in line for line in lines) for delimiter in there}
    if not holds:
        return WHITESPACE
    best = max(holds, key=lambda delimiter: holds[delimiter])
    return best if holds[best] else WHITESPACE


def layout_of(cells: CellCodes, delimiter: str, spec: Any, name: str) -> Layout:
    """What the recipe says, or else what the first rows look like. Raises DataError for columns not there."""
    rows = rows_of(cells, min(len(cells), _SAMPLE_ROWS))
    wanted = spec.format
    if wanted == "auto":
        named = spec.basket is not None or spec.item is not None
        wanted = "pairs" if named else _guess(rows, spec.header)
    if wanted == "pairs":
        return _pairs(rows, delimiter, spec, name)
    if wanted == "table":
        return _table(rows, delimiter, spec, name)
    return Layout("rows", delimiter)


def _guess(rows: list[list[str]], header: bool | str) -> Format:
    widths = {len(row) for row in rows}
    if len(widths) > 1 or len(rows[0]) < 2:
        return "rows"
    body = rows[1:] if header is True else rows
    if len(rows[0]) == 2 and (_names_pairs(rows[0]) or _look_like_pairs(body)):
        return "pairs"
    body = rows[1:] if header is True or (header == "auto" and not _all_truth(rows[0])) else rows
    if not body or not all(cell.lower() in _SURE for row in body for cell in row[1:]):
        return "rows"
    if any(max(Counter(row[1:]).values()) > 1 for row in body if len(row) > 2) or len(rows[0]) == 2:
        first = {row[0].lower() for row in body}
        return "table" if first <= _SURE or not first & _SURE else "rows"
    return "rows"


def _all_truth(cells: list[str]) -> bool:
    return all(Layout.truth(cell) >= 0 for cell in cells)


def _names_pairs(row: list[str]) -> bool:
    return bool(_BASKET.search(row[0].lower()) and _ITEM.search(row[1].lower()))


def _text_above_numbers(rows: list[list[str]]) -> bool:
    """A first row of words over columns of which one is all numbers."""
    width = min(len(rows[0]), 2)
    columns = [[row[k] for row in rows[1:] if len(row) > k and row[k]] for k in range(width)]
    words = not any(_NUMBER.fullmatch(cell) for cell in rows[0])
    return words and any(c and all(_NUMBER.fullmatch(cell) for cell in c) for c in columns)


def _look_like_pairs(rows: list[list[str]]) -> bool:
    """The first column repeats, and nothing in it is ever in the second."""
    first, second = {row[0] for row in rows}, {row[1] for row in rows}
    return len(rows) > 2 and len(first) < len(rows) and not first & second and "" not in first | second


def _pairs(rows: list[list[str]], delimiter: str, spec: Any, name: str) -> Layout:
    width = Counter(len(row) for row in rows).most_common(1)[0][0]
    if width < 2:
        raise DataError("pairs need two columns, found one", where=name, hint="name the --delimiter")
    named = isinstance(spec.basket, str) or isinstance(spec.item, str)
    looks = named or _names_pairs([*rows[0], "", ""]) or _text_above_numbers(rows)
    header = spec.header is True or (spec.header == "auto" and looks)
    columns = []
    for wanted, otherwise in ((spec.basket, 0), (spec.item, 1)):
        column = otherwise if wanted is None else wanted
        if isinstance(column, str):
            if column not in rows[0]:
                raise DataError(f'no column "{column}"', where=name, hint=f"there are {', '.join(rows[0])}")
            column = rows[0].index(column)
        if not -width <= column < width:
            raise DataError(f"no column {column}", where=name, hint=f"there are {width}, from 0")
        columns.append(column % width)
    return Layout("pairs", delimiter, header, width, (columns[0], columns[1]))


def _table(rows: list[list[str]], delimiter: str, spec: Any, name: str) -> Layout:
    width = len(rows[0])
    header = spec.header is True or (spec.header == "auto" and not _all_truth(rows[0]))
    names = rows[0] if header else [f"column_{k}" for k in range(width)]
    body = rows[1:] if header else rows
    numbered = header and len(body) > 1 and width > 2 and not all(_all_truth(row[:1]) for row in body)
    names = [text or f"column_{k}" for k, text in enumerate(names)]
    for column, count in Counter(names).items():
        if count > 1:
            raise DataError(f'{count} columns are named "{column}"', where=name, hint="rename all but one")
    return Layout("table", delimiter, header, width, (int(numbered), 0), names)
