"""Policies against loops written by hand, and what each may be used for."""

from typing import Any

import numpy as np
import pytest

from dlkit.algorithms.bandit import BanditRecipe
from dlkit.algorithms.bandit_policies import Policy, shares
from dlkit.algorithms.bandit_run import BanditRun, drawn
from dlkit.algorithms.bandit_world import Arms, ClassWorld, History, Situation
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.errors import UsageError
from dlkit.readers.contexts import PlainContexts
from dlkit.readers.decisions import ArmTable, ClassRows


def arms(*means: float, sd: list[float] | None = None) -> Arms:
    names = [f"腕{k}" for k in range(len(means))]
    return Arms(ArmTable(names, np.array(means), None if sd is None else np.array(sd)))


OFTEN = {"every": 5, "updates": 5, "batch": 32, "optimizer": {"name": "adam", "lr": 0.01}}


def policy(spec: Any, situation: Situation) -> Policy:
    made = BanditRecipe.model_validate({"data": {"train": "x"}, "policy": spec}).policy
    return made.policy(situation)  # type: ignore[attr-defined]


def situation(world: Any, seed: int = 5) -> Situation:
    width = world.contexts.shape[1]
    return Situation(world.arms, width, world.low, world.high, Streams(seed), open_backend("cpu"))


def run(world: Any, spec: Any, seed: int = 5, **keys: Any) -> BanditRun:
    made = situation(world, seed)
    return BanditRun(world, policy(spec, made), made.streams, **{"draws": 1, "logs": True, **keys})


