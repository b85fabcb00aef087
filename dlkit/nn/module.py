"""Modules: named, ordered parameters and buffers, and a forward pass that writes on a tape."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any, ClassVar, NamedTuple

import numpy as np

from dlkit.autograd import Tape, Variable
from dlkit.errors import DataError
from dlkit.nn.parameter import Buffer, Flat, Parameter


class Passing(NamedTuple):
    """How rows pass through a layer, for estimates of memory: so many rows of a shard at once, numbers of
    `itemsize` bytes, kernels shared out to `lanes`, on "cpu" or "gpu"."""

    rows: int
    itemsize: int = 4
    lanes: int = 1
    device: str = "cpu"


class Module:
    """A part of a model. Its parameters, buffers and children are its attributes, in the order of assignment.

    A subclass is constructed with sizes only; `Flat.allocate(module, backend, streams)` gives the parameters
    their places and first values. Paths join attribute names by dots; the children in a dict attribute go by
    their keys, without the attribute's own name: "0.dense.weight".
    """

    kind: ClassVar[str] = "module"
    flat: Flat
    """The buffer that holds the parameters; set by Flat."""

    path: str = ""
    """Where this module stands in the tree; set by `walk`."""

    def __call__(self, tape: Tape, x: Variable) -> Variable:
        y = self.forward(tape, x)
        tape.note(self.path, y.data)
        return y

    def forward(self, tape: Tape, x: Variable) -> Variable:
        raise NotImplementedError

    def with_next(self, tape: Tape, x: Variable, after: Sequence["Module"]) -> tuple[Variable, int] | None:
        """This module and some of those after it in one pass, where there is a faster one: the result, and
        how many they are."""
        return None

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of one row's output for the shape of one row's input."""
        return shape

    def activation_size(self, shape: tuple[int, ...]) -> int:
        """Numbers kept per row: the output and its gradient, and what is saved for the backward pass."""
        return 2 * int(np.prod(self.output_shape(shape)))

    def joint_size(self, shape: tuple[int, ...], after: "Module") -> int | None:
        """`activation_size` of this module and the one after it; None: `with_next` does not join them."""
        return None

    def products(self, shape: tuple[int, ...]) -> int:
        """Multiplications of one row's forward pass; each weight is used once unless a layer says more."""
        return sum(p.size for _, p in self.parameters())

    def scratch(self, shape: tuple[int, ...], passing: Passing) -> dict[str, int]:
        """Bytes a shard needs while it passes here, by the names of `Tape.scratch`, which layers share."""
        return {}

    @property
    def noisy(self) -> bool:
        """Whether this module itself draws noise while `tape.noise` is on."""
        return False

    @property
    def noisy_weights(self) -> bool:
        """Whether that noise is on weights, drawn once for all rows that pass together."""
        return False

    def has_noise(self, *, of_weights: bool = False) -> bool:
        """Whether any module of the tree draws noise: Monte Carlo prediction makes sense.

        of_weights: whether any draws it for weights, so that rows which pass together share it.
        """
        return any(module.noisy_weights if of_weights else module.noisy for _, module in self.walk())

    def children(self) -> Iterator[tuple[str, "Module"]]:
        """Direct children as (name, module)."""
        for name, value in vars(self).items():
            if isinstance(value, Module):
                yield name, value
            elif isinstance(value, dict):
                yield from ((key, m) for key, m in value.items() if isinstance(m, Module))

    def walk(self, prefix: str = "") -> Iterator[tuple[str, "Module"]]:
        """This module and all below it as (path, module), depth first; sets every `path`."""
        self.path = prefix
        yield prefix, self
        for name, child in self.children():
            yield from child.walk(f"{prefix}.{name}" if prefix else name)

    def _leaves(self, kind: type) -> Iterator[tuple[str, Any]]:
        seen: set[int] = set()  # a parameter shared by two modules goes by its first path
        for path, module in self.walk():
            for name, value in vars(module).items():
                if isinstance(value, kind) and id(value) not in seen:
                    seen.add(id(value))
                    yield f"{path}.{name}" if path else name, value

    def parameters(self) -> list[tuple[str, Parameter]]:
        """(path, parameter), in order."""
        return list(self._leaves(Parameter))

    def buffers(self) -> list[tuple[str, Buffer]]:
        """(path, buffer), in order: what is saved beside the parameters."""
        return list(self._leaves(Buffer))

    def _kept(self) -> list[tuple[str, Any]]:
        return [*self.parameters(), *self.buffers()]

    def state(self) -> dict[str, np.ndarray]:
        """Host copies of all parameters and buffers by path."""
        to_host = self.flat.backend.to_host
        return {path: np.array(to_host(p.data)) for path, p in self._kept()}

    def load(self, state: dict[str, np.ndarray]) -> None:
        """The inverse of `state`. Raises DataError naming the parameter that does not fit."""
        mine: dict[str, Any] = dict(self._kept())
        check_names(mine, state)
        for path, p in mine.items():
            check_array(path, p.shape, state[path])
        for path, p in mine.items():
            p.data[...] = self.flat.backend.asarray(np.asarray(state[path], dtype=self.flat.backend.dtype))


def shared(*needs: dict[str, int]) -> dict[str, int]:
    """What modules need that are passed one after the other: the most of each name."""
    return {name: max(need.get(name, 0) for need in needs) for name in dict.fromkeys(chain(*needs))}


def check_names(mine: Any, state: Any) -> None:
    """DataError unless both have the same names."""
    for name in mine:
        if name not in state:
            raise DataError(f"the saved state lacks {name!r}", hint="was the model changed since?")
    for name in state:
        if name not in mine:
            raise DataError(
                f"the saved state has {name!r}, the model has not", hint="was the model changed since?"
            )


def check_array(name: str, shape: tuple[int, ...], array: Any) -> None:
    """DataError unless the array has the shape and holds finite floats: what trains never saves others."""
    if tuple(np.shape(array)) != tuple(shape):
        raise DataError(
            f"{name}: expected shape {tuple(shape)}, the saved state has {tuple(np.shape(array))}"
        )
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f":
        raise DataError(f"{name}: expected floating-point numbers, the saved state has others")
    if not np.isfinite(array).all():
        raise DataError(f"{name}: the saved state has numbers that are not finite")
