"""Episodes without exploration and without learning, in a world with a table of outcomes."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dlkit.algorithms.qlearn_exact import greedy_policies
from dlkit.algorithms.qlearn_world import World
from dlkit.kernels import chance
from dlkit.kernels.td import Q_LEARNING, td_episodes


class Rollout(NamedTuple):
    """Episodes of one agent, each (n,)."""

    returns: np.ndarray
    lengths: np.ndarray
    endings: np.ndarray
    """uint8, as in Table.ends; 0: cut off at the horizon."""


class Step(NamedTuple):
    """One step of an episode."""

    state: int
    action: int
    after: int
    reward: float
    outcome: int


def rolled_out(world: World, q: np.ndarray, episodes: int, horizon: int, streams: Any) -> Rollout:
    """Episodes of the policy that is greedy for q (S, A): the kernel of learning with rate 0."""
    table = world.table
    assert table is not None
    returns, lengths = np.empty((1, episodes)), np.empty((1, episodes), np.int32)
    endings, zeros = np.empty((1, episodes), np.uint8), np.zeros(episodes)
    td_episodes(
        np.ascontiguousarray(q[None, None]), np.zeros((0, *world.size), np.int32), world.choices, table.first,
        table.following, table.cumulative, table.rewards, table.ends, world.starts, world.start_cumulative,
        np.array([_key(streams)]), 0, zeros, zeros, 0.0, 1.0, horizon, Q_LEARNING, 0, returns, lengths,
        endings,
    )  # fmt: skip
    return Rollout(returns[0], lengths[0], endings[0])


def played(world: World, q: np.ndarray, number: int, horizon: int, streams: Any) -> Iterator[Step]:
    """The steps of episode `number` (from 1) of `rolled_out`."""
    table = world.table
    assert table is not None
    policy = greedy_policies(world, q[None])[0]
    key = chance.draw(_key(streams) & ((1 << 64) - 1), number)
    cumulative = table.cumulative
    s = int(world.starts[_first_above(world.start_cumulative, chance.unit(chance.draw(key, 0)))])
    for t in range(horizon):
        a = int(policy[s])
        row = s * world.size[1] + a
        lo, hi = int(table.first[row]), int(table.first[row + 1])
        o = lo + _first_above(cumulative[lo:hi], chance.unit(chance.draw(key, 3 * t + 2)))
        step = Step(s, a, int(table.following[o]), float(table.rewards[o]), int(table.ends[o]))
        yield step
        if step.outcome:
            return
        s = step.after


def _key(streams: Any) -> int:
    return int(streams.get("rollout").integers(-(1 << 63), 1 << 63))


def _first_above(cumulative: np.ndarray, u: float) -> int:
    above = np.flatnonzero(u < cumulative[:-1])
    return int(above[0]) if len(above) else len(cumulative) - 1
