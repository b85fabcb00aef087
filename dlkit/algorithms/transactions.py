"""Baskets as the miners want them: frequent items only, numbered by support, both ways round.

Items are numbered from the rarest to the most frequent: what is extended by later numbers branches least.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np

from dlkit.kernels.bitmaps import words_for
from dlkit.kernels.compile import compile_cpu

compiled: Callable[[Any], Callable[..., Any]] = cache(compile_cpu)
"""A function of this folder as machine code, made once a process."""

DIGITS = 300
"""Longest label that is taken for a number."""


@dataclass
class Transactions:
    """Frequent items of n baskets."""

    n: int
    """Baskets, those without a frequent item included."""
    counts: np.ndarray
    """(items,) int64: baskets that hold each item, ascending."""
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

    @property
    def items(self) -> int:
        """Frequent items."""
        return len(self.counts)

    @property
    def nbytes(self) -> int:
        """Bytes of all arrays."""
        arrays = (self.rows, self.row_starts, self.tids, self.tid_starts, self.places)
        return sum(a.nbytes for a in arrays)

    @property
    def longest(self) -> int:
        """Items of the longest basket: no frequent set has more."""
        return int(np.diff(self.row_starts).max(initial=0))

    def extensions(self, path: np.ndarray, min_count: int) -> tuple[int, np.ndarray]:
        """(support of an ascending path of items, later items that extend it to frequent sets)."""
        occurrences, counts = np.empty((2, self.n), np.int64), np.zeros(self.items, np.int64)
        found = compiled(occurrences_of)(
            self.rows, self.row_starts, self.tids, self.tid_starts, self.places, path, len(path), occurrences
        )
        compiled(count_following)(self.rows, occurrences, found, counts)
        return int(found), np.flatnonzero(counts >= min_count)

    @property
    def dense(self) -> bool:
        """Whether bitmaps of all baskets take no more room than a byte an entry."""
        return self.items * words_for(self.n) * 8 <= len(self.tids)

    @cached_property
    def bitmaps(self) -> np.ndarray:
        """(items, words) int64: bit t of row i is set where basket t holds item i."""
        out = np.zeros((self.items, words_for(self.n)), np.int64)
        compiled(_set_bits)(self.tids, self.tid_starts, out)
        return out


def transactions(codes: np.ndarray, starts: np.ndarray, number: np.ndarray, items: int) -> Transactions:
    """codes, starts: baskets as the reader has them; number: (all items,) int32, an item's number or -1."""
    n = len(starts) - 1
    tids, places = np.empty(len(codes), np.int32), np.empty(len(codes), np.int64)
    rows = np.empty(len(codes), np.int32)
    tid_starts, row_starts = np.zeros(items + 1, np.int64), np.zeros(n + 1, np.int64)
    compiled(_transpose)(codes, starts, number, tids, tid_starts, rows, row_starts, places)
    size = int(tid_starts[-1])
    rows, tids, places = rows[:size], tids[:size], places[:size]
    return Transactions(n, np.diff(tid_starts), rows, row_starts, tids, tid_starts, places)


def _transpose(codes, starts, number, tids, tid_starts, rows, row_starts, places):
    """Baskets by item, then items by basket: the second pass meets the items in ascending order."""
    n, items = starts.size - 1, tid_starts.size - 1
    for t in range(n):
        for k in range(starts[t], starts[t + 1]):
            i = number[codes[k]]
            if i >= 0:
                tid_starts[i + 1] += 1
                row_starts[t + 1] += 1
    for i in range(items):
        tid_starts[i + 1] += tid_starts[i]
    for t in range(n):
        row_starts[t + 1] += row_starts[t]
    at = tid_starts[:-1].copy()
    for t in range(n):
        for k in range(starts[t], starts[t + 1]):
            i = number[codes[k]]
            if i >= 0:
                tids[at[i]] = t
                at[i] += 1
    to = row_starts[:-1].copy()
    for i in range(items):
        for k in range(tid_starts[i], tid_starts[i + 1]):
            t = tids[k]
            rows[to[t]] = i
            places[k] = to[t]
            to[t] += 1


def _set_bits(tids, tid_starts, out):
    for i in range(tid_starts.size - 1):
        for k in range(tid_starts[i], tid_starts[i + 1]):
            out[i, tids[k] >> 6] |= np.int64(1) << np.int64(tids[k] & 63)


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
