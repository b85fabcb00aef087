"""The network of seq2seq: an encoder reads the source, a decoder writes the target and looks back at it.

    encoder   e_s = embedding of source word s;  k_s = states of the recurrent layers over e_1 .. e_S
    decoder   h_t = recurrent layers over the embedded words before t, begun from the encoder's last state
    scores    h_t . k_s (dot), h_t . W k_s (general), w . tanh(W h_t + U k_s + b) (additive)
    context   c_t = sum_s softmax_s(score) k_s
    output    p(word t) = softmax(V tanh(W [h_t; c_t] + b) + d)              (Luong et al. 2015, eqs. 1-8)

Bahdanau et al. (2015) feed c_t into the recurrent step; here, as in Luong et al., it comes after it, so that
all steps of a known target are one pass. All sequences are time first.
"""

from typing import Any, ClassVar, NamedTuple

import numpy as np

from dlkit.algorithms.protocol import LayerRow
from dlkit.algorithms.seq2seq_recipe import TranslatorSpec
from dlkit.autograd import Array, Tape, Variable
from dlkit.kernels.activation import RELU
from dlkit.nn.init import ZEROS, Init
from dlkit.nn.layers import Act, Dense
from dlkit.nn.module import Module
from dlkit.nn.parameter import Parameter
from dlkit.nn.recurrent import Embedding, RecurrentStack, State, lengths_mask
from dlkit.ops.activations import activation
from dlkit.ops.attention import additive_scores, context, dot_scores, masked_softmax, product
from dlkit.ops.noise import dropout
from dlkit.ops.shape import join, reshape

UNIFORM = Init("lecun_uniform")
"""U(-1/sqrt n, 1/sqrt n), n inputs of a unit."""


class Source(NamedTuple):
    """What the encoder has made of some sentences."""

    values: Variable
    """(S, B, units): its states."""
    keys: Variable
    """(S, B, units): the same as the scores take them."""
    lengths: Array
    """(B,) int64 on the device."""
    states: list[State]
    """First states of the decoder's layers."""


class Attention(Module):
    """Scores of `kind`, weights and context."""

    kind: ClassVar[str] = "attention"

    def __init__(self, score: str, units: int) -> None:
        self.score = score
        if score != "dot":
            self.key = Parameter((units, units), UNIFORM)
        if score == "additive":
            self.query = Dense(units, units, Act(), UNIFORM)
            self.weight = Parameter((units,), UNIFORM, fan=(units, 1))

    def keys(self, tape: Tape, values: Variable) -> Variable:
        """What the scores take of the encoder's states: once for a sentence."""
        return values if self.score == "dot" else product(tape, values, tape.parameter(self.key))

    def weights(self, tape: Tape, h: Variable, source: Source) -> Variable:
        """(B, T, S) from the decoder's states h (T, B, units)."""
        if self.score == "additive":
            q = self.query(tape, h)
            scores = additive_scores(tape, q, source.keys, tape.parameter(self.weight))
        else:
            scores = dot_scores(tape, h, source.keys)
        return masked_softmax(tape, scores, source.lengths)


