"""Batches of seq2seq as arrays, and the words that the decoder is fed where they are not all true ones."""

from typing import Any, NamedTuple

import numpy as np

from dlkit.algorithms.seq2seq_network import Translator
from dlkit.autograd import Tape
from dlkit.backend import Backend
from dlkit.readers.parallel import Corpus
from dlkit.readers.sentences import BEGIN, END, PAD


class Batch(NamedTuple):
    """Some pairs, time first, on the host."""

    source: np.ndarray
    """(S, B) int64."""
    lengths: np.ndarray
    """(B,) int64 words of each source."""
    before: np.ndarray
    """(T, B) int64: <s> and the target's words."""
    labels: np.ndarray
    """(T, B) int64: the target's words and </s>, -1 for padding."""

    def part(self, rows: slice) -> "Batch":
        """Some of the pairs."""
        arrays = (self.source[:, rows], self.lengths[rows], self.before[:, rows], self.labels[:, rows])
        return Batch(*map(np.ascontiguousarray, arrays))


def batch_of(corpus: Corpus, rows: np.ndarray) -> Batch:
    """The pairs `rows` of a corpus."""
    target = corpus.target.padded(rows, begin=True, end=True)
    before, labels = target[:-1].copy(), target[1:].copy()
    before[before == END] = PAD
    labels[labels == PAD] = -1
    return Batch(corpus.source.padded(rows), corpus.source.lengths[rows], before, labels)


class WordsFed:
    """Scheduled sampling (Bengio et al. 2015): words before each place, some of them the decoder's own.

    A word that was said is a constant, through which no gradient passes. So it is enough to let the decoder
    say it beforehand, word by word and without noise, and then to learn from all places at once. One of these
    belongs to one shard.
    """

    def __init__(self, network: Translator, backend: Backend, product: Any = None) -> None:
        self.network, self.backend = network, backend
        # What is not learnt from: the encoder's tape, and two of the decoder in turn.
        self._encoder, *self._steps = (Tape(backend, product=product) for _ in range(3))

    def __call__(self, batch: Batch, true: np.ndarray) -> np.ndarray:
        """(T, B): the words before each place; where true (T, B) is not set, what the decoder would say."""
        self._encoder.begin(training=False)
        source = self.network.encode(self._encoder, batch.source, batch.lengths)
        before, states = batch.before.copy(), None
        for t in range(len(before) - 1):
            tape = self._steps[t % 2]
            tape.begin(training=False)
            h, states, _ = self.network.decode(tape, source, before[t : t + 1], states)
            said = ~true[t + 1] & (batch.before[t + 1] != PAD)
            if said.any():
                z = self.network.logits(tape, h)
                z[:, : BEGIN + 1] = -np.inf  # <pad> and <s> are no words
                words = self.backend.to_host(z.argmax(axis=1))
                before[t + 1] = np.where(said, words, before[t + 1])
        return before
