"""Batches of pairs of like lengths, so that little of a batch is padding; in which order, drawn by epoch."""

from collections.abc import Iterator

import numpy as np

from dlkit.readers.split import Draws


class PairBatches:
    """Every pair once an epoch. Pairs are sorted by the length of the source, then of the target, those alike
    in an order drawn anew; cut into batches; and the batches are taken in an order drawn anew.

    pairs: most of a batch; tokens: most places of a batch, padding included, on both sides together; None: no
    limit, and a pair longer than that is a batch by itself. Epoch e is a pure function of (seed, name, e).
    """

    def __init__(
        self, source: np.ndarray, target: np.ndarray, pairs: int, tokens: int | None, streams: Draws,
        name: str = "batches",
    ) -> None:  # fmt: skip
        """source, target: (n,) lengths. Raises ValueError for no pairs."""
        if not len(source) or pairs < 1:
            raise ValueError(f"batches of {pairs} of {len(source)} pairs")
        self._source, self._target = source, target
        self._streams, self._name = streams, name
        order = np.lexsort((target, source))
        self.bounds = _cuts(source[order], target[order], pairs, tokens)
        """(batches + 1,) places in the sorted order where batches begin: the same in every epoch."""

    @property
    def steps(self) -> int:
        """Batches in an epoch."""
        return len(self.bounds) - 1

    @property
    def most(self) -> int:
        """Pairs of the largest batch."""
        return int(np.diff(self.bounds).max())

    def places(self) -> int:
        """Places of the largest batch: its pairs times its longest source and target, together."""
        order = np.lexsort((self._target, self._source))
        sizes = np.diff(self.bounds)
        longest = [
            np.maximum.reduceat(side[order], self.bounds[:-1]) for side in (self._source, self._target)
        ]
        return int((sizes * (longest[0] + longest[1])).max())

    def epoch(self, epoch: int, skip: int = 0) -> Iterator[tuple[int, np.ndarray]]:
        """(step from 1, pairs) of each batch of an epoch, without its first `skip` steps."""
        rng = self._streams.get(self._name, epoch)
        ties = rng.permutation(len(self._source))
        order = np.lexsort((ties, self._target, self._source))
        for step, k in enumerate(rng.permutation(self.steps).tolist(), 1):
            if step > skip:
                yield step, order[self.bounds[k] : self.bounds[k + 1]]


def _cuts(source: np.ndarray, target: np.ndarray, pairs: int, tokens: int | None) -> np.ndarray:
    """Where to cut sorted lengths so that no batch exceeds either limit, unless it is one pair."""
    n = len(source)
    if tokens is None:
        return np.append(np.arange(0, n, pairs), n)
    bounds, first, longest = [0], 0, 0
    for k, (s, t) in enumerate(zip(source.tolist(), target.tolist(), strict=True)):
        longest = max(longest, t)
        size = k - first + 1
        if size > 1 and (size > pairs or size * (s + longest) > tokens):
            bounds.append(k)
            first, longest = k, t
    return np.array([*bounds, n])
