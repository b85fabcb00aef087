"""Optimizers: what is saved, what is refused, which parameters decay, what SGLD samples."""

import copy

import numpy as np
import pytest
from pydantic import ValidationError

from dlkit.autograd import Op
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.errors import DataError
from dlkit.nn.init import Init
from dlkit.nn.layers import Dense
from dlkit.nn.module import Module
from dlkit.nn.optimizers import OPTIMIZERS, build
from dlkit.nn.parameter import Flat, Parameter
from dlkit.nn.step import GradientStep
from dlkit.ops.losses import squared_error

NAMES = list(OPTIMIZERS.kinds)
BACKEND = open_backend("cpu", dtype="float64")
X = np.random.default_rng(1).normal(size=(12, 3))
Y = X @ np.array([[1.0], [-2.0], [0.5]]) + 0.3


def regression(name: str, **keys):
    model = Dense(3, 1)
    flat = Flat.allocate(model, BACKEND, Streams(1))
    optimizer = build(OPTIMIZERS.read({"name": name, **keys}), flat, Streams(1), len(X))
    step = GradientStep(model, optimizer, BACKEND, Team(1, 1), Streams(1), clip=optimizer.spec.clip)

    def go(k: int, lr: float | None = None) -> float:
        def loss(tape, shard, rows):
            y = model(tape, tape.constant(X[rows]))
            return squared_error(tape, y, Y[rows], 1 / len(X))[0], None

        return step(len(X), loss, optimizer.spec.lr if lr is None else lr, (2, k))

    return model, optimizer, go


@pytest.mark.parametrize("name", NAMES)
def test_descends(name: str) -> None:
    lr = {"sgld": 0.02, "adam": 0.05, "adamw": 0.05, "rmsprop": 0.05, "adagrad": 0.5}.get(name, 0.05)
    _, _, go = regression(name, lr=lr, **({"temperature": 0.0} if name == "sgld" else {}))
    losses = [go(k) for k in range(1, 41)]
    assert losses[-1] < 0.2 * losses[0]


@pytest.mark.parametrize("name", NAMES)
def test_saved_state_goes_on_bit_for_bit(name: str) -> None:
    keys = {"keep_every": 2, "samples": 3} if name == "sgld" else {}
    model, optimizer, go = regression(name, **keys)
    for k in (1, 2, 3, 4):
        go(k)
    saved = copy.deepcopy((model.state(), optimizer.state()))
    for k in (5, 6):
        go(k)
    model2, optimizer2, go2 = regression(name, **keys)
    go2(1)
    model2.load(saved[0])
    optimizer2.load(saved[1])
    for k in (5, 6):
        go2(k)
    assert model2.flat.data.tobytes() == model.flat.data.tobytes()
    after, after2 = optimizer.state(), optimizer2.state()
    np.testing.assert_equal(after2, after)


@pytest.mark.parametrize("name", NAMES)
def test_state_is_plain_and_by_path(name: str) -> None:
    _, optimizer, go = regression(name)
    go(1)
    state = optimizer.state()
    assert state["name"] == name
    assert state["t"] == 1
    for slot in (s for s in state if s not in ("name", "t")):
        assert list(state[slot]) == ["weight", "bias"]
        assert all(isinstance(a, np.ndarray) for a in state[slot].values())


def test_state_of_another_shape_or_rule_is_refused() -> None:
    _, optimizer, _ = regression("adam")
    state = optimizer.state()
    with pytest.raises(
        DataError, match=r"v of weight: expected shape \(3, 1\), the saved state has \(2, 1\)"
    ):
        optimizer.load({**state, "v": {**state["v"], "weight": np.zeros((2, 1))}})
    with pytest.raises(DataError, match="lacks 'm'"):
        optimizer.load({k: v for k, v in state.items() if k != "m"})
    with pytest.raises(DataError, match="saved optimizer is adam, the recipe's is sgd"):
        regression("sgd")[1].load(state)


