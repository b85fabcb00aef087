"""Test rows of a stream: every row draws a number of its own, whatever is read before or after it.

Rows of a file that is longer than memory cannot be shuffled. Row i belongs to the test set where its uniform
draw is below a bound; the draws come in blocks from the stream "split", so they depend on the seed and i
alone.
"""

from typing import Protocol

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.split import FOLDS, TEST

BLOCK = 4096


class Draws(Protocol):
    """Named random streams."""

    def get(self, name: str, *position: int) -> np.random.Generator:
        """The generator of a stream at a position."""


class RowSplit:
    """Which rows are test rows: a share, a number of them, or a fold."""

    def __init__(self, streams: Draws, low: float, high: float, position: int) -> None:
        self.streams, self.low, self.high, self.position = streams, low, high, position

    @classmethod
    def of_test(cls, streams: Draws, part: int | float, rows: int, name: str) -> "RowSplit":
        """A share (about so many, each row drawn alone) or an exact number of `rows`. Raises DataError."""
        if isinstance(part, float):
            return cls(streams, 0.0, part, TEST)
        if part >= rows:
            raise DataError(f"test: {part:,} of {rows:,} rows leaves none to train on", where=name)
        smallest = np.empty(0)
        everything = cls(streams, 0.0, 1.0, TEST)
        for start in range(0, rows, BLOCK):
            smallest = np.concatenate([smallest, everything.draws(start, min(BLOCK, rows - start))])
            smallest = np.partition(smallest, part)[: part + 1] if len(smallest) > part else smallest
        return cls(streams, 0.0, float(smallest.max()), TEST)

    @classmethod
    def of_fold(cls, streams: Draws, index: int, of: int) -> "RowSplit":
        """Fold `index` of `of`."""
        return cls(streams, index / of, (index + 1) / of, FOLDS)

    def draws(self, first: int, count: int) -> np.ndarray:
        """(count,) uniform draws of rows first, first + 1, ..."""
        blocks = range(first // BLOCK, (first + count - 1) // BLOCK + 1)
        drawn = [self.streams.get("split", self.position, block).random(BLOCK) for block in blocks]
        start = first - blocks.start * BLOCK
        return np.concatenate(drawn)[start : start + count] if drawn else np.empty(0)

    def is_test(self, first: int, count: int) -> np.ndarray:
        """(count,) bool."""
        u = self.draws(first, count)
        return (self.low <= u) & (u < self.high)
