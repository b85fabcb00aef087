"""The peers of the bandit row: ``python -m benchmarks.bandit_peers PEER WORLD POLICY``.

PEER: mabwiser (MABWiser's policies, a decision and a partial_fit at a time), or numpy (the loop that a user
would write: one draw of W for a decision, no probabilities, no account). WORLD, POLICY: as in
bandit_dlkit.py.
"""

import platform
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.measure import say

ROWS, FEATURES = 2000, 117
Decide = Callable[[int], int]
Learn = Callable[[int, int, float], None]


def world(name: str) -> tuple[np.ndarray, np.ndarray]:
    """Contexts (n, d) with a constant, and expected rewards (n, K)."""
    rng = np.random.default_rng(1)
    if name == "arms":
        return np.ones((1, 1)), 0.1 + np.arange(10)[None] / 20
    x = rng.integers(0, 2, (ROWS, FEATURES)).astype(float)
    y = (x[:, :5].sum(1) > 2).astype(int)
    return np.column_stack([x, np.ones(ROWS)]), np.eye(2)[y]


def mabwiser(name: str, x: np.ndarray, arms: int) -> tuple[Decide, Learn]:
    from mabwiser.mab import MAB, LearningPolicy

    policies: dict[str, Any] = {
        "thompson": LearningPolicy.ThompsonSampling,
        "ucb1": LearningPolicy.UCB1,
        "epsilon_greedy": LearningPolicy.EpsilonGreedy,
        "thompson_linear": LearningPolicy.LinTS,
        "linucb": LearningPolicy.LinUCB,
    }
    mab = MAB(list(range(arms)), policies[name]())
    rows, contextual = x.tolist(), x.shape[1] > 1
    first = {"contexts": rows[:1] * arms} if contextual else {}
    mab.fit(decisions=list(range(arms)), rewards=[0] * arms, **first)
    if contextual:
        return (
            lambda row: mab.predict([rows[row]]),
            lambda row, a, r: mab.partial_fit([a], [r], [rows[row]]),
        )
    return lambda row: mab.predict(), lambda row, a, r: mab.partial_fit([a], [r])


def plain(name: str, x: np.ndarray, arms: int) -> tuple[Decide, Learn]:
    return linear(name, x, arms) if x.shape[1] > 1 else counts(name, arms)


def counts(name: str, arms: int) -> tuple[Decide, Learn]:
    rng = np.random.default_rng(2)
    n, total = np.zeros(arms), np.zeros(arms)

    def decide(row: int) -> int:
        if name == "thompson":
            return int(rng.beta(1 + total, 1 + n - total).argmax())
        if name == "epsilon_greedy":
            by_chance = rng.random() < 0.1
            return int(rng.integers(arms)) if by_chance else int((total / np.maximum(n, 1)).argmax())
        if (n == 0).any():
            return int(n.argmin())
        return int((total / n + np.sqrt(2 * np.log(n.sum()) / n)).argmax())

    def learn(row: int, a: int, r: float) -> None:
        n[a] += 1
        total[a] += r

    return decide, learn


def linear(name: str, x: np.ndarray, arms: int) -> tuple[Decide, Learn]:
    """Ridge regression for each arm, its inverse kept by Sherman and Morrison's formula."""
    rng, d = np.random.default_rng(2), x.shape[1]
    inverse, b = np.tile(np.eye(d), (arms, 1, 1)), np.zeros((arms, d))

    def decide(row: int) -> int:
        one, mean = x[row], np.einsum("kde,ke->kd", inverse, b)
        if name == "linucb":
            return int((mean @ one + np.sqrt(np.einsum("d,kde,e->k", one, inverse, one))).argmax())
        root = np.linalg.cholesky(inverse)
        w = mean + np.einsum("kde,ke->kd", root, rng.standard_normal((arms, d)))
        return int((w @ one).argmax())

    def learn(row: int, a: int, r: float) -> None:
        v = inverse[a] @ x[row]
        inverse[a] -= np.outer(v, v) / (1 + x[row] @ v)
        b[a] += r * x[row]

    return decide, learn


def main() -> None:
    peer, where, name = sys.argv[1:]
    x, expected = world(where)
    decide, learn = {"mabwiser": mabwiser, "numpy": plain}[peer](name, x, expected.shape[1])
    rng = np.random.default_rng(3)
    decisions, start = 0, time.perf_counter()
    while time.perf_counter() - start < 1.5:
        row = int(rng.integers(len(x)))
        a = decide(row)
        learn(row, a, float(rng.random() < expected[row, a]))
        decisions += 1
    seconds = time.perf_counter() - start
    used = {"mabwiser": version("mabwiser")} if peer == "mabwiser" else {}
    say(
        decision_seconds=seconds / decisions,
        decisions_a_second=decisions / seconds,
        versions={"python (peer)": platform.python_version(), **used},
    )


if __name__ == "__main__":
    main()
