"""One run of a bandit: the loop itself, with the account of what it brought."""

from typing import Any

import numpy as np

from dlkit.algorithms.bandit_policies import Policy
from dlkit.algorithms.bandit_world import History, World
from dlkit.backend.streams import Streams

Tree = dict[str, Any]


class Steps:
    """What happened, as a log's columns: row of the context, action, its probability, reward."""

    def __init__(self) -> None:
        self.rows: list[int] = []
        self.actions: list[int] = []
        self.probabilities: list[float] = []
        self.rewards: list[float] = []

    def add(self, row: int, a: int, p: float, r: float) -> None:
        """One decision."""
        self.rows.append(row)
        self.actions.append(a)
        self.probabilities.append(p)
        self.rewards.append(r)

    def state(self) -> Tree:
        return {
            "rows": np.array(self.rows, np.int64),
            "actions": np.array(self.actions, np.int64),
            "probabilities": np.array(self.probabilities, np.float64),
            "rewards": np.array(self.rewards, np.float64),
        }

    def load(self, state: Tree) -> None:
        for name, value in state.items():
            setattr(self, name, value.tolist())


class BanditRun:
    """A policy in a world, with its own chances."""

    def __init__(self, world: World, policy: Policy, streams: Streams, *, draws: int, logs: bool) -> None:
        self.world, self.policy, self.streams = world, policy, streams
        self.draws = draws
        self.data = History(world.contexts, policy.REMEMBERS)
        self.total = np.zeros(len(world.MEASURES))
        """Sums over all decisions, of the world's measures."""
        self.sums = np.zeros(len(world.MEASURES))
        """The same of this epoch."""
        self.steps = 0
        """Decisions in this epoch."""
        self.log = Steps() if logs else None

    def begin_epoch(self) -> None:
        """A new row of the metrics."""
        self.sums[...] = 0
        self.steps = 0

    def go(self, start: int, steps: int) -> None:
        """Decide so many times, from decision `start` (from 0) on."""
        rng = self.streams.get("policy", start)
        stretch = self.world.begin(self.streams, start, steps)
        policy, data, contexts = self.policy, self.data, self.world.contexts
        account = []
        for t in range(steps):
            w = policy.sample(rng, self.draws)  # W ~ q(W)
            row = stretch.context(t)  # receive the context x
            p = policy.choose(w, contexts[row])  # the best action under W: as probabilities
            a = drawn(p, rng)
            r = stretch.reward(t, a)  # receive the reward
            if r is not None:  # a log does not know what another action would have brought
                data.add(row, a, r)  # add (x, a, r) to the data
                policy.update(data)  # update q(W)
            account.append(stretch.account(t, p, a))
            if self.log is not None and r is not None:
                self.log.add(row, a, float(p[a]), r)
        sums = np.array(account).sum(0)
        self.sums += sums
        self.total += sums
        self.steps += steps

    def state(self) -> Tree:
        return {
            "policy": self.policy.state(),
            "data": self.data.state(),
            "total": self.total.copy(),
            "sums": self.sums.copy(),
            "steps": self.steps,
            **({} if self.log is None else {"log": self.log.state()}),
        }

    def load(self, state: Tree) -> None:
        self.policy.load(state["policy"])
        self.data.load(state["data"])
        self.total[...], self.sums[...] = state["total"], state["sums"]
        self.steps = int(state["steps"])
        if self.log is not None:
            self.log.load(state["log"])


def drawn(p: np.ndarray, rng: np.random.Generator) -> int:
    """An action by its probabilities; no draw where one of them is 1."""
    best = int(p.argmax())
    if p[best] == 1.0:
        return best
    a = int(np.searchsorted(np.cumsum(p), rng.random(), side="right"))
    return a if a < len(p) and p[a] > 0 else best
