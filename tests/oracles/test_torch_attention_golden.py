"""Attention and the loss over words against PyTorch (torch_attention_golden.json): values, all gradients."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlkit.algorithms.seq2seq_network import Attention, Source
from dlkit.autograd import Op, Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.nn.parameter import Flat
from dlkit.ops.attention import context
from dlkit.ops.word_loss import word_loss

GOLDEN = json.loads((Path(__file__).parent / "torch_attention_golden.json").read_text(encoding="utf-8"))
NEAR = {"float64": 1e-12, "float32": 2e-5}
by_dtype = pytest.mark.parametrize("dtype", NEAR)


class Weighted(Op):
    """sum of (w * y)."""

    @staticmethod
    def forward(ctx, y, *, w):
        ctx.save(w)
        return np.asarray((w * y).sum(), y.dtype)

    @staticmethod
    def backward(ctx, dy):
        return (dy * ctx.saved[0],)


@by_dtype
@pytest.mark.parametrize("kind", GOLDEN["attention"])
def test_attention(kind: str, dtype: str) -> None:
    golden = GOLDEN["attention"][kind]
    module = Attention(kind, 3)
    backend = open_backend("cpu", dtype=dtype)
    flat = Flat.allocate(module, backend, Streams(1))
    module.load({path: np.array(a) for path, a in golden["weights"].items()})
    gradient = flat.gradient()
    tape = Tape(backend, gradient)
    tape.begin(training=True)
    h, k = (tape.constant(np.array(golden[name], dtype), needs_grad=True) for name in "hk")
    source = Source(k, module.keys(tape, k), np.array(GOLDEN["lengths"]), [])
    c = context(tape, module.weights(tape, h, source), k)
    tape.backward(tape.apply(Weighted, c, w=np.array(golden["w"], dtype)))
    near = {"rtol": NEAR[dtype], "atol": NEAR[dtype]}
    np.testing.assert_allclose(c.data, golden["context"], **near)
    np.testing.assert_allclose(h.grad, golden["dh"], **near)
    np.testing.assert_allclose(k.grad, golden["dk"], **near)
    found = flat.split(gradient)
    assert set(found) == set(golden["gradients"])
    for path, expected in golden["gradients"].items():
        np.testing.assert_allclose(found[path], expected, **near, err_msg=path)


@by_dtype
@pytest.mark.parametrize("golden", GOLDEN["loss"], ids=lambda golden: f"smoothing {golden['smoothing']}")
def test_loss_over_words(golden: dict, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the logits of two rows are all that is held at once."""
    near = {"rtol": NEAR[dtype], "atol": NEAR[dtype]}
    for most in (8 << 20, 12):
        monkeypatch.setattr("dlkit.ops.word_loss.LOGITS", most)
        tape = Tape(open_backend("cpu", dtype=dtype))
        tape.begin(training=True)
        given = [tape.constant(np.array(golden[name], dtype), needs_grad=True) for name in "hwb"]
        labels = np.array(golden["labels"])
        loss, *_ = word_loss(tape, *given, labels, 0.2, smoothing=golden["smoothing"])
        tape.backward(loss)
        np.testing.assert_allclose(loss.data, golden["loss"], **near)
        for name, variable in zip("hwb", given, strict=True):
            np.testing.assert_allclose(variable.grad, golden[f"d{name}"], **near, err_msg=name)