@pytest.mark.parametrize("name", NAMES)
def test_weights_decay_and_biases_do_not(name: str) -> None:
    keys = {"temperature": 0.0} if name == "sgld" else {}
    model, optimizer, _ = regression(name, weight_decay=0.1, lr=0.1, **keys)
    model.flat.data[:] = 1.0
    step = GradientStep(model, optimizer, BACKEND, Team(1, 1), Streams(1))

    def no_gradient(tape, shard, rows):
        tape.parameter(model.weight), tape.parameter(model.bias)
        return tape.constant(np.zeros(())), None

    step(1, no_gradient, 0.1, (1, 1))
    assert np.all(model.weight.data < 1.0)
    assert np.all(model.bias.data == 1.0)


@pytest.mark.parametrize(
    "recipe",
    [
        {"name": "adam", "lr": 0.0},
        {"name": "adam", "learning_rate": 0.1},
        {"name": "sgd", "momentum": 0.9},
        {"name": "momentum", "momentum": 1.0},
        {"name": "adamax"},
        {"name": "adam", "schedule": "linear"},
    ],
)
def test_impossible_recipes_are_refused(recipe) -> None:
    with pytest.raises(ValidationError):
        OPTIMIZERS.read(recipe)


def test_defaults_and_spellings() -> None:
    assert OPTIMIZERS.read({"lr": 0.01}).name == "adam"
    assert OPTIMIZERS.read("adamw").weight_decay == 0.01
    for name in NAMES:
        spec = OPTIMIZERS.read(name)
        assert OPTIMIZERS.read(OPTIMIZERS.write(spec)) == spec


class Mean(Module):
    """One unknown mean."""

    def __init__(self) -> None:
        self.mu = Parameter((1,), Init("zeros"))


class Energy(Op):
    """Mean over rows of (x - mu)^2 / 2, as a function of mu."""

    @staticmethod
    def forward(ctx, mu, *, x):
        ctx.save(mu, x)
        return np.asarray(0.5 * ((x - mu) ** 2).mean())

    @staticmethod
    def backward(ctx, dy):
        mu, x = ctx.saved
        return (dy * (mu - x.mean()),)


def test_sgld_samples_the_posterior() -> None:
    """x_i ~ N(mu, 1), mu ~ N(0, 1/2): the posterior is N(sum x / (n + 2), 1 / (n + 2))."""
    x = np.random.default_rng(2).normal(1.5, 1.0, 8)
    module, streams = Mean(), Streams(4)
    flat = Flat.allocate(module, BACKEND, streams)
    spec = OPTIMIZERS.read(
        {"name": "sgld", "weight_decay": 2.0, "keep_every": 1, "samples": 100_000, "burn_in": 1}
    )
    optimizer = build(spec, flat, streams, rows=len(x))
    step = GradientStep(module, optimizer, BACKEND, Team(1, 1), streams)

    def loss(tape, shard, rows):
        return tape.apply(Energy, tape.parameter(module.mu), x=x), None

    for k in range(6000):
        step(1, loss, 0.02, (1 + k // 200, k))
    kept = np.array(optimizer.samples)[:, 0]
    assert len(kept) == 5800  # none from the first epoch
    assert kept.mean() == pytest.approx(x.sum() / 10, abs=0.03)
    assert kept.var() == pytest.approx(1 / 10, rel=0.15)  # the step size adds about 5 %


def test_sgld_keeps_the_newest_samples() -> None:
    model, optimizer, go = regression("sgld", keep_every=2, samples=3, burn_in=1)
    seen = {}
    for k in range(1, 11):
        go(k)
        seen[k] = model.flat.data.copy()
    assert [s.tolist() for s in optimizer.samples] == [seen[k].tolist() for k in (6, 8, 10)]
    assert optimizer.sample_state(0)["bias"].tolist() == seen[6][3:].tolist()
