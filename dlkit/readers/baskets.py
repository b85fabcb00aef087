"""Baskets of items: FIMI files, a basket a line, basket-item pairs, 0/1 tables; each also .gz or from a pipe.

Items are texts, whatever they look like: "7" and "07" are two items. An item counts once in a basket.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from dlkit.errors import DataError
from dlkit.kernels.compile import compiled
from dlkit.readers.basket_formats import Format, Layout, delimiter_of, layout_of
from dlkit.readers.cell_codes import EMPTY, CellCodes, cell_codes
from dlkit.readers.cells import Faults, OnBadRow, quoted
from dlkit.readers.delimited import WHITESPACE, check_text, without_bom
from dlkit.readers.opening import STDIN, display, read_bytes
from dlkit.readers.source_spec import SourceSpec

Column = str | int

DELIMITERS = {"tab": "\t", "\\t": "\t", "blanks": WHITESPACE, "whitespace": WHITESPACE}


class BasketSpec(SourceSpec):
    """Where the baskets are, and how the file is to be read."""

    train: str = Field(
        description="File of baskets: FIMI .dat, CSV (a basket a line, or basket,item pairs), a 0/1 table; "
        "each also .gz; - for standard input."
    )
    format: Format | Literal["auto"] = Field(
        "auto",
        description="What a line is: rows = a basket; pairs = a basket's name and one item; table = a basket "
        "as 0/1 columns; auto: found from the first lines.",
        json_schema_extra={"flag": "--format"},
    )
    delimiter: str | None = Field(
        None,
        description="What separates cells: one character, tab, or blanks (runs of them); null: found from "
        "the first lines.",
        json_schema_extra={"flag": "--delimiter", "aka": ["separator", "sep"]},
    )
    header: bool | Literal["auto"] = Field(
        "auto", description="Does the first line name the columns (of pairs or a table)?"
    )
    basket: Column | None = Field(
        None,
        description="Column of pairs with the basket's name, by name or index from 0; null: the first.",
        json_schema_extra={"flag": "--basket", "aka": ["transaction", "id"]},
    )
    item: Column | None = Field(
        None,
        description="Column of pairs with the item, by name or index from 0; null: the second.",
        json_schema_extra={"flag": "--item"},
    )

    @field_validator("delimiter")
    @classmethod
    def _one_character(cls, value: str | None) -> str | None:
        if value is None:
            return None
        value = DELIMITERS.get(value, value)
        if len(value) != 1 or not value.isascii() or value in '"\r\n\0':
            raise ValueError("expected one ASCII character, tab, or blanks")
        return value


@dataclass
class Baskets:
    """Baskets in the order of the file, each a set of items."""

    name: str
    items: list[str]
    """Every distinct item, in order of first appearance."""
    codes: np.ndarray
    """(entries,) int32: the items of basket b are codes[starts[b] : starts[b + 1]], each once."""
    starts: np.ndarray
    """(baskets + 1,) int64."""
    layout: Layout
    lines: np.ndarray | None = None
    """(baskets,) line of each basket in its file; None: a basket is several lines."""
    skipped: int = 0
    first_fault: str = ""
    files: list[Path] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.starts) - 1


def read_baskets(path: Path, spec: BasketSpec, on_bad_row: OnBadRow = "error") -> Baskets:
    """Read all baskets of a file ("-": standard input). Raises DataError with file:line."""
    name = display(path)
    data = without_bom(read_bytes(path), name)
    check_text(data, name)
    delimiter = spec.delimiter or delimiter_of(data)
    cells = cell_codes(data, delimiter, name)
    if not len(cells):
        raise DataError("holds no baskets", where=name)
    layout = layout_of(cells, delimiter, spec, name)
    faults = Faults(name, cells.lines[int(layout.header) :], on_bad_row)
    baskets = {"rows": _rows, "pairs": _pairs, "table": _table}[layout.format](cells, layout, faults, name)
    if not len(baskets.codes):
        first = f"; the first bad row: {faults.first()}" if faults.rows else ""
        raise DataError(f"holds no items{first}", where=name)
    baskets.skipped, baskets.first_fault = len(faults.rows), faults.first()
    baskets.files = [] if str(path) == STDIN else [path]
    return baskets


# -- a basket a line ----------------------------------------------------------------------------------
def _rows(cells: CellCodes, layout: Layout, faults: Faults, name: str) -> Baskets:
    """Each line that holds an item."""
    codes, starts = _each_once(cells.codes, cells.starts, len(cells.texts))
    lines = cells.lines
    filled = np.diff(starts) > 0
    if not filled.all():
        starts, lines = np.concatenate([starts[:1], starts[1:][filled]]), lines[filled]
    return Baskets(name, cells.texts, codes, starts, layout, lines)


# -- basket,item pairs --------------------------------------------------------------------------------
def _pairs(cells: CellCodes, layout: Layout, faults: Faults, name: str) -> Baskets:
    """Lines with the same basket's name are one basket, wherever they stand."""
    begins, widths = cells.starts[:-1][int(layout.header) :], cells.widths[int(layout.header) :]
    column, item = layout.columns
    for row in np.flatnonzero(widths != layout.width).tolist():
        faults.add(row, f"expected {layout.width} columns, found {widths[row]}")
    inside = np.flatnonzero(widths == layout.width)
    which, what = cells.codes[begins[inside] + column], cells.codes[begins[inside] + item]
    for codes, text in ((which, "basket"), (what, "item")):
        for row in inside[codes == EMPTY].tolist():
            faults.add(row, f"the {text} is missing")
    faults.kept(len(widths))
    good = (which != EMPTY) & (what != EMPTY)
    which, _ = _renumbered(which[good], len(cells.texts))
    what, items = _renumbered(what[good], len(cells.texts))
    order = np.argsort(which, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(which))]) if len(which) else np.zeros(1, np.int64)
    codes, starts = _each_once(what[order], starts, len(items))
    return Baskets(name, [cells.texts[i] for i in items], codes, starts, layout)


