"""A world of states and actions: a table of outcomes to step through and to solve by dynamic programming.

Taking action a in state s leads, with probability p, to state s' with reward r, and may end the episode. What
a state is called, where it lies on a map and what a network sees of it stand beside the table.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Tree

GOES_ON, ENDS, GOAL = 0, 1, 2
"""What an outcome does to the episode."""
SUM_TOLERANCE = 1e-6
"""How far the probabilities of a pair may be from 1."""


@dataclass
class Table:
    """Outcomes of pair (s, a), in row s * A + a: entries first[row] .. first[row + 1] of the others."""

    first: np.ndarray
    """(S A + 1,) int64."""
    following: np.ndarray
    """(n,) int32, the next state."""
    probabilities: np.ndarray
    """(n,) float64."""
    rewards: np.ndarray
    """(n,) float64."""
    ends: np.ndarray
    """(n,) uint8: GOES_ON, ENDS or GOAL."""

    @property
    def cumulative(self) -> np.ndarray:
        """(n,) float64: probability of an outcome and those of its pair before it."""
        total = np.cumsum(self.probabilities)
        before = np.concatenate([[0.0], total])[self.first[:-1]]
        return total - np.repeat(before, np.diff(self.first))


@dataclass
class Layout:
    """Where the states of a world lie: cells of a map, or of several maps beside each other."""

    rows: list[str]
    """The drawing, a character a cell."""
    places: np.ndarray
    """(S, 3) int64: panel, row, column."""
    panels: list[str] = field(default_factory=lambda: [""])
    """Titles of the maps."""
    arrows: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Action -> rows down and columns to the right; an action that is none is shown by its first letter."""


@dataclass
class World:
    """States, actions and what follows. `table` is None where a world can only be stepped through."""

    name: str
    states: list[str]
    actions: list[str]
    choices: np.ndarray
    """(S,) int32: actions of each state; 0: the episode ends there."""
    local: np.ndarray
    """(S, A) int32: which action the state's a-th choice is; -1 where it has no so many."""
    table: Table | None
    starts: np.ndarray
    """(m,) int32."""
    start_probabilities: np.ndarray
    """(m,) float64."""
    horizon: int
    """Most steps of an episode, where the recipe does not say."""
    factors: np.ndarray
    """(S, F) int64: what a state is made of (row and column), each from 0."""
    layout: Layout | None = None

    @property
    def size(self) -> tuple[int, int]:
        """(states, most actions of a state)."""
        return len(self.states), self.local.shape[1]

    @property
    def start_cumulative(self) -> np.ndarray:
        return np.cumsum(self.start_probabilities)

    def action_name(self, s: int, a: int) -> str:
        """The a-th choice of a state."""
        return self.actions[int(self.local[s, a])]

    def by_action(self, values: np.ndarray) -> np.ndarray:
        """(S, all actions) of (S, choices): NaN where a state does not have the action."""
        out = np.full((len(self.states), len(self.actions)), np.nan)
        s, a = np.nonzero(np.arange(self.local.shape[1]) < self.choices[:, None])
        out[s, self.local[s, a]] = values[s, a]
        return out

    def summary(self) -> str:
        """``grid 4 × 4, 16 states, 4 actions, 1 start``."""
        starts = f"{len(self.starts)} start{'s' if len(self.starts) != 1 else ''}"
        return f"{self.name} · {len(self.states):,} states · {len(self.actions)} actions · {starts}"

    # -- as part of a checkpoint ------------------------------------------------------------------------
    def state(self) -> Tree:
        layout = self.layout
        return {
            "name": self.name, "states": self.states, "actions": self.actions, "choices": self.choices,
            "local": self.local, "starts": self.starts, "start_probabilities": self.start_probabilities,
            "horizon": self.horizon, "factors": self.factors,
            "table": None if self.table is None else dict(vars(self.table)),
            "layout": None if layout is None else {
                "rows": layout.rows, "places": layout.places, "panels": layout.panels,
                "arrow_names": list(layout.arrows),
                "arrows": np.array(list(layout.arrows.values()), np.float64).reshape(-1, 2),
            },
        }  # fmt: skip

    @classmethod
    def from_state(cls, state: Tree) -> "World":
        """The inverse of `state`. Raises KeyError, TypeError, ValueError for what is no world."""
        given: dict[str, Any] = dict(state)
        table = None if given["table"] is None else Table(**given["table"])
        layout = None
        if given["layout"] is not None:
            kept = dict(given["layout"])
            names = kept.pop("arrow_names")
            arrows = kept.pop("arrows").tolist()
            layout = Layout(**kept, arrows={n: (y, x) for n, (y, x) in zip(names, arrows, strict=True)})
        world = cls(**(given | {"table": table, "layout": layout}))
        world.check()
        return world

    def check(self) -> None:
        """Raises ValueError where sizes or indices do not fit each other: a kernel would read elsewhere."""
        n, width = self.size
        states, actions = range(n), range(len(self.actions))
        ok = self.choices.shape == (n,) and self.local.shape == (n, width) and len(self.factors) == n
        ok = ok and _within(self.choices, 0, width) and _within(self.local, -1, len(actions) - 1)
        ok = ok and len(self.starts) > 0 and self.starts.shape == self.start_probabilities.shape
        ok = ok and _within(self.starts, 0, len(states) - 1) and self.horizon >= 1
        ok = ok and self.choices.dtype == self.starts.dtype == np.int32
        ok = ok and bool((self.choices[self.starts] > 0).all()) and _within(self.factors, 0, 1 << 31)
        if ok and self.table is not None:
            t = self.table
            count = len(t.following)
            ok = t.first.shape == (n * width + 1,) and int(t.first[0]) == 0 and int(t.first[-1]) == count
            ok = ok and bool((np.diff(t.first) >= 0).all()) and _within(t.following, 0, n - 1)
            pairs = np.arange(width) < self.choices[:, None]
            ok = ok and bool((np.diff(t.first).reshape(n, width) > 0)[pairs].all())
            ok = ok and t.probabilities.shape == t.rewards.shape == t.ends.shape == (count,)
            ok = ok and bool(np.isfinite(t.rewards).all() and np.isfinite(t.probabilities).all())
            stays = t.following[t.ends == GOES_ON]
            ok = ok and bool((self.choices[stays] > 0).all())
        if not ok:
            raise ValueError("a world whose parts do not fit each other")


