"""Networks for other programs: ONNX with what comes before and after the layers, or the weights as NPZ."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

import dlkit
from dlkit.algorithms import exported
from dlkit.algorithms.objectives import Classes, LearntNoise
from dlkit.algorithms.protocol import File
from dlkit.errors import UserError
from dlkit.nn import onnx_graph
from dlkit.nn.onnx_graph import ROWS, Graph
from dlkit.readers.preprocess import Preprocess

FORMATS = ("onnx", "npz")


def chosen(options: Mapping[str, Any]) -> str:
    """The format that was asked for. Raises UsageError for another, UserError where onnx is not installed."""
    name = exported.chosen(options, *FORMATS)
    if name == "onnx":
        try:
            import onnx  # noqa: F401
        except ImportError as error:
            raise UserError(
                "ONNX needs the package onnx, which is not installed", hint='pip install "dlkit[onnx]"'
            ) from error
    return name


def classifier(asked: Any, options: Mapping[str, Any]) -> Iterator[File]:
    """What train-mlp and train-cnn have learnt: rows as read -> probabilities, or means in their units."""
    if chosen(options) == "npz":
        yield exported.weights(asked.model.state())
        return
    g, x, name, inputs = _rows_in(asked)
    logits, f = onnx_graph.write_network(g, asked.model, asked.context.backend, inputs, name)
    outputs: dict[str, np.ndarray] = {}
    if isinstance(asked.objective, Classes):
        e = np.exp(f - f.max(1, keepdims=True))
        outputs["probabilities"] = _out(
            g, "probabilities", g.add("Softmax", logits, axis=-1), e / e.sum(1, keepdims=True)
        )
    else:
        outputs |= _numbers(g, asked, logits, f)
    yield _file("model.onnx", g, {"x": x}, outputs, asked)


def _numbers(g: Graph, asked: Any, name: str, f: np.ndarray) -> dict[str, np.ndarray]:
    """Means of the targets, and their standard deviations where the network says them itself."""
    scale = asked.preprocess.targets
    k = len(scale.sd)
    learnt = isinstance(asked.objective, LearntNoise)
    wide = g.add("Cast", name, to=_double())
    mean = g.add("Slice", wide, *_ends(g, 0, k)) if learnt else wide
    mean = g.add("Add", g.add("Mul", mean, g.constant(scale.sd)), g.constant(scale.mean))
    found = {"mean": _out(g, "mean", mean, scale.restore_mean(f[:, :k]))}
    if learnt:
        half = g.add("Mul", g.add("Slice", wide, *_ends(g, k, 2 * k)), g.constant(np.full(1, 0.5)))
        std = g.add("Mul", g.add("Exp", half), g.constant(scale.sd))
        found["std"] = _out(g, "std", std, np.exp(f[:, k:].astype(np.float64) / 2) * scale.sd)
    return found


def autoencoder(asked: Any, options: Mapping[str, Any]) -> Iterator[File]:
    """What vae has learnt: encoder.onnx (rows as read -> mean, std), decoder.onnx (z -> pixels, 0 to 1)."""
    if chosen(options) == "npz":
        yield exported.weights(asked.model.state())
        return
    backend, k = asked.context.backend, asked.recipe.latent
    g, x, name, inputs = _rows_in(asked, shape=(-1,))
    code, f = onnx_graph.write_network(g, asked.model.encode, backend, inputs, name)
    mean, log_variance = (g.add("Slice", code, *_ends(g, lo, lo + k)) for lo in (0, k))
    half = g.add("Mul", log_variance, g.constant(np.full(1, 0.5, f.dtype)))
    outputs = {
        "mean": _out(g, "mean", mean, f[:, :k]),
        "std": _out(g, "std", g.add("Exp", half), np.exp(f[:, k:] / 2)),
    }
    yield _file("encoder.onnx", g, {"x": x}, outputs, asked)
    g, z = Graph(), _codes(asked)
    name = g.add("Cast", "z", to=_type_of(backend.dtype))
    pixels, y = onnx_graph.write_network(g, asked.model.decode, backend, z.astype(backend.dtype), name)
    if asked.recipe.likelihood == "bernoulli":
        pixels = g.add("Sigmoid", pixels)
    outputs = {"pixels": _out(g, "pixels", pixels, asked.model.likelihood.mean(y))}
    yield _file("decoder.onnx", g, {"z": z}, outputs, asked)


def generator(asked: Any, options: Mapping[str, Any]) -> Iterator[File]:
    """What gan's generator has learnt: z -> samples in the units of the training file."""
    networks, backend = asked.networks, asked.context.backend
    if chosen(options) == "npz":
        states = [network.state() for network in networks.modules.values()]
        yield exported.weights({path: a for state in states for path, a in state.items()})
        return
    g, z = Graph(), _codes(asked)
    name = g.add("Cast", "z", to=_type_of(backend.dtype))
    made, y = onnx_graph.write_network(g, networks.generator, backend, z.astype(backend.dtype), name)
    flat = g.add("Cast", _reshaped(g, made, (networks.width,)), to=_double())
    scale, shift = asked.preprocess.scale, asked.preprocess.shift
    # -1..1 back to 0..1, and that to the file's units
    back = g.add("Add", g.add("Mul", flat, g.constant(0.5 / scale)), g.constant((0.5 - shift) / scale))
    samples = asked._raw(y.reshape(len(y), -1)).reshape(len(y), *asked.input_shape)
    outputs = {"samples": _out(g, "samples", _reshaped(g, back, asked.input_shape), samples)}
    yield _file("generator.onnx", g, {"z": z}, outputs, asked)


