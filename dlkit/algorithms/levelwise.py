"""Apriori: item sets level by level, candidates from the level before.

Agrawal & Srikant, "Fast algorithms for mining association rules" (1994), apriori-gen (section 2.1.1): C_k
joins the sets of L_(k-1) that agree in all but their last item, and keeps a candidate only if every subset of
k - 1 items is in L_(k-1); L_k is what of C_k is frequent. Supports are counted over bitmaps, on whatever
device the backend has; with several ranks each counts its own baskets and the counts are summed.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import numpy as np

from dlkit.algorithms.found import Found
from dlkit.algorithms.transactions import Transactions, compiled
from dlkit.backend import Backend
from dlkit.backend.machines import Comm
from dlkit.backend.threads import Team
from dlkit.kernels.bitmaps import intersection_counts, words_for

STEP_WORDS = 1 << 26
"""Words of bitmaps looked at in a step."""
STEP_CANDIDATES = 1 << 18
SHOWN = 40
"""Most candidates of a level that are shown one by one."""


@dataclass
class Level:
    """What `-v` tells of a level."""

    k: int
    min_count: int
    joined: int = 0
    """Candidates before those with an infrequent subset are left out."""
    counted: int = 0
    """Those in C_k."""
    frequent: int = 0
    """Those in L_k."""
    candidates: list[np.ndarray] = field(default_factory=list)
    """C_k with its counts, (n, k + 1) each, while it is small enough to be shown."""
    pruned: list[np.ndarray] = field(default_factory=list)
    """Candidates that were not counted, (n, k) each."""


class LevelWise:
    """`steps` counts chunk after chunk of C_1, C_2, ..."""

    def __init__(
        self,
        data: Transactions,
        counts: np.ndarray,
        min_count: int,
        max_length: int,
        *,
        backend: Backend,
        team: Team,
        comm: Comm,
        room: Callable[[int, str], None],
        report: Callable[[Level], None] | None = None,
    ) -> None:
        """data: this rank's baskets. counts: (items,) of all ranks' baskets. room(bytes, what) raises
        UserError where there is not enough memory for them. report is called after each level."""
        self.data, self.counts = data, counts
        self.min_count, self.max_length = min_count, max_length
        self.backend, self.team, self.comm = backend, team, comm
        self.room, self.report = room, report
        self.level, self.position = 1, 0
        """Of C_level is to be counted next: (2) pair number `position`; (3 and more) what row number
        `position` of L_(level - 1) joins with."""
        self.frequent = np.zeros((0, 0), np.int32)
        """L_(level - 1), in lexicographic order."""
        self.so_far: list[np.ndarray] = []
        """L_level as far as it is known."""
        self._told = Level(1, min_count)
        self._bitmaps: Any = None

    # -- levels -----------------------------------------------------------------------------------
    def steps(self) -> Iterator[Found]:
        """The frequent sets of one chunk of candidates after the other."""
        while self.level <= self.max_length:
            if self.position >= self._end():
                if not self._next_level():
                    return
                continue
            chunk, counts = self._count_chunk()
            keep = counts >= self.min_count
            self.so_far.append(chunk[keep])
            told = self._told
            told.counted, told.frequent = told.counted + len(chunk), told.frequent + int(keep.sum())
            if told.counted <= SHOWN:
                told.candidates.append(np.column_stack([chunk, counts]))
            yield Found(np.full(keep.sum(), chunk.shape[1], np.int32), counts[keep], chunk[keep].reshape(-1))

    def _end(self) -> int:
        """Where `position` is at the end of the level."""
        items, rows = self.data.items, len(self.frequent)
        return {1: min(items, 1), 2: rows * (rows - 1) // 2}.get(self.level, rows)

    def _next_level(self) -> bool:
        """Whether there is one to count: L_level is known now."""
        if self.report and (self._told.joined or self.level == 1):
            self.report(self._told)
        self.frequent = np.concatenate([np.zeros((0, self.level), np.int32), *self.so_far])
        self.level, self.position, self.so_far = self.level + 1, 0, []
        self._told = Level(self.level, self.min_count)
        return len(self.frequent) > 1

    def raise_to(self, min_count: int) -> None:
        """A higher threshold from now on: sets below it are no longer wanted."""
        self.min_count = max(self.min_count, min_count)

    def state(self) -> dict[str, Any]:
        """Where it stands, and what the next candidates come from."""
        so_far = np.concatenate([np.zeros((0, self.level), np.int32), *self.so_far])
        place = {"level": self.level, "position": self.position, "min_count": self.min_count}
        return {**place, "frequent": self.frequent, "so_far": so_far}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse. Raises ValueError for what cannot be a level of these items."""
        level, position, frequent, so_far = (state[k] for k in ("level", "position", "frequent", "so_far"))
        if not all(type(n) is int for n in (level, position, state["min_count"])) or not 1 <= level < 1 << 30:
            raise ValueError("level: numbers are expected")
        for a, width in ((frequent, level - 1), (so_far, level)):
            if a.dtype != np.int32 or a.ndim != 2 or a.shape[1] != width:
                raise ValueError("level: sets of its length are expected")
            if a.size and (a.min() < 0 or a.max() >= self.data.items):
                raise ValueError("level: items that there are not")
        self.level, self.position, self.frequent, self.so_far = level, position, frequent, [so_far]
        if not 0 <= position <= self._end():
            raise ValueError("level: no place to go on from")
        self._told = Level(level, self.min_count)
        self.raise_to(state["min_count"])

    # -- counting ---------------------------------------------------------------------------------
    def _count_chunk(self) -> tuple[np.ndarray, np.ndarray]:
        """The next candidates (n, k) of this level, and the baskets of all ranks that hold each."""
        if self.level == 1:
            self.position = self._end()
            self._told.joined = self.data.items
            return np.arange(self.data.items, dtype=np.int32)[:, None], self.counts
        if self.level == 2 and self.backend.name == "cpu":
            return self._count_pairs()
        limit = max(1, min(STEP_WORDS // max(self._words(), 1), STEP_CANDIDATES))
        chunk = self._next_pairs(limit) if self.level == 2 else self._join(limit)
        counts = self._count(chunk)
        self.comm.all_sum(counts)
        return chunk, counts

    def _words(self) -> int:
        return words_for(self.data.n)

    def _join(self, limit: int) -> np.ndarray:
        """Candidates of the next rows of L_(k-1): about `limit`, those of one row at least."""
        k, rows = self.level, len(self.frequent)
        room, told = max(limit, rows), self._told
        self.room(4 * k * room, f"candidates of {k} items")
        candidates = np.empty((room, k), np.int32)
        pruned = np.empty((SHOWN, k), np.int32)
        self.position, joined, kept = compiled(_join)(self.frequent, self.position, limit, candidates, pruned)
        if told.joined - told.counted < SHOWN:
            told.pruned.append(pruned[: min(joined - kept, SHOWN)])
        told.joined += joined
        return candidates[:kept]

    def _next_pairs(self, limit: int) -> np.ndarray:
        chunk = self._pairs(limit)
        self.position += len(chunk)
        self._told.joined += len(chunk)
        return chunk

    def _pairs(self, limit: int) -> np.ndarray:
        """Pairs number position, ... of C_2 in lexicographic order; whole rows of one first item."""
        items = len(self.frequent)
        sizes = np.arange(items - 1, -1, -1)
        ends = np.cumsum(sizes)
        first = int(np.searchsorted(ends, self.position, side="right"))
        last = max(int(np.searchsorted(ends, self.position + limit, side="right")), first + 1)
        a = np.repeat(np.arange(first, last), sizes[first:last])
        begins = np.repeat(ends[first:last] - sizes[first:last], sizes[first:last])
        b = a + 1 + np.arange(self.position, self.position + len(a)) - begins
        return np.column_stack([a, b]).astype(np.int32)

    def _count_pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """C_2 without candidates: for each item, what follows it in its baskets."""
        items, data = self.data.items, self.data
        chunk = self._next_pairs(STEP_CANDIDATES)
        first, last = int(chunk[0, 0]), int(chunk[-1, 0]) + 1
        table = np.zeros((last - first, items), np.int64)
        follow, shards, lists = compiled(_follow), self.team.shards, data.lists
        bounds = np.linspace(first, last, 4 * shards + 1).astype(np.int64)

        def work(shard: int) -> None:
            for a, b in list(pairwise(bounds))[shard::shards]:
                follow(*lists, a, b, first, table)

        self.team.map(work)
        self.comm.all_sum(table)
        return chunk, table[chunk[:, 0] - first, chunk[:, 1]]

    def _count(self, chunk: np.ndarray) -> np.ndarray:
        """Baskets of this rank that hold each candidate: bitmaps of common beginnings, then pairs of rows."""
        if self._bitmaps is None:
            self.room(8 * self.data.items * self._words(), "bitmaps of the items")
            self._bitmaps = self.backend.asarray(self.data.bitmaps)
        asarray, k = self.backend.asarray, chunk.shape[1]
        new = np.ones(len(chunk), bool)  # begins otherwise than the candidate before
        new[1:] = (chunk[1:, : k - 1] != chunk[:-1, : k - 1]).any(axis=1)
        beginnings = chunk[new, : k - 1]
        left = self._bitmaps[asarray(beginnings[:, 0])]
        for column in range(1, k - 1):
            left &= self._bitmaps[asarray(beginnings[:, column])]
        i, j = (np.cumsum(new) - 1).astype(np.int32), np.ascontiguousarray(chunk[:, -1])
        if self.backend.name != "cpu":
            counts = self.backend.zeros(len(chunk), np.int64)
            intersection_counts(left, self._bitmaps, asarray(i), asarray(j), counts)
            return np.array(self.backend.to_host(counts))
        counts = np.empty(len(chunk), np.int64)
        bounds = np.linspace(0, len(chunk), self.team.shards + 1).astype(int)

        def work(shard: int) -> None:
            part = slice(bounds[shard], bounds[shard + 1])
            intersection_counts(left, self._bitmaps, i[part], j[part], counts[part])

        self.team.map(work)
        return counts


def _join(frequent, a, limit, candidates, pruned):
    """apriori-gen from row a of L_(k-1) (lexicographic) on, until `limit` candidates were looked at.

    Fills candidates and the first of those left out; (next row, candidates looked at, candidates kept).
    """
    n, k = frequent.shape[0], frequent.shape[1] + 1
    candidate = np.empty(k, np.int32)
    joined = kept = 0
    while a < n and joined < limit and kept + n - a <= candidates.shape[0] + 1:
        candidate[: k - 1] = frequent[a]
        for b in range(a + 1, n):
            same = True
            for c in range(k - 2):
                same = same and frequent[a, c] == frequent[b, c]
            if not same:
                break
            candidate[k - 1] = frequent[b, k - 2]
            if _subsets_are_frequent(frequent, candidate):
                candidates[kept] = candidate
                kept += 1
            elif joined - kept < pruned.shape[0]:
                pruned[joined - kept] = candidate
            joined += 1
        a += 1
    return a, joined, kept


def _subsets_are_frequent(frequent, candidate):
    """Whether L_(k-1) holds the candidate without each of its items but the last two (those were joined)."""
    k = candidate.size
    for left_out in range(k - 2):
        low, high = 0, frequent.shape[0]
        while low < high:
            middle = (low + high) // 2
            less = False
            for c in range(k - 1):
                wanted = candidate[c if c < left_out else c + 1]
                if frequent[middle, c] != wanted:
                    less = frequent[middle, c] < wanted
                    break
            if less:
                low = middle + 1
            else:
                high = middle
        if low == frequent.shape[0]:
            return False
        for c in range(k - 1):
            if frequent[low, c] != candidate[c if c < left_out else c + 1]:
                return False
    return True


def _follow(rows, row_starts, tids, tid_starts, places, begin, end, first, table):
    """table[a - first, b]: baskets with items a and b > a, for a in [begin, end)."""
    for a in range(begin, end):
        for v in range(tid_starts[a], tid_starts[a + 1]):
            for p in range(places[v] + 1, row_starts[tids[v] + 1]):
                table[a - first, rows[p]] += 1
