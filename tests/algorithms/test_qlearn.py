"""qlearn's parts: exact answers against linear algebra, the kernel against the plain loop, Gymnasium."""

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlkit.algorithms.protocol import Context
from dlkit.algorithms.qlearn import QLearn, QLearnRecipe
from dlkit.algorithms.qlearn_builtin import GRIDS, named_world
from dlkit.algorithms.qlearn_deep import Actions, features_of
from dlkit.algorithms.qlearn_exact import greedy_policies, judged, optimum, policy_values
from dlkit.algorithms.qlearn_maps import Grid, build
from dlkit.algorithms.qlearn_recipe import AlphaSpec, EpsilonSpec
from dlkit.algorithms.qlearn_rollout import played, rolled_out
from dlkit.algorithms.qlearn_world import GOAL, World
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.kernels import chance
from dlkit.kernels.td import DOUBLE_Q, EXPECTED_SARSA, Q_LEARNING, SARSA, bootstrap, td_episodes, updated

WORLDS = [*GRIDS, "taxi"]


def matrices(world: World) -> tuple[np.ndarray, np.ndarray]:
    """(S, A, S) probabilities of going on, (S, A) expected rewards."""
    (n, width), table = world.size, world.table
    assert table is not None
    p, r = np.zeros((n, width, n)), np.zeros((n, width))
    for row in range(n * width):
        for o in range(table.first[row], table.first[row + 1]):
            s, a = divmod(row, width)
            r[s, a] += table.probabilities[o] * table.rewards[o]
            if not table.ends[o]:
                p[s, a, table.following[o]] += table.probabilities[o]
    return p, r


def solved(p: np.ndarray, r: np.ndarray, policy: np.ndarray, discount: float) -> np.ndarray:
    """V = (1 - gamma P)^-1 r."""
    at = np.arange(len(policy))
    return np.linalg.solve(np.eye(len(policy)) - discount * p[at, policy], r[at, policy])


# -- the exact answers -----------------------------------------------------------------------------------
@pytest.mark.parametrize("name", WORLDS)
def test_values_of_a_policy_are_the_linear_systems(name: str) -> None:
    world, rng = named_world(name), np.random.default_rng(3)
    p, r = matrices(world)
    policies = rng.integers(0, world.size[1], (3, len(world.states)))
    found = policy_values(world, policies, 0.95, 0)
    for values, policy in zip(found, policies, strict=True):
        np.testing.assert_allclose(values, solved(p, r, policy, 0.95), atol=1e-8)


@pytest.mark.parametrize("name", WORLDS)
def test_value_iteration_is_policy_iteration(name: str) -> None:
    """Howard's policy iteration, each policy judged by a linear system, ends at the same values."""
    world = named_world(name)
    p, r = matrices(world)
    policy = np.zeros(len(world.states), np.int64)
    for _ in range(100):
        v = solved(p, r, policy, 0.99)
        q = r + 0.99 * p @ v
        better = np.where(q.max(1) > q[np.arange(len(v)), policy] + 1e-10, q.argmax(1), policy)
        if (better == policy).all():
            break
        policy = better
    best = optimum(world, 0.99, 50)
    live = world.choices > 0
    np.testing.assert_allclose(best.v[live], v[live], atol=1e-8)
    np.testing.assert_allclose(best.q[live], q[live], atol=1e-8)


def test_published_optima() -> None:
    """Success within the horizon: .7402 and .8630 for gamma .99, .7442 and .9132 by the clock; -13; 7.93."""
    for name, horizon, stationary, clock in (
        ("frozenlake-4x4", 100, 0.74016, 0.74419),
        ("frozenlake-8x8", 200, 0.86296, 0.91322),
        ("taxi", 200, 7.93, 7.93),
    ):
        world = named_world(name)
        best = optimum(world, 0.99, horizon)
        assert best.total == pytest.approx(clock, abs=1e-5)
        assert judged(world, best.policy[None], 0.99, horizon)["return"][0] == pytest.approx(
            stationary, abs=1e-5
        )
    cliff = optimum(named_world("cliff"), 1.0, 1000)
    assert cliff.total == -13 and cliff.value is None


def test_returns_within_the_horizon_by_multiplying_out() -> None:
    world = named_world("frozenlake-4x4")
    p, r = matrices(world)
    policy = np.random.default_rng(0).integers(0, 4, 16)
    at, total, here = np.arange(16), 0.0, np.eye(16)[0]
    for _ in range(37):
        total += here @ r[at, policy]
        here = here @ p[at, policy]
    assert judged(world, policy[None], 0.9, 37)["return"][0] == pytest.approx(total, abs=1e-12)


