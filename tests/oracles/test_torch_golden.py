"""Whole models and optimizers against PyTorch's numbers (torch_golden.json, made by make_torch_golden.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlkit.autograd import Op, Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.nn.init import Init
from dlkit.nn.layer_list import LAYERS, network
from dlkit.nn.module import Module
from dlkit.nn.optimizers import OPTIMIZERS, build
from dlkit.nn.parameter import Flat, Parameter
from dlkit.nn.step import GradientStep
from dlkit.ops import losses

GOLDEN = json.loads((Path(__file__).parent / "torch_golden.json").read_text(encoding="utf-8"))
LOSSES = {
    "classes": losses.softmax_cross_entropy,
    "bce": losses.sigmoid_cross_entropy,
    "squared": losses.squared_error,
    "gaussian": losses.gaussian_nll,
}
TOLERANCE = {"float64": 1e-11, "float32": 3e-4}


def made(golden: dict, dtype: str) -> tuple:
    backend = open_backend("cpu", dtype=dtype)
    x = backend.asarray(golden["x"])
    y = np.asarray(golden["y"])
    model = network([LAYERS.read(layer) for layer in golden["layers"]], (x.shape[1],), golden["outputs"])
    Flat.allocate(model, backend, Streams(1))
    running = {path: p.data for path, p in model.buffers()}
    model.load({**{k: np.asarray(v) for k, v in golden["parameters"].items()}, **running})
    return backend, model, x, y if y.dtype.kind == "i" else backend.asarray(y)


def loss_of(golden: dict, tape: Tape, f, y, weight: float):
    return LOSSES[golden["loss_kind"]](tape, f, y, weight)[0]


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shards", [1, 2, 3])
@pytest.mark.parametrize("name", GOLDEN["models"])
def test_model_has_torchs_loss_and_gradients(name: str, shards: int, dtype: str) -> None:
    golden = GOLDEN["models"][name]
    backend, model, x, y = made(golden, dtype)
    flat, rows = model.flat, len(x)
    gradients = [flat.gradient() for _ in range(shards)]
    with Team(2, shards) as team:

        def shard(s: int) -> float:
            def all_sum(a: np.ndarray) -> np.ndarray:
                return team.all_sum(s, a)

            tape = Tape(backend, gradients[s], all_sum=all_sum, shard=s)
            tape.begin(training=True, noise=False, rows=rows)
            part = slice(s * rows // shards, (s + 1) * rows // shards)
            loss = loss_of(golden, tape, model(tape, tape.constant(x[part])), y[part], 1 / rows)
            tape.backward(loss)
            return float(loss.data)

        total = sum(team.map(shard))
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype] / 10}
    assert total == pytest.approx(golden["loss"], rel=TOLERANCE[dtype])
    for path, expected in golden["gradients"].items():
        got = sum(flat.view(g, flat.parameters[path]) for g in gradients)
        assert got.dtype == dtype
        np.testing.assert_allclose(got, expected, err_msg=path, **near)
    for path, expected in golden["running"].items():
        np.testing.assert_allclose(dict(model.buffers())[path].data, expected, err_msg=path, **near)
    tape = Tape(backend)
    out = model(tape, tape.constant(x)).data
    np.testing.assert_allclose(out, golden["output_eval"], rtol=near["rtol"], atol=near["rtol"])


class Vector(Module):
    def __init__(self, n: int) -> None:
        self.p = Parameter((n,), Init("zeros"))


@pytest.mark.parametrize("name", GOLDEN["trajectories"])
def test_optimizer_takes_torchs_steps(name: str) -> None:
    """Agrees with torch.optim: sgd, momentum, nesterov, Adagrad, RMSprop (eps outside the root), Adam(W)."""
    kind, decay = name.split()
    start, path = np.array(GOLDEN["start"]), np.array(GOLDEN["trajectories"][name])
    backend, module = open_backend("cpu", dtype="float64"), Vector(len(start))
    flat = Flat.allocate(module, backend, Streams(1))
    flat.data[:] = start
    optimizer = build(OPTIMIZERS.read({"name": kind, "lr": 0.1, "weight_decay": float(decay)}), flat)
    with Team(1, 2) as team:
        step = GradientStep(module, optimizer, backend, team, Streams(1))
        for k, (g, expected) in enumerate(zip(GOLDEN["step_gradients"], path, strict=True), 1):

            def loss(tape: Tape, shard: int, rows: slice, g: list = g):
                """Sum over the rows of g . p / rows: its gradient is g, half of it from each shard."""
                p = tape.parameter(module.p)
                share = (rows.stop - rows.start) / 2
                return tape.apply(Dot, p, g=np.array(g) * share), None

            step(2, loss, 0.1, (1, k))
            np.testing.assert_allclose(flat.data, expected, rtol=1e-11, atol=1e-12, err_msg=f"step {k}")


class Dot(Op):
    @staticmethod
    def forward(ctx, p, *, g):
        ctx.save(g)
        return np.asarray(p @ g)

    @staticmethod
    def backward(ctx, dy):
        return (ctx.saved[0] * dy,)
