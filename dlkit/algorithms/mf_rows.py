"""Rows whose new factors do not depend on each other: shared out over threads and ranks, or all on the
GPU."""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlkit.algorithms.mf_rated import ByRow, Rated
from dlkit.algorithms.protocol import Context

Work = Callable[[slice, Any, Any, Any], None]
"""``work(rows, ends, columns, values)``: compute these rows; ends are those of the rows."""


class Rows:
    """The ratings of one side, users or items, on the device."""

    def __init__(self, ratings: ByRow | Rated, context: Context) -> None:
        backend = context.backend
        self.context = context
        self.count = len(ratings.ends) - 1
        self.host_ends = ratings.ends
        self.ends = backend.asarray(ratings.ends)
        self.columns = backend.asarray(ratings.columns)
        self.values = backend.asarray(ratings.values)

    def each(self, work: Work, *outputs: Any, begin: int = 0, end: int | None = None) -> None:
        """`work` on rows begin:end, some at a time; then every rank has all those rows of the outputs."""
        comm, team = self.context.comm, self.context.team
        end = self.count if end is None else end
        ranks = self.cut(begin, end, comm.size)
        lo, hi = ranks[comm.rank], ranks[comm.rank + 1]
        if self.context.backend.name == "cpu":
            cuts = self.cut(lo, hi, team.shards)
            team.map(lambda shard: self._one(work, slice(cuts[shard], cuts[shard + 1])))
        else:
            self._one(work, slice(lo, hi))
        if comm.size > 1:
            backend = self.context.backend
            for array in outputs:
                rows = comm.gather_rows(backend.to_host(array[lo:hi]))
                array[begin:end] = backend.asarray(rows, array.dtype)
            comm.all_sum(np.zeros(1))  # a signal to stop travels with it

    def _one(self, work: Work, rows: slice) -> None:
        if rows.stop > rows.start:
            work(rows, self.ends[rows.start : rows.stop + 1], self.columns, self.values)

    def cut(self, begin: int, end: int, parts: int) -> list[int]:
        """Where to cut the rows begin:end so that the parts have about as many ratings and rows."""
        weight = self.host_ends[begin : end + 1] + np.arange(begin, end + 1)
        wanted = weight[0] + (weight[-1] - weight[0]) * np.arange(1, parts) // parts
        return [begin, *(begin + np.searchsorted(weight, wanted)).tolist(), end]


class Sides:
    """The same ratings sorted by user and by item."""

    def __init__(self, train: Rated, items: int, context: Context) -> None:
        self.by_user = Rows(train, context)
        self.by_item = Rows(train.by_column(items), context)
