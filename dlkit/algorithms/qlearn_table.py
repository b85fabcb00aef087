"""Agents that keep a number for every state and action.

    Q(s, a) <- Q(s, a) + alpha [r + gamma max_a' Q(s', a') - Q(s, a)]                         (Watkins 1989)

SARSA puts the value of the action that really follows in place of the maximum, expected SARSA the mean over
the actions that might, double Q the value that a second table gives to the first one's best action. A step is
a chunk of episodes of all agents in one call of the kernel (kernels/td.py).
"""

import math
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import NonFinite, Tree
from dlkit.algorithms.qlearn_agents import Agents
from dlkit.algorithms.qlearn_world import GOAL, World
from dlkit.kernels.bellman import value_sweep
from dlkit.kernels.td import DOUBLE_Q, EXPECTED_SARSA, Q_LEARNING, SARSA, td_episodes
from dlkit.nn.step import shard_rows

METHODS = {"q_learning": Q_LEARNING, "sarsa": SARSA, "expected_sarsa": EXPECTED_SARSA, "double_q": DOUBLE_Q}
STEPS_AT_ONCE = 4_000_000
"""Steps of all agents that a chunk may take: about a tenth of a second on one core."""
SUMS = ("return", "length", "success")


def agent_keys(streams: Any, count: int) -> np.ndarray:
    """(K,) int64: the key of each agent's draws, from the stream "agents" at its number."""
    return np.array([streams.get("agents", k).integers(-(1 << 63), 1 << 63) for k in range(count)], np.int64)


