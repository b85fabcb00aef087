"""The search tree cut into tasks that threads and ranks share, in steps of bounded length.

A task is a path of items; it finds the sets that begin with it. One that turns out too long is cut into
the tasks of its children. What is cut where depends on the data and on the number of lanes (shards times
ranks), never on a clock; which sets are found depends on neither.
"""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import numpy as np

from dlkit.algorithms.found import DONE, Found, FoundBuffer, Tasks
from dlkit.algorithms.transactions import Transactions
from dlkit.backend.machines import Comm
from dlkit.backend.threads import Team

WORK = 1 << 26
"""Work of a lane in a step: some tens of milliseconds."""
ALONE = 1 << 22
"""Work, some milliseconds, that one lane does first: most data need no more, and waking others costs as much.
"""
WINDOW = 1024
"""Most tasks of a lane in a step."""


class Miner(Protocol):
    """What a thread mines with (Eclat, FPGrowth)."""

    def run(self, tasks: Tasks, out: FoundBuffer) -> tuple[int, int]:
        """Do tasks in turn; (how many are done, how the last one ended)."""


class Lane(NamedTuple):
    """What a lane did in a step."""

    done: int
    """Tasks, from its first."""
    cut: bool
    """The one after them is too long for a step."""
    found: Found


class Branches:
    """The tasks that are left, and `step`, which does some of them."""

    def __init__(
        self,
        data: Transactions,
        min_count: int,
        max_length: int,
        *,
        miner: Callable[[int], Miner],
        team: Team,
        comm: Comm,
        work: int = WORK,
    ) -> None:
        self.data = data
        self.min_count = min_count
        self.max_length = max_length
        self.team = team
        self.comm = comm
        self.work = work
        self.tasks = Tasks(np.arange(data.items, dtype=np.int64), np.arange(data.items + 1, dtype=np.int64))
        self._miner = miner
        self._miners: list[Miner | None] = [None] * team.shards
        self._buffers = [FoundBuffer() for _ in range(team.shards)]

    def step(self) -> list[Found]:
        """Do some tasks, on all ranks; what they found, the same on each."""
        alone = self.comm.size == 1 and self._untouched()
        lanes = 1 if alone else self.team.shards * self.comm.size
        window = range(min(len(self.tasks), lanes * WINDOW))
        if alone:
            mine = [self._lane(0, window, 1, min(self.work, ALONE))]
        else:
            mine = self.team.map(lambda shard: self._lane(shard, window, lanes, self.work))
        results = [lane for part in self.comm.gather(mine) for lane in part]
        found = [lane.found for lane in results]
        left: dict[int, list[np.ndarray]] = {}
        for number, lane in enumerate(results):
            own = window[number::lanes]
            for k in own[lane.done :]:
                left[k] = [self.tasks.path(k)]
            if lane.cut:
                path = left[own[lane.done]][0]
                itself, left[own[lane.done]] = self._children(path)
                found.append(itself)
        rest = [path for k in sorted(left) for path in left[k]]
        self.tasks = Tasks.of([*rest, *(self.tasks.path(k) for k in range(len(window), len(self.tasks)))])
        return found

    def _untouched(self) -> bool:
        """Whether nothing has been done yet: a task for each item."""
        return len(self.tasks) == len(self.tasks.members) == self.data.items

    def _lane(self, shard: int, window: range, lanes: int, work: int) -> Lane:
        number = self.comm.rank * self.team.shards + shard
        own = window[number::lanes]
        if not own:
            return Lane(0, False, Found.none())
        if self._miners[shard] is None:
            self._miners[shard] = self._miner(self.min_count)
        miner, buffer = self._miners[shard], self._buffers[shard]
        assert miner is not None
        buffer.at[2] = work
        done, status = miner.run(self.tasks[own.start : own.stop : lanes], buffer)
        return Lane(done, status != DONE and done == 0, buffer.take())

    def _children(self, path: np.ndarray) -> tuple[Found, list[np.ndarray]]:
        """The set `path` itself, and the tasks of what extends it."""
        support, items = self.data.extensions(path, self.min_count)
        itself = Found(
            np.array([len(path)], np.int32), np.array([support], np.int64), path.astype(np.int32)
        ).at_least(self.min_count)
        if len(path) >= self.max_length:
            return itself, []
        return itself, [np.append(path, item) for item in items]

    def raise_to(self, min_count: int) -> None:
        """A higher threshold from now on: sets below it are no longer wanted."""
        if min_count > self.min_count:
            self.min_count = min_count
            for miner in self._miners:
                if miner is not None:
                    miner.min_count = min_count  # type: ignore[attr-defined]

    def state(self) -> dict[str, Any]:
        """What is left to do."""
        tasks = {"members": self.tasks.members, "starts": self.tasks.starts}
        return {"tasks": tasks, "min_count": self.min_count}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse. Raises ValueError for what cannot be tasks of these items."""
        members, starts = state["tasks"]["members"], state["tasks"]["starts"]
        whole = members.dtype == starts.dtype == np.int64 and members.ndim == starts.ndim == 1
        if not whole or not len(starts) or starts[0] or starts[-1] != len(members):
            raise ValueError("tasks: paths of items are expected")
        tasks = Tasks(members, starts)
        rising = np.ones(len(members), bool)
        rising[1:] = np.diff(members) > 0
        rising[starts[:-1][starts[:-1] < len(members)]] = True
        inside = not len(members) or (members.min() >= 0 and members.max() < self.data.items)
        if (np.diff(starts) < 1).any() or not rising.all() or not inside:
            raise ValueError("tasks: ascending paths of these items are expected")
        self.tasks = tasks
        self.raise_to(state["min_count"])
