"""Tables: delimited text with or without a header, in memory, with the line of every row."""

import gc
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import Literal

import numpy as np

from dlkit.errors import DataError
from dlkit.readers import delimited
from dlkit.readers.cells import Faults, OnBadRow, kind_of_column, number, numbers, quoted
from dlkit.readers.schema import Kind

LONGEST_ROW = 16 << 20
"""Bytes of a row, above which it is taken for a quote left open, or for no text."""

Header = bool | Literal["auto"]
Rows = Sequence[tuple[int, delimited.Row]]
"""Line number and cells of some rows."""


@dataclass(frozen=True)
class Layout:
    """How a delimited text is to be read."""

    delimiter: str
    names: list[str]
    """Name of every column; column_0, column_1 … where there is no header."""
    header: bool
    body: int
    """Offset of the first row's first byte."""
    first_line: int
    """Line number of the body's first line."""

    @property
    def width(self) -> int:
        return len(self.names)


@dataclass
class Table:
    """Rows that all have the same number of cells."""

    name: str
    names: list[str]
    header: bool
    lines: np.ndarray | None
    """(n,) line number of each row; None for arrays, whose rows have numbers instead."""
    positions: np.ndarray
    """(n,) number of each row among all rows of the file, bad ones counted."""
    matrix: np.ndarray | None = None
    """(n, columns) where all cells are finite numbers."""
    cells: list[Sequence[str]] = field(default_factory=list)
    """Columns of text, where there is no matrix."""
    skipped: int = 0
    total: int = 0
    """Rows in the file, bad ones counted."""
    first_fault: str = ""
    """The first row that was skipped, with its place."""
    _numbers: dict[int, np.ndarray | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.positions)

    def chunk(self, start: int, stop: int) -> "Table":
        """Rows start..stop as a table; skipped rows are counted with the first chunk."""
        rows = slice(start, stop)
        lines = None if self.lines is None else self.lines[rows]
        matrix = None if self.matrix is None else self.matrix[rows]
        part = Table(self.name, self.names, self.header, lines, self.positions[rows], matrix)
        part.cells = [column[rows] for column in self.cells]
        part.total, part.skipped, part.first_fault = len(part), 0, self.first_fault
        if start == 0:
            part.total, part.skipped = len(part) + self.skipped, self.skipped
        return part

    def numbers(self, index: int) -> np.ndarray | None:
        """Column `index` as float64 where every cell is a finite number, else None; worked out once."""
        if self.matrix is not None:
            return self.matrix[:, index]
        if index not in self._numbers:
            self._numbers[index] = numbers(self.cells[index])
        return self._numbers[index]

    def kind(self, index: int) -> Kind:
        """Is column `index` numeric?"""
        return "number" if self.numbers(index) is not None else kind_of_column(self.cells[index])

    def column(self, index: int) -> Sequence[str]:
        """Column `index` as text; numbers of a matrix in their shortest form."""
        if self.matrix is None:
            return self.cells[index]
        return [number_text(value) for value in self.matrix[:, index].tolist()]


