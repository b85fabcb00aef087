"""Arguments for learning and dynamic programming over tables of outcomes; all of it is float64."""

from itertools import pairwise
from typing import Any

import numpy as np
from kernels.cases import Args, Rng, cases

SIZES = ((0, 3, 2, 4), (1, 1, 1, 1), (2, 5, 3, 0), (3, 7, 4, 12), (33, 4, 2, 3))
"""Agents, states, actions, episodes."""


def table(rng: Rng, states: int, actions: int) -> dict[str, np.ndarray]:
    """Outcomes of pairs, one to three each; some end, some in a goal; the last state has one action."""
    choices = np.full(states, actions, np.int32)
    choices[-1] = 1
    counts = rng.integers(1, 4, (states, actions)) * (np.arange(actions) < choices[:, None])
    first = np.concatenate([[0], np.cumsum(counts.ravel())])
    n = int(first[-1])
    probabilities, cumulative = np.empty(n), np.empty(n)
    for lo, hi in pairwise(first):
        p = rng.random(hi - lo) + 0.1
        probabilities[lo:hi] = p / p.sum() if hi > lo else p
        cumulative[lo:hi] = np.cumsum(probabilities[lo:hi])
    return {
        "choices": choices,
        "first": first,
        "following": rng.integers(0, states, n, np.int32),
        "probabilities": probabilities,
        "cumulative": cumulative,
        "rewards": np.round(rng.standard_normal(n), 1),
        "ends": np.where(rng.random(n) < 0.15, rng.integers(1, 3, n), 0).astype(np.uint8),
    }


@cases("td_episodes", size=SIZES, method=(0, 1, 2, 3), half=(0.0, 2.5), random_ties=(0, 1))
def _td_episodes(
    rng: Rng, real: Any, size: tuple[int, ...], method: int, half: float, random_ties: int
) -> Args:
    agents, states, actions, episodes = size
    t = table(rng, states, actions)
    shape = (states, actions)
    starts = rng.permutation(states)[:3].astype(np.int32)
    return (
        np.zeros((agents, 2 if method == 3 else 1, *shape)),
        np.zeros((agents if half else 0, *shape), np.int32), t["choices"], t["first"], t["following"],
        t["cumulative"], t["rewards"], t["ends"], starts, np.linspace(0, 1, len(starts) + 1)[1:],
        rng.integers(-(2**63), 2**63, agents, np.int64), 5, np.linspace(0.9, 0.1, episodes),
        np.linspace(1.0, 0.3, episodes), half, 0.9, 17, method, random_ties,
        np.full((agents, episodes), np.nan), np.full((agents, episodes), -1, np.int32),
        np.full((agents, episodes), 9, np.uint8),
    )  # fmt: skip


@cases("policy_sweeps", size=SIZES, sweeps=(0, 1, 30))
def _policy_sweeps(rng: Rng, real: Any, size: tuple[int, ...], sweeps: int) -> Args:
    agents, states, actions, _ = size
    t = table(rng, states, actions)
    policy = rng.integers(0, 2**31, (agents, states)) % t["choices"]
    outcomes = (t[name] for name in ("first", "following", "probabilities", "rewards", "ends"))
    return (
        policy, t["choices"], actions, *outcomes, 0.9, sweeps, 0.0, np.zeros((agents, states)),
        np.full((agents, states), np.nan),
    )  # fmt: skip


@cases("value_sweep", size=SIZES)
def _value_sweep(rng: Rng, real: Any, size: tuple[int, ...]) -> Args:
    _, states, actions, _ = size
    t = table(rng, states, actions)
    outcomes = (t[name] for name in ("first", "following", "probabilities", "rewards", "ends"))
    q = np.full((states, actions), np.nan)
    return t["choices"], *outcomes, 0.9, rng.standard_normal(states), q, np.full(1, np.nan)
