"""Recurrent stacks against PyTorch's (torch_recurrent_golden.json): states and every gradient."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlkit.autograd import Op, Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.nn.parameter import Flat
from dlkit.nn.recurrent import RecurrentStack, lengths_mask

GOLDEN = json.loads((Path(__file__).parent / "torch_recurrent_golden.json").read_text(encoding="utf-8"))[
    "cases"
]


class Weighted(Op):
    """sum over all inputs of (w * input)."""

    @staticmethod
    def forward(ctx, *arrays, weights):
        ctx.save(weights)
        return np.asarray(sum((w * a).sum() for w, a in zip(weights, arrays, strict=True)), arrays[0].dtype)

    @staticmethod
    def backward(ctx, dy):
        return tuple(w * dy for w in ctx.saved[0])


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", GOLDEN)
def test_states_and_all_gradients(name: str, dtype: str) -> None:
    golden = GOLDEN[name]
    x = np.array(golden["x"], dtype)
    stack = RecurrentStack(
        golden["cell"], x.shape[2], 2, layers=golden.get("layers", 1),
        bidirectional=golden.get("bidirectional", False),
    )  # fmt: skip
    backend = open_backend("cpu", dtype=dtype)
    flat = Flat.allocate(stack, backend, Streams(1))
    stack.load({path: np.array(a) for path, a in golden["parameters"].items()})
    gradient = flat.gradient()
    tape = Tape(backend, gradient)
    tape.begin(training=True)
    inputs = tape.constant(x, needs_grad=True)
    first = [
        [tape.constant(np.array(s, dtype), needs_grad=True) for s in states] for states in golden["first"]
    ]
    lengths = np.array(golden.get("lengths", [len(x)] * x.shape[1]))
    mask = lengths_mask(lengths, len(x))
    by_child = [tuple(states) for states in zip(*first, strict=True)]
    y, last = stack.run(tape, inputs, by_child, mask if "lengths" in golden else None)
    live = mask[:, :, None].astype(dtype)  # PyTorch gives 0 where we repeat the state
    ends = [state for states in zip(*last, strict=True) for state in states]
    weights = [np.array(golden["wy"], dtype) * live]
    weights += [w for kind in golden["wl"] for w in np.array(kind, dtype)]
    near = 1e-11 if dtype == "float64" else 2e-5
    np.testing.assert_allclose(y.data * live, golden["y"], rtol=near, atol=near)
    for k, kind in enumerate(golden["last"]):
        for child, expected in enumerate(kind):
            np.testing.assert_allclose(last[child][k].data, expected, rtol=near, atol=near)
    loss = tape.apply(Weighted, y, *ends, weights=weights)
    assert float(loss.data) == pytest.approx(golden["loss"], rel=near * 10)
    tape.backward(loss)
    np.testing.assert_allclose(inputs.grad, golden["dx"], rtol=near * 10, atol=near * 10)
    for states, expected in zip(first, golden["dfirst"], strict=True):
        np.testing.assert_allclose([s.grad for s in states], expected, rtol=near * 10, atol=near * 10)
    assert set(golden["gradients"]) == set(flat.parameters)
    for path, expected in golden["gradients"].items():
        got = flat.view(gradient, flat.parameters[path])
        np.testing.assert_allclose(got, expected, rtol=near * 10, atol=near * 10, err_msg=path)
