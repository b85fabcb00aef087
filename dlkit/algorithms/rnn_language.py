"""Learning from one long text, many to many: every symbol is to be foretold from those before it.

The text is cut into as many streams as the batch has rows, read side by side. A step reads the next `steps`
symbols of every stream; back-propagation through time ends where the step began (Williams & Peng 1990), but
the state goes on from one step to the next, so that a prediction may rest on all that the stream has read.
"""

import math
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dlkit.algorithms.rnn_network import SequenceNetwork
from dlkit.autograd import Array, Tape, Variable
from dlkit.nn.recurrent import State
from dlkit.readers.long_text import Numbered

NONE = -1
"""The label of a place after which nothing is to be foretold."""
JUDGED_STREAMS = 64
"""Streams at most in which a text is judged: figures must not depend on the number of threads."""


class Window(NamedTuple):
    """What a step reads: `steps` symbols of every stream, time first, and the symbol after each."""

    ids: np.ndarray
    """(T, B) int64."""
    labels: np.ndarray
    """(T, B) int64, NONE where a stream has ended."""

    @property
    def foretold(self) -> int:
        """Symbols to be foretold."""
        return int((self.labels != NONE).sum())


class Streams:
    """A text in B streams of like lengths; the N - 1 symbols after the first are each foretold once."""

    def __init__(self, text: Numbered, streams: int, steps: int) -> None:
        self.text = text
        self.places = len(text) - 1
        self.length = -(-self.places // streams)
        self.count = -(-self.places // self.length)  # none of them is empty
        self.window = min(steps, self.length)
        self.steps = -(-self.length // self.window)

    def at(self, step: int) -> Window:
        """The step's window, steps counted from 0."""
        t = np.arange(step * self.window, min((step + 1) * self.window, self.length))
        places = t[:, None] + (np.arange(self.count) * self.length)[None, :]
        inside = places < self.places
        places = np.minimum(places, self.places - 1)
        ids, labels = self.text.take(places), self.text.take(places + 1)
        return Window(ids, np.where(inside, labels, NONE))


class CarriedStates:
    """The states that go from one step to the next, for all streams."""

    def __init__(self, network: SequenceNetwork, backend: Any, streams: int) -> None:
        self.backend = backend
        kinds = 2 if network.spec.cell == "lstm" else 1
        shape = (streams, network.spec.units)
        self.layers: list[list[Array]] = [
            [backend.zeros(shape) for _ in range(kinds)] for _ in network.stack.layers
        ]

    def clear(self) -> None:
        for array in self.arrays():
            array.fill(0)

    def arrays(self) -> list[Array]:
        return [array for layer in self.layers for array in layer]

    def rows(self, rows: slice) -> list[State]:
        """The states of some streams, as constants."""
        return [tuple(Variable(array[rows]) for array in layer) for layer in self.layers]

    def take(self, rows: slice, last: list[State]) -> None:
        """Remember the last states of a step."""
        for layer, state in zip(self.layers, last, strict=True):
            for array, variable in zip(layer, state, strict=True):
                array[rows] = variable.data

    def state(self) -> list[np.ndarray]:
        return [np.array(self.backend.to_host(array)) for array in self.arrays()]


def foretell(
    network: SequenceNetwork, tape: Tape, window: Window, states: list[State] | None, weight: float
) -> tuple[Variable, list[Array], list[State]]:
    """The weighted loss of a window, the measures of each place, and the states at its end."""
    y, last = network.run(tape, window.ids, states)
    loss, measures = network.next_symbols(tape, y, window.labels, weight)
    return loss, measures, last


def part(window: Window, rows: slice) -> Window:
    """Some of the streams."""
    return Window(*(np.ascontiguousarray(a[:, rows]) for a in window))


def judged_streams(text: Numbered, steps: int) -> Streams:
    """The streams in which a text is judged: few for a short text, for each begins without a past."""
    count = max(min((len(text) - 1) // (16 * steps), JUDGED_STREAMS), 1)
    return Streams(text, count, steps)


def windows(streams: Streams, skip: int = 0) -> Iterator[tuple[int, Window]]:
    """(step from 1, window), without the first `skip`."""
    for step in range(skip, streams.steps):
        yield step + 1, streams.at(step)


def language_figures(nll: float, correct: float, foretold: int, characters: float) -> dict[str, float]:
    """Measures from sums over foretold symbols, which take so many characters of the text."""
    mean = nll / max(foretold, 1)
    return {
        "loss": mean,
        "bits": nll / math.log(2) / max(characters, 1e-9),
        "perplexity": math.exp(min(mean, 700.0)),  # beyond, exp overflows
        "accuracy": correct / max(foretold, 1),
    }
