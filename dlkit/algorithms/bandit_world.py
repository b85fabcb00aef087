"""Worlds that a bandit acts in: arms, contexts with a class, or a log of what others have done.

A world shows a context, answers an action with a reward - or with None, where a log does not know - and keeps
the account. Its chances depend on the step alone, never on what was chosen: two policies with the same seed
meet the same contexts and the same luck.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms.off_policy import Estimates
from dlkit.backend.streams import Streams
from dlkit.readers.decisions import ArmTable, ClassRows, Log

Tree = dict[str, Any]


@dataclass(frozen=True)
class Situation:
    """What a policy is told before it begins."""

    arms: list[str]
    width: int
    """Numbers of a context, the constant 1 at its end included."""
    low: float
    high: float
    """The least and the greatest reward that can be."""
    streams: Streams
    """Of this run."""
    backend: Any = None


class History:
    """The data: (x, a, r) in the order in which they came."""

    def __init__(self, contexts: np.ndarray, whole: bool) -> None:
        """contexts: (n, d) that rows refer to; whole: keep everything, not only the newest."""
        self.contexts = contexts
        self.whole = whole
        self.rows = np.zeros(16 if whole else 1, np.int64)
        self.actions = np.zeros(len(self.rows), np.int64)
        self.rewards = np.zeros(len(self.rows))
        self.size = 0

    def add(self, row: int, a: int, r: float) -> None:
        """One more decision, in the context of row `row`."""
        k = self.size if self.whole else 0
        if k == len(self.rows):
            self.rows, self.actions, self.rewards = (
                np.concatenate([part, np.zeros_like(part)])
                for part in (self.rows, self.actions, self.rewards)
            )
        self.rows[k], self.actions[k], self.rewards[k] = row, a, r
        self.size = k + 1

    @property
    def newest(self) -> tuple[np.ndarray, int, float]:
        """x, a, r of the last decision."""
        k = self.size - 1
        return self.contexts[self.rows[k]], int(self.actions[k]), float(self.rewards[k])

    def state(self) -> Tree:
        n = self.size if self.whole else 0
        return {name: getattr(self, name)[:n].copy() for name in ("rows", "actions", "rewards")}

    def load(self, state: Tree) -> None:
        n = len(state["rows"])
        if n:
            self.rows, self.actions = state["rows"].astype(np.int64), state["actions"].astype(np.int64)
            self.rewards, self.size = state["rewards"].astype(np.float64), n
            if min(self.rows.min(), self.actions.min()) < 0 or self.rows.max() >= len(self.contexts):
                raise ValueError("a decision in a context that there is not")


class World(ABC):
    """What the runs share: arms, contexts, and how rewards come about."""

    MEASURES: ClassVar[tuple[str, ...]]
    """What `account` adds up."""
    arms: list[str]
    contexts: np.ndarray
    """(n, d) float64, the last column 1: a world without contexts has this column alone."""
    low: float
    high: float

    def begin(self, streams: Streams, start: int, steps: int) -> "Stretch":
        """What happens from step `start` (from 0) on, for so many steps; `streams`: of one run."""
        raise NotImplementedError


class Stretch(ABC):
    """A stretch of one run's time; steps count from its beginning."""

    @abstractmethod
    def context(self, t: int) -> int:
        """Row of the context of step t."""

    @abstractmethod
    def reward(self, t: int, a: int) -> float | None:
        """The reward of action a; None: nobody knows."""

    @abstractmethod
    def account(self, t: int, p: np.ndarray, a: int) -> Sequence[float]:
        """The world's MEASURES of step t, in which action a was drawn from p."""


def with_constant(x: np.ndarray) -> np.ndarray:
    """(n, d) -> (n, d + 1): a 1 behind the numbers, for what holds in every context."""
    return np.ascontiguousarray(np.column_stack([x, np.ones(len(x))]))


# -- simulated ----------------------------------------------------------------------------------------------
class Simulated(World):
    """Rewards are drawn; what would have been best is known."""

    MEASURES = ("reward", "regret", "best")
    expected: np.ndarray
    """(classes, K) expected reward; a world of arms has one class."""
    classes: np.ndarray
    """(n,) class of each context."""

    def outcomes(self, rng: np.random.Generator, classes: np.ndarray) -> np.ndarray:
        """(steps, K) the reward that each action would bring."""
        raise NotImplementedError

    def begin(self, streams: Streams, start: int, steps: int) -> "SimulatedStretch":
        rng = streams.get("world", start)
        rows = rng.integers(len(self.contexts), size=steps)
        return SimulatedStretch(
            rows, self.outcomes(rng, self.classes[rows]), self.expected[self.classes[rows]]
        )


