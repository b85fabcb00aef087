"""Parameters as views of one flat buffer: the optimizer is one kernel, the sum over machines one call."""

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from dlkit.backend import Backend
from dlkit.backend.streams import Streams
from dlkit.nn.init import Init

Array = Any


class Parameter:
    """Numbers that are learnt. Until `Flat` gives it a place it has a shape and an initialiser only.

    shape: of `data`. fan: (inputs of a unit, units that an input feeds); default: first and last axis.
    decays: whether weight decay pulls it to zero (weights do; biases, gains and slopes do not).
    """

    data: Array
    owner: "Flat"
    by_rows = False
    """Whether its gradient comes as a few rows."""

    def __init__(
        self, shape: tuple[int, ...], init: Init, *, fan: tuple[int, int] | None = None, decays: bool = True
    ) -> None:
        self.shape = tuple(shape)
        self.size = math.prod(self.shape)
        self.init = init
        self.fan_in, self.fan_out = fan if fan is not None else (self.shape[0], self.shape[-1])
        self.decays = decays
        self.name = ""
        self.offset = 0


class RowParameter(Parameter):
    """A table (rows, d) of which a step uses few rows: an embedding, the nodes of a hierarchical softmax.

    It stands outside the flat buffer. Its gradient is the rows used (dlkit.ops.embedding), and an optimizer
    changes, and lets decay, these rows and their moments alone (dlkit.nn.row_updates).
    """

    by_rows = True


class Buffer:
    """Numbers that are kept but not learnt by gradient: running statistics. `data` is made by `Flat`."""

    data: Array

    def __init__(self, shape: tuple[int, ...], value: float) -> None:
        self.shape = tuple(shape)
        self.value = value


class Flat:
    """One flat buffer for all parameters of a module tree, in the order of `module.parameters()`.

    data: (n,) of the backend's dtype. parameters: path -> Parameter, whose `data` is a view of it. tables:
    path -> RowParameter, each with memory of its own.
    """

    def __init__(self, module: Any, backend: Backend) -> None:
        self.backend = backend
        every = module.parameters()
        self.parameters: dict[str, Parameter] = {path: p for path, p in every if not p.by_rows}
        self.tables: dict[str, RowParameter] = {path: p for path, p in every if p.by_rows}
        offset = 0
        for path, p in self.parameters.items():
            p.name, p.offset, p.owner = path, offset, self
            offset += p.size
        self.size = offset
        self.data = backend.zeros((self.size,))
        for p in self.parameters.values():
            p.data = self.view(self.data, p)
        for path, table in self.tables.items():
            table.name, table.owner, table.data = path, self, backend.zeros(table.shape)
        for _, buffer in module.buffers():
            buffer.data = backend.asarray(np.full(buffer.shape, buffer.value, backend.dtype))
        module.flat = self

    @classmethod
    def allocate(cls, module: Any, backend: Backend, streams: Streams, *, name: str = "init") -> "Flat":
        """Place the parameters and draw them: the k-th on the host from the stream (name, k)."""
        flat = cls(module, backend)
        for k, (_, p) in enumerate(module.parameters()):
            drawn = p.init.draw(streams.get(name, k), p.shape, p.fan_in, p.fan_out)
            p.data[...] = backend.asarray(np.ascontiguousarray(drawn, dtype=backend.dtype))
        return flat

    def gradient(self) -> Array:
        """A new flat buffer of zeros."""
        return self.backend.zeros((self.size,))

    def view(self, buffer: Array, p: Parameter) -> Array:
        """The parameter's part of a flat buffer, in the parameter's shape."""
        return buffer[p.offset : p.offset + p.size].reshape(p.shape)

    def split(self, buffer: Array) -> dict[str, np.ndarray]:
        """Host copies of a flat buffer's parts, by parameter path."""
        host = self.backend.to_host(buffer)
        return {path: np.array(self.view(host, p)) for path, p in self.parameters.items()}

    def runs(self, decays_apart: bool, block: int) -> Iterator[tuple[int, int, bool]]:
        """(lo, hi, decays) pieces that cover the buffer, at most `block` long, in order.

        The pieces depend on the model alone, never on the number of threads: an update has the same bits
        however many threads share the pieces. decays_apart: cut where `Parameter.decays` changes.
        """
        lo = 0
        ordered = list(self.parameters.values())
        for p, after in zip(ordered, [*ordered[1:], None], strict=True):
            end = p.offset + p.size
            if after is None or (decays_apart and after.decays != p.decays):
                for start in range(lo, end, block):
                    yield start, min(start + block, end), p.decays
                lo = end
