"""Frequent item sets in their final order, found again by what they hold."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise

import numpy as np

from dlkit.algorithms.found import Found
from dlkit.algorithms.transactions import compiled


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
        x = (np.arange(1, len(self.labels) + 1, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):  # splitmix64
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
        return x ^ (x >> np.uint64(31))

    @cached_property
    def slots(self) -> np.ndarray:
        """A hash table of set numbers, at most half full; -1: empty."""
        size = 4
        while size < 2 * len(self):
            size *= 2
        slots = np.full(size, -1, np.int32)
        compiled(_fill)(self.starts, self.members, self.keys, slots)
        return slots


def find(h, members, begin, end, skip_begin, skip_end, skip, starts, all_members, slots):
    """Number of the set members[begin:end] less the items in skip[skip_begin:skip_end]; -1: not frequent.

    h: its hash. skip is in the order of the members.
    """
    mask = np.int64(slots.size - 1)
    slot = np.int64(h ^ (h >> np.uint64(32))) & mask
    size = (end - begin) - (skip_end - skip_begin)
    while slots[slot] >= 0:
        s = np.int64(slots[slot])
        if starts[s + 1] - starts[s] == size:
            at, left_out, same = starts[s], skip_begin, True
            for k in range(begin, end):
                if left_out < skip_end and members[k] == skip[left_out]:
                    left_out += 1
                elif at < starts[s + 1] and all_members[at] == members[k]:
                    at += 1
                else:
                    same = False
                    break
            if same:
                return s
        slot = (slot + 1) & mask
    return np.int64(-1)


def _fill(starts, members, keys, slots):
    mask = np.int64(slots.size - 1)
    for s in range(starts.size - 1):
        h = np.uint64(0)
        for k in range(starts[s], starts[s + 1]):
            h += keys[members[k]]
        slot = np.int64(h ^ (h >> np.uint64(32))) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = s
