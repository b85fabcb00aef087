"""An optimizer at work: the rule of its spec, over flat buffers beside the parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from dlkit.backend.streams import Streams
from dlkit.errors import DataError
from dlkit.kernels.langevin import sgld
from dlkit.kernels.reduce import sum_shards
from dlkit.nn.module import check_array, check_names
from dlkit.nn.parameter import Array, Flat

Run = Callable[..., None]


def call(kernel: Any, *args: Any) -> None:
    """kernel(*args), as one."""
    kernel(*args)


class Piece(NamedTuple):
    """A slice of all that an update touches, the same of each.

    p: parameters; parts: gradients of the shards, still to be summed (the first may be overwritten);
    slots: the optimizer's own buffers; decay: the weight decay that holds here.
    """

    p: Array
    parts: tuple[Array, ...]
    slots: tuple[Array, ...]
    decay: float


def summed(parts: tuple[Array, ...]) -> Array:
    """The shards' gradients added in order, into the first."""
    if len(parts) > 1:
        sum_shards(parts, parts[0])
    return parts[0]


class Optimizer:
    """Moments and step count of a rule (a spec of dlkit.nn.optimizers).

    slots: name -> flat buffer, e.g. "m" and "v" of Adam; row_slots: path of a table -> the same of its rows.
    t: steps begun.
    """

    def __init__(self, spec: Any, flat: Flat) -> None:
        self.spec = spec
        self.flat = flat
        self.t = 0
        self.slots: dict[str, Array] = {name: flat.gradient() for name in spec.SLOTS}
        for name, value in spec.first_values().items():
            self.slots[name][...] = value
        self.row_slots: dict[str, dict[str, Array]] = {
            path: {name: flat.backend.zeros(table.shape) for name in spec.SLOTS}
            for path, table in flat.tables.items()
        }
        for slots in self.row_slots.values():
            for name, value in spec.first_values().items():
                slots[name][...] = value

    def begin(self, lr: float, position: tuple[int, ...]) -> None:
        """A step begins; position: (epoch, step)."""
        self.t += 1

    def update(self, piece: Piece, lr: float, run: Run = call) -> None:
        """Update the parameters of a piece; pieces may be updated on several threads at once.

        run: run(kernel, *args), where a kernel's rows are shared out.
        """
        self.spec.update(piece, lr, self.t, run)

    def finish(self, position: tuple[int, ...]) -> None:
        """Every piece of the step is updated."""

    def buffers(self) -> int:
        """How many flat buffers it keeps, for estimates of memory."""
        return len(self.slots)

    def state(self) -> dict[str, Any]:
        """{"name", "t", "<slot>": {parameter path: array}}: everything that going on needs."""
        return {
            "name": self.spec.name,
            "t": self.t,
            **{name: self.flat.split(buffer) | self._of_tables(name) for name, buffer in self.slots.items()},
        }

    def _of_tables(self, name: str) -> dict[str, np.ndarray]:
        """Host copies of a slot of every table, by path."""
        to_host = self.flat.backend.to_host
        return {path: np.array(to_host(slots[name])) for path, slots in self.row_slots.items()}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`. Raises DataError naming the slot and parameter that do not fit."""
        if state.get("name") != self.spec.name:
            raise DataError(f"the saved optimizer is {state.get('name')}, the recipe's is {self.spec.name}")
        for name in self.slots:
            saved = state.get(name)
            if not isinstance(saved, dict):
                raise DataError(f"the saved optimizer state lacks {name!r}")
            everything = self.flat.parameters | self.flat.tables
            check_names(everything, saved)
            for path, p in everything.items():
                check_array(f"{name} of {path}", p.shape, saved[path])
        for name, buffer in self.slots.items():
            self._fill(buffer, state[name])
            for path, slots in self.row_slots.items():
                slots[name][...] = self.flat.backend.asarray(np.asarray(state[name][path], buffer.dtype))
        self.t = int(state["t"])
        if not 0 <= self.t < 2**63:
            raise DataError(f"the saved optimizer has done {self.t} steps")

    def _fill(self, buffer: Array, saved: dict[str, np.ndarray]) -> None:
        for path, p in self.flat.parameters.items():
            self.flat.view(buffer, p)[...] = self.flat.backend.asarray(np.asarray(saved[path], buffer.dtype))


class Sampler(Optimizer):
    """SGLD: an optimizer whose iterates are draws from the posterior; keeps some of them (on the host).

    samples: the newest flat parameter vectors, one every `keep_every` steps after `burn_in` epochs.
    """

    def __init__(self, spec: Any, flat: Flat, streams: Streams, rows: int) -> None:
        if flat.tables:
            raise ValueError("sgld moves every parameter at every step: it has no use for tables by rows")
        super().__init__(spec, flat)
        self.streams = streams
        self.rows = rows
        self.samples: list[np.ndarray] = []

    def begin(self, lr: float, position: tuple[int, ...]) -> None:
        """Draw the noise of the whole step on the host: threads and device do not change it."""
        super().begin(lr, position)
        rng = self.streams.get("sgld", *position)
        drawn = rng.standard_normal(self.flat.size, dtype=self.flat.backend.dtype)
        self.slots["noise"][...] = self.flat.backend.asarray(drawn)

    def update(self, piece: Piece, lr: float, run: Run = call) -> None:
        spec = self.spec
        run(sgld, piece.p, summed(piece.parts), *piece.slots, lr, self.rows, piece.decay, spec.temperature)

    def finish(self, position: tuple[int, ...]) -> None:
        if position[0] > self.spec.burn_in and self.t % self.spec.keep_every == 0:
            self.samples.append(np.array(self.flat.backend.to_host(self.flat.data)))
            del self.samples[: -self.spec.samples]

    def sample_state(self, k: int) -> dict[str, np.ndarray]:
        """Parameters of the k-th kept sample by path: `model.load({**model.state(), **sample})` takes it."""
        return {
            path: np.array(self.flat.view(self.samples[k], p)) for path, p in self.flat.parameters.items()
        }

    def state(self) -> dict[str, Any]:
        kept = np.array(self.samples, self.flat.backend.dtype).reshape(len(self.samples), self.flat.size)
        state = super().state()
        del state["noise"]  # drawn anew from the position
        by_path = {path: self._column(kept, p) for path, p in self.flat.parameters.items()}
        return {**state, "samples": by_path}

    def _column(self, kept: np.ndarray, p: Any) -> np.ndarray:
        return np.array(kept[:, p.offset : p.offset + p.size].reshape(len(kept), *p.shape))

    def load(self, state: dict[str, Any]) -> None:
        saved = state.get("samples")
        if not isinstance(saved, dict):
            raise DataError("the saved optimizer state lacks 'samples'")
        check_names(self.flat.parameters, saved)
        count = len(next(iter(saved.values()), ()))
        for path, p in self.flat.parameters.items():
            check_array(f"samples of {path}", (count, *p.shape), saved[path])
        super().load({**state, "noise": self.flat.split(self.slots["noise"])})
        kept = np.empty((count, self.flat.size), self.flat.backend.dtype)
        for path, p in self.flat.parameters.items():
            kept[:, p.offset : p.offset + p.size] = np.asarray(saved[path]).reshape(count, p.size)
        self.samples = list(kept)
