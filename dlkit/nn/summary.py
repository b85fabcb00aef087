"""What a model is made of, before and after training: the layer table and the memory of a step."""

from typing import Any, NamedTuple

import numpy as np

from dlkit.backend import Backend
from dlkit.backend.threads import Team
from dlkit.nn.layers import Sequential
from dlkit.nn.module import Module, Passing


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
    return [_row(path, layer, shape) for path, layer, shape in model.with_shapes(input_shape)]


def _row(path: str, layer: Module, shape: tuple[int, ...]) -> LayerRow:
    size = sum(p.size for _, p in layer.parameters())
    return LayerRow(path, layer.kind, "×".join(map(str, layer.output_shape(shape))), size)


def step_bytes(
    model: Module,
    input_shape: tuple[int, ...],
    rows: int,
    optimizer: Any,
    team: Team,
    backend: Backend,
) -> int:
    """Estimated bytes of one training step on `rows` rows.

    Parameters, a gradient for every shard, the optimizer's buffers (optimizer: its spec), for each row the
    input, the activations and their gradients, and for each shard what its layers need to work (unfolded
    images).
    """
    shards, itemsize = team.shards, backend.dtype.itemsize
    numbers = kept_numbers(model, optimizer, shards)
    numbers += rows * (int(np.prod(input_shape)) + model.activation_size(input_shape))
    passing = Passing(-(-rows // shards), itemsize, team.parts, backend.name)
    return itemsize * numbers + shards * sum(model.scratch(input_shape, passing).values())


def kept_numbers(model: Module, optimizer: Any, shards: int) -> int:
    """Parameters, a gradient for every shard, the optimizer's buffers."""
    return sum(p.size for _, p in model.parameters()) * (1 + shards + len(optimizer.SLOTS))