# -- maps ------------------------------------------------------------------------------------------------
def outcomes(world: World, state: str, action: str) -> dict[str, float]:
    s, a = world.states.index(state), world.actions.index(action)
    table = world.table
    assert table is not None
    row = s * world.size[1] + a
    span = range(table.first[row], table.first[row + 1])
    return {world.states[table.following[o]]: float(table.probabilities[o]) for o in span}


def test_slipping_goes_aside() -> None:
    world = build(Grid("...\n.S.\n..G\n", slip=0.2))
    assert outcomes(world, "r2c2", "up") == pytest.approx({"r1c2": 0.8, "r2c1": 0.1, "r2c3": 0.1})
    assert outcomes(world, "r1c1", "left") == pytest.approx({"r1c1": 0.9, "r2c1": 0.1})


def test_winds_carry_on() -> None:
    """A wind of 2 from the column that is left; arrows in the map; walls stop it."""
    world = build(Grid("..G\n...\n#..\nS..\n", wind=[0, 2, 0]))
    assert outcomes(world, "r4c2", "right") == {"r2c3": 1.0}
    assert outcomes(world, "r4c1", "right") == {"r4c2": 1.0}
    drawn = build(Grid("S.>.G\n"))
    assert outcomes(drawn, "r1c3", "right") == {"r1c5": 1.0}
    assert outcomes(build(Grid("S.<#G.\n")), "r1c3", "right") == {"r1c2": 1.0}


def test_the_windy_grid() -> None:
    """Sutton & Barto, example 6.5 and exercise 6.9: 15 steps, 7 with the diagonals."""
    rows = ["." * 10] * 3 + ["S......G.."] + ["." * 10] * 3
    for moves, steps in ((4, 15), (8, 7)):
        grid = Grid(
            "\n".join(rows) + "\n", goal=0, step_cost=1, wind=[0, 0, 0, 1, 1, 1, 2, 2, 1, 0], moves=moves
        )
        assert optimum(build(grid), 1.0, 100).total == -steps


def test_eight_directions() -> None:
    world = build(Grid("...\n.S.\n..G\n", moves=8, slip=0.5))
    assert outcomes(world, "r2c2", "down-right") == pytest.approx({"r3c3": 0.5, "r3c2": 0.25, "r2c3": 0.25})


# -- learning --------------------------------------------------------------------------------------------
def test_draws_are_splitmix64() -> None:
    """The first outputs of the published generator for seed 1234567."""
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431]
    assert [chance.draw(1234567, n) for n in range(1, 5)] == known
    assert chance.unit(2**64 - 1) < 1 and chance.lower_below(0xFFFFFFFF, 7) == 6


def test_one_update_by_hand() -> None:
    q, judge = np.array([1.0, 3.0, 2.0]), np.array([5.0, 7.0, 9.0])
    assert bootstrap(Q_LEARNING, q, q, 3, 0.3, 0) == 3
    assert bootstrap(SARSA, q, q, 3, 0.3, 2) == 2
    assert bootstrap(EXPECTED_SARSA, q, q, 3, 0.3, 0) == pytest.approx(0.3 * 2 + 0.7 * 3)
    assert bootstrap(DOUBLE_Q, q, judge, 3, 0.3, 0) == 7
    assert bootstrap(Q_LEARNING, q, q, 1, 0.3, 0) == 1, "only the actions that the state has"
    assert updated(0.5, 0.1, -1.0, 0.9, 3.0) == pytest.approx(0.5 + 0.1 * (-1 + 0.9 * 3 - 0.5))


@pytest.mark.parametrize("method", [Q_LEARNING, SARSA, EXPECTED_SARSA, DOUBLE_Q])
@pytest.mark.parametrize("name", ["frozenlake-4x4", "cliff"])
def test_the_loop_that_runs_is_the_plain_loop_bit_for_bit(name: str, method: int) -> None:
    world = named_world(name)
    table = world.table
    assert table is not None
    results = []
    for run in (td_episodes.reference, td_episodes):
        q = np.zeros((2, 2 if method == DOUBLE_Q else 1, *world.size))
        visits = np.zeros((2, *world.size), np.int32)
        filled = np.empty((2, 40)), np.empty((2, 40), np.int32), np.empty((2, 40), np.uint8)
        run(
            q, visits, world.choices, table.first, table.following, table.cumulative, table.rewards,
            table.ends, world.starts, world.start_cumulative, np.array([7, -9]), 3, np.linspace(1, 0.1, 40),
            np.linspace(0.9, 0.2, 40), 12.5, 0.97, 90, method, 1, *filled,
        )  # fmt: skip
        results.append((q, visits, *filled))
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def test_rollouts_and_plays_are_the_same_episodes() -> None:
    world = named_world("frozenlake-8x8")
    best = optimum(world, 0.99, 200)
    q = np.where(np.isfinite(best.q), best.q, 0)
    rolled = rolled_out(world, q, 300, 200, Streams(5))
    for number in (1, 2, 300):
        steps = list(played(world, q, number, 200, Streams(5)))
        assert (len(steps), sum(step.reward for step in steps)) == (
            rolled.lengths[number - 1],
            rolled.returns[number - 1],
        )
    exact = judged(world, greedy_policies(world, q[None]), 0.99, 200)["return"][0]
    assert (rolled.endings == GOAL).mean() == pytest.approx(exact, abs=4 * (exact * (1 - exact) / 300) ** 0.5)