class SimulatedStretch(Stretch):
    """rows: (steps,) contexts; rewards: (steps, K) of every action; expected: (steps, K) their means."""

    def __init__(self, rows: np.ndarray, rewards: np.ndarray, expected: np.ndarray) -> None:
        self.rows = rows.tolist()
        self.rewards = rewards.tolist()
        self.regret = (expected.max(1, keepdims=True) - expected).tolist()

    def context(self, t: int) -> int:
        return self.rows[t]

    def reward(self, t: int, a: int) -> float | None:
        return self.rewards[t][a]

    def account(self, t: int, p: np.ndarray, a: int) -> Sequence[float]:
        regret = self.regret[t][a]
        return self.rewards[t][a], regret, float(regret <= 0)


class Arms(Simulated):
    """A table of arms: rewards of 0 and 1, or Gaussian ones."""

    def __init__(self, table: ArmTable) -> None:
        self.arms = table.arms
        self.table = table
        self.contexts = np.ones((1, 1))
        self.classes = np.zeros(1, np.int64)
        self.expected = table.mean[None]
        bounds = (0.0, 1.0) if table.sd is None else (-np.inf, np.inf)
        self.low, self.high = bounds

    def outcomes(self, rng: np.random.Generator, classes: np.ndarray) -> np.ndarray:
        shape = (len(classes), len(self.arms))
        if self.table.sd is None:
            return (rng.random(shape) < self.table.mean).astype(np.float64)
        return self.table.mean + self.table.sd * rng.standard_normal(shape)


class ClassWorld(Simulated):
    """Contexts whose class decides what an action brings: one of several outcomes, equally likely each."""

    def __init__(self, rows: ClassRows, arms: list[str], outcomes: list[list[list[float]]]) -> None:
        """outcomes: [class][action] -> rewards that are equally likely."""
        self.arms = arms
        self.contexts, self.classes = with_constant(rows.x), rows.y
        self.table = outcomes
        self.expected = np.array([[float(np.mean(one)) for one in row] for row in outcomes])
        every = [value for row in outcomes for one in row for value in one]
        self.low, self.high = min(every), max(every)

    def outcomes(self, rng: np.random.Generator, classes: np.ndarray) -> np.ndarray:
        chance = rng.random((len(classes), len(self.arms)))
        rewards = np.empty_like(chance)
        for c, row in enumerate(self.table):
            here = classes == c
            for a, values in enumerate(row):
                which = (chance[here, a] * len(values)).astype(np.int64)
                rewards[here, a] = np.array(values)[which]
        return rewards


# -- replayed -----------------------------------------------------------------------------------------------
class Replay(World):
    """A log: an action's reward is known where the log's author took the same one.

    Kept are the decisions in which they agree, each with a probability of (least probability in the log) /
    (its own): so thinned out, the author took every action equally often, and what is kept is a fair sample
    of what the policy would have met (Li et al. 2011, algorithm 2; the thinning: Dudík et al. 2012).
    """

    MEASURES = Estimates._fields

    def __init__(self, log: Log) -> None:
        self.log = log
        self.arms = log.arms
        self.contexts = with_constant(log.x)
        self.low, self.high = float(log.reward.min()), float(log.reward.max())
        self.floor = float(log.probability.min())

    def begin(self, streams: Streams, start: int, steps: int) -> "ReplayStretch":
        order = streams.get("order").permutation(len(self.contexts))[start : start + steps]
        chance = streams.get("thinning", start).random(len(order))
        return ReplayStretch(self.log, order, chance * self.log.probability[order] < self.floor)


class ReplayStretch(Stretch):
    """rows: (steps,) of the log; kept: (steps,) those that the thinning leaves."""

    def __init__(self, log: Log, rows: np.ndarray, kept: np.ndarray) -> None:
        self.rows, self.kept = rows.tolist(), kept.tolist()
        self.action, self.rewards = log.action[rows].tolist(), log.reward[rows].tolist()
        self.probability = log.probability[rows].tolist()

    def context(self, t: int) -> int:
        return self.rows[t]

    def reward(self, t: int, a: int) -> float | None:
        return self.rewards[t] if self.kept[t] and a == self.action[t] else None

    def account(self, t: int, p: np.ndarray, a: int) -> Sequence[float]:
        known = self.reward(t, a) is not None
        weight = float(p[self.action[t]]) / self.probability[t]
        return Estimates.terms(self.rewards[t], weight, known)
