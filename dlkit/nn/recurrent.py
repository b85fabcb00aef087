"""Embeddings and recurrent layers, time first. They pass states beside their results, so they are `run`, not
called: dlkit.ops.recurrent has the shapes and what a mask does."""

from typing import ClassVar

import numpy as np

from dlkit.autograd import Array, Tape, Variable
from dlkit.nn.init import ZEROS, Init
from dlkit.nn.module import Module
from dlkit.nn.parameter import Parameter, RowParameter
from dlkit.ops.embedding import embedding, row_path
from dlkit.ops.noise import dropout
from dlkit.ops.recurrent import GATES, gru, lstm, tanh_rnn
from dlkit.ops.sequence_noise import dropout_over_time, kept_units
from dlkit.ops.shape import join, reshape

State = tuple[Variable, ...]
"""Of a layer: (h,), or (h, c) for an LSTM; each (B, m)."""


class Embedding(Module):
    """Rows of a table (vocabulary, dim) by number.

    by_rows: gradient and update of the rows used alone (dlkit.nn.row_updates). First values N(0, scale^2).
    """

    kind: ClassVar[str] = "embedding"

    def __init__(self, vocabulary: int, dim: int, *, by_rows: bool = False, scale: float = 0.1) -> None:
        init = Init("scaled_normal", sigma=scale)
        kind = RowParameter if by_rows else Parameter
        self.weight = kind((vocabulary, dim), init, fan=(1, dim))

    def run(self, tape: Tape, ids: Array) -> Variable:
        """ids: int64 of any shape; gives (*ids.shape, dim)."""
        y = embedding(tape, tape.parameter(self.weight), ids, by_rows=row_path(tape, self.weight))
        tape.note(self.path, y.data)
        return y


class Recurrent(Module):
    """One direction of one layer. cell: tanh, lstm or gru; n_in numbers a step come in, `units` go out.

    Weights of the input: Glorot uniform with a gate's own fans; of the state: orthogonal rows; biases 0 but
    for the LSTM's forget gate, 1 (Jozefowicz et al. 2015). dropout: probability that a unit of the state
    before is left out of the products, the same for all steps of a sequence (Gal & Ghahramani 2016).
    """

    kind: ClassVar[str] = "recurrent"

    def __init__(
        self, cell: str, n_in: int, units: int, *, reverse: bool = False, dropout: float = 0.0,
        init: Init = Init("glorot_uniform"), recurrent_init: Init = Init("orthogonal"),  # noqa: B008
    ) -> None:  # fmt: skip
        self.cell = cell
        self.kind = cell  # type: ignore[misc]
        self.units = units
        self.reverse = reverse
        self.dropout = dropout
        width = GATES[cell] * units
        self.weight = Parameter((n_in, width), init, fan=(n_in, units))
        self.recurrent = Parameter((units, width), recurrent_init, fan=(units, units))
        bias = Init("forget_gate", value=1.0) if cell == "lstm" else ZEROS
        self.bias = Parameter((width,), bias, decays=False)
        self.candidate_bias = Parameter((units,), ZEROS, decays=False) if cell == "gru" else None

    def run(
        self, tape: Tape, x: Variable, state: State | None = None, mask: Array = None
    ) -> tuple[Variable, State]:
        """x: (T, B, n_in), state: of the step before the first (None: zeros), mask: (T, B) uint8 or None.

        Gives all states (T, B, units) and the state after the last step of the walk.
        """
        w, u, b = (tape.parameter(p) for p in (self.weight, self.recurrent, self.bias))
        keep = kept_units(tape, x.shape[1], self.units, self.dropout)
        first = state or ()
        if self.cell == "lstm":
            y, *last = lstm(tape, x, w, u, b, *first, mask=mask, keep=keep, reverse=self.reverse)
        elif self.candidate_bias is not None:
            bq = tape.parameter(self.candidate_bias)
            y, *last = gru(tape, x, w, u, b, bq, *first, mask=mask, keep=keep, reverse=self.reverse)
        else:
            y, *last = tanh_rnn(tape, x, w, u, b, *first, mask=mask, keep=keep, reverse=self.reverse)
        tape.note(self.path, y.data)
        return y, tuple(last)

    def step(self, tape: Tape, x: Variable, state: State | None = None) -> tuple[Variable, State]:
        """One step, for decoding: x (B, n_in); gives (B, units) and the state after it."""
        y, last = self.run(tape, reshape(tape, x, (1, *x.shape)), state)
        return reshape(tape, y, y.shape[1:]), last

    @property
    def noisy(self) -> bool:
        return self.dropout > 0


