"""The network of rnn: symbols in, states of recurrent layers, a distribution over symbols or classes out.

    x_t = embedding of symbol s_t (or a 1 at its place);  h_t = cell(x_t, h_{t-1}), layer by layer
    language         p(s_{t+1} | s_1 .. s_t) = softmax(V h_t + b)
    classification   p(class | s_1 .. s_T) = softmax(V h_T + b), h_T from both ends where it reads both ways

All sequences are time first.
"""

from typing import ClassVar

import numpy as np

from dlkit.algorithms.protocol import LayerRow
from dlkit.algorithms.rnn_recipe import RecurrentSpec
from dlkit.autograd import Array, Tape, Variable
from dlkit.errors import UsageError
from dlkit.kernels.gather import gather_rows
from dlkit.nn.hierarchical import HierarchicalOutput
from dlkit.nn.init import ZEROS, Init
from dlkit.nn.layers import Dense
from dlkit.nn.module import Module
from dlkit.nn.parameter import Parameter
from dlkit.nn.recurrent import Embedding, RecurrentStack, State
from dlkit.ops.losses import softmax_cross_entropy
from dlkit.ops.noise import dropout
from dlkit.ops.sequence_noise import dropout_over_time
from dlkit.ops.shape import join, reshape
from dlkit.ops.word_loss import word_loss

MOST_ONE_HOT = 4096
"""Symbols beyond which a 1 at a symbol's place is too wide an input."""


class SoftmaxOutput(Module):
    """softmax(V h + b), V (symbols, n): of its own, or the embeddings (Press & Wolf 2017)."""

    kind: ClassVar[str] = "softmax"

    def __init__(self, symbols: int, n: int, tied: Parameter | None) -> None:
        self.weight = tied or Parameter((symbols, n), Init("glorot_uniform"), fan=(n, symbols))
        self.bias = Parameter((symbols,), ZEROS, decays=False)

    def loss(
        self, tape: Tape, h: Variable, labels: np.ndarray, weight: float
    ) -> tuple[Variable, list[Array]]:
        """Weighted sum of -log p of labels (N,), -1 for none; h (N, n). Also each one's, and whether it was
        the likeliest."""
        w, b = tape.parameter(self.weight), tape.parameter(self.bias)
        loss, _, nll, correct = word_loss(tape, h, w, b, tape.backend.asarray(labels), weight)
        return loss, [nll, correct]

    def log_p(self, tape: Tape, h: Array) -> np.ndarray:
        """(N, symbols) float64 log probabilities; h (N, n) on the device."""
        z = tape.backend.xp.matmul(h, self.weight.data.T) + self.bias.data
        host = tape.backend.to_host(z).astype(np.float64)
        host -= host.max(1, keepdims=True)
        return host - np.log(np.exp(host).sum(1, keepdims=True))


