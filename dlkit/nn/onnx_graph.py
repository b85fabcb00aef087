"""A network as an ONNX graph: its forward pass is run once on a tape that writes down every operation.

Each op has its translation here, in terms of ONNX's operators (onnx.ai/onnx/operators); noise is off, batch
normalisation has its running statistics, folded. Images stay (n, h, w, c) between operations, as they are in
dlkit: what ONNX wants channels first is turned around for one operation, and runtimes take the turns out.
The number of rows is free. Before a graph is handed over it is run by ONNX's own reference and compared with
the network.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlkit.autograd import Array, Op, Tape, Variable
from dlkit.backend import Backend
from dlkit.errors import UserError
from dlkit.kernels.activation import IDENTITY, LEAKY_RELU, RELU, SIGMOID, TANH
from dlkit.nn.module import Module
from dlkit.ops.activations import Activation, PRelu
from dlkit.ops.contrast import LocalContrast
from dlkit.ops.conv import Conv, ConvPool, ConvTranspose
from dlkit.ops.dense import Dense
from dlkit.ops.norm import BatchNorm, LayerNorm
from dlkit.ops.pool import ExtremePool, MeanPool, Resample, Upsample
from dlkit.ops.shape import Add, Columns, Join, Reshape, Scale
from dlkit.ops.window import Pair, Window

OPSET = 17
"""LayerNormalization came with it; runtimes since 2022 know it."""
ROWS = 3
"""Rows of the pass that is written down."""
TOLERANCE = 1e-4
"""Largest difference from the network, relative to the largest output, that is taken for rounding."""

Translation = Callable[..., str]


class Graph:
    """Nodes and constants, under names that are made as they come."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self._known: list[tuple[Variable, str]] = []

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """A node with one output; returns the output's name."""
        from onnx import helper

        name = f"{kind.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, values: Any) -> str:
        """A constant of its own type; float64 where it is Python's."""
        name = f"constant_{len(self.constants)}"
        self.constants[name] = np.ascontiguousarray(values)
        return name

    def call(self, variable: Variable, name: str) -> None:
        """From now on the variable goes by this name."""
        self._known.append((variable, name))

    def name_of(self, variable: Variable) -> str:
        """The name of a variable; one that no op has made is a parameter, and a constant here."""
        for known, name in reversed(self._known):
            if known is variable:
                return name
        name = self.constant(np.array(variable.data))
        self.call(variable, name)
        return name


class WritingTape(Tape):
    """Runs operations as any tape without gradients does, and writes each into a graph."""

    def __init__(self, backend: Backend, graph: Graph) -> None:
        super().__init__(backend)
        self.graph = graph

    def apply(self, op: type[Op], *inputs: Variable, **static: Any) -> Variable:
        y = super().apply(op, *inputs, **static)
        if op not in TRANSLATIONS:
            raise UserError(f"ONNX has no counterpart of {op.__name__.lower()} here")
        names = [self.graph.name_of(v) for v in inputs]
        self.graph.call(y, TRANSLATIONS[op](self.graph, [v.data for v in inputs], names, **static))
        return y


TRANSLATIONS: dict[type[Op], Translation] = {}
"""Op -> fn(graph, arrays, names, **static): writes nodes and returns the name of the result."""


def _translates(op: type[Op]) -> Callable[[Translation], Translation]:
    def register(fn: Translation) -> Translation:
        TRANSLATIONS[op] = fn
        return fn

    return register


# -- dense -------------------------------------------------------------------------------------------
def _activated(g: Graph, z: str, kind: int, slope: Array) -> str:
    if kind == IDENTITY:
        return z
    if kind == LEAKY_RELU:
        return g.add("LeakyRelu", z, alpha=float(slope[0]))
    return g.add({RELU: "Relu", SIGMOID: "Sigmoid", TANH: "Tanh"}[kind], z)


@_translates(Dense)
def _dense(g: Graph, arrays: list[Array], names: list[str], *, kind: int, slope: Array) -> str:
    x, w, b = names
    return _activated(g, g.add("Add", g.add("MatMul", x, w), b), kind, slope)


@_translates(Activation)
def _activation(g: Graph, arrays: list[Array], names: list[str], *, kind: int, slope: Array) -> str:
    return _activated(g, names[0], kind, slope)


@_translates(PRelu)
def _prelu(g: Graph, arrays: list[Array], names: list[str]) -> str:
    return g.add("PRelu", *names)


# -- shape -------------------------------------------------------------------------------------------
@_translates(Add)
def _add(g: Graph, arrays: list[Array], names: list[str]) -> str:
    return g.add("Add", *names)


@_translates(Scale)
def _scale(g: Graph, arrays: list[Array], names: list[str], *, c: float) -> str:
    return g.add("Mul", names[0], g.constant(np.full(1, c, arrays[0].dtype)))


