"""Cells of text: which are numbers, which are missing, and what to do with rows that are bad."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np

from dlkit.errors import DataError

OnBadRow = Literal["error", "skip"]

MISSING = frozenset({"", "?", "-", "na", "n/a", "nan", "null", "none", "nil", "#n/a"})
"""What stands for a missing number, in lower case."""

MISSING_TEXT = frozenset({"", "?", "nan", "n/a", "#n/a", "null"})
"""What stands for a missing text: fewer, for none and NA (Namibia) may well be categories."""


class Faults:
    """Bad rows of one table: the first is an error, or all are left out and counted."""

    def __init__(
        self,
        name: str,
        lines: np.ndarray | None,
        on_bad_row: OnBadRow,
        *,
        names: Sequence[str] | None = None,
        start: int = 0,
    ) -> None:
        """names: file of each row, where rows are files; start: number of the first row in its file."""
        self.name = name
        self.lines = lines
        self.names = names
        self.start = start
        self.on_bad_row = on_bad_row
        self.rows: dict[int, str] = {}

    def add(self, row: int, text: str) -> None:
        """Row number `row` (from 0) is bad because of `text`; the first reason given for a row stays."""
        self.rows.setdefault(int(row), text)

    def place(self, row: int) -> str:
        """file:line where there are lines, folder/name where rows are files, else the row's number from 0."""
        if self.names is not None:
            return self.name if self.names[row] == self.name else f"{self.name}/{self.names[row]}"
        if self.lines is None:
            return f"{self.name}: row {self.start + row}"
        return f"{self.name}:{self.lines[row]}"

    def first(self) -> str:
        """The first bad row with its place; empty if there is none."""
        return f"{self.place(min(self.rows))}: {self.rows[min(self.rows)]}" if self.rows else ""

    def kept(self, count: int) -> np.ndarray | None:
        """Indices of the good ones among `count` rows; None where all are good.

        Raises DataError for the first bad row unless bad rows are to be skipped.
        """
        if not self.rows:
            return None
        if self.on_bad_row == "error":
            first = min(self.rows)
            raise DataError(self.rows[first], where=self.place(first))
        good = np.ones(count, bool)
        good[list(self.rows)] = False
        return np.flatnonzero(good)


def skipped_rows(name: str, skipped: int, first_fault: str) -> str:
    """What a user is told of the bad rows of training data that were left out."""
    rows = "row" if skipped == 1 else "rows"
    return f"{name}: {skipped:,} bad {rows} skipped, first {first_fault}"


def number(cell: str) -> float | None:
    """The number a cell holds (infinities and NaN included), None if it holds something else."""
    try:
        return None if "_" in cell else float(cell)
    except ValueError:
        return None


def numbers(cells: Sequence[str]) -> np.ndarray | None:
    """All cells as float64, or None where one is no finite number."""
    try:
        values = np.fromiter(map(float, cells), np.float64, len(cells))
    except ValueError:
        return None
    if not np.isfinite(values).all() or any("_" in cell for cell in cells):
        return None
    return values


def kind_of_column(cells: Sequence[str]) -> Literal["number", "category"]:
    """A column is numeric if more of its cells are numbers than are text; missing ones do not vote.

    So a slip of the pen in a column of numbers is found, and does not make a thousand categories.
    A column of nothing but "-", none or NA is text.
    """
    if numbers(cells) is not None:
        return "number"
    numeric = text = doubtful = 0
    for cell, times in Counter(cells).items():
        if cell.strip().lower() in MISSING:
            doubtful += cell.strip().lower() not in MISSING_TEXT
        elif number(cell) is not None:
            numeric += times
        else:
            text += times
    if not numeric + text:
        return "category" if doubtful else "number"
    return "number" if numeric > text else "category"


def read_numbers(cells: Sequence[str], column: str, faults: Faults) -> np.ndarray:
    """The cells of a numeric column as float64; bad cells go to `faults` and are NaN."""
    values = numbers(cells)
    if values is not None:
        return values
    values = np.full(len(cells), np.nan)
    for row, cell in enumerate(cells):
        value = number(cell)
        if value is not None and np.isfinite(value):
            values[row] = value
        elif cell.strip().lower() in MISSING:
            faults.add(row, missing(column))
        elif value is not None:
            faults.add(row, f"column {column}: {cell.strip()} is not a finite number")
        else:
            faults.add(row, f"column {column}: expected a number, found {quoted(cell)}")
    return values


def read_codes(cells: Sequence[str], codes: Mapping[str, int], column: str, faults: Faults) -> np.ndarray:
    """(n,) int64 code of each cell of a text column, -1 for other texts; missing ones also go to `faults`."""
    # each distinct cell is looked at once: categories are few, rows are many
    known = {cell: codes.get(cell.strip(), -1) for cell in set(cells)}
    gaps = {cell for cell in known if cell.strip().lower() in MISSING_TEXT}
    if gaps:
        for row, cell in enumerate(cells):
            if cell in gaps:
                faults.add(row, missing(column))
    return np.fromiter(map(known.__getitem__, cells), np.int64, len(cells))


def read_texts(cells: Sequence[str], column: str, faults: Faults) -> list[str]:
    """The cells of a text column, stripped; missing ones go to `faults`."""
    texts = [cell.strip() for cell in cells]
    gaps = {text for text in set(texts) if text.lower() in MISSING_TEXT}
    if gaps:
        for row, text in enumerate(texts):
            if text in gaps:
                faults.add(row, missing(column))
    return texts


def missing(column: str) -> str:
    """The message for an empty cell."""
    return f"column {column}: the value is missing"


def quoted(text: str) -> str:
    """A cell as messages show it: in quotes, shortened, without control characters."""
    text = "".join(c if c.isprintable() else "\ufffd" for c in text.strip())
    return f'"{text[:40]}…"' if len(text) > 40 else f'"{text}"'