class SequenceNetwork(Module):
    """Embedding, recurrent layers, output, for so many symbols; classes: 0 for a language model."""

    kind: ClassVar[str] = "rnn"

    def __init__(
        self, spec: RecurrentSpec, symbols: int, classes: int, *, by_rows: bool, counts: np.ndarray
    ) -> None:
        """counts: (symbols,) how often each stands in the training text, for a hierarchical output."""
        self.spec = spec
        self.symbols = symbols
        self.one_hot = spec.embedding == "one_hot"
        n_in = symbols if isinstance(spec.embedding, str) else spec.embedding
        if self.one_hot and symbols > MOST_ONE_HOT:
            raise UsageError(f"one_hot of {symbols:,} symbols", where="model.embedding", hint="give a number")
        if not self.one_hot:
            scale = n_in**-0.5 if spec.output == "tied" else 1.0
            self.embedding = Embedding(symbols, n_in, by_rows=by_rows and spec.output != "tied", scale=scale)
        self.stack = RecurrentStack(
            spec.cell, n_in, spec.units, layers=spec.layers, bidirectional=spec.bidirectional,
            dropout=spec.dropout, variational=spec.variational, recurrent_dropout=spec.recurrent_dropout,
        )  # fmt: skip
        if classes:
            self.classes = Dense(self.stack.width, classes, init=Init("glorot_uniform"))
        elif spec.output == "hierarchical":
            self.output: SoftmaxOutput | HierarchicalOutput = HierarchicalOutput(counts, self.stack.width)
        else:
            tied = self.embedding.weight if spec.output == "tied" else None
            self.output = SoftmaxOutput(symbols, self.stack.width, tied)

    # -- symbols to states ------------------------------------------------------------------------
    def run(
        self, tape: Tape, ids: np.ndarray, states: list[State] | None = None, mask: Array = None
    ) -> tuple[Variable, list[State]]:
        """ids: (T, B) int64 on the host. Gives the last layer's states (T, B, width) and all last states."""
        x = self._one_hot(tape, ids) if self.one_hot else self._noisy(tape, self.embedding.run(tape, ids))
        y, last = self.stack.run(tape, x, states, mask)
        return self._noisy(tape, y), last

    def _noisy(self, tape: Tape, x: Variable) -> Variable:
        return (dropout_over_time if self.spec.variational else dropout)(tape, x, self.spec.dropout)

    def _one_hot(self, tape: Tape, ids: np.ndarray) -> Variable:
        if not hasattr(self, "_eye"):
            self._eye = tape.backend.asarray(np.eye(self.symbols, dtype=np.uint8))
        x = tape.empty((ids.size, self.symbols))
        at = tape.backend.asarray(np.ascontiguousarray(ids, np.int64).reshape(-1))
        gather_rows(self._eye, at, tape.scalar(1.0), tape.scalar(0.0), x)
        return tape.constant(x.reshape(*ids.shape, self.symbols))

    # -- states to losses -------------------------------------------------------------------------
    def next_symbols(
        self, tape: Tape, y: Variable, labels: np.ndarray, weight: float
    ) -> tuple[Variable, list[Array]]:
        """The weighted loss of the symbols that follow: y (T, B, width), labels (T, B), -1 for none."""
        h = reshape(tape, y, (labels.size, self.stack.width))
        return self.output.loss(tape, h, np.ascontiguousarray(labels).reshape(-1), weight)

    def class_logits(self, tape: Tape, last: list[State]) -> Variable:
        """(B, classes) from the last states of the last layer."""
        ends = [state[0] for state in last[-self.stack.directions :]]
        h = ends[0] if len(ends) == 1 else join(tape, *ends)
        return self.classes(tape, dropout(tape, h, self.spec.dropout))

    def class_loss(
        self, tape: Tape, logits: Variable, labels: np.ndarray, weight: float
    ) -> tuple[Variable, list[Array]]:
        """The weighted loss of classes: labels (B,)."""
        loss, nll, correct = softmax_cross_entropy(tape, logits, tape.backend.asarray(labels), weight)
        return loss, [nll, correct]

    # -- what it costs ----------------------------------------------------------------------------
    def products_a_symbol(self) -> int:
        """Multiplications of a symbol's forward pass."""
        table = 0 if self.one_hot or self.spec.output == "tied" else self.embedding.weight.size
        return sum(p.size for _, p in self.parameters()) - table

    def numbers_a_symbol(self) -> int:
        """Numbers kept for a symbol until its gradient has gone by; an estimate."""
        width = {"tanh": 4, "gru": 10, "lstm": 9}[self.spec.cell] * self.spec.units * len(self.stack.layers)
        n_in = self.symbols if isinstance(self.spec.embedding, str) else self.spec.embedding
        return width + 3 * n_in + 3 * self.stack.width

    def table(self) -> list[LayerRow]:
        """The layer table: one line a part."""
        rows = []
        for name, part in self.children():
            children = list(part.children()) if name == "stack" else [("", part)]
            for child, module in children:
                size = sum(p.size for _, p in module.parameters())
                path = f"{name}.{child}" if child else name
                rows.append(LayerRow(path, module.kind, self._width_of(name, module), size))
        return rows

    def _width_of(self, name: str, module: Module) -> str:
        if name == "stack":
            return str(self.spec.units)
        if name == "embedding":
            return str(self.spec.embedding)
        return str(self.classes.weight.shape[1]) if name == "classes" else str(self.symbols)