class Translator(Module):
    """Encoder, decoder and output layer for vocabularies of the given sizes."""

    kind: ClassVar[str] = "translator"

    def __init__(self, spec: TranslatorSpec, source_size: int, target_size: int) -> None:
        self.spec = spec
        self.target_size = target_size
        ways = 1 + spec.bidirectional
        scale = 0.1 if spec.tied else 1.0  # the output layer wants small weights
        self.source_words = Embedding(source_size, spec.embedding, by_rows=True)
        self.encoder = RecurrentStack(
            spec.cell,
            spec.embedding,
            spec.units // ways,
            layers=spec.layers,
            bidirectional=spec.bidirectional,
            dropout=spec.dropout,
        )
        self.target_words = Embedding(target_size, spec.embedding, by_rows=not spec.tied, scale=scale)
        self.source_words.weight.init = Init("scaled_normal", sigma=1.0)
        self.decoder = RecurrentStack(
            spec.cell, spec.embedding, spec.units, layers=spec.layers, dropout=spec.dropout
        )
        if spec.attention != "none":
            self.attention = Attention(spec.attention, spec.units)
            if spec.combine:
                self.combine = Dense(2 * spec.units, spec.units, Act("tanh"), UNIFORM)
        n = spec.before_output
        self.output = (
            self.target_words.weight
            if spec.tied
            else Parameter((target_size, n), UNIFORM, fan=(n, target_size))
        )
        self.output_bias = Parameter((target_size,), ZEROS, decays=False)

    # -- encoder ----------------------------------------------------------------------------------
    def encode(self, tape: Tape, ids: np.ndarray, lengths: np.ndarray) -> Source:
        """ids: (S, B) int64 of the source words, lengths: (B,) int64; both on the host."""
        asarray = tape.backend.asarray
        mask = None if (lengths == len(ids)).all() else asarray(lengths_mask(lengths, len(ids)))
        e = dropout(tape, self.source_words.run(tape, ids), self.spec.dropout)
        values, last = self.encoder.run(tape, e, mask=mask)
        keys = self.attention.keys(tape, values) if self.attends else values
        return Source(values, keys, asarray(lengths), self._first_states(tape, last))

    def _first_states(self, tape: Tape, last: list[State]) -> list[State]:
        """The decoder's layer k begins where the encoder's layer k ended, both directions side by side."""
        if not self.spec.bidirectional:
            return last
        return [
            tuple(join(tape, *parts) for parts in zip(*last[k : k + 2], strict=True))
            for k in range(0, len(last), 2)
        ]

    # -- decoder ----------------------------------------------------------------------------------
    def decode(
        self, tape: Tape, source: Source, ids: Any, states: list[State] | None = None
    ) -> tuple[Variable, list[State], Variable | None]:
        """The words before each place, ids (T, B), to what the output layer takes (T B, n).

        states: of the decoder, where it does not begin. Also gives the states after the last step, and the
        weights (B, T, S), None without attention.
        """
        e = self.target_words.run(tape, ids)
        if self.spec.relu:
            e = activation(tape, e, RELU)
        e = dropout(tape, e, self.spec.dropout)
        h, last = self.decoder.run(tape, e, source.states if states is None else states)
        weights = None
        if self.attends:
            weights = self.attention.weights(tape, h, source)
            h = join(tape, h, context(tape, weights, source.values))
            if self.spec.combine:
                h = self.combine(tape, h)
        h = dropout(tape, h, self.spec.dropout)
        return reshape(tape, h, (h.shape[0] * h.shape[1], h.shape[2])), last, weights

    def logits(self, tape: Tape, h: Variable) -> Array:
        """(N, V): of every word, for rows h (N, n); nothing is recorded of it."""
        w, b = self.output.data, self.output_bias.data
        z = tape.empty((h.shape[0], self.target_size))
        tape.product(h.data, w.T, out=z)
        z += b
        return z

    @property
    def attends(self) -> bool:
        return self.spec.attention != "none"

    @property
    def noisy(self) -> bool:
        return self.spec.dropout > 0

    # -- sizes ------------------------------------------------------------------------------------
    def table(self) -> list[LayerRow]:
        """A line for each part, with the shape of what comes out of it for one sentence."""
        spec = self.spec
        rows = []
        parts = [
            ("source_words", f"S×{spec.embedding}"),
            ("encoder", f"S×{spec.units}"),
            ("target_words", f"T×{spec.embedding}"),
            ("decoder", f"T×{spec.units}"),
            ("attention", "T×S"),
            ("combine", f"T×{spec.units}"),
        ]
        for name, shape in parts:
            if hasattr(self, name):
                part = getattr(self, name)
                kind = f"{spec.cell} ×{spec.layers}" if part.kind == "recurrent_stack" else part.kind
                kind = f"{part.score} attention" if name == "attention" else kind
                rows.append(LayerRow(name, kind, shape, sum(p.size for _, p in part.parameters())))
        own = self.output_bias.size + (0 if spec.tied else self.output.size)
        return [*rows, LayerRow("output", "softmax", f"T×{self.target_size}", own)]

    def numbers_a_place(self) -> int:
        """About how many numbers of activations and gradients a place of source or target needs."""
        spec = self.spec
        gates = {"gru": 8, "lstm": 9}[spec.cell]
        return 4 * spec.embedding + spec.layers * gates * spec.units + 6 * spec.units

    def products_a_place(self) -> int:
        """Multiplications of the forward pass for a word of the target and one of the source."""
        whole = sum(p.size for _, p in self.parameters())
        tables = sum(t.weight.size for t in (self.source_words, self.target_words))
        return whole - tables + (self.output.size if self.spec.tied else 0)
