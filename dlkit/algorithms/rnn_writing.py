"""Writing with a language model: drawing one symbol after the other, and the likeliest ends of a word."""

import heapq
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlkit.algorithms.rnn_network import SequenceNetwork
from dlkit.autograd import Array, Tape, Variable
from dlkit.nn.recurrent import State
from dlkit.readers.symbols import UNKNOWN, Symbols

LONGEST_END = 24
"""Characters after which the end of a word is looked for no further."""
OPEN_AT_ONCE = 32
"""Beginnings that are taken one symbol further together."""
MOST_OPENED = 4096
"""Beginnings that are looked at for one question."""


class Position(NamedTuple):
    """Where some texts have got to: the states of all layers, and log p of what may follow."""

    states: list[tuple[Array, ...]]
    log_p: np.ndarray
    """(B, symbols) float64; the unknown symbol never follows."""

    def rows(self, chosen: Sequence[int], backend: Any) -> "Position":
        """Some of them, in an order that may repeat."""
        at = backend.asarray(np.asarray(chosen, np.int64))
        states = [tuple(array[at] for array in state) for state in self.states]
        return Position(states, self.log_p[np.asarray(chosen)])


class Writer:
    """A network with two tapes in turn: the states of one step live while the next is computed."""

    def __init__(self, network: SequenceNetwork, symbols: Symbols, backend: Any, product: Any) -> None:
        self.network, self.symbols, self.backend = network, symbols, backend
        self._tapes = [Tape(backend, product=product) for _ in range(2)]
        self._turn = 0

    def begin(self, text: str, rows: int = 1) -> Position:
        """After a text; an empty one, as any, follows a line end where the model knows line ends."""
        ids = self.symbols.encode(text)
        line_end = self.symbols.numbers.get("\n", UNKNOWN)
        if line_end != UNKNOWN or not len(ids):
            ids = np.concatenate([[line_end], ids])
        return self.go_on(None, np.repeat(ids[:, None], rows, axis=1))

    def go_on(self, position: Position | None, ids: np.ndarray) -> Position:
        """After ids (T, B) more. The state of a position is used up by the second call after it."""
        self._turn = 1 - self._turn
        tape = self._tapes[self._turn]
        tape.begin(training=False)
        states: list[State] | None = None
        if position is not None:
            states = [tuple(Variable(array) for array in state) for state in position.states]
        with np.errstate(all="ignore"):
            y, last = self.network.run(tape, np.ascontiguousarray(ids, np.int64), states)
            log_p = self.network.output.log_p(tape, y.data[-1])
        log_p[:, UNKNOWN] = -np.inf
        return Position([tuple(v.data for v in state) for state in last], log_p)


def drawn(
    log_p: np.ndarray, temperature: float, top_k: int | None, rng: np.random.Generator
) -> np.ndarray:  # fmt: skip
    """(B,) one symbol for each row of log p (B, symbols): p^(1/temperature), the top_k likeliest alone.

    Temperature 0 takes the likeliest.
    """
    if temperature == 0:
        return log_p.argmax(1)
    scores = log_p / temperature
    if top_k is not None and top_k < scores.shape[1]:
        least = np.partition(scores, -top_k, axis=1)[:, -top_k]
        scores = np.where(scores < least[:, None], -np.inf, scores)
    p = np.exp(scores - scores.max(1, keepdims=True))
    ends = np.cumsum(p / p.sum(1, keepdims=True), axis=1)
    u = rng.random(len(log_p))
    return np.minimum((ends <= u[:, None]).sum(1), scores.shape[1] - 1)


def written(
    writer: Writer, prompt: str, length: int, rows: int, temperature: float, top_k: int | None,
    rng: np.random.Generator,
) -> list[str]:  # fmt: skip
    """`rows` texts of the prompt and `length` symbols more."""
    position = writer.begin(prompt, rows)
    ids = np.empty((length, rows), np.int64)
    for t in range(length):
        ids[t] = drawn(position.log_p, temperature, top_k, rng)
        if t + 1 < length:
            position = writer.go_on(position, ids[t : t + 1])
    before = writer.symbols.encode(prompt).tolist()
    if writer.symbols.cut == "characters":
        return [prompt + writer.symbols.decode(ids[:, k].tolist()) for k in range(rows)]
    return [writer.symbols.decode([*before, *ids[:, k].tolist()]) for k in range(rows)]