def _renumbered(codes: np.ndarray, count: int) -> tuple[np.ndarray, list[int]]:
    """Codes 0, 1, ... in order of first appearance, and what they were."""
    found, first = np.unique(codes, return_index=True)
    old = found[np.argsort(first)]
    number = np.zeros(count, np.int32)
    number[old] = np.arange(len(old))
    return number[codes], old.tolist()


# -- 0/1 tables ---------------------------------------------------------------------------------------
def _table(cells: CellCodes, layout: Layout, faults: Faults, name: str) -> Baskets:
    """Each line, also one without items."""
    head = int(layout.header)
    begins, widths, lines = cells.starts[:-1][head:], cells.widths[head:], cells.lines[head:]
    names = layout.names or []
    truth = np.array([layout.truth(text) for text in cells.texts] + [0], np.int8)  # last: EMPTY is no
    for row in np.flatnonzero(widths != layout.width).tolist():
        faults.add(row, f"expected {layout.width} columns, found {widths[row]}")
    inside = np.flatnonzero(widths == layout.width)
    first = layout.columns[0]
    index = begins[inside][:, None] + np.arange(first, layout.width)
    held = truth[cells.codes[index]]
    for row, column in np.argwhere(held < 0).tolist():
        found = quoted(cells.texts[cells.codes[index[row, column]]])
        faults.add(int(inside[row]), f"column {names[column + first]}: expected 0 or 1, found {found}")
    kept = faults.kept(len(widths))
    good = np.ones(len(widths), bool) if kept is None else np.isin(np.arange(len(widths)), kept)
    held, lines = held[good[inside]], lines[inside][good[inside]]
    rows, codes = np.nonzero(held == 1)
    starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=len(held)))])
    return Baskets(name, names[first:], codes.astype(np.int32), starts, layout, lines)


# -- sets ---------------------------------------------------------------------------------------------
def _each_once(codes: np.ndarray, starts: np.ndarray, items: int) -> tuple[np.ndarray, np.ndarray]:
    """Every basket's items in their order, without repetitions and EMPTY."""
    out, bounds = np.empty_like(codes), np.empty_like(starts)
    size = compiled(_unique)(codes, starts, np.full(items + 1, -1, np.int64), out, bounds)
    return out[:size], bounds


def _unique(codes, starts, seen, out, bounds):
    """seen: (items + 1,) -1; its last entry is that of EMPTY."""
    size = 0
    bounds[0] = 0
    for row in range(starts.size - 1):
        seen[-1] = row
        for k in range(starts[row], starts[row + 1]):
            if seen[codes[k]] != row:
                seen[codes[k]] = row
                out[size] = codes[k]
                size += 1
        bounds[row + 1] = size
    return size