@_translates(Reshape)
def _reshape(g: Graph, arrays: list[Array], names: list[str], *, shape: tuple[int, ...]) -> str:
    rows = arrays[0].shape[0]
    first = 0 if shape[0] == rows else -1  # 0: as many as come in
    return g.add("Reshape", names[0], g.constant(np.array([first, *shape[1:]], np.int64)))


@_translates(Columns)
def _columns(g: Graph, arrays: list[Array], names: list[str], *, lo: int, hi: int) -> str:
    ends = [g.constant(np.array([v], np.int64)) for v in (lo, hi, -1)]
    return g.add("Slice", names[0], *ends)


@_translates(Join)
def _join(g: Graph, arrays: list[Array], names: list[str]) -> str:
    return g.add("Concat", *names, axis=-1)


# -- images -------------------------------------------------------------------------------------------
def _channels_first(g: Graph, x: str) -> str:
    return g.add("Transpose", x, perm=[0, 3, 1, 2])


def _channels_last(g: Graph, x: str) -> str:
    return g.add("Transpose", x, perm=[0, 2, 3, 1])


def _pads(window: Window, image: Pair) -> list[int]:
    """Padding above, on the left, below, on the right."""
    out, before = window.out(image), window.before(image)
    after = [
        max((out[k] - 1) * window.stride[k] + window.size[k] - image[k] - before[k], 0)
        if window.pad == "same"
        else before[k]
        for k in (0, 1)
    ]
    return [*before, *after]


def _filters(g: Graph, w: Array, b: str, image: Pair, x: str, window: Window, groups: int) -> str:
    """x * W + b, channels first."""
    filters = g.constant(np.array(w).transpose(3, 2, 0, 1))
    return g.add(
        "Conv", x, filters, b, strides=list(window.stride), pads=_pads(window, image), group=groups,
        kernel_shape=list(window.size),
    )  # fmt: skip


@_translates(Conv)
def _conv(
    g: Graph, arrays: list[Array], names: list[str], *, window: Window, groups: int, kind: int, slope: Array,
    memory: int,
) -> str:  # fmt: skip
    x = _channels_first(g, names[0])
    z = _filters(g, arrays[1], names[2], arrays[0].shape[1:3], x, window, groups)
    return _channels_last(g, _activated(g, z, kind, slope))


@_translates(ConvPool)
def _conv_pool(
    g: Graph, arrays: list[Array], names: list[str], *, window: Window, pool: Pair, groups: int, kind: int,
    slope: Array, memory: int,
) -> str:  # fmt: skip
    x = _channels_first(g, names[0])
    z = _filters(g, arrays[1], names[2], arrays[0].shape[1:3], x, window, groups)
    largest = g.add("MaxPool", _activated(g, z, kind, slope), kernel_shape=list(pool), strides=list(pool))
    return _channels_last(g, largest)


@_translates(ConvTranspose)
def _conv_transpose(
    g: Graph, arrays: list[Array], names: list[str], *, window: Window, extra: Pair, groups: int, kind: int,
    slope: Array, memory: int,
) -> str:  # fmt: skip
    small = arrays[0].shape[1:3]
    large = window.spread(small, extra)
    before = window.before(large)
    after = [(small[k] - 1) * window.stride[k] + window.size[k] - before[k] - large[k] for k in (0, 1)]
    filters = g.constant(np.array(arrays[1]).transpose(3, 2, 0, 1))
    z = g.add(
        "ConvTranspose", _channels_first(g, names[0]), filters, names[2], strides=list(window.stride),
        pads=[*before, *(max(a, 0) for a in after)], output_padding=[max(-a, 0) for a in after], group=groups,
        kernel_shape=list(window.size),
    )  # fmt: skip
    return _channels_last(g, _activated(g, z, kind, slope))


@_translates(ExtremePool)
def _extreme_pool(g: Graph, arrays: list[Array], names: list[str], *, window: Window, sign: int) -> str:
    x = _channels_first(g, names[0])
    x = x if sign > 0 else g.add("Neg", x)
    pads = _pads(window, arrays[0].shape[1:3])
    y = g.add("MaxPool", x, kernel_shape=list(window.size), strides=list(window.stride), pads=pads)
    return _channels_last(g, y if sign > 0 else g.add("Neg", y))


@_translates(MeanPool)
def _mean_pool(g: Graph, arrays: list[Array], names: list[str], *, window: Window) -> str:
    pads = _pads(window, arrays[0].shape[1:3])
    x = _channels_first(g, names[0])
    y = g.add(
        "AveragePool", x, kernel_shape=list(window.size), strides=list(window.stride), pads=pads,
        count_include_pad=0,
    )  # fmt: skip
    return _channels_last(g, y)


@_translates(Upsample)
def _upsample(g: Graph, arrays: list[Array], names: list[str], *, k: int) -> str:
    scales = g.constant(np.array([1, 1, k, k], np.float32))
    y = g.add(
        "Resize", _channels_first(g, names[0]), "", scales, mode="nearest", nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )  # fmt: skip
    return _channels_last(g, y)


