"""Learning classes of sequences, many to one: the last states of a padded batch say which class each has."""

from typing import Any, NamedTuple

import numpy as np

from dlkit.algorithms.rnn_network import SequenceNetwork
from dlkit.autograd import Array, Tape, Variable
from dlkit.nn.recurrent import lengths_mask
from dlkit.readers.labelled_sequences import Sequences

JUDGED_ROWS, JUDGED_PLACES = 256, 1 << 15
"""Most sequences, and about most symbols, that are judged at once: figures must not depend on the number of
threads, so these do not."""


class SequenceBatch(NamedTuple):
    """Some sequences, time first, on the host."""

    ids: np.ndarray
    """(T, B) int64."""
    lengths: np.ndarray
    """(B,) int64."""
    labels: np.ndarray
    """(B,) int64."""

    def part(self, rows: slice) -> "SequenceBatch":
        """Some of the sequences; what is padding for all of them is left out."""
        lengths = self.lengths[rows]
        steps = max(int(lengths.max(initial=0)), 1)
        return SequenceBatch(np.ascontiguousarray(self.ids[:steps, rows]), lengths, self.labels[rows])

    def logits(self, network: SequenceNetwork, tape: Tape) -> Variable:
        """(B, classes)."""
        mask: Any = None
        if (self.lengths != len(self.ids)).any():
            mask = tape.backend.asarray(lengths_mask(self.lengths, len(self.ids)))
        _, last = network.run(tape, self.ids, mask=mask)
        return network.class_logits(tape, last)

    def loss(self, network: SequenceNetwork, tape: Tape, weight: float) -> tuple[Variable, list[Array]]:
        """The weighted loss, and of each sequence -log p and whether its class was told."""
        return network.class_loss(tape, self.logits(network, tape), self.labels, weight)


def batch_of(data: Sequences, rows: np.ndarray) -> SequenceBatch:
    """The sequences `rows`."""
    ids, lengths = data.padded(rows)
    return SequenceBatch(ids, lengths, np.ascontiguousarray(data.labels[rows]))


def judged_chunks(data: Sequences) -> list[np.ndarray]:
    """All sequences in chunks of like lengths, longest last; a long one may be a chunk by itself."""
    lengths = data.lengths
    order = np.argsort(lengths, kind="stable")
    chunks: list[np.ndarray] = []
    lo = 0
    while lo < len(order):
        hi = min(lo + JUDGED_ROWS, len(order))
        while hi > lo + 1 and (hi - lo) * int(lengths[order[hi - 1]]) > JUDGED_PLACES:
            hi = lo + (hi - lo + 1) // 2
        chunks.append(order[lo:hi])
        lo = hi
    return chunks


def class_figures(nll: float, correct: float, sequences: int) -> dict[str, float]:
    """Measures from sums over sequences."""
    return {"loss": nll / max(sequences, 1), "accuracy": correct / max(sequences, 1)}
