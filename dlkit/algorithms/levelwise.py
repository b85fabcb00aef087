"""Apriori: item sets level by level, candidates from the level before.

Agrawal & Srikant, "Fast algorithms for mining association rules" (1994), apriori-gen (section 2.1.1): C_k joins
the sets of L_(k-1) that agree in all but their last item, and keeps a candidate only if every subset of k - 1
items is in L_(k-1); L_k is what of C_k is frequent. Supports are counted over bitmaps, on whatever device the
backend has; with several ranks each counts its own baskets and the counts are summed.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.algorithms.found import Found
from dlkit.algorithms.transactions import Transactions, compiled
from dlkit.backend import Backend
from dlkit.backend.machines import Comm
from dlkit.backend.threads import Team
from dlkit.kernels.bitmaps import intersection_counts

STEP_WORDS = 1 << 26
"""Words of bitmaps looked at in a step."""
STEP_CANDIDATES = 1 << 20


@dataclass
class Level:
    """What `-v` tells of a level."""

    k: int
    joined: int
    """Candidates before those with an infrequent subset are left out."""
    candidates: np.ndarray | None
    """C_k (n, k), where it is small enough to be shown."""
    counts: np.ndarray | None
    pruned: np.ndarray
    """Candidates that were not counted."""
    frequent: int
    min_count: int


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
        """data: this rank's baskets. counts: (items,) of all ranks' baskets. room(bytes, what) raises UserError
        where there is not enough memory for them. report is called after each level."""
        self.data, self.counts = data, counts
        self.min_count, self.max_length = min_count, max_length
        self.backend, self.team, self.comm = backend, team, comm
        self.room, self.report = room, report
        self.level, self.position = 1, 0
        """The next candidate to be counted is number `position` of C_level."""
        self.frequent = np.zeros((0, 0), np.int32)
        """L_(level - 1), in lexicographic order."""
        self.so_far: list[np.ndarray] = []
        self._bitmaps: Any = None
        self._candidates: np.ndarray | None = None
        self._shown: list[np.ndarray] = []
        self._joined, self._pruned = 0, np.zeros((0, 0), np.int32)

    # -- levels -----------------------------------------------------------------------------------
    def steps(self) -> Iterator[Found]:
        """The frequent sets of one chunk of candidates after the other."""
        while self.level <= self.max_length:
            if self.level == 1:
                chunk, counts = np.arange(self.data.items, dtype=np.int32)[:, None], self.counts
                self._joined, total = len(chunk), len(chunk)
            else:
                total = self._candidates_of_level()
                if total == 0:
                    self._tell_none_left()
                    break
                chunk, counts = self._count_chunk()
            keep = counts >= self.min_count
            if self.report:
                self._shown.append(np.column_stack([chunk, counts]))
            self.so_far.append(chunk[keep])
            self.position += len(chunk)
            self._end_level(total)
            yield Found(
                np.full(keep.sum(), chunk.shape[1], np.int32), counts[keep], chunk[keep].reshape(-1)
            )

    def _tell_none_left(self) -> None:
        if self.report and self._joined:
            nothing = self._candidates
            counts = np.zeros(0, np.int64)
            self.report(Level(self.level, self._joined, nothing, counts, self._pruned, 0, self.min_count))

    def raise_to(self, min_count: int) -> None:
        """A higher threshold from now on: sets below it are no longer wanted."""
        self.min_count = max(self.min_count, min_count)

    def state(self) -> dict[str, Any]:
        """The next candidate, and what it comes from."""
        so_far = np.concatenate([np.zeros((0, self.level), np.int32), *self.so_far])
        place = {"level": self.level, "position": self.position, "min_count": self.min_count}
        return {**place, "frequent": self.frequent, "so_far": so_far}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse. Raises ValueError for what cannot be a level of these items."""
        level, position, frequent, so_far = (state[k] for k in ("level", "position", "frequent", "so_far"))
        widths = (max(level - 1, 0), level)
        for a, width in ((frequent, widths[0]), (so_far, widths[1])):
            if a.dtype != np.int32 or a.ndim != 2 or a.shape[1] != width:
                raise ValueError("level: sets of its length are expected")
            if a.size and (a.min() < 0 or a.max() >= self.data.items):
                raise ValueError("level: items that there are not")
        if level < 1 or position < 0 or (level == 1 and position):
            raise ValueError("level: no place to go on from")
        self.level, self.position, self.frequent, self.so_far = level, position, frequent, [so_far]
        self.raise_to(state["min_count"])
        if level > 1 and position > self._candidates_of_level():
            raise ValueError("level: no place to go on from")

    def _end_level(self, total: int) -> None:
        if self.position < total:
            return
        frequent = np.concatenate(self.so_far)
        if self.report:
            table = np.concatenate(self._shown)
            shown = (table[:, :-1], table[:, -1]) if len(table) == total else (None, None)
            self.report(Level(self.level, self._joined, *shown, self._pruned, len(frequent), self.min_count))
        self.frequent, self.so_far, self._shown, self._candidates = frequent, [], [], None
        self.level, self.position = self.level + 1, 0

    def _candidates_of_level(self) -> int:
        """Make C_level if it is not there; its size. All pairs of C_2 are never held at once."""
        items = len(self.frequent)
        if self.level == 2:
            self._joined = items * (items - 1) // 2
            self._pruned = np.zeros((0, 2), np.int32)
            return self._joined
        if self._candidates is None:
            join = compiled(_join)
            k = self.level
            nothing = np.zeros((0, k), np.int32)
            self._joined, kept = join(self.frequent, nothing, nothing)
            pruned = self._joined - kept
            self.room(4 * k * self._joined, f"the {self._joined:,} candidates of {k} items")
            self._candidates = np.empty((kept, k), np.int32)
            self._pruned = np.empty((pruned if self.report else 0, k), np.int32)
            join(self.frequent, self._candidates, self._pruned)
        return len(self._candidates)

    # -- counting ---------------------------------------------------------------------------------
    def _count_chunk(self) -> tuple[np.ndarray, np.ndarray]:
        """The next candidates (n, k) of this level, and the baskets of all ranks that hold each."""
        if self.level == 2 and self.backend.name == "cpu":
            return self._count_pairs()
        limit = max(1, min(STEP_WORDS // max(self._words(), 1), STEP_CANDIDATES))
        chunk = self._pairs(limit) if self.level == 2 else self._next(limit)
        counts = self._count(chunk)
        self.comm.all_sum(counts)
        return chunk, counts

    def _words(self) -> int:
        return -(-self.data.n // 64)

    def _next(self, limit: int) -> np.ndarray:
        assert self._candidates is not None
        return self._candidates[self.position : self.position + limit]

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
        chunk = self._pairs(STEP_CANDIDATES)
        first, last = int(chunk[0, 0]), int(chunk[-1, 0]) + 1
        table = np.zeros((last - first, items), np.int64)
        follow, shards = compiled(_follow), self.team.shards
        bounds = np.linspace(first, last, 4 * shards + 1).astype(np.int64)

        def work(shard: int) -> None:
            for a, b in list(zip(bounds, bounds[1:], strict=False))[shard::shards]:
                follow(data.rows, data.row_starts, data.tids, data.tid_starts, data.places, a, b, first, table)

        self.team.map(work)
        self.comm.all_sum(table)
        return chunk, table[chunk[:, 0] - first, chunk[:, 1]]

    def _count(self, chunk: np.ndarray) -> np.ndarray:
        """Baskets of this rank that hold each candidate: bitmaps of common beginnings, then pairs of rows."""
        if self._bitmaps is None:
            self.room(8 * self.data.items * self._words(), "bitmaps of the items")
            self._bitmaps = self.backend.asarray(self.data.bitmaps())
        asarray, k = self.backend.asarray, chunk.shape[1]
        new = np.ones(len(chunk), bool)
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


def _join(frequent, candidates, pruned):
    """apriori-gen. frequent: L_(k-1), lexicographic. Fills C_k and what was left out; (joined, kept)."""
    n, k = frequent.shape[0], frequent.shape[1] + 1
    candidate = np.empty(k, np.int32)
    joined = kept = 0
    for a in range(n):
        candidate[: k - 1] = frequent[a]
        for b in range(a + 1, n):
            same = True
            for c in range(k - 2):
                same = same and frequent[a, c] == frequent[b, c]
            if not same:
                break
            candidate[k - 1] = frequent[b, k - 2]
            if _subsets_are_frequent(frequent, candidate):
                if candidates.shape[0]:
                    candidates[kept] = candidate
                kept += 1
            elif joined - kept < pruned.shape[0]:
                pruned[joined - kept] = candidate
            joined += 1
    return joined, kept


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
