"""What a model is made of, before and after training: the layer table and the memory of a step."""

from typing import Any, NamedTuple

import numpy as np

from dlkit.nn.layers import Sequential
from dlkit.nn.module import Module

FLOAT_BYTES = 4


class LayerRow(NamedTuple):
    """A line of the table: path, kind, shape of one row's output, learnt numbers."""

    path: str
    kind: str
    shape: str
    parameters: int


def layer_table(model: Module, input_shape: tuple[int, ...]) -> list[LayerRow]:
    """One line a layer, in the order of the forward pass. A module that is no list of layers is one line."""
    if not isinstance(model, Sequential):
        return [_row(model.path or model.kind, model, input_shape)]
    rows, shape = [], input_shape
    for path, layer in model.layers.items():
        rows.append(_row(path, layer, shape))
        shape = layer.output_shape(shape)
    return rows


def _row(path: str, layer: Module, shape: tuple[int, ...]) -> LayerRow:
    size = sum(p.size for _, p in layer.parameters())
    return LayerRow(path, layer.kind, "×".join(map(str, layer.output_shape(shape))), size)


def step_bytes(
    model: Module,
    input_shape: tuple[int, ...],
    rows: int,
    optimizer: Any,
    shards: int,
    *,
    itemsize: int = FLOAT_BYTES,
) -> int:
    """Estimated bytes of one training step on `rows` rows.

    Parameters, a gradient for every shard, the optimizer's buffers (optimizer: its spec), and for each row
    the input, the activations and their gradients.
    """
    parameters = sum(p.size for _, p in model.parameters())
    kept = parameters * (1 + shards + len(optimizer.SLOTS))
    return itemsize * (kept + rows * (int(np.prod(input_shape)) + activations(model, input_shape)))


def activations(model: Module, shape: tuple[int, ...]) -> int:
    """Numbers that one row leaves behind on the way forward and back."""
    if not isinstance(model, Sequential):
        return model.activation_size(shape)
    total = 0
    for layer in model.layers.values():
        total += layer.activation_size(shape)
        shape = layer.output_shape(shape)
    return total
