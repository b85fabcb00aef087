"""The exact answers: the best policy by value iteration, and what any policy is worth, nothing being thrown.

    V*(s) = max_a sum_s' p(s', r given s, a) [r + gamma V*(s')]              (Sutton & Barto 2018, eq. 4.1)
    V_pi(s) = sum_s' p(s', r given s, pi(s)) [r + gamma V_pi(s')]                                (eq. 4.4)

Two figures for each, and they differ: the *value* is the discounted sum of rewards without end, what
Q-learning learns; the *return* is the plain sum within the horizon of an episode, what one sees when it is
played.
"""

import math
from dataclasses import dataclass

import numpy as np

from dlkit.algorithms.qlearn_world import GOAL, Table, World
from dlkit.kernels.bellman import policy_sweeps, value_sweep

TOLERANCE = 1e-12
MOST_SWEEPS = 50_000


@dataclass
class Optimum:
    """What nobody can do better than."""

    q: np.ndarray
    """(S, A) float64: value of each choice if the best follows; -inf where a state has no such choice."""
    v: np.ndarray
    """(S,) float64."""
    value: float | None
    """Mean over the starts of V*; None where discount is 1 and the sum has no limit."""
    total: float
    """Largest expected sum of rewards within the horizon; its policy may look at the clock."""
    sweeps: int

    @property
    def policy(self) -> np.ndarray:
        """(S,) int64."""
        return self.q.argmax(1)


def optimum(world: World, discount: float, horizon: int) -> Optimum:
    """Value iteration until nothing moves, and `horizon` sweeps of it without discount.

    Where discount is 1 and the values have no limit, the policy is that with `horizon` steps to go.
    """
    table = _table(world)
    q, v, sweeps, settled = value_iteration(world, discount, MOST_SWEEPS if discount < 1 else 10 * horizon)
    total = np.zeros(len(v))
    finite = np.empty_like(q)
    change = np.empty(1)
    for _ in range(horizon):
        value_sweep(world.choices, *_columns(table), 1.0, total, finite, change)
    if not settled:
        q, v = finite, total
    value = _at_start(world, v) if settled and discount < 1 else None
    return Optimum(q, v, value, _at_start(world, total), sweeps)


def value_iteration(world: World, discount: float, most: int) -> tuple[np.ndarray, np.ndarray, int, bool]:
    """(q (S, A), v (S,), sweeps, whether the values have settled) from v = 0 on."""
    columns = _columns(_table(world))
    q, v, change = np.empty(world.size), np.zeros(len(world.states)), np.empty(1)
    for sweeps in range(1, most + 1):
        value_sweep(world.choices, *columns, discount, v, q, change)
        if change[0] <= TOLERANCE * max(1.0, float(np.abs(v).max())):
            return q, v, sweeps, True
    return q, v, most, discount < 1


def greedy_policies(world: World, q: np.ndarray) -> np.ndarray:
    """(K, S) int64: the first best choice of each state. q: (K, S, A)."""
    there = np.arange(q.shape[2]) < world.choices[:, None]
    best: np.ndarray = np.where(there, q, -np.inf).argmax(2)
    return best


def policy_values(world: World, policies: np.ndarray, discount: float, sweeps: int) -> np.ndarray:
    """(K, S): expected discounted sum of `sweeps` steps from each state, or of endless ones (sweeps 0)."""
    return _sums(world, policies, _table(world).rewards, discount, sweeps)


def judged(world: World, policies: np.ndarray, discount: float, horizon: int) -> dict[str, np.ndarray]:
    """Exact figures of policies (K, S), each (K,): `return` and `length` within the horizon, `success` (the
    probability of ending in a goal by then) and, where discount is below 1, `value`."""
    table = _table(world)
    found = {}
    if discount < 1:
        found["value"] = _at_starts(world, policy_values(world, policies, discount, 0))
    goal = (table.ends == GOAL).astype(np.float64)
    for name, rewards in (("return", table.rewards), ("success", goal), ("length", np.ones_like(goal))):
        found[name] = _at_starts(world, _sums(world, policies, rewards, 1.0, horizon))
    return found


def _sums(
    world: World, policies: np.ndarray, rewards: np.ndarray, discount: float, sweeps: int
) -> np.ndarray:
    table = _table(world)
    tolerance = 0.0
    if not sweeps:
        largest = float(np.abs(rewards).max(initial=0)) / (1 - discount)
        tolerance = TOLERANCE * max(largest, 1.0) * (1 - discount)
        sweeps = min(math.ceil(math.log(TOLERANCE) / math.log(discount)) + 1, MOST_SWEEPS) if discount else 1
    values, scratch = np.zeros(policies.shape), np.empty(policies.shape)
    first, following, probabilities, _, ends = _columns(table)
    policy_sweeps(
        policies, world.choices, world.size[1], first, following, probabilities, rewards, ends, discount,
        sweeps, tolerance, values, scratch,
    )  # fmt: skip
    return values


def _table(world: World) -> Table:
    assert world.table is not None
    return world.table


def _columns(table: Table) -> tuple[np.ndarray, ...]:
    return table.first, table.following, table.probabilities, table.rewards, table.ends


def _at_starts(world: World, values: np.ndarray) -> np.ndarray:
    """(K,) from (K, S): the mean over the starts."""
    mean: np.ndarray = (values[:, world.starts] * world.start_probabilities).sum(1)
    return mean


def _at_start(world: World, values: np.ndarray) -> float:
    return float(_at_starts(world, values[None])[0])
