"""Minibatches: which rows, in which order, in which step of which epoch."""

from collections.abc import Iterator
from typing import Literal

import numpy as np

from dlkit.readers.split import Draws


class Batches:
    """The batches of `n` rows. Epoch e's order is a pure function of (seed, name, e): a resume can skip.

    The last batch of an epoch may be smaller. `batch` "full": one batch of all rows; 1: online learning.
    """

    def __init__(
        self, n: int, batch: int | Literal["full"], shuffle: bool, streams: Draws, name: str = "batches"
    ) -> None:
        """Raises ValueError for a batch or n below 1."""
        self.n = n
        self.size = n if batch == "full" else min(batch, n)
        if self.size < 1:
            raise ValueError(f"batch {batch} of {n} rows")
        self.shuffle = shuffle and self.size < n
        self._streams = streams
        self._name = name

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return -(-self.n // self.size)

    def order(self, epoch: int) -> np.ndarray:
        """(n,) int64: the rows in the order in which epoch `epoch` sees them."""
        if not self.shuffle:
            return np.arange(self.n, dtype=np.int64)
        return self._streams.get(self._name, epoch).permutation(self.n).astype(np.int64, copy=False)

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """(step from 1, rows) of each batch of an epoch, without its first `skip` steps."""
        order = self.order(epoch)
        for step in range(skip, self.steps):
            yield step + 1, order[step * self.size : (step + 1) * self.size]