class End(NamedTuple):
    """A way in which a text may go on to the end of a word."""

    text: str
    """The word as a whole: what the prompt has of it, and the rest."""
    probability: float


def ends(writer: Writer, prompt: str, wanted: int) -> list[End]:
    """The likeliest words that complete the prompt, at most `wanted`, with their probabilities.

    Among characters a word ends before the first one that is no letter, digit, hyphen or apostrophe: its
    probability is that of its letters, and that any such character follows. Among words it is the next one.
    """
    begun = "" if writer.symbols.cut != "characters" else _last_word(prompt)
    position = writer.begin(prompt)
    if writer.symbols.cut != "characters":
        best = np.argsort(-position.log_p[0], kind="stable")[:wanted]
        p = np.exp(position.log_p[0])
        return [End(writer.symbols.texts[k], float(p[k])) for k in best.tolist() if p[k] > 0]
    inside = np.array([_in_word(text) for text in writer.symbols.texts])
    return _searched(writer, position, begun, inside, wanted)


def _searched(writer: Writer, start: Position, begun: str, inside: np.ndarray, wanted: int) -> list[End]:
    """Best first: the likeliest beginnings go on until no open one is likelier than what is found."""
    count = 0
    open_: list[tuple[float, int, str, Position]] = [(0.0, 0, "", start)]
    found: list[tuple[float, str]] = []
    while open_ and count < MOST_OPENED:
        worst = sorted(found)[wanted - 1][0] if len(found) >= wanted else np.inf
        batch: list[tuple[float, int, str, Position]] = []
        while open_ and len(batch) < OPEN_AT_ONCE and open_[0][0] < worst:
            batch.append(heapq.heappop(open_))
        if not batch:
            break
        chosen: list[tuple[float, str, int, Position]] = []
        for cost, _, text, position in batch:
            log_p = position.log_p[0]
            stop = log_p[~inside]
            if begun + text and len(stop):
                found.append((cost - float(np.logaddexp.reduce(stop)), begun + text))
            if len(text) < LONGEST_END:
                letters = np.flatnonzero(inside & (cost - log_p < worst))
                letters = letters[np.argsort(-log_p[letters], kind="stable")][: 2 * OPEN_AT_ONCE]
                chosen += [
                    (cost - log_p[k], text + writer.symbols.texts[k], k, position) for k in letters.tolist()
                ]
        chosen = sorted(chosen, key=lambda one: one[0])[: 4 * OPEN_AT_ONCE]
        for (cost, text, _, _), position in zip(chosen, _further(writer, chosen), strict=True):
            count += 1
            heapq.heappush(open_, (float(cost), count, text, position))
    return [End(text, float(np.exp(-cost))) for cost, text in sorted(found)[:wanted]]


def _further(writer: Writer, chosen: list[tuple[float, str, int, Position]]) -> list[Position]:
    """The position after each chosen symbol, all in one step of the network."""
    if not chosen:
        return []
    xp = writer.backend.xp
    layers = range(len(chosen[0][3].states))
    kinds = range(len(chosen[0][3].states[0]))
    states = [
        tuple(xp.concatenate([one[3].states[layer][kind] for one in chosen]) for kind in kinds)
        for layer in layers
    ]
    joint = Position(states, np.empty((len(chosen), 0)))
    after = writer.go_on(joint, np.array([[k for _, _, k, _ in chosen]]))
    return [
        Position(
            [tuple(array[r : r + 1].copy() for array in state) for state in after.states],
            after.log_p[r : r + 1],
        )
        for r in range(len(chosen))
    ]


def _in_word(symbol: str) -> bool:
    return symbol.isalnum() or symbol in "-'’_"


def _last_word(text: str) -> str:
    """The letters at the end of a text."""
    end = len(text)
    while end and _in_word(text[end - 1]):
        end -= 1
    return text[end:]