class RecurrentStack(Module):
    """Layers of recurrent cells, each in one direction or both.

    dropout: of what goes into every layer but the first; variational: one mask for all steps of a sequence
    instead of one each. recurrent_dropout: as `Recurrent`'s. The children are "0.lstm", "0.lstm_back", ...
    """

    kind: ClassVar[str] = "recurrent_stack"

    def __init__(
        self, cell: str, n_in: int, units: int, *, layers: int = 1, bidirectional: bool = False,
        dropout: float = 0.0, variational: bool = False, recurrent_dropout: float = 0.0,
        init: Init = Init("glorot_uniform"), recurrent_init: Init = Init("orthogonal"),  # noqa: B008
    ) -> None:  # fmt: skip
        self.dropout = dropout
        self.variational = variational
        self.layers: dict[str, Module] = {}
        self.directions = 1 + bidirectional
        for k in range(layers):
            for way in range(self.directions):
                name = f"{k}.{cell}_back" if way else f"{k}.{cell}"
                self.layers[name] = Recurrent(
                    cell, n_in, units, reverse=bool(way), dropout=recurrent_dropout, init=init,
                    recurrent_init=recurrent_init,
                )  # fmt: skip
            n_in = units * self.directions
        self.width = n_in
        """Numbers a step that come out of the last layer."""

    def run(
        self, tape: Tape, x: Variable, states: list[State] | None = None, mask: Array = None
    ) -> tuple[Variable, list[State]]:
        """x: (T, B, n_in); states: one a child, in their order (None: zeros); mask: (T, B) uint8 or None.

        Gives the last layer's states (T, B, width), forward ones before backward ones, and every child's last
        state.
        """
        cells = [cell for cell in self.layers.values() if isinstance(cell, Recurrent)]
        last: list[State] = []
        for k in range(0, len(cells), self.directions):
            if k:
                x = (dropout_over_time if self.variational else dropout)(tape, x, self.dropout)
            ys = []
            for cell in cells[k : k + self.directions]:
                y, state = cell.run(tape, x, states[len(last)] if states else None, mask)
                ys.append(y)
                last.append(state)
            x = ys[0] if len(ys) == 1 else join(tape, *ys)
        return x, last

    def step(
        self, tape: Tape, x: Variable, states: list[State] | None = None
    ) -> tuple[Variable, list[State]]:
        """One step of a stack in one direction: x (B, n_in); gives (B, width) and the states after it."""
        if self.directions == 2:
            raise ValueError("a backward layer has seen the whole sequence: it cannot go step by step")
        y, last = self.run(tape, reshape(tape, x, (1, *x.shape)), states)
        return reshape(tape, y, y.shape[1:]), last

    @property
    def noisy(self) -> bool:
        return self.dropout > 0 and len(self.layers) > self.directions


def zero_states(tape: Tape, stack: RecurrentStack, rows: int) -> list[State]:
    """First states of zeros, as constants: for a caller that changes some of their rows."""
    made = []
    for cell in stack.layers.values():
        assert isinstance(cell, Recurrent)
        shape = (rows, cell.units)
        made.append(tuple(Variable(tape.backend.zeros(shape)) for _ in range(1 + (cell.cell == "lstm"))))
    return made


def lengths_mask(lengths: np.ndarray, steps: int) -> np.ndarray:
    """(T, B) uint8 of sequences that begin at step 0. lengths: (B,)."""
    return (np.arange(steps)[:, None] < np.asarray(lengths)[None, :]).astype(np.uint8)