def number_text(value: float) -> str:
    """A number in its shortest form: 5 for 5.0."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(float(value))


def layout_of(
    data: bytes,
    name: str,
    header: Header,
    delimiter: str | None,
    is_header: Callable[[Rows], bool] | None = None,
) -> Layout:
    """Find delimiter, header and width from the first rows. `data` begins as the file does, without BOM.

    `is_header` decides from the first rows whether there is a header, where `header` is "auto".
    Raises DataError for a file that is empty, binary or not UTF-8, and for a header with a name twice.
    """
    if not data.strip():
        raise DataError("the file is empty", where=name)
    delimiter = delimiter or delimited.sniff_delimiter(data)
    delimited.check_text(delimited.sample_of(data, delimiter), name)
    rows = delimited.sample_rows(data, delimiter, name)
    if not rows:
        raise DataError("the file is empty", where=name)
    line, first = rows[0]
    if not ((is_header or looks_like_header)(rows) if header == "auto" else header):
        width = delimited.usual_width(rows)
        return Layout(delimiter, [f"column_{i}" for i in range(width)], False, 0, 1)
    names = [cell or f"column_{i}" for i, cell in enumerate(first)]
    twice, times = Counter(names).most_common(1)[0]
    if times > 1:
        raise DataError(f"column name {quoted(twice)} stands twice", where=f"{name}:{line}")
    blank = 0
    for _ in range(line - 1):
        blank = data.index(b"\n", blank) + 1
    rest = delimited.record_end(data[blank:], delimiter, first=True)
    body = blank + rest if rest else len(data)
    return Layout(delimiter, names, True, body, 1 + data.count(b"\n", 0, body))


def looks_like_header(rows: Rows) -> bool:
    """The first row is a header if it has no number in it, and a column below is numeric.

    If no column is numeric: if the first row's cells are all different and none stands below in its column.
    A single row without numbers is a header.
    """
    first = rows[0][1]
    if any(number(cell) is not None for cell in first) or not any(first):
        return False
    below = [row for _, row in rows[1:] if len(row) == len(first)]
    columns = list(zip(*below, strict=True))
    if any(any(column) and kind_of_column(column) == "number" for column in columns):
        return True
    return len(set(first)) == len(first) and not any(
        cell in column for cell, column in zip(first, columns, strict=False)
    )


def head_and_rest(pieces: Iterator[bytes], name: str, least: int) -> tuple[bytes, Iterator[bytes]]:
    """How a text begins, at least `least` bytes and a whole line, and the pieces after it, `normalised`.

    Raises DataError for a first line that is absurdly long.
    """
    head = b""
    while len(head) <= least or b"\n" not in head:
        more = next(pieces, b"")
        if not more:
            break
        if len(head) > LONGEST_ROW and b"\r" not in head:
            raise DataError(f"a row of more than {LONGEST_ROW >> 20} MiB", where=f"{name}:1")
        head += more
    macintosh = b"\n" not in head and b"\r" in head
    rest = (piece.replace(b"\r", b"\n") for piece in pieces) if macintosh else pieces
    return normalised(head, name), rest


def normalised(data: bytes, name: str) -> bytes:
    """`data` without BOM, and with the line ends of old Macintosh files changed to newlines."""
    data = delimited.without_bom(data, name)
    return data.replace(b"\r", b"\n") if b"\n" not in data and b"\r" in data else data


def read_body(
    data: bytes, layout: Layout, name: str, *, on_bad_row: OnBadRow = "error", first_line: int, as_text: bool
) -> Table:
    """Read rows without header. `as_text`: some column is wanted as text even if all are numbers.

    Raises DataError with the line for what is no text, and for rows of another width unless they are skipped.
    """
    if not as_text:
        quick = delimited.numeric_matrix(data, layout.delimiter, layout.width, first_line)
        if quick is not None:
            matrix, lines = quick
            positions = np.arange(len(matrix))
            return Table(name, layout.names, layout.header, lines, positions, matrix, total=len(matrix))
    delimited.check_text(data, name, first_line)
    with collector_resting():
        return _read_text(data, layout, name, on_bad_row, first_line)


@contextmanager
def collector_resting() -> Iterator[None]:
    """Keep the cycle collector off millions of cells, which have no cycles; it would double the time."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def _read_text(data: bytes, layout: Layout, name: str, on_bad_row: OnBadRow, first_line: int) -> Table:
    """Read rows as columns of text, some thousand rows at a time, which halves the memory."""
    width = layout.width
    columns: list[list[str]] = [[] for _ in range(width)]
    lines: list[int] = []
    bad: dict[int, int] = {}
    records = delimited.records(data, layout.delimiter, name, first_line)
    while chunk := list(islice(records, 4096)):
        rows = [row for _, row in chunk if len(row) == width]
        if len(rows) < len(chunk):
            wrong = ((index, len(row)) for index, (_, row) in enumerate(chunk, len(lines)))
            bad.update((index, found) for index, found in wrong if found != width)
        lines.extend([line for line, _ in chunk])
        for column, cells in zip(columns, zip(*rows, strict=True), strict=False):
            column.extend(cells)
    at = np.array(lines, np.int64)
    faults = Faults(name, at, on_bad_row)
    for index, width in bad.items():
        faults.add(index, f"expected {layout.width} columns, found {width}")
    kept = faults.kept(len(at))
    positions = np.arange(len(at)) if kept is None else kept
    table = Table(name, layout.names, layout.header, at[positions], positions, total=len(at))
    table.cells = [*columns]
    table.skipped, table.first_fault = len(faults.rows), faults.first()
    return table


def read_table(
    data: bytes,
    name: str,
    *,
    header: Header = "auto",
    delimiter: str | None = None,
    on_bad_row: OnBadRow = "error",
    as_text: bool = False,
    is_header: Callable[[Rows], bool] | None = None,
) -> Table:
    """Read a whole table. Raises DataError; a table without rows is one."""
    data = normalised(data, name)
    layout = layout_of(data, name, header, delimiter, is_header)
    body = data[layout.body :] if layout.body else data
    table = read_body(
        body, layout, name, on_bad_row=on_bad_row, first_line=layout.first_line, as_text=as_text
    )
    if not table.total:
        raise DataError("a header, but no rows", where=name)
    check_usable(len(table), table.total, table.first_fault, name)
    return table


def check_usable(left: int, total: int, first_fault: str, name: str) -> None:
    """Raise DataError where skipping bad rows has left none."""
    if not left:
        raise DataError(f"no usable row among {total}; {first_fault}", where=name)


def find_column(reference: str | int, names: Sequence[str], header: bool, name: str) -> int:
    """Position of a column given by name or index. Raises DataError for one that is not there."""
    if isinstance(reference, int):
        if not -len(names) <= reference < len(names):
            raise DataError(f"there is no column {reference}: the table has {len(names)} columns", where=name)
        return reference % len(names)
    if reference in names:
        return names.index(reference)
    if not header:
        text = f"there is no column {quoted(reference)}: the table has no header"
        raise DataError(text, where=name, hint="give the column's index, or header: true")
    shown = ", ".join(names[:12]) + (", …" if len(names) > 12 else "")
    raise DataError(f"there is no column {quoted(reference)}; there are {shown}", where=name)
