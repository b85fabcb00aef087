"""Dividing rows: validation and test shares, folds, and files of row numbers.

Classes keep their shares (stratified) and the draws come from the stream "split", so that a split
depends on the seed alone. Rows stay in the order of the file.
"""

from pathlib import Path
from typing import Protocol

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import quoted
from dlkit.readers.opening import display, read_bytes

TEST, VALID, FOLDS = 0, 1, 2
"""Positions of the stream "split"."""


class Draws(Protocol):
    """Named random streams."""

    def get(self, name: str, *position: int) -> np.random.Generator:
        """The generator of a stream at a position."""


def rows_wanted(part: int | float, count: int, what: str, name: str) -> int:
    """How many of `count` rows a share or number means. Raises DataError where none, or none are left."""
    wanted = round(part * count) if isinstance(part, float) else part
    if wanted < 1:
        raise DataError(f"{what}: {part} of {count:,} rows is no row", where=name)
    if wanted >= count:
        raise DataError(f"{what}: {wanted:,} of {count:,} rows leaves none to train on", where=name)
    return wanted


def hold_out(
    rows: np.ndarray, classes: np.ndarray | None, wanted: int, rng: np.random.Generator
) -> np.ndarray:
    """`wanted` of the row numbers `rows`, drawn at random, sorted; classes (len(rows),) keep their shares.

    Shares are rounded by largest remainder, earlier classes first; a class with one row stays in training.
    """
    if classes is None:
        return np.sort(rng.permutation(rows)[:wanted])
    codes, counts = np.unique(classes, return_counts=True)
    exact = counts * (wanted / len(rows))
    take = np.minimum(np.floor(exact).astype(np.int64), counts)
    # classes of one row come last, so that every class can be learned
    order = np.lexsort((np.arange(len(codes)), -(exact - take), counts == 1))
    while take.sum() < wanted:
        for k in order.tolist():
            if take.sum() < wanted and take[k] < counts[k]:
                take[k] += 1
    members = (rng.permutation(rows[classes == code]) for code in codes)
    return np.sort(np.concatenate([m[:n] for m, n in zip(members, take.tolist(), strict=True)]))


def fold_of(count: int, classes: np.ndarray | None, of: int, rng: np.random.Generator) -> np.ndarray:
    """(count,) fold number of each row: sizes differ by one at most, and so do each class's shares."""
    if classes is None:
        order = rng.permutation(count)
    else:
        parts = [rng.permutation(np.flatnonzero(classes == code)) for code in np.unique(classes)]
        order = np.concatenate(parts)
    folds = np.empty(count, np.int64)
    folds[order] = np.arange(count) % of
    return folds


def read_row_numbers(path: Path, total: int) -> np.ndarray:
    """Row numbers (from 0) of a table with `total` rows, separated by blanks or line ends; 3.0e+00 is fine.

    Raises DataError with the line for what is no row number, and for one that stands twice.
    """
    name = display(path)
    text = read_bytes(path).decode("utf-8", "replace")
    values, lines = [], []
    for line, content in enumerate(text.splitlines(), 1):
        for token in content.split():
            try:
                value = float(token) if "_" not in token else np.nan
            except ValueError:
                value = np.nan
            if value != np.floor(value) or not 0 <= value < total:
                text = f"expected a row number from 0 to {total - 1}, found {quoted(token)}"
                raise DataError(text, where=f"{name}:{line}")
            values.append(int(value))
            lines.append(line)
    if not values:
        raise DataError("the file has no row numbers", where=name)
    numbers = np.array(values, np.int64)
    _, first = np.unique(numbers, return_index=True)
    if len(first) < len(numbers):
        again = int(np.setdiff1d(np.arange(len(numbers)), first)[0])
        raise DataError(f"row {numbers[again]} stands twice", where=f"{name}:{lines[again]}")
    return numbers


def kept_rows(numbers: np.ndarray, positions: np.ndarray, total: int) -> np.ndarray:
    """Indices of the rows whose number in the file is among `numbers`, in that order; no skipped ones."""
    index = np.full(total, -1)
    index[positions] = np.arange(len(positions))
    found = index[numbers]
    return found[found >= 0]