class TableAgents(Agents):
    """Q-learning, SARSA, expected SARSA and double Q, played and learnt in one loop."""

    def __init__(self, recipe: Any, world: World, horizon: int, context: Any) -> None:
        super().__init__(recipe, world, horizon, context)
        self.method = METHODS[recipe.method]
        backend = context.backend
        tables = 2 if self.method == DOUBLE_Q else 1
        first = np.full((self.count, tables, *world.size), recipe.function.initial / tables)
        self.tables = backend.asarray(first, np.float64)
        counted = self.count if recipe.alpha.half else 0
        self.visits = backend.zeros((counted, *world.size), np.int32)
        self.keys = backend.asarray(agent_keys(context.streams, self.count))
        self.sums = backend.zeros((self.count, len(SUMS)), np.float64)
        self.played = 0
        self.epsilon = self.alpha = math.nan
        table = world.table
        assert table is not None
        arrays = (world.choices, table.first, table.following, table.cumulative, table.rewards, table.ends,
                  world.starts, world.start_cumulative)  # fmt: skip
        self.outcomes = tuple(backend.asarray(a, a.dtype) for a in arrays)

    # -- an epoch ---------------------------------------------------------------------------------
    @property
    def chunk(self) -> int:
        """Episodes of a step."""
        recipe = self.recipe
        if recipe.chunk != "auto":
            return min(int(recipe.chunk), int(recipe.episodes))
        return max(1, min(recipe.episodes, STEPS_AT_ONCE // (self.count * self.horizon)))

    @property
    def steps(self) -> int:
        return -(-int(self.recipe.episodes) // self.chunk)

    def begin_epoch(self) -> None:
        self.sums[...] = 0
        self.played = 0

    def step(self, epoch: int, number: int) -> tuple[int, float | None]:
        recipe, comm, hands = self.recipe, self.context.comm, self.context.team.hands
        before = (number - 1) * self.chunk
        count = min(self.chunk, recipe.episodes - before)
        first = (epoch - 1) * recipe.episodes + before
        epsilon = recipe.epsilon.at(first, count, self.total)
        alpha = recipe.alpha.at(first, count, self.total)
        known = self._steps_known(number) if self.context.backend.name == "cpu" else 0
        mine = shard_rows(self.count, comm.size, comm.rank)
        size = mine.stop - mine.start
        if self.context.backend.name == "cpu":
            parts = [shard_rows(size, hands.shards, shard) for shard in range(hands.shards)]
            parts = [slice(mine.start + one.start, mine.start + one.stop) for one in parts]
            hands.map(lambda shard: self._play(parts[shard], first, epsilon, alpha))
        else:
            self._play(mine, first, epsilon, alpha)
        if comm.size > 1:
            self._exchange(mine)
        self.played += count
        self.epsilon, self.alpha = float(epsilon[-1]), float(alpha[-1])
        return self._steps_known(number) - known, None

    def _steps_known(self, number: int) -> int:
        """Steps played in this epoch; on a GPU they are not asked for before the last step of the driver."""
        if self.context.backend.name == "cpu" or number == self.steps:
            return int(self.context.backend.to_host(self.sums)[:, 1].sum())
        return 0

    def _play(self, agents: slice, first: int, epsilon: np.ndarray, alpha: np.ndarray) -> None:
        """Episodes `first` and on of some of the agents."""
        recipe, backend = self.recipe, self.context.backend
        count = agents.stop - agents.start
        if not count:
            return
        returns = backend.empty((count, len(epsilon)), np.float64)
        lengths = backend.empty((count, len(epsilon)), np.int32)
        endings = backend.empty((count, len(epsilon)), np.uint8)
        td_episodes(
            self.tables[agents], self.visits[agents], *self.outcomes, self.keys[agents], first,
            backend.asarray(epsilon, np.float64), backend.asarray(alpha, np.float64),
            recipe.alpha.half or 0.0, recipe.discount, self.horizon, self.method,
            int(recipe.function.ties == "random"), returns, lengths, endings,
        )  # fmt: skip
        for k, each in enumerate((returns, lengths, endings == GOAL)):
            self.sums[agents, k] += each.sum(axis=1, dtype=np.float64)

    def _exchange(self, mine: slice) -> None:
        """Give the other ranks what these agents have learnt, and take theirs."""
        comm, backend = self.context.comm, self.context.backend
        comm.all_sum(np.zeros(1))  # signals travel in it
        for array in (self.tables, self.visits, self.sums):
            if len(array):
                array[...] = backend.asarray(comm.gather_rows(backend.to_host(array[mine])), array.dtype)

    def figures(self) -> dict[str, Any]:
        sums = self.context.backend.to_host(self.sums) / max(self.played, 1)
        if not np.isfinite(sums).all() or not np.isfinite(self.q()).all():
            raise NonFinite(math.inf, "the action values")
        figures: dict[str, Any] = {name: sums[:, k] for k, name in enumerate(SUMS)}
        return figures | {"epsilon": self.epsilon, "alpha": self.alpha}

    def q(self) -> np.ndarray:
        tables = self.context.backend.to_host(self.tables)
        return tables[:, 0] + tables[:, 1] if self.method == DOUBLE_Q else tables[:, 0].copy()

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        host = self.context.backend.to_host
        return {
            "tables": np.array(host(self.tables)),
            "visits": np.array(host(self.visits)),
            "sums": np.array(host(self.sums)),
            "played": self.played,
            "epsilon": self.epsilon,
            "alpha": self.alpha,
        }

    def load(self, state: Tree) -> None:
        for name in ("tables", "visits", "sums"):
            array = getattr(self, name)
            if state[name].shape != array.shape or not np.isfinite(state[name]).all():
                raise ValueError(f"{name}: expected finite numbers of shape {array.shape}")
            array[...] = self.context.backend.asarray(state[name], array.dtype)
        self.played, self.epsilon, self.alpha = state["played"], state["epsilon"], state["alpha"]


class ValueIteration(Agents):
    """No agent at all: sweeps of value iteration over the table of outcomes, `episodes` of them an epoch."""

    parallel = False
    on_gpu = False

    def __init__(self, recipe: Any, world: World, horizon: int, context: Any) -> None:
        super().__init__(recipe, world, horizon, context)
        self.count = 1
        self.values, self.table = np.zeros(len(world.states)), np.zeros(world.size)
        self.change = np.zeros(1)

    @property
    def steps(self) -> int:
        return int(self.recipe.episodes)

    def begin_epoch(self) -> None:
        pass

    def step(self, epoch: int, number: int) -> tuple[int, float | None]:
        table = self.world.table
        assert table is not None
        columns = table.first, table.following, table.probabilities, table.rewards, table.ends
        value_sweep(self.world.choices, *columns, self.recipe.discount, self.values, self.table, self.change)
        return 1, None

    def figures(self) -> dict[str, Any]:
        if not np.isfinite(self.values).all():
            raise NonFinite(math.inf, "the values")
        return {"change": float(self.change[0])}

    def q(self) -> np.ndarray:
        there = np.arange(self.world.size[1]) < self.world.choices[:, None]
        return np.where(there, self.table, 0.0)[None]

    def state(self) -> Tree:
        return {"values": self.values.copy(), "table": self.q()[0], "change": self.change.copy()}

    def load(self, state: Tree) -> None:
        for name in ("values", "table", "change"):
            getattr(self, name)[...] = state[name]