# -- what comes before and after --------------------------------------------------------------------
def _rows_in(asked: Any, shape: tuple[int, ...] | None = None) -> tuple[Graph, np.ndarray, str, np.ndarray]:
    """A graph that begins with x, rows as read: (graph, x, name and values of what the network takes)."""
    schema, scaling, backend = asked.schema, asked.preprocess, asked.context.backend
    width = len(scaling.numeric)
    rng = np.random.default_rng(0)
    flat = ((rng.random((ROWS, width)) - scaling.shift) / scaling.scale).astype(np.float32)
    x = flat.reshape(ROWS, *(schema.input_shape if scaling.is_affine else (width,)))
    g = Graph()
    name = g.add("Cast", _reshaped(g, "x", (width,)), to=_double())
    name = g.add("Cast", _scaled(g, scaling, name), to=_type_of(backend.dtype))
    inputs = scaling.apply(flat.astype(np.float64), backend.dtype)
    wanted = (inputs.shape[1],) if shape == (-1,) else asked.input_shape
    return g, x, _reshaped(g, name, wanted), inputs.reshape(ROWS, *wanted)


def _scaled(g: Graph, scaling: Preprocess, x: str) -> str:
    """The preprocessing of training, in double precision as there."""
    y = g.add("Add", g.add("Mul", x, g.constant(scaling.scale)), g.constant(scaling.shift))
    if scaling.matrix is None:
        return y
    numeric, others = (np.flatnonzero(which) for which in (scaling.numeric, ~scaling.numeric))
    centred = g.add("Sub", g.add("Gather", y, g.constant(numeric), axis=1), g.constant(scaling.mean))
    white = g.add("MatMul", centred, g.constant(scaling.matrix))
    if not len(others):
        return white
    joined = g.add("Concat", white, g.add("Gather", y, g.constant(others), axis=1), axis=1)
    if scaling.kind != "zca":
        return joined
    return g.add("Gather", joined, g.constant(np.argsort(np.concatenate([numeric, others]))), axis=1)


def _reshaped(g: Graph, name: str, shape: tuple[int, ...]) -> str:
    return g.add("Reshape", name, g.constant(np.array([0, *shape], np.int64)))


def _ends(g: Graph, lo: int, hi: int) -> list[str]:
    """What a Slice of the last axis takes."""
    return [g.constant(np.array([v], np.int64)) for v in (lo, hi, -1)]


def _codes(asked: Any) -> np.ndarray:
    return np.random.default_rng(0).standard_normal((ROWS, asked.recipe.latent)).astype(np.float32)


def _out(g: Graph, name: str, source: str, values: np.ndarray) -> np.ndarray:
    """Give a result its name, in float32. Returns its values."""
    from onnx import helper

    g.nodes.append(helper.make_node("Cast", [source], [name], to=_type_of(np.dtype(np.float32))))
    return values.astype(np.float32)


def _type_of(dtype: np.dtype) -> int:
    from onnx import helper

    return int(helper.np_dtype_to_tensor_dtype(np.dtype(dtype)))


def _double() -> int:
    return _type_of(np.dtype(np.float64))


def _file(
    name: str, g: Graph, inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray], asked: Any
) -> File:
    schema = asked.schema
    told = {
        "dlkit": dlkit.__version__,
        "command": asked.command,
        "classes": json.dumps(schema.classes, ensure_ascii=False),
        "targets": json.dumps(schema.targets, ensure_ascii=False),
        "columns": json.dumps(schema.encoded_names, ensure_ascii=False),
    }
    return File(name, onnx_graph.to_bytes(g, inputs, outputs, told))
