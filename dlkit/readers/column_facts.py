"""What the columns of a long table are, found in one pass: numbers or categories, which ones, which
classes.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import MISSING, MISSING_TEXT, number, quoted
from dlkit.readers.table import Table, number_text

MOST_CATEGORIES = 1000
MOST_CLASSES = 10_000


class ColumnFacts:
    """Votes and distinct values of one column."""

    def __init__(self, name: str, most: int = MOST_CATEGORIES) -> None:
        self.name, self.most = name, most
        self.numeric = self.text = self.doubtful = 0
        self.values: dict[str, None] | None = {}
        """Distinct texts that are not missing, in the order of appearance; None where there are too many."""

    def see(self, table: Table, index: int) -> None:
        """Take in a column of a piece of the table."""
        values = table.numbers(index)
        if values is not None and self.values is None:
            self.numeric += len(values)
            return
        if table.matrix is not None and values is not None:
            self.numeric += len(values)
            self._note([number_text(value) for value in np.unique(values).tolist()])
            return
        counted = Counter(table.column(index))
        for cell, times in counted.items():
            if cell.strip().lower() in MISSING:
                self.doubtful += times * (cell.strip().lower() not in MISSING_TEXT)
            elif values is not None or number(cell) is not None:
                self.numeric += times
            else:
                self.text += times
        self._note([cell.strip() for cell in counted])

    def _note(self, texts: Sequence[str]) -> None:
        if self.values is None:
            return
        for text in texts:
            if text.lower() not in MISSING_TEXT:
                self.values[text] = None
        if len(self.values) > self.most:
            self.values = None

    @property
    def kind(self) -> Literal["number", "category"]:
        """Numeric if more cells are numbers than are text, as in `cells.kind_of_column`."""
        if not self.numeric + self.text:
            return "category" if self.doubtful else "number"
        return "number" if self.numeric > self.text else "category"

    def categories(self, where: str) -> list[str]:
        """The distinct values, sorted. Raises DataError where there are too many, or none."""
        if self.values is None:
            text = f"column {self.name} has more than {self.most:,} categories"
            raise DataError(text, where=where, hint="leave it out with data.ignore")
        if not self.values:
            raise DataError(f"column {self.name} has no value at all", where=where)
        return sorted(self.values)

    def classes(self, where: str) -> tuple[list[str], bool]:
        """The classes of a label column, sorted, and whether they are numbers. Raises DataError."""
        if self.values is None:
            text = f"the label column {self.name} has more than {self.most:,} different values"
            raise DataError(text, where=where, hint="name the label column with data.label")
        numbers = [number(text) for text in self.values]
        if all(value is not None and np.isfinite(value) for value in numbers):
            return [
                number_text(value) for value in sorted({float(v) for v in numbers if v is not None})
            ], True
        return sorted(self.values), False


def only_class(classes: list[str], where: str) -> None:
    """Raise DataError unless there are two classes or more."""
    if len(classes) < 2:
        shown = f"one class only, {quoted(classes[0])}" if classes else "no class at all"
        raise DataError(f"{shown}: nothing to tell apart", where=where)
