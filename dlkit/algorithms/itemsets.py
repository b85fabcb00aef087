"""Frequent item sets in their final order, found again by what they hold."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from dlkit.algorithms.found import Found
from dlkit.algorithms.transactions import compiled
from dlkit.errors import DataError
from dlkit.kernels.chance import compiled_draw
from dlkit.kernels.compile import borrows


class ItemSets:
    """All frequent sets: shorter ones first, then by support from above, then by their items' labels.

    lengths, counts: (n,); members: the items of set s, in the order of their labels, are
    members[starts[s] : starts[s + 1]].
    """

    def __init__(self, labels: Sequence[str], found: Found) -> None:
        """labels: of the items, by their number. found: sets in this order already (set_order.py)."""
        self.labels = list(labels)
        self.found = found
        self.lengths, self.counts, self.members = found.lengths, found.counts, found.members
        self.starts = np.concatenate([[0], np.cumsum(found.lengths, dtype=np.int64)])

    def __len__(self) -> int:
        return len(self.lengths)

    def items(self, s: int) -> list[str]:
        """The labels of set s."""
        return [self.labels[i] for i in self.members[self.starts[s] : self.starts[s + 1]]]

    def names(self, which: Sequence[int] | np.ndarray) -> list[list[str]]:
        """The labels of several sets."""
        labels = [self.labels[i] for i in self.members.tolist()]
        bounds = list(pairwise(self.starts.tolist()))
        return [labels[slice(*bounds[s])] for s in which]

    # -- looking up -------------------------------------------------------------------------------
    @cached_property
    def keys(self) -> np.ndarray:
        """(items,) uint64: a set's hash is the sum of its items' keys, so that one can be taken out of it."""
        return self._table[0]

    @cached_property
    def hashes(self) -> np.ndarray:
        """(n,) uint64: no two of these sets have the same."""
        return self._table[1]

    @cached_property
    def slots(self) -> np.ndarray:
        """A hash table, at most a quarter full: high half of a hash, number of its set + 1; 0: empty."""
        return self._table[2]

    @cached_property
    def _table(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Keys, hashes, slots. Raises DataError where a set stands twice."""
        size = 4
        while size < 4 * len(self):
            size *= 2
        hashes, slots = np.empty(len(self), np.uint64), np.empty(size, np.uint64)
        for salt in range(_TRIES):
            keys = _keys(len(self.labels), salt)
            slots[:] = 0
            if compiled(_fill)(self.starts, self.members, keys, hashes, slots):
                return keys, hashes, slots
        raise DataError("the item sets hold one set twice")


_TRIES = 8
"""Two different sets that one slot leads to, of 2^32 half hashes: after so many tries they are not
different."""
_NUMBER = (1 << 32) - 1


def _keys(items: int, salt: int) -> np.ndarray:
    """(items,) uint64 that look like noise (splitmix64)."""
    return compiled_draw(np.uint64(salt), np.arange(1, items + 1, dtype=np.uint64))


@borrows
def set_number(h, slots):
    """Number of the set with this hash; -1: there is none. What is looked up must be a subset of one of the
    sets: it is one of them then, and `_fill` has seen that no other one on the way is like it."""
    mask = np.uint64(slots.size - 1)
    slot, low = h & mask, np.uint64(_NUMBER)
    while slots[slot] != 0:
        if (slots[slot] ^ h) <= low:
            return np.int64(slots[slot] & low) - 1
        slot = (slot + np.uint64(1)) & mask
    return np.int64(-1)


def _fill(starts, members, keys, hashes, slots):
    """False where two sets that one slot leads to have the same high half of their hashes."""
    mask, low = np.uint64(slots.size - 1), np.uint64(_NUMBER)
    for s in range(starts.size - 1):
        h = np.uint64(0)
        for k in range(starts[s], starts[s + 1]):
            h += keys[members[k]]
        hashes[s] = h
        slot = h & mask
        while slots[slot] != 0:
            if (slots[slot] ^ h) <= low:
                return False
            slot = (slot + np.uint64(1)) & mask
        slots[slot] = (h & ~low) | np.uint64(s + 1)
    return True
