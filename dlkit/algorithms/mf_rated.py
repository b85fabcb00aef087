"""What each user rated, as it is kept while a model learns: five bytes a rating where the ratings are few
different numbers (stars), eight otherwise."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any, NamedTuple

import numpy as np

from dlkit.errors import DataError
from dlkit.kernels.compile import compiled
from dlkit.kernels.mf_layout import scatter_by_row

AT_ONCE = 1 << 20
"""Ratings looked at together where as many more numbers would be made of them."""
LEVELS = 256
"""Different ratings that a byte tells apart."""
_SLOTS = 1024


class ByRow(NamedTuple):
    """Ratings sorted by row (user or item): row r has ends[r]:ends[r + 1] of columns and values."""

    ends: np.ndarray
    """(rows + 1,) int64."""
    columns: np.ndarray
    """(n,) int32."""
    values: np.ndarray
    """(n,) float32."""

    @property
    def counts(self) -> np.ndarray:
        """(rows,) int64: ratings of each row."""
        return np.diff(self.ends)

    def of(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Columns and values of one row."""
        mine = slice(int(self.ends[row]), int(self.ends[row + 1]))
        return self.columns[mine], self.values[mine]


def grouped(rows: np.ndarray, columns: np.ndarray, values: np.ndarray, count: int) -> ByRow:
    """Ratings sorted by row, those of a row as they stand."""
    made = ByRow(np.empty(count + 1, np.int64), np.empty_like(columns), np.empty_like(values))
    scatter_by_row(rows, columns, made.ends, made.columns)
    scatter_by_row(rows, values, made.ends, made.values)
    return made


class Rated:
    """Ratings sorted by user. `values` is made anew whenever it is asked for."""

    def __init__(self, ends: np.ndarray, columns: np.ndarray, marks: np.ndarray, levels: np.ndarray) -> None:
        """ends: (users + 1,) int64; columns: (n,) int32 items; marks: (n,) uint8 places among `levels`,
        (k,) float32, or the float32 values themselves, where there are no levels."""
        self.ends, self.columns, self.marks, self.levels = ends, columns, marks, levels

    @classmethod
    def of_lists(cls, lists: list[np.ndarray], users: int) -> "Rated":
        """Of users, items and values in the order of the file: (n,) each. The list is emptied on the way, so
        that little more than one column is held twice."""
        values = lists.pop()
        marks, levels = _marked(values)
        del values
        items, rows = lists.pop(), lists.pop()
        ends = np.empty(users + 1, np.int64)
        columns = np.empty_like(items)
        scatter_by_row(rows, items, ends, columns)
        del items
        sorted_marks = np.empty_like(marks)
        scatter_by_row(rows, marks, ends, sorted_marks)
        return cls(ends, columns, sorted_marks, levels)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def counts(self) -> np.ndarray:
        """(users,) int64: ratings of each user."""
        return np.diff(self.ends)

    @property
    def values(self) -> np.ndarray:
        """(n,) float32."""
        if not len(self.levels):
            return self.marks
        out = np.empty(len(self.marks), np.float32)
        for start in range(0, len(out), AT_ONCE):  # an index of all ratings would be copied to 8 bytes each
            out[start : start + AT_ONCE] = self.some(slice(start, start + AT_ONCE))
        return out

    def some(self, part: slice) -> np.ndarray:
        """Values of some ratings."""
        return self.levels[self.marks[part]] if len(self.levels) else self.marks[part]

    def of(self, row: int) -> tuple[np.ndarray, np.ndarray]:
        """Items and values of one user."""
        mine = slice(int(self.ends[row]), int(self.ends[row + 1]))
        return self.columns[mine], self.some(mine)

    def rows(self) -> np.ndarray:
        """(n,) int32: the user of each rating."""
        return np.repeat(np.arange(len(self.ends) - 1, dtype=np.int32), self.counts)

    def by_column(self, items: int) -> ByRow:
        """The same ratings sorted by item."""
        return grouped(self.columns, self.rows(), self.values, items)

    def item_counts(self, items: int) -> np.ndarray:
        """(items,) int64: ratings of each item."""
        counts = np.zeros(items, np.int64)
        for start in range(0, len(self.columns), AT_ONCE):
            counts += np.bincount(self.columns[start : start + AT_ONCE], minlength=items)
        return counts

    def scale(self) -> tuple[float, float]:
        """The smallest and the largest value."""
        found = self.levels if len(self.levels) else self.marks
        return float(found.min()), float(found.max())

    def mean(self) -> float:
        """Mean value."""
        if not len(self.levels):
            return float(self.marks.mean(dtype=np.float64))
        counts = np.zeros(len(self.levels), np.int64)
        for start in range(0, len(self.marks), AT_ONCE):
            counts += np.bincount(self.marks[start : start + AT_ONCE], minlength=len(self.levels))
        return float(counts @ self.levels.astype(np.float64) / len(self.marks))

    # -- state ------------------------------------------------------------------------------------
    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint; not writeable, for what was rated stays as it is."""
        made = {"ends": self.ends, "columns": self.columns, "marks": self.marks, "levels": self.levels}
        shown = {name: array.view() for name, array in made.items()}
        for array in shown.values():
            array.flags.writeable = False
        return shown

    @classmethod
    def checked(cls, arrays: dict[str, Any], users: int, items: int) -> "Rated":
        """The inverse. Raises DataError where a checkpoint's ratings do not fit its users and items."""
        ends, columns, marks, levels = (arrays[name] for name in ("ends", "columns", "marks", "levels"))
        as_levels = marks.dtype == np.uint8 and levels.dtype == np.float32
        good = (
            ends.shape == (users + 1,)
            and ends[0] == 0
            and ends[-1] == len(columns) == len(marks)
            and bool((np.diff(ends) >= 0).all())
            and (not len(columns) or (columns.min() >= 0 and columns.max() < items))
            and (as_levels or (marks.dtype == np.float32 and not len(levels)))
            and (not as_levels or not len(marks) or int(marks.max()) < len(levels))
        )
        if not good:
            raise DataError("its ratings do not fit its users and items")
        return cls(ends, columns, marks, levels)


def _marked(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(marks, levels): numbers of the different values, in the order in which they are met, and these; the
    values themselves and nothing where they are too many."""
    marks, levels = np.empty(len(values), np.uint8), np.empty(LEVELS, np.uint32)
    bits = np.ascontiguousarray(values, np.float32).view(np.uint32)
    count = int(compiled(_number)(bits, np.full(_SLOTS, -1, np.int64), levels, marks))
    if count < 0:
        return np.ascontiguousarray(values, np.float32), np.empty(0, np.float32)
    return marks, levels[:count].view(np.float32)


def _number(bits, slots, levels, marks):
    """How many different ones there are; -1: more than `levels` has room for."""
    known, mask = 0, slots.size - 1
    for n in range(bits.size):
        slot = ((np.int64(bits[n]) * 0x9E3779B1) >> 20) & mask
        while slots[slot] >= 0 and levels[slots[slot]] != bits[n]:
            slot = (slot + 1) & mask
        if slots[slot] < 0:
            if known == levels.size:
                return -1
            slots[slot] = known
            levels[known] = bits[n]
            known += 1
        marks[n] = slots[slot]
    return known
