"""Baskets as the miners want them: frequent items only, numbered by support, both ways round.

Items are numbered from the rarest to the most frequent: what is extended by later numbers branches least.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from functools import cache, cached_property
from typing import Any, NamedTuple

import numpy as np

from dlkit.kernels.bitmaps import words_for
from dlkit.kernels.compile import borrows, compile_cpu

compiled: Callable[[Any], Callable[..., Any]] = cache(compile_cpu)
"""A function of this folder as machine code, made once a process."""

DIGITS = 300
"""Longest label that is taken for a number."""


class Lists(NamedTuple):
    """Both ways round: the items of each basket, and the baskets of each item."""

    rows: np.ndarray
    """(entries,) int32: items of basket t, ascending: rows[row_starts[t] : row_starts[t + 1]]."""
    row_starts: np.ndarray
    """(n + 1,) int64."""
    tids: np.ndarray
    """(entries,) int32: baskets of item i, ascending: tids[tid_starts[i] : tid_starts[i + 1]]."""
    tid_starts: np.ndarray
    """(items + 1,) int64."""
    places: np.ndarray
    """(entries,) int64: where in `rows` each entry of `tids` stands."""


class Transactions:
    """Frequent items of n baskets; what a method does not ask for is not made."""

    def __init__(self, codes: np.ndarray, starts: np.ndarray, number: np.ndarray, items: int) -> None:
        """codes, starts: baskets as the reader has them; number: (all items,) int32, an item's number or
        -1."""
        self._codes, self._starts, self._number = codes, starts, number
        self.n = len(starts) - 1
        """Baskets, those without a frequent item included."""
        self.items = items
        """Frequent items."""
        self.counts = np.zeros(items, np.int64)
        """(items,) int64: baskets that hold each item; ascending, where all baskets are here."""
        self.longest = int(compiled(_count)(codes, starts, number, self.counts))
        """Items of the longest basket: no frequent set has more."""

    @property
    def dense(self) -> bool:
        """Whether bitmaps of all baskets take no more room than a byte an entry."""
        return self.items * words_for(self.n) * 8 <= int(self.counts.sum())

    @cached_property
    def lists(self) -> Lists:
        """Baskets by item and items by basket."""
        n, entries = self.n, int(self.counts.sum())
        rows, tids, places = (np.empty(entries, dtype) for dtype in (np.int32, np.int32, np.int64))
        tid_starts, row_starts = np.zeros(self.items + 1, np.int64), np.zeros(n + 1, np.int64)
        np.cumsum(self.counts, out=tid_starts[1:])
        lists = Lists(rows, row_starts, tids, tid_starts, places)
        compiled(_transpose)(self._codes, self._starts, self._number, *lists)
        return lists

    @cached_property
    def bitmaps(self) -> np.ndarray:
        """(items, words) int64: bit t of row i is set where basket t holds item i."""
        out = np.zeros((self.items, words_for(self.n)), np.int64)
        compiled(_set_bits)(self._codes, self._starts, self._number, out)
        return out

    def extensions(self, path: np.ndarray, min_count: int) -> tuple[int, np.ndarray]:
        """(support of an ascending path of items, later items that extend it to frequent sets)."""
        occurrences, counts = np.empty((2, self.n), np.int64), np.zeros(self.items, np.int64)
        found = compiled(occurrences_of)(*self.lists, path, len(path), occurrences)
        compiled(count_following)(self.lists.rows, occurrences, found, counts)
        return int(found), np.flatnonzero(counts >= min_count)


def _count(codes, starts, number, counts):
    """Baskets of each item. Returns the most items of a basket."""
    longest = 0
    for t in range(starts.size - 1):
        size = 0
        for k in range(starts[t], starts[t + 1]):
            i = number[codes[k]]
            if i >= 0:
                counts[i] += 1
                size += 1
        longest = max(longest, size)
    return longest


def _transpose(codes, starts, number, rows, row_starts, tids, tid_starts, places):
    """Baskets by item, then items by basket: the second pass meets the items in ascending order."""
    n, items = starts.size - 1, tid_starts.size - 1
    at = tid_starts[:-1].copy()
    for t in range(n):
        row_starts[t + 1] = row_starts[t]
        for k in range(starts[t], starts[t + 1]):
            i = number[codes[k]]
            if i >= 0:
                tids[at[i]] = t
                at[i] += 1
                row_starts[t + 1] += 1
    to = row_starts[:-1].copy()
    for i in range(items):
        for k in range(tid_starts[i], tid_starts[i + 1]):
            t = tids[k]
            rows[to[t]] = i
            places[k] = to[t]
            to[t] += 1


def _set_bits(codes, starts, number, out):
    for t in range(starts.size - 1):
        bit = np.int64(1) << np.int64(t & 63)
        for k in range(starts[t], starts[t + 1]):
            i = number[codes[k]]
            if i >= 0:
                out[i, t >> 6] |= bit


@borrows
def occurrences_of(rows, row_starts, tids, tid_starts, places, path, length, occurrences):
    """occurrences[0, k], [1, k]: what follows the path in the k-th basket that holds it. Returns how many."""
    found = 0
    for v in range(tid_starts[path[0]], tid_starts[path[0] + 1]):
        k, end = places[v] + 1, row_starts[tids[v] + 1]
        step = 1
        while step < length and k < end:
            if rows[k] == path[step]:
                step += 1
            elif rows[k] > path[step]:
                break
            k += 1
        if step == length:
            occurrences[0, found], occurrences[1, found] = k, end
            found += 1
    return found


@borrows
def count_following(rows, occurrences, found, counts):
    """counts[item] += baskets in which the item follows. Returns the entries looked at."""
    work = 0
    for k in range(found):
        for p in range(occurrences[0, k], occurrences[1, k]):
            counts[rows[p]] += 1
        work += occurrences[1, k] - occurrences[0, k]
    return work


def label_order(items: list[str]) -> list[int]:
    """Indices of the items as people would list them: numbers by value if all are, else by code points."""
    if all(len(item) <= DIGITS and item[item[:1] in "+-" :].isdecimal() for item in items):
        return sorted(range(len(items)), key=lambda k: (int(items[k]), items[k]))
    return sorted(range(len(items)), key=items.__getitem__)
