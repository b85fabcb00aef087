"""Ratings from a file or a pipe, piece by piece: names as numbers, bad rows located.

A line is ``user, item[, rating[, time]]``, the columns in any order where a header or the recipe says so;
cells are separated by a comma, a tab, ``::``, blanks or another character. Names are any UTF-8 text, without
the blanks around it. A file of any length is read in bounded memory: 12 bytes a rating are handed out.
"""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlkit.errors import DataError
from dlkit.kernels.compile import compiled
from dlkit.readers import delimited, ratings_scan
from dlkit.readers.cells import MISSING, OnBadRow, missing, number, quoted
from dlkit.readers.opening import blocks, display
from dlkit.readers.ratings_layout import cells_of, layout_of
from dlkit.readers.ratings_names import Names
from dlkit.readers.ratings_spec import RatingsSpec
from dlkit.readers.table import LONGEST_ROW, check_usable, head_and_rest

_HEAD = 1 << 16
_ROWS = 1 << 16
_MATRIX = "a table with a row a user and a column an item is read with --format matrix"
_FLOAT32_MAX = float(np.finfo(np.float32).max)


class Piece(NamedTuple):
    """Some ratings: (n,) int32 numbers of users and items, float32 ratings, float64 times (or empty)."""

    users: np.ndarray
    items: np.ndarray
    values: np.ndarray
    times: np.ndarray


@dataclass
class Wanted:
    """What is to be read besides the pairs."""

    rating: bool = True
    """False: a third column is not looked at."""
    time: bool = False
    on_bad_row: OnBadRow = "error"


