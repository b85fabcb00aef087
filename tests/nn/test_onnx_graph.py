"""Networks as ONNX graphs: every layer, run by onnxruntime on as many rows as one likes."""

from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter

from dlkit.autograd import Op, Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.errors import UserError
from dlkit.nn import layer_list  # noqa: F401 - its ops are to be known
from dlkit.nn.layer_list import network
from dlkit.nn.parameter import Flat
from dlkit.nn.presets import ImageModel

pytest.importorskip("onnx", reason='onnx is not installed: pip install "dlkit[onnx]"')
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

from dlkit.nn import onnx_graph  # noqa: E402
from dlkit.nn.onnx_graph import TRANSLATIONS, Graph  # noqa: E402

ACTS = ("identity", "relu", "leaky_relu", "prelu", "sigmoid", "tanh")
ROWS = [
    [{"dense": {"units": 6, "activation": kind}} for kind in ACTS],
    [
        layer
        for kind in ACTS
        for layer in ({"dense": {"units": 6, "activation": "identity"}}, {"activation": kind})
    ],
    [{"dense": 8}, "batch_norm", {"dense": 7}, "layer_norm"],
    [{"dense": {"units": 9, "drop_connect": 0.3}}, {"dropout": 0.4}, {"gaussian_dropout": 0.2}],
]
IMAGES = [
    [
        {"conv": {"filters": 4, "pad": "same"}},
        {"max_pool": 2},
        {"conv": {"filters": 9, "activation": "prelu"}},
    ],
    [
        {"conv": {"filters": 4, "size": 4, "stride": [2, 3], "pad": "same"}},
        {"conv": {"filters": 3, "size": 1, "bias": False}},
    ],
    [
        {"conv": {"filters": 10, "pad": 1, "stride": [2, 1], "activation": "tanh"}},
        {"conv": {"filters": 10, "groups": 5}},
    ],
    [
        {"min_pool": {"size": 3, "stride": 2, "pad": 1}},
        {"max_pool": {"size": 3, "stride": 2}},
        {"upsample": 2},
    ],
    [
        {"upsample": {"factor": 3, "how": "bilinear"}},
        {"average_pool": {"size": 3, "stride": 2, "pad": 1}},
        {"global_pool": "max"},
    ],
    [
        {"conv": {"filters": 3, "stride": 2}},
        {"conv_transpose": {"filters": 4, "size": 4, "stride": 2, "pad": 1}},
        "batch_norm",
    ],
    [
        {"conv_transpose": {"filters": 4, "size": 3, "stride": 2, "pad": "same", "groups": 1}},
        {"reshape": [16, 32, 2]},
    ],
    [
        {"conv_transpose": {"filters": 6, "size": 2, "stride": 3, "pad": 0}},
        {"conv_transpose": {"filters": 2, "size": 5}},
    ],
    [{"local_contrast": 3}, {"conv": {"filters": 4}}, {"local_contrast": {"size": 5, "divisive": False}}],
    [
        {"residual": {"layers": [{"conv": {"filters": 4, "stride": 2, "pad": 1}}, "batch_norm"]}},
        "global_pool",
    ],
]


def compared(layers: list[Any], shape: tuple[int, ...], dtype: str) -> None:
    backend = open_backend("cpu", dtype=dtype)
    model = network(TypeAdapter(ImageModel).validate_python(layers), shape, 3)
    Flat.allocate(model, backend, Streams(2))
    rng = np.random.default_rng(1)
    for path, kept in (*model.parameters(), *model.buffers()):  # no bias of 0, no mean of 0
        kept.data += 0.3 * (rng.random(kept.shape) if "var" in path else rng.standard_normal(kept.shape))
    x = {n: rng.standard_normal((n, *shape)).astype(dtype) for n in (1, 3, 8)}
    g = Graph()
    name, y = onnx_graph.write_network(g, model, backend, x[3], "x")
    g.nodes.append(onnx_identity(name))
    session = onnxruntime.InferenceSession(onnx_graph.to_bytes(g, {"x": x[3]}, {"y": y}, {"what": "試し"}))
    assert session.get_modelmeta().custom_metadata_map == {"what": "試し"}
    for rows in x.values():
        tape = Tape(backend)
        expected = model(tape, tape.constant(rows)).data
        tolerance = 1e-5 if dtype == "float32" else 1e-6  # not all its functions are in double precision
        np.testing.assert_allclose(
            session.run(None, {"x": rows})[0], expected, rtol=tolerance, atol=tolerance
        )


def onnx_identity(name: str) -> Any:
    from onnx import helper

    return helper.make_node("Identity", [name], ["y"])


@pytest.mark.parametrize("layers", ROWS, ids=range(len(ROWS)))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_layers_of_rows(layers: list[Any], dtype: str) -> None:
    compared(layers, (5,), dtype)


@pytest.mark.parametrize("layers", IMAGES, ids=range(len(IMAGES)))
def test_layers_of_images(layers: list[Any]) -> None:
    compared(layers, (8, 9, 2) if "reshape" not in str(layers) else (8, 8, 2), "float32")


LEFT_OUT = {
    "Dropout",
    "GaussianDropout",
    "DropoutOverTime",
    "NormaliseColumns",  # noise is off
    "Reparameterise",
    "GaussianKL",
    "SharedNoise",  # of losses
    "SoftmaxCrossEntropy",
    "SigmoidCrossEntropy",
    "SquaredError",
    "GaussianNll",
    "WordLoss",
    "HierarchicalLoss",
    "Repeat",
    "TanhRnn",
    "Lstm",
    "Gru",
    "Embedding",  # no exported network has them
    "Product",
    "DotScores",
    "AdditiveScores",
    "MaskedSoftmax",
    "Context",
}


def test_every_op_is_translated_or_left_out_knowingly() -> None:
    known = {op.__name__ for op in TRANSLATIONS}
    ours = {name for name, op in Op.ALL.items() if op.__module__.startswith("dlkit.")}
    assert not known & LEFT_OUT
    assert ours <= known | LEFT_OUT


def test_an_op_without_counterpart_is_told() -> None:
    from dlkit.ops.shape import repeat

    backend = open_backend("cpu")
    with pytest.raises(UserError, match="no counterpart of repeat"):
        onnx_graph.write_network(
            Graph(), lambda t, x: repeat(t, x, 2), backend, np.ones((1, 2), np.float32), "x"
        )


def test_a_graph_that_computes_something_else_is_not_handed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    from dlkit.ops.dense import Dense

    right = TRANSLATIONS[Dense]
    monkeypatch.setitem(TRANSLATIONS, Dense, lambda g, a, n, **k: g.add("Neg", right(g, a, n, **k)))
    with pytest.raises(UserError, match="does not compute what the network does: y is off by"):
        compared([{"dense": 4}], (3,), "float32")
