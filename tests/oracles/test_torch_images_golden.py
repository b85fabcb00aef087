"""Layers of images against PyTorch's numbers (torch_images_golden.json, by make_torch_images_golden.py)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from dlkit.autograd import Op, Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.nn.layer_list import network
from dlkit.nn.parameter import Flat
from dlkit.nn.presets import ImageModel
from dlkit.ops import pool
from dlkit.ops.conv import conv, conv_transpose
from dlkit.ops.losses import softmax_cross_entropy
from dlkit.ops.window import Window

GOLDEN = json.loads((Path(__file__).parent / "torch_images_golden.json").read_text(encoding="utf-8"))
TOLERANCE = {"float64": 1e-8, "float32": 1e-4}
by_dtype = pytest.mark.parametrize("dtype", TOLERANCE)


class Weighed(Op):
    """sum(dy * y): its gradient is dy."""

    @staticmethod
    def forward(ctx, y, *, dy):
        ctx.save(dy)
        return np.asarray((y * dy).sum(), y.dtype)

    @staticmethod
    def backward(ctx, one):
        return (ctx.saved[0] * one,)


def window(told: dict[str, Any]) -> Window:
    pad = told.get("pad", "valid")
    return Window(
        tuple(told["size"]), tuple(told.get("stride", (1, 1))), pad if isinstance(pad, str) else tuple(pad)
    )


def compare(golden: dict[str, Any], dtype: str, run: Any, names: dict[str, str]) -> None:
    """run(tape, *inputs) has golden["y"]; names: input -> its gradient."""
    tape = Tape(open_backend("cpu", dtype=dtype))
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    inputs = [tape.constant(np.array(golden[name], dtype), needs_grad=True) for name in names]
    y = run(tape, *inputs)
    np.testing.assert_allclose(y.data, golden["y"], **near)
    tape.backward(tape.apply(Weighed, y, dy=np.array(golden["dy"], dtype)))
    for v, gradient in zip(inputs, names.values(), strict=True):
        assert v.grad.dtype == dtype
        np.testing.assert_allclose(v.grad, golden[gradient], err_msg=gradient, **near)


FILTERS = {"x": "dx", "weight": "dweight", "bias": "dbias"}


@by_dtype
@pytest.mark.parametrize("memory", [1, 1 << 20])
@pytest.mark.parametrize("name", GOLDEN["conv"])
def test_convolution_is_torchs(name: str, memory: int, dtype: str) -> None:
    golden = GOLDEN["conv"][name]
    box = window(golden["window"])
    compare(
        golden, dtype,
        lambda tape, x, w, b: conv(tape, x, w, b, box, groups=golden["groups"], memory=memory), FILTERS,
    )  # fmt: skip


@by_dtype
@pytest.mark.parametrize("memory", [1, 1 << 20])
@pytest.mark.parametrize("name", GOLDEN["conv_transpose"])
def test_transposed_convolution_is_torchs(name: str, memory: int, dtype: str) -> None:
    golden = GOLDEN["conv_transpose"][name]
    box, extra, groups = window(golden["window"]), golden["extra"], golden["groups"]
    compare(
        golden, dtype,
        lambda tape, x, w, b: conv_transpose(
            tape, x, w, b, box, extra=(extra, extra), groups=groups, memory=memory
        ),
        FILTERS,
    )  # fmt: skip


@by_dtype
@pytest.mark.parametrize("name", GOLDEN["pool"])
def test_pooling_is_torchs(name: str, dtype: str) -> None:
    golden = GOLDEN["pool"][name]
    op = pool.max_pool if name.startswith("max") else pool.average_pool
    compare(golden, dtype, lambda tape, x: op(tape, x, window(golden["window"])), {"x": "dx"})


def test_bilinear_upsampling_is_torchs() -> None:
    golden = GOLDEN["bilinear"]
    tape = Tape(open_backend("cpu", dtype="float64"))
    y = pool.upsample(tape, tape.constant(np.array(golden["x"])), 3, "bilinear")
    np.testing.assert_allclose(y.data, golden["y"], rtol=1e-8)


@by_dtype
@pytest.mark.parametrize("shards", [1, 2, 3])
def test_residual_network_has_torchs_loss_and_gradients(shards: int, dtype: str) -> None:
    golden = GOLDEN["network"]
    backend = open_backend("cpu", dtype=dtype)
    x, y = backend.asarray(golden["x"]), np.array(golden["y"])
    model = network(TypeAdapter(ImageModel).validate_python(golden["layers"]), x.shape[1:], 3)
    flat = Flat.allocate(model, backend, Streams(1))
    running = {path: p.data for path, p in model.buffers()}
    model.load({**{k: np.asarray(v) for k, v in golden["parameters"].items()}, **running})
    gradients = [flat.gradient() for _ in range(shards)]
    with Team(2, shards) as team:

        def shard(s: int) -> float:
            tape = Tape(backend, gradients[s], all_sum=lambda a: team.all_sum(s, a), shard=s)
            tape.begin(training=True, rows=len(x))
            part = slice(s * len(x) // shards, (s + 1) * len(x) // shards)
            loss, *_ = softmax_cross_entropy(tape, model(tape, tape.constant(x[part])), y[part], 1 / len(x))
            tape.backward(loss)
            return float(loss.data)

        total = sum(team.map(shard))
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    assert total == pytest.approx(golden["loss"], rel=TOLERANCE[dtype])
    assert set(golden["gradients"]) == set(flat.parameters)
    for path, expected in golden["gradients"].items():
        got = sum(flat.view(g, flat.parameters[path]) for g in gradients)
        np.testing.assert_allclose(got, expected, err_msg=path, **near)
    for path, expected in golden["running"].items():
        np.testing.assert_allclose(dict(model.buffers())[path].data, expected, err_msg=path, **near)
    tape = Tape(backend)
    np.testing.assert_allclose(model(tape, tape.constant(x)).data, golden["output_eval"], **near)
