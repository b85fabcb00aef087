"""Eclat: item sets depth first over vertical bitmaps, with diffsets where they are shorter.

Zaki, "Scalable algorithms for association mining" (2000); Zaki & Gouda, "Fast vertical mining using
diffsets" (2003). With t(X) the baskets that hold X, in the class of prefix P:

    t(PXY) = t(PX) and t(PY)                        support = |t(PXY)|
    d(PXY) = d(PY) \\ d(PX)   where d(PX) = t(P) \\ t(PX)     support(PXY) = support(PX) - |d(PXY)|

A task is a path of items, ascending; it finds every frequent set that begins with the path. It first looks up
the baskets that hold the path and counts what follows in them (the "occurrence deliver" of Uno's LCM, 2004):
bitmaps are made of those baskets alone, so on sparse data they are a few words long. On dense data, where
bitmaps of all baskets are short beside the baskets themselves, these are made once instead. An item that is
in every basket of a set (a perfect extension: Borgelt's name) is set aside: each larger set exists with and
without it, of the same support.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from dlkit.algorithms.found import DONE, FULL, TOO_LONG, FoundBuffer, Tasks, emit_with, path_room
from dlkit.algorithms.transactions import (
    Lists,
    Transactions,
    compiled,
    count_following,
    occurrences_of,
)
from dlkit.kernels.bitmaps import popcount
from dlkit.kernels.compile import borrows

DIFFSET_COST = 8
"""Words of bitmaps that can be intersected in the time of one element of a difference."""

BITMAPS, DIFFSETS = 0, 1
_NO_LISTS = Lists(*(np.zeros(0, dtype) for dtype in (np.int32, np.int64, np.int32, np.int64, np.int64)))


class Eclat:
    """What one thread needs to do tasks, and `run`, which does one."""

    def __init__(self, data: Transactions, min_count: int, max_length: int, *, diffsets: bool = True) -> None:
        self.data = data
        self._bits = data.bitmaps if data.dense else np.zeros((0, 0), np.int64)
        self._lists = _NO_LISTS if data.dense else data.lists
        self.min_count = min_count
        self.max_length = max_length
        self.diffset_cost = DIFFSET_COST if diffsets else 0
        self.deepest = min(max_length, data.longest) + 1
        n, items = data.n, data.items
        self._occurrences = np.empty((3, n), np.int64)
        self._counts = np.zeros(items, np.int64)
        self._local = np.full(items, -1, np.int64)
        self._pool = np.empty(1 << 16, np.int64)
        self._members = np.empty((4, 4 * items + 16), np.int64)
        self._levels = np.empty((7, self.deepest + 1), np.int64)
        self._perfect = np.empty((2, items + self.deepest + 2), np.int64)
        self._mine = compiled(_tasks)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._pool.nbytes + self._members.nbytes + self._occurrences.nbytes

    def run(self, tasks: Tasks, out: FoundBuffer) -> tuple[int, int]:
        """Do tasks in turn until one does not end well. Returns (how many are done, how the last one ended:
        DONE, FULL or TOO_LONG, which leave nothing of it behind)."""
        done, room = 0, path_room(self.deepest)
        while True:
            done, status = self._mine(
                *self._lists, self._bits,
                tasks.members, tasks.starts, done, room, self.min_count, self.max_length, self._occurrences,
                self._counts, self._local,
                self._pool, self._members, self._levels, self._perfect, out.lengths, out.counts,
                out.members, out.at, self.diffset_cost,
            )  # fmt: skip
            if status == _NO_POOL:
                self._pool = np.empty(4 * len(self._pool), np.int64)
            elif status == _NO_MEMBERS:
                self._members = np.empty((4, 4 * self._members.shape[1]), np.int64)
            else:
                return done, status


def _tasks(rows, row_starts, tids, tid_starts, places, bits, paths, path_starts, done, path, min_count,
           max_length, occurrences, counts, local, pool, members, levels, perfect, lengths, supports, flat,
           at, diffset_cost):  # fmt: skip
    """Tasks from number `done` on. Returns (tasks done, status)."""
    for task in range(done, path_starts.size - 1):
        length = path_starts[task + 1] - path_starts[task]
        path[:length] = paths[path_starts[task] : path_starts[task + 1]]
        sets, size, budget = at
        status = _task(
            rows, row_starts, tids, tid_starts, places, bits, path, length, min_count, max_length,
            occurrences, counts, local, pool, members, levels, perfect, lengths, supports, flat, at,
            diffset_cost,
        )  # fmt: skip
        if status != DONE:
            at[0], at[1] = sets, size
            if status in (_NO_POOL, _NO_MEMBERS):
                at[2] = budget
            return task, status
    return path_starts.size - 1, DONE


_NO_POOL, _NO_MEMBERS = 3, 4
_ITEM, _SUPPORT, _WHERE, _LENGTH = range(4)
_BEGIN, _END, _CURSOR, _POOL_TOP, _MODE, _WORDS, _PERFECT = range(7)


def _task(rows, row_starts, tids, tid_starts, places, bits, path, length, min_count, max_length,
          occurrences, counts, local, pool, members, levels, perfect, lengths, supports, flat, at,
          diffset_cost):  # fmt: skip
    """All frequent sets beginning with path[:length]."""
    if bits.shape[0] > 0:
        status, found, words, size, aside, top = _intersected(
            bits, path, length, min_count, pool, members, perfect, at
        )
    else:
        status, found, words, size, aside, top = _delivered(
            rows, row_starts, tids, tid_starts, places, path, length, min_count, occurrences, counts, local,
            pool, members, perfect, at,
        )  # fmt: skip
    if status != DONE or found < min_count:
        return status
    chosen = perfect[1]
    if not emit_with(path, length, found, max_length, perfect[0], chosen, aside, lengths, supports, flat, at):
        return FULL
    if length >= max_length:
        return DONE
    levels[:, 0] = (0, size, 0, top, BITMAPS, words, aside)
    return _descend(path, length, min_count, max_length, pool, members, levels, perfect, lengths, supports,
                    flat, at, diffset_cost)  # fmt: skip


def _delivered(rows, row_starts, tids, tid_starts, places, path, length, min_count, occurrences, counts,
               local, pool, members, perfect, at):  # fmt: skip
    """The class of a path, with bitmaps of the baskets that hold it. Returns (status, support of the path,
    words of a bitmap, members, items set aside, the pool's top)."""
    found = occurrences_of(rows, row_starts, tids, tid_starts, places, path, length, occurrences)
    if found < min_count:
        return DONE, found, 0, 0, 0, 0
    at[2] -= count_following(rows, occurrences, found, counts)
    first, words, size, aside = path[length - 1] + 1, (found + 63) >> 6, 0, 0
    for item in range(first, counts.size):
        if counts[item] == found:
            perfect[0, aside] = item
            aside += 1
        elif counts[item] >= min_count:
            local[item] = size * words
            size += 1
    status = _NO_POOL if size * words > pool.size else _NO_MEMBERS if size > members.shape[1] else DONE
    for item in range(first, counts.size):
        if local[item] >= 0 and status == DONE:
            k = local[item] // words
            members[_ITEM, k], members[_SUPPORT, k] = item, counts[item]
            members[_WHERE, k], members[_LENGTH, k] = local[item], words
        elif status != DONE:
            local[item] = -1
        counts[item] = 0
    if status == DONE:
        _fill(rows, occurrences, found, local, pool[: size * words])
        for k in range(size):
            local[members[_ITEM, k]] = -1
    return status, found, words, size, aside, size * words


def _intersected(bits, path, length, min_count, pool, members, perfect, at):
    """The same where there are bitmaps of all baskets: bits, (items, words)."""
    items, words = bits.shape
    first = path[length - 1] + 1
    if (items - first + 1) * words > pool.size:
        return _NO_POOL, 0, 0, 0, 0, 0
    if items - first > members.shape[1]:
        return _NO_MEMBERS, 0, 0, 0, 0, 0
    left = pool[:words]
    left[:] = bits[path[0]]
    for step in range(1, length):
        right = bits[path[step]]
        for w in range(words):
            left[w] &= right[w]
    found = np.int64(0)
    for w in range(words):
        found += popcount(np.uint64(left[w]))
    size, aside, top = 0, 0, words
    for item in range(first, items if found >= min_count else first):
        right, into, support = bits[item], pool[top : top + words], np.int64(0)
        for w in range(words):
            into[w] = left[w] & right[w]
            support += popcount(np.uint64(into[w]))
        if support == found:
            perfect[0, aside] = item
            aside += 1
        elif support >= min_count:
            members[_ITEM, size], members[_SUPPORT, size] = item, support
            members[_WHERE, size], members[_LENGTH, size] = top, words
            size += 1
            top += words
    at[2] -= (items - first + length) * words
    return DONE, found, words, size, aside, top


def _fill(rows, occurrences, found, local, bits):
    """Set bit k of each local item's bitmap where the item follows in the k-th basket."""
    bits[:] = 0
    for k in range(found):
        for p in range(occurrences[0, k], occurrences[1, k]):
            where = local[rows[p]]
            if where >= 0:
                bits[where + (k >> 6)] |= np.int64(1) << np.int64(k & 63)


def _descend(path, length, min_count, max_length, pool, members, levels, perfect, lengths, supports, flat, at,
             diffset_cost):  # fmt: skip
    """Depth first: level d holds the class of path[: length + d]; its members are extended in turn."""
    d = 0
    while d >= 0:
        a = levels[_CURSOR, d]
        if a == levels[_END, d]:
            d -= 1
            continue
        levels[_CURSOR, d] = a + 1
        path[length + d] = members[_ITEM, a]
        size, grown = length + d + 1, False
        levels[_PERFECT, d + 1] = levels[_PERFECT, d]
        if size < max_length and a + 1 < levels[_END, d]:
            if at[2] < 0:
                return TOO_LONG
            if 2 * levels[_END, d] - a > members.shape[1]:
                return _NO_MEMBERS
            if levels[_MODE, d] == BITMAPS:
                top = _bitmap_class(d, a, min_count, pool, members, levels, perfect, diffset_cost)
                at[2] -= (levels[_END, d] - a) * levels[_WORDS, d]
            else:
                top = _diffset_class(d, a, min_count, pool, members, levels, perfect)
                at[2] -= 8 * (levels[_END, d] - a) + top - levels[_POOL_TOP, d]
            if top < 0:
                return _NO_POOL
            grown = levels[_END, d + 1] > levels[_BEGIN, d + 1]
        support, aside = members[_SUPPORT, a], levels[_PERFECT, d + 1]
        if not emit_with(
            path, size, support, max_length, perfect[0], perfect[1], aside, lengths, supports, flat, at
        ):
            return FULL
        if grown:
            d += 1
    return DONE


@borrows
def _bitmap_class(d, a, min_count, pool, members, levels, perfect, diffset_cost):
    """The class of member a of level d, as level d + 1. Returns the pool's new top, -1 if it is too small."""
    begin = levels[_END, d]
    size, differences, words = begin, 0, levels[_WORDS, d]
    left = pool[members[_WHERE, a] : members[_WHERE, a] + words]
    for b in range(a + 1, levels[_END, d]):
        right = pool[members[_WHERE, b] : members[_WHERE, b] + words]
        support = np.int64(0)
        for w in range(words):
            support += popcount(np.uint64(left[w] & right[w]))
        if support == members[_SUPPORT, a]:
            perfect[0, levels[_PERFECT, d + 1]] = members[_ITEM, b]
            levels[_PERFECT, d + 1] += 1
        elif support >= min_count:
            members[_ITEM, size], members[_SUPPORT, size] = members[_ITEM, b], support
            members[_LENGTH, size] = b
            differences += members[_SUPPORT, a] - support
            size += 1
    shorter = diffset_cost > 0 and differences * diffset_cost < (size - begin) * words
    top = levels[_POOL_TOP, d]
    if top + (differences if shorter else (size - begin) * words) > pool.size:
        return -1
    for m in range(begin, size):
        b = members[_LENGTH, m]
        right = pool[members[_WHERE, b] : members[_WHERE, b] + words]
        members[_WHERE, m] = top
        if shorter:
            for w in range(words):
                rest = np.uint64(left[w] & ~right[w])
                while rest:
                    lowest = rest & (~rest + np.uint64(1))
                    pool[top] = 64 * w + popcount(lowest - np.uint64(1))
                    top += 1
                    rest ^= lowest
        else:
            into = pool[top : top + words]
            for w in range(words):
                into[w] = left[w] & right[w]
            top += words
        members[_LENGTH, m] = top - members[_WHERE, m]
    levels[_BEGIN, d + 1], levels[_END, d + 1], levels[_CURSOR, d + 1] = begin, size, begin
    levels[_POOL_TOP, d + 1], levels[_WORDS, d + 1] = top, words
    levels[_MODE, d + 1] = DIFFSETS if shorter else BITMAPS
    return top


@borrows
def _diffset_class(d, a, min_count, pool, members, levels, perfect):
    """The same for a class of diffsets: what is in that of b and not in that of a."""
    begin = levels[_END, d]
    size, top = begin, levels[_POOL_TOP, d]
    x, x_end = members[_WHERE, a], members[_WHERE, a] + members[_LENGTH, a]
    for b in range(a + 1, levels[_END, d]):
        if top + members[_LENGTH, b] > pool.size:
            return -1
        least, where, k = top, top, x
        for y in range(members[_WHERE, b], members[_WHERE, b] + members[_LENGTH, b]):
            value = pool[y]
            while k < x_end and pool[k] < value:
                k += 1
            if k == x_end or pool[k] != value:
                pool[where] = value
                where += 1
        support = members[_SUPPORT, a] - (where - least)
        if where == least:
            perfect[0, levels[_PERFECT, d + 1]] = members[_ITEM, b]
            levels[_PERFECT, d + 1] += 1
        elif support >= min_count:
            members[_ITEM, size], members[_SUPPORT, size] = members[_ITEM, b], support
            members[_WHERE, size], members[_LENGTH, size] = least, where - least
            size += 1
            top = where
    levels[_BEGIN, d + 1], levels[_END, d + 1], levels[_CURSOR, d + 1] = begin, size, begin
    levels[_POOL_TOP, d + 1], levels[_MODE, d + 1], levels[_WORDS, d + 1] = top, DIFFSETS, 0
    return top