def _within(values: np.ndarray, low: int, high: int) -> bool:
    return values.size == 0 or bool(values.min() >= low and values.max() <= high)


Outcome = tuple[float, int, float, int]
"""Probability, next state, reward, what becomes of the episode."""


def table_of(pairs: list[list[list[Outcome]]], width: int) -> Table:
    """The table of each state's choices with their outcomes, padded to `width` choices."""
    counts = [len(outcomes) for choices in pairs for outcomes in [*choices, *[[]] * (width - len(choices))]]
    flat = [outcome for choices in pairs for outcomes in choices for outcome in outcomes]
    columns = list(zip(*flat, strict=True)) or [(), (), (), ()]
    return Table(
        np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        np.array(columns[1], np.int32),
        np.array(columns[0], np.float64),
        np.array(columns[2], np.float64),
        np.array(columns[3], np.uint8),
    )


def reached(world: World, *, ends: bool) -> np.ndarray:
    """(S,) bool: where a start leads to, in any number of steps, by outcomes that can happen.

    ends: states in which an episode is over count too.
    """
    table = world.table
    assert table is not None
    n, width = world.size
    live = np.zeros(n, bool)
    over = np.zeros(n, bool)
    frontier = np.unique(world.starts)
    live[frontier] = True
    while len(frontier):
        rows = (frontier[:, None] * width + np.arange(width)).ravel()
        outcomes = np.concatenate([np.arange(table.first[row], table.first[row + 1]) for row in rows])
        outcomes = outcomes[table.probabilities[outcomes] > 0]
        after, final = table.following[outcomes], table.ends[outcomes] > GOES_ON
        over[after[final]] = True
        frontier = np.unique(after[~final & ~live[after]])
        live[frontier] = True
    return live | over if ends else live