def test_schedules() -> None:
    epsilon = EpsilonSpec.model_validate({"start": 1.0, "end": 0.2, "over": 0.5})
    np.testing.assert_allclose(epsilon.at(0, 10, 10), [1, 0.84, 0.68, 0.52, 0.36, *[0.2] * 5])
    np.testing.assert_allclose(epsilon.at(3, 2, 10), epsilon.at(0, 10, 10)[3:5])
    assert (EpsilonSpec.model_validate(0.3).at(0, 5, 9) == 0.3).all()
    falling = AlphaSpec.model_validate({"start": 0.8, "end": 0.2, "shape": "exponential"})
    np.testing.assert_allclose(falling.at(0, 3, 2), [0.8, 0.4, 0.2])


# -- a network -------------------------------------------------------------------------------------------
def test_the_worlds_outcomes_on_the_device() -> None:
    world = named_world("frozenlake-4x4")
    actions = Actions(world, open_backend())
    s, a = np.full(30_000, 10, np.int32), np.full(30_000, 2, np.int32)
    after, rewards, _ = actions.follow(s, a, np.random.default_rng(0).random(30_000))
    assert set(np.unique(after)) == {6, 11, 14} and not rewards.any()
    assert np.bincount(after)[[6, 11, 14]] / 30_000 == pytest.approx([1 / 3] * 3, abs=0.02)
    assert features_of(world, "factors").sum(axis=1).tolist() == [2.0] * 16
    assert features_of(world, "factors").shape == (16, 8) and features_of(world, "one_hot").shape == (16, 16)


# -- Gymnasium -------------------------------------------------------------------------------------------
class Discrete:
    def __init__(self, n: int) -> None:
        self.n, self.start = n, 0


class CliffOfSteps:
    """The cliff without its table, as an environment of Gymnasium's kind."""

    def __init__(self) -> None:
        self.world = named_world("cliff")
        self.observation_space, self.action_space = Discrete(len(self.world.states)), Discrete(4)
        self.unwrapped, self.spec = self, SimpleNamespace(max_episode_steps=60)

    def reset(self, seed: int) -> tuple[int, dict]:
        self.s = int(self.world.starts[0])
        return self.s, {}

    def step(self, a: int) -> tuple[int, float, bool, bool, dict]:
        table = self.world.table
        assert table is not None
        o = int(table.first[self.s * 4 + a])
        self.s = int(table.following[o])
        return self.s, float(table.rewards[o]), bool(table.ends[o]), False, {}

    def close(self) -> None:
        pass


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> None:
    """A gymnasium that has one environment."""
    module: Any = ModuleType("gymnasium")
    module.__spec__ = SimpleNamespace()
    module.make = lambda name, **options: CliffOfSteps()
    module.error = SimpleNamespace(Error=KeyError)
    module.spaces = SimpleNamespace(
        Discrete=Discrete, Tuple=type("Tuple", (), {}), MultiDiscrete=type("M", (), {})
    )
    monkeypatch.setitem(sys.modules, "gymnasium", module)


def learnt(recipe: dict[str, Any]) -> np.ndarray:
    given = {"episodes": 40, "epochs": 2, "seeds": 3, "horizon": 60, "discount": 1.0, "alpha": 0.5}
    algorithm = QLearn(
        QLearnRecipe.model_validate(given | recipe), Context(open_backend(), Streams(4), Team(1, 1))
    )
    algorithm.read_data()
    algorithm.build()
    for epoch in (1, 2):
        for _ in algorithm.train_epoch(epoch):
            pass
        algorithm.end_epoch(epoch)
    return algorithm.agents.q()


@pytest.mark.parametrize("method", ["q_learning", "sarsa", "expected_sarsa", "double_q"])
def test_an_environment_that_is_stepped_gives_the_same_table(stub: None, method: str) -> None:
    """The world is certain, so all that is drawn is what the agents draw: bit for bit the kernel's tables."""
    stepped = learnt({"gym": "Cliff-v0", "method": method})
    np.testing.assert_array_equal(stepped, learnt({"world": "cliff", "method": method}))
    assert stepped.any()
