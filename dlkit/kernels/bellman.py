"""Dynamic programming over a table of outcomes: what a policy is worth, and what the best one is.

The table is that of kernels/td.py: pair (s, a) has the outcomes first[s A + a] .. first[s A + a + 1]. An
outcome that ends the episode has no future. Sutton & Barto 2018, equations 4.5 and 4.10.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def policy_sweeps_reference(
    policy: Any, choices: Any, actions: int, first: Any, following: Any, probabilities: Any, rewards: Any,
    ends: Any, discount: float, sweeps: int, tolerance: float, values: Any, scratch: Any,
) -> None:  # fmt: skip
    """v(s) <- sum_o p_o (r_o + gamma v(s_o)) for the outcomes of (s, policy(s)), so many times over.

    policy: (K, S) int64, K policies at once. choices: (S,) int32, 0 for a state that ends; first: (S A + 1,)
    int64; following int32, probabilities and rewards float64, ends uint8: (n,). Stops before `sweeps` where
    no value has changed by more than tolerance (0: never). values: (K, S) float64, where it starts and what
    it finds: after h sweeps from 0 the expected sum of h steps. scratch: (K, S).
    """
    for v, states in zip(values, policy, strict=True):
        for _ in range(sweeps):
            before = v.copy()
            for s in np.flatnonzero(choices):
                row = s * actions + states[s]
                o = slice(first[row], first[row + 1])
                ahead = np.where(ends[o] > 0, 0, before[following[o]])
                v[s] = (probabilities[o] * (rewards[o] + discount * ahead)).sum()
            if tolerance and np.abs(v - before).max(initial=0) <= tolerance:
                break
    scratch[...] = values


def _policy_sweeps_cpu(
    policy, choices, actions, first, following, probabilities, rewards, ends, discount, sweeps, tolerance,
    values, scratch
):  # fmt: skip
    states = values.shape[1]
    for k in range(values.shape[0]):
        for _ in range(sweeps):
            change = 0.0
            for s in range(states):
                scratch[k, s] = values[k, s]
            for s in range(states):
                if choices[s] == 0:
                    continue
                row = s * actions + policy[k, s]
                total = 0.0
                for o in range(first[row], first[row + 1]):
                    ahead = 0.0 if ends[o] else scratch[k, following[o]]
                    total += probabilities[o] * (rewards[o] + discount * ahead)
                change = max(change, abs(total - scratch[k, s]))
                values[k, s] = total
            if tolerance > 0 and change <= tolerance:
                break
        for s in range(states):
            scratch[k, s] = values[k, s]


def _check_table(name: str, states: int, actions: int, table: tuple[Any, ...]) -> None:
    first, following, probabilities, rewards, ends = table
    n = len(following)
    checks.shaped(name, "first", first, (states * actions + 1,), np.int64)
    checks.shaped(name, "following", following, (n,), np.int32)
    checks.shaped(name, "probabilities", probabilities, (n,), np.float64)
    checks.shaped(name, "rewards", rewards, (n,), np.float64)
    checks.shaped(name, "ends", ends, (n,), np.uint8)


def _check_policy(
    policy: Any, choices: Any, actions: int, first: Any, following: Any, probabilities: Any, rewards: Any,
    ends: Any, discount: float, sweeps: int, tolerance: float, values: Any, scratch: Any,
) -> None:  # fmt: skip
    name, (agents, states) = "policy_sweeps", checks.matrix("policy_sweeps", "values", values)
    _check_table(name, states, actions, (first, following, probabilities, rewards, ends))
    checks.shaped(name, "policy", policy, (agents, states), np.int64)
    checks.index(name, "policy", policy, actions)
    checks.shaped(name, "choices", choices, (states,), np.int32)
    checks.shaped(name, "values", values, (agents, states), np.float64)
    checks.shaped(name, "scratch", scratch, (agents, states), np.float64)


policy_sweeps = kernel(
    "policy_sweeps", policy_sweeps_reference, cpu=_policy_sweeps_cpu, check=_check_policy,
    updates="values scratch",
)  # fmt: skip


def value_sweep_reference(
    choices: Any, first: Any, following: Any, probabilities: Any, rewards: Any, ends: Any, discount: float, v:
    Any, q: Any, change: Any,
) -> None:  # fmt: skip
    """q(s, a) <- sum_o p_o (r_o + gamma v(s_o)), then v(s) <- max_a q(s, a): one sweep of value iteration.

    The table: as in policy_sweeps. v: (S,); q: (S, A), -inf where a state has no such action; change: (1,),
    the largest |change of v|. All float64.
    """
    states, actions = q.shape
    before = v.copy()
    q[...] = -np.inf
    for s in range(states):
        for a in range(choices[s]):
            o = slice(first[s * actions + a], first[s * actions + a + 1])
            ahead = np.where(ends[o] > 0, 0, before[following[o]])
            q[s, a] = (probabilities[o] * (rewards[o] + discount * ahead)).sum()
        v[s] = q[s].max() if choices[s] else 0
    change[0] = np.abs(v - before).max(initial=0)


def _value_sweep_cpu(choices, first, following, probabilities, rewards, ends, discount, v, q, change):
    states, actions = q.shape
    for s in range(states):
        for a in range(actions):
            if a >= choices[s]:
                q[s, a] = -np.inf
                continue
            total = 0.0
            for o in range(first[s * actions + a], first[s * actions + a + 1]):
                ahead = 0.0 if ends[o] else v[following[o]]
                total += probabilities[o] * (rewards[o] + discount * ahead)
            q[s, a] = total
    largest = 0.0
    for s in range(states):
        best = q[s, 0] if choices[s] > 0 else 0.0
        for a in range(1, choices[s]):
            best = q[s, a] if q[s, a] > best or np.isnan(q[s, a]) else best
        moved = abs(best - v[s])
        largest = moved if moved > largest or np.isnan(moved) else largest
        v[s] = best
    change[0] = largest


def _check_sweep(
    choices: Any, first: Any, following: Any, probabilities: Any, rewards: Any, ends: Any, discount: float, v:
    Any, q: Any, change: Any,
) -> None:  # fmt: skip
    name, (states, actions) = "value_sweep", checks.matrix("value_sweep", "q", q)
    _check_table(name, states, actions, (first, following, probabilities, rewards, ends))
    checks.shaped(name, "choices", choices, (states,), np.int32)
    checks.shaped(name, "q", q, (states, actions), np.float64)
    checks.shaped(name, "v", v, (states,), np.float64)
    checks.shaped(name, "change", change, (1,), np.float64)


value_sweep = kernel(
    "value_sweep", value_sweep_reference, cpu=_value_sweep_cpu, check=_check_sweep, updates="v q change"
)