# -- by hand ----------------------------------------------------------------------------------------
def test_ucb1_is_the_loop_of_the_paper() -> None:
    world = arms(0.2, 0.5, 0.6, 0.3)
    ours = run(world, {"name": "ucb1", "scale": 0.7})
    rewards = [ours.world.begin(ours.streams, start, 50).rewards for start in (0, 50)]  # type: ignore[attr-defined]
    ours.go(0, 50)
    ours.go(50, 50)
    n, total = np.zeros(4), np.zeros(4)
    for t, (taken, paid) in enumerate(zip(ours.log.actions, ours.log.rewards, strict=True)):  # type: ignore[union-attr]
        if (n == 0).any():
            assert n[taken] == 0, "every arm once before any arm twice"
        else:
            bound = [total[a] / n[a] + 0.7 * np.sqrt(2 * np.log(n.sum()) / n[a]) for a in range(4)]
            assert bound[taken] == pytest.approx(max(bound), rel=1e-12)
        assert paid == rewards[t // 50][t % 50][taken]
        n[taken] += 1
        total[taken] += paid
    np.testing.assert_array_equal(ours.policy.count, n)  # type: ignore[attr-defined]
    np.testing.assert_allclose(ours.policy.mean, total / n)  # type: ignore[attr-defined]
    lost = sum(0.6 - world.table.mean[a] for a in ours.log.actions)  # type: ignore[union-attr]
    assert ours.total[1] == pytest.approx(lost)


def contexts(n: int = 40, d: int = 3) -> ClassWorld:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((n, d))
    y = (x[:, 0] > 0).astype(np.int64)
    rows = ClassRows(x, y, ["悪い", "良い"], PlainContexts(), [], [])
    return ClassWorld(rows, ["取る", "置く"], [[[-4.0, 1.0], [0.0]], [[2.0], [0.0]]])


def test_linucb_is_algorithm_1_of_li_et_al() -> None:
    world = contexts()
    ours = run(world, {"name": "linucb", "alpha": 1.5, "precision": 1.0})
    ours.go(0, 60)
    d = world.contexts.shape[1]
    a_matrix, b = [np.eye(d) for _ in range(2)], [np.zeros(d) for _ in range(2)]
    steps = ours.log
    assert steps is not None
    for row, taken, paid in zip(steps.rows, steps.actions, steps.rewards, strict=True):
        x = world.contexts[row]
        inverse = [np.linalg.inv(m) for m in a_matrix]
        bound = [inverse[k] @ b[k] @ x + 1.5 * np.sqrt(x @ inverse[k] @ x) for k in range(2)]
        assert bound[taken] >= max(bound) - 1e-9
        a_matrix[taken] += np.outer(x, x)
        b[taken] += paid * x


def test_epsilon_greedy_explores_as_often_as_it_says() -> None:
    world = arms(0.0, 1.0, 0.0, 0.0)
    ours = run(world, {"name": "epsilon_greedy", "epsilon": 0.2})
    ours.go(0, 4000)
    assert ours.log is not None
    late = np.array(ours.log.actions[100:])
    assert np.mean(late != 1) == pytest.approx(0.2 * 3 / 4, abs=0.02)
    assert set(np.round(ours.log.probabilities[100:], 12)) == {0.05, 0.85}
    halved = run(world, {"name": "epsilon_greedy", "epsilon": 1, "half_life": 100})
    halved.go(0, 300)
    assert halved.policy.sample(np.random.default_rng(1), 1) == pytest.approx(1 / 8)


def test_thompson_takes_an_arm_as_often_as_it_is_the_best_one() -> None:
    world = arms(0.5, 0.5)
    made = policy("thompson", situation(world))
    data = History(world.contexts, False)
    for _ in range(3):
        data.add(0, 0, 1.0)
        made.update(data)
    rng = np.random.default_rng(1)
    p = made.choose(made.sample(rng, 40_000), np.ones(1))
    # P(Beta(4, 1) > Beta(1, 1)) = E of Beta(4, 1)
    assert p[0] == pytest.approx(4 / 5, abs=0.01) and p.sum() == pytest.approx(1)


def test_shares() -> None:
    np.testing.assert_allclose(shares(np.array([[1.0, 1.0, 0.0], [0.0, 2.0, 1.0]])), [0.25, 0.75, 0])
    rng = np.random.default_rng(1)
    assert np.bincount([drawn(np.array([0.2, 0.0, 0.8]), rng) for _ in range(5000)], minlength=3)[1] == 0
    before = rng.bit_generator.state
    assert drawn(np.array([0.0, 1.0]), rng) == 1
    assert rng.bit_generator.state == before, "what is certain costs no draw"


# -- learning -------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "spec",
    [
        "thompson_linear",
        "linucb",
        {"name": "epsilon_greedy", "epsilon": 0.05, "estimates": "linear"},
        {"name": "thompson_dropout", **OFTEN},
        {"name": "epsilon_greedy", "epsilon": 0.05, "estimates": {"name": "network", **OFTEN}},
    ],
    ids=lambda spec: spec if isinstance(spec, str) else str(spec["name"]),
)
def test_contexts_are_learnt(spec: Any) -> None:
    ours = run(contexts(), spec)
    ours.go(0, 300)
    before = ours.total.copy()
    ours.go(300, 100)
    _, regret, best = ours.total - before
    assert best > 85 and regret < 30, ours.total
    mean, spread = ours.policy.values(contexts().contexts)
    assert mean.shape == spread.shape == (40, 2) and (spread >= 0).all()


def test_the_worlds_luck_does_not_depend_on_the_policy() -> None:
    runs = [run(contexts(), spec) for spec in ("uniform", "linucb")]
    for one in runs:
        one.go(0, 50)
    first, second = (one.log for one in runs)
    assert first is not None and second is not None
    assert first.rows == second.rows and first.actions != second.actions


# -- mistakes ------------------------------------------------------------------------------------------
def test_beta_posteriors_need_rewards_from_0_to_1() -> None:
    with pytest.raises(UsageError, match="rewards from 0 to 1"):
        policy("thompson", situation(contexts()))
    assert policy("auto", situation(contexts())).__class__.__name__ == "LinearThompson"
    assert policy("auto", situation(arms(0.1, 0.2))).__class__.__name__ == "Thompson"
    assert policy("auto", situation(arms(1, 2, sd=[1, 1]))).__class__.__name__ == "LinearThompson"


def test_a_network_without_dropout_has_nothing_to_draw() -> None:
    with pytest.raises(UsageError, match="no dropout"):
        policy({"name": "thompson_dropout", "model": [{"dense": 4}]}, situation(contexts()))