@_translates(Resample)
def _resample(g: Graph, arrays: list[Array], names: list[str], *, a: Array, b: Array) -> str:
    return _channels_last(g, _along_both(g, _channels_first(g, names[0]), np.array(a), np.array(b)))


def _along_both(g: Graph, x: str, a: np.ndarray, b: np.ndarray) -> str:
    """a x bᵀ for each map of x, channels first."""
    return g.add("MatMul", g.add("MatMul", g.constant(a), x), g.constant(b.T))


@_translates(LocalContrast)
def _local_contrast(graph: Graph, arrays: list[Array], names: list[str], **static: Any) -> str:
    g, divisive, eps = graph, static["divisive"], static["eps"]
    weights, (h, w), dtype = np.array(static["g"]), arrays[0].shape[1:3], arrays[0].dtype
    down, across = (_smoothing(weights, size).astype(dtype) for size in (h, w))
    x = _channels_first(g, names[0])
    v = g.add("Sub", x, _along_both(g, g.add("ReduceMean", x, axes=[1], keepdims=1), down, across))
    if not divisive:
        return _channels_last(g, v)
    q = g.add("ReduceMean", g.add("Mul", v, v), axes=[1], keepdims=1)
    sigma = g.add("Sqrt", _along_both(g, q, down, across))
    least = g.add(
        "Max", g.add("ReduceMean", sigma, axes=[2, 3], keepdims=1), g.constant(np.full(1, eps, dtype))
    )
    return _channels_last(g, g.add("Div", v, g.add("Max", sigma, least)))


def _smoothing(weights: np.ndarray, size: int) -> np.ndarray:
    """(size, size): the mean over the window as a product; at the border the weights inside sum to 1."""
    offset = np.arange(size)[None, :] - np.arange(size)[:, None] + len(weights) // 2
    inside = (offset >= 0) & (offset < len(weights))
    rows = np.where(inside, weights[np.clip(offset, 0, len(weights) - 1)].astype(np.float64), 0.0)
    return rows / rows.sum(1, keepdims=True)


# -- normalisation -----------------------------------------------------------------------------------
@_translates(BatchNorm)
def _batch_norm(
    g: Graph,
    arrays: list[Array],
    names: list[str],
    *,
    running: tuple[Array, Array],
    momentum: float,
    eps: float,
) -> str:
    gain, bias = (np.array(a, np.float64) for a in arrays[1:])
    mean, variance = (np.array(a, np.float64) for a in running)
    scale = gain / np.sqrt(variance + eps)
    folded = (g.constant(a.astype(arrays[0].dtype)) for a in (scale, bias - mean * scale))
    return g.add("Add", g.add("Mul", names[0], next(folded)), next(folded))


@_translates(LayerNorm)
def _layer_norm(g: Graph, arrays: list[Array], names: list[str], *, eps: float) -> str:
    return g.add("LayerNormalization", *names, axis=-1, epsilon=float(eps))


# -- the whole ------------------------------------------------------------------------------------------
def write_network(
    g: Graph, model: Module | Callable[..., Variable], backend: Backend, x: np.ndarray, name: str
) -> tuple[str, np.ndarray]:
    """Write model(tape, x) into the graph, where x goes by `name`. Returns the result's name and values."""
    tape = WritingTape(backend, g)
    tape.begin(training=False)
    given = Variable(backend.asarray(x))
    g.call(given, name)
    y = model(tape, given)
    return g.name_of(y), np.array(backend.to_host(y.data))


def to_bytes(
    g: Graph, inputs: dict[str, np.ndarray], outputs: dict[str, np.ndarray], told: dict[str, str]
) -> bytes:
    """The graph as an ONNX file. inputs, outputs: name -> values of the pass that was written, whose first
    axis is the free one; told: what the file says about itself.

    Raises UserError where the graph, run by ONNX's reference, does not give the outputs.
    """
    import onnx
    from onnx import helper, numpy_helper
    from onnx.reference import ReferenceEvaluator

    def described(values: dict[str, np.ndarray]) -> list[Any]:
        kinds = {name: helper.np_dtype_to_tensor_dtype(a.dtype) for name, a in values.items()}
        return [helper.make_tensor_value_info(n, kinds[n], ["rows", *a.shape[1:]]) for n, a in values.items()]

    constants = [numpy_helper.from_array(values, name) for name, values in g.constants.items()]
    graph = helper.make_graph(g.nodes, "dlkit", described(inputs), described(outputs), constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], producer_name="dlkit")
    model.ir_version = 8
    helper.set_model_props(model, told)
    onnx.checker.check_model(model, full_check=True)
    found = ReferenceEvaluator(model).run(None, inputs)
    for (name, expected), values in zip(outputs.items(), found, strict=True):
        gap = np.abs(values - expected).max(initial=0.0) / max(np.abs(expected).max(initial=0.0), 1e-6)
        if not gap < TOLERANCE:
            raise UserError(f"the graph does not compute what the network does: {name} is off by {gap:.1e}")
    return bytes(model.SerializeToString(deterministic=True))