class RatingLines:
    """An iterator over the pieces of a file; names that are new join `users` and `items`.

    Raises DataError while iterating: file:line for a bad row unless bad rows are to be skipped.
    """

    def __init__(self, path: Path, spec: RatingsSpec, users: Names, items: Names, wanted: Wanted) -> None:
        self.path, self.spec, self.users, self.items, self.wanted = path, spec, users, items, wanted
        self.name = display(path)
        self.rows = 0
        """Rows handed out so far."""
        self.skipped = 0
        """Bad rows left out so far."""
        self.first_fault = ""
        self.has_ratings = True
        """Whether there is a column of ratings; known after the first piece."""
        self._pieces = self._read()

    def __iter__(self) -> Iterator[Piece]:
        return self

    def __next__(self) -> Piece:
        return next(self._pieces)

    def _read(self) -> Iterator[Piece]:
        head, rest = head_and_rest(self._decoded(), self.name, _HEAD)
        if not head.strip():
            raise DataError("the file is empty", where=self.name)
        spec = self.spec
        self.layout = layout_of(
            head,
            self.name,
            spec.columns,
            header=spec.header,
            delimiter=spec.delimiter,
            need_rating=self.wanted.rating,
            need_time=self.wanted.time,
        )
        self.has_ratings = self.layout.columns[2] >= 0
        line = self.layout.first_line
        for body in self._bodies(chain([head[self.layout.body :]], rest), line):
            delimited.check_text(body, self.name, line)
            yield from self._scanned(body, line)
            line += body.count(b"\n")
        check_usable(self.rows, self.rows + self.skipped, self.first_fault, self.name)

    def _decoded(self) -> Iterator[bytes]:
        """The file as UTF-8."""
        pieces = blocks(self.path)
        if codecs.lookup(self.spec.encoding).name == "utf-8":
            yield from pieces
            return
        decoder = codecs.getincrementaldecoder(self.spec.encoding)()
        try:
            for piece in pieces:
                yield decoder.decode(piece).encode("utf-8")
            yield decoder.decode(b"", final=True).encode("utf-8")
        except UnicodeError as error:
            raise DataError(f"not {self.spec.encoding}: {error}", where=self.name) from error

    def _bodies(self, pieces: Iterator[bytes], line: int) -> Iterator[bytes]:
        """Whole lines, about a MiB at a time."""
        pending = b""
        for piece in pieces:
            end = piece.rfind(b"\n") + 1
            if end:
                body = pending + piece[:end]
                line += body.count(b"\n")
                yield body
                pending = piece[end:]
            else:
                pending += piece
            if len(pending) > LONGEST_ROW:
                raise DataError(f"a row of more than {LONGEST_ROW >> 20} MiB", where=f"{self.name}:{line}")
        if pending:
            yield pending

    # -- one piece --------------------------------------------------------------------------------
    def _scanned(self, body: bytes, line: int) -> Iterator[Piece]:
        layout, data = self.layout, np.frombuffer(body, np.uint8)
        scan = compiled(ratings_scan.scan)
        wanted = np.array(layout.columns, np.int64)
        first, second = _codes(layout.delimiter)
        place = np.zeros(3, np.int64)
        at, size = 0, min(_ROWS, len(body) // 4 + 1)
        while at < len(body):
            out = _room(size, layout.columns[3] >= 0)
            status = scan(
                data, at, first, second, layout.width, wanted, True, ratings_scan.POWERS,
                *self.users.arrays, *self.items.arrays, *out, place,
            )  # fmt: skip
            at, count, lines = map(int, place)
            line += lines
            if count:
                self.rows += count
                yield Piece(*(a if len(a) == count else a[:count].copy() for a in out))  # no room is kept
            if status == ratings_scan.USERS_FULL:
                self.users.grow(LONGEST_ROW)
            elif status == ratings_scan.ITEMS_FULL:
                self.items.grow(LONGEST_ROW)
            elif status == ratings_scan.LOOK:
                end = body.find(b"\n", at) + 1 or len(body)
                yield from self._looked_at(body[at:end].decode("utf-8"), line)
                at, line = end, line + 1

    def _looked_at(self, text: str, line: int) -> Iterator[Piece]:
        """A row that the scan left: one piece, or none where it is bad."""
        try:
            user, item, value, time = self._row(text)
        except ValueError as error:
            fault = str(error)
            where = f"{self.name}:{line}"
            if self.wanted.on_bad_row == "error":
                hint = _MATRIX if self._may_be_a_matrix() else None
                raise DataError(fault, where=where, hint=hint) from None
            self.skipped += 1
            self.first_fault = self.first_fault or f"{where}: {fault}"
            return
        self.rows += 1
        users, items, values, times = _room(1, self.layout.columns[3] >= 0)
        users[0], items[0], values[0] = self.users.put(user), self.items.put(item), value
        times[:] = time
        yield Piece(users, items, values, times)

    def _may_be_a_matrix(self) -> bool:
        """More columns than a rating has, or a corner without a name."""
        return self.layout.width > len(self.layout.columns) or not self.layout.names[0]

    def _row(self, text: str) -> tuple[str, str, float, float]:
        """User, item, rating and time of a line. Raises ValueError that says what is wrong."""
        layout = self.layout
        cells = cells_of(text, layout.delimiter)
        if len(cells) != layout.width:
            raise ValueError(f"expected {layout.width} columns, found {len(cells)}")
        user, item, rating, time = layout.columns
        for column in (user, item):
            if not cells[column]:
                raise ValueError(missing(layout.names[column]))
        value, when = 1.0, 0.0
        if rating >= 0:
            value = _finite(cells[rating], layout.names[rating])
        if time >= 0:
            when = _moment(cells[time], layout.names[time])
        return cells[user], cells[item], value, when


def _codes(delimiter: str) -> tuple[int, int]:
    if delimiter == delimited.WHITESPACE:
        return ratings_scan.BLANKS, -1
    return ord(delimiter[0]), ord(delimiter[1]) if len(delimiter) == 2 else -1


def _room(rows: int, time: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    return (
        np.empty(rows, np.int32),
        np.empty(rows, np.int32),
        np.empty(rows, np.float32),
        np.empty(rows if time else 0, np.float64),
    )


def _finite(cell: str, column: str) -> float:
    value = number(cell)
    if cell.strip().lower() in MISSING:
        raise ValueError(missing(column))
    if value is None:
        raise ValueError(f"column {column}: expected a number, found {quoted(cell)}")
    if not abs(value) <= _FLOAT32_MAX:
        raise ValueError(f"column {column}: {cell.strip()} is not a finite number")
    return value


def _moment(cell: str, column: str) -> float:
    value = number(cell)
    if value is not None and np.isfinite(value):
        return value
    raise ValueError(f"column {column}: expected a number or YYYY-MM-DD[ hh:mm[:ss]], found {quoted(cell)}")
