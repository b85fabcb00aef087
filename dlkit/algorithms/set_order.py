"""Found item sets put in order, and which are closed, which maximal, told by a walk through their prefixes.

Sets of one length are sorted by their items. Then those that share their first items, S, stand together: they
are the children of S, one an item x. A child's subsets of one item less are found without a search: without x
it is S, and without the j-th item of S it is the child by x of S without its j-th item. So every set carries
the numbers of its subsets, and those of its children come of them by stepping through sorted lists of
children side by side.

Every set speaks for its subsets of one item less. That is enough, for support falls along a chain.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from dlkit.algorithms.found import Found
from dlkit.algorithms.transactions import compiled
from dlkit.errors import DataError


class Ordered(NamedTuple):
    """Sets: shorter ones first, then by support from above, then by their items' labels."""

    found: Found
    closed: np.ndarray
    """(n,) bool: no larger set has the same support."""
    maximal: np.ndarray
    """(n,) bool: no larger set is frequent."""


class _Level(NamedTuple):
    """The n sets of k items in the order of their items."""

    sets: np.ndarray
    """(n, k) int32: each item's place among the labels, ascending."""
    counts: np.ndarray
    """(n,) int64."""


def ordered(rank: np.ndarray, found: Found) -> Ordered:
    """All frequent sets. rank: (items,) places of the items' labels in their order. Raises DataError where a
    subset of a set is missing."""
    order = np.argsort(rank).astype(np.int32)
    levels = _levels(found, rank)
    made = Found(np.empty_like(found.lengths), np.empty_like(found.counts), np.empty_like(found.members))
    flags = np.empty((2, len(found)), bool)
    sets = members = 0
    for level, own in zip(levels, _flags(levels), strict=True):
        n, k = level.sets.shape
        here, flat = slice(sets, sets + n), made.members[members : members + n * k].reshape(n, k)
        at = _by_falling(level.counts)
        made.lengths[here] = k
        compiled(_place)(*level, own, at, order, made.counts[here], flat, flags[:, here])
        sets, members = sets + n, members + n * k
    return Ordered(made, *flags)


def _levels(found: Found, rank: np.ndarray) -> list[_Level]:
    """The sets of each length, from 1."""
    starts = np.concatenate([[0], np.cumsum(found.lengths, dtype=np.int64)])
    levels = []
    for k in range(1, int(found.lengths.max(initial=0)) + 1):
        which = np.flatnonzero(found.lengths == k)
        level = _Level(np.empty((len(which), k), np.int32), np.empty(len(which), np.int64))
        compiled(_sort)(found.members, starts, found.counts, which, rank, *level)
        levels.append(level)
    return levels


def _flags(levels: list[_Level]) -> list[np.ndarray]:
    """(2, n) bool of each level: closed, maximal."""
    flags = [np.ones((2, len(level.counts)), bool) for level in levels]
    children = np.array([0, len(levels[0].counts) if levels else 0])  # of the empty set
    subsets = np.zeros((children[1], 1), np.int32)
    for k, (level, longer) in enumerate(pairwise(levels)):
        own = np.zeros(len(level.counts) + 1, np.int64)
        wider = np.empty((len(longer.counts), k + 2), np.int32)
        whole = compiled(_children)(level.sets, longer.sets, own)
        whole = whole and compiled(_mark)(*level, subsets, children, *longer, own, wider, *flags[k])
        if not whole:
            raise DataError("the item sets do not hold all subsets of each other")
        children, subsets = own, wider
    return flags


def _by_falling(counts: np.ndarray) -> np.ndarray:
    """Order of the counts from above, equal ones as they stand. 16 bits at a time NumPy sorts by radix."""
    down = (counts.max(initial=0) - counts).astype(np.uint64)
    at = np.argsort(down.astype(np.uint16), kind="stable")
    while (down := down >> np.uint64(16)).any():
        at = at[np.argsort(down[at].astype(np.uint16), kind="stable")]
    return at


def _sort(members, starts, counts, which, rank, sets, to_counts):
    """The sets `which` as ranks, ascending in each, in their order. A counting sort an item, the last one
    first."""
    n, k = sets.shape
    raw = np.empty((n, k), np.int32)
    for s in range(n):
        for j in range(k):
            item, m = rank[members[starts[which[s]] + j]], j
            while m > 0 and raw[s, m - 1] > item:
                raw[s, m] = raw[s, m - 1]
                m -= 1
            raw[s, m] = item
    at, moved, place = np.arange(n), np.empty(n, np.int64), np.empty(rank.size + 1, np.int64)
    for j in range(k - 1, -1, -1):
        place[:] = 0
        for s in range(n):
            place[raw[s, j] + 1] += 1
        for item in range(rank.size):
            place[item + 1] += place[item]
        for m in range(n):
            s = at[m]
            moved[place[raw[s, j]]] = s
            place[raw[s, j]] += 1
        at, moved = moved, at
    for m in range(n):
        s = at[m]
        to_counts[m] = counts[which[s]]
        for j in range(k):
            sets[m, j] = raw[s, j]


def _children(sets, longer, own):
    """own[s], own[s + 1]: where the children of set s begin and end in `longer`. False for one without
    parent."""
    n, k = sets.shape
    s, c = 0, 0
    while s < n:
        own[s] = c
        while c < longer.shape[0]:
            same = True
            for j in range(k):
                same = same and sets[s, j] == longer[c, j]
            if not same:
                break
            c += 1
        s += 1
    own[n] = c
    return c == longer.shape[0]


def _mark(sets, counts, subsets, children, longer, longer_counts, own, wider, closed, maximal):
    """Strike out the sets of k items that have a larger one. subsets: (n, k), those of each among the sets
    of k - 1 items, j: without its j-th; children: (of those + 1,), where their children begin in `sets`;
    wider: (longer, k + 1) gets the subsets of the longer ones. False where one is missing."""
    n, k = sets.shape
    for s in range(n):
        for c in range(own[s], own[s + 1]):
            wider[c, k] = s
            maximal[s] = False
            if longer_counts[c] == counts[s]:
                closed[s] = False
        for j in range(k if own[s] < own[s + 1] else 0):
            p, end = children[subsets[s, j]], children[subsets[s, j] + 1]
            for c in range(own[s], own[s + 1]):
                x = longer[c, k]
                p = _seek(sets, p, end, x)
                if p == end or sets[p, k - 1] != x:
                    return False
                wider[c, j] = p
                maximal[p] = False
                if longer_counts[c] == counts[p]:
                    closed[p] = False
    return True


def _seek(sets, p, end, x):
    """The first of the sets p ... end whose last item is x or more: in growing strides, then by halves."""
    last, stride = sets.shape[1] - 1, 1
    while p + stride < end and sets[p + stride, last] < x:
        p += stride
        stride *= 2
    end = min(p + stride, end)
    while p < end:
        middle = (p + end) >> 1
        if sets[middle, last] < x:
            p = middle + 1
        else:
            end = middle
    return p


def _place(sets, counts, flags, at, order, to_counts, to_members, to_flags):
    """Sets in the order `at`, items by number again."""
    n, k = sets.shape
    for m in range(n):
        s = at[m]
        to_counts[m] = counts[s]
        to_flags[0, m], to_flags[1, m] = flags[0, s], flags[1, s]
        for j in range(k):
            to_members[m, j] = order[sets[s, j]]
