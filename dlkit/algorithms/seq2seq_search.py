"""Translations from a trained network: the likeliest word at each place (greedy), or several beams at once.

A beam search keeps the `beam` likeliest beginnings of each sentence. Hypotheses that have ended are compared
by log p / lp(length), lp(n) = ((5 + n)/6)^alpha (Wu et al. 2016, eq. 14, without coverage); a sentence is
done when `beam` of them have ended that are no worse than any beginning is so far, or at the limit of its
length.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from dlkit.algorithms.seq2seq_network import Source, Translator
from dlkit.autograd import Tape, Variable
from dlkit.backend import Backend
from dlkit.backend.threads import Team
from dlkit.kernels.likeliest import likeliest
from dlkit.nn.recurrent import State
from dlkit.ops.products import ConstantFactors, call
from dlkit.readers.sentences import BEGIN, END

THIN = 0.875
"""A greedy search goes on without the sentences that have ended once no more than this share is left."""


class Hypothesis(NamedTuple):
    """One translation."""

    ids: list[int]
    """Words, without </s>."""
    log_p: float
    """Natural logarithm of its probability, </s> included where it has ended."""
    score: float
    """The same divided by the length penalty."""
    weights: np.ndarray | None
    """(words, S): where each word looked at the source; None without attention."""


def longest_answer(source_words: int) -> int:
    """Words after which a translation is cut off."""
    return 2 * source_words + 10


def penalty(words: int, alpha: float) -> float:
    """lp(words)."""
    return float(((5 + words) / 6) ** alpha)


class Search:
    """Looks for translations; one batch after the other, on tapes of its own."""

    def __init__(self, network: Translator, backend: Backend, team: Team) -> None:
        self.network, self.backend = network, backend
        self._product = ConstantFactors(backend, team)
        self._share = team.share or call
        # Two tapes of steps in turn: the states of one step are what the next one begins with.
        self._encoder, *self._steps = (
            Tape(backend, product=self._product, share=team.share, parts=team.parts) for _ in range(3)
        )

    def begin(self) -> None:
        """To be called where the parameters may have changed."""
        self._product.clear()

    # -- greedy -----------------------------------------------------------------------------------
    def greedy(
        self, ids: np.ndarray, lengths: np.ndarray, *, alpha: float = 1.0, scored: bool = True
    ) -> list[Hypothesis]:
        """The likeliest word at each place. ids: (S, B), lengths: (B,), on the host.

        scored: whether log p is wanted, which costs as much as finding the word; else it is NaN.
        """
        source = self._encode(ids, lengths)
        rows, states = np.arange(len(lengths)), None
        before = np.full(len(lengths), BEGIN)
        words: list[list[int]] = [[] for _ in lengths]
        looked: list[list[np.ndarray]] = [[] for _ in lengths]
        log_p = np.full(len(lengths), 0.0 if scored else np.nan)
        limits = np.array([longest_answer(n) for n in lengths.tolist()])
        open_ends = np.ones(len(lengths), bool)
        for t in range(int(limits.max(initial=0))):
            z, states, weights = self._step(t, source, before, states)
            best = z.argmax(axis=1)
            before = self.backend.to_host(best)
            going = open_ends[rows]
            if scored:
                log_p[rows] += np.where(going, self._log_p_of(z, best), 0)
            going &= before != END
            for k in np.flatnonzero(going).tolist():
                words[rows[k]].append(int(before[k]))
                if weights is not None:
                    looked[rows[k]].append(weights[k])
            going &= t + 1 < limits[rows]
            open_ends[rows] = going
            if not going.any():
                break
            if going.mean() <= THIN:
                kept = np.flatnonzero(going)
                rows, before = rows[kept], before[kept]
                source, states = self._only(source, kept), self._states(states, kept)
        return [
            _hypothesis(w, float(p), alpha, look if self.network.attends else None, int(n))
            for w, p, look, n in zip(words, log_p, looked, lengths, strict=True)
        ]

    # -- beams ------------------------------------------------------------------------------------
    def beams(
        self, ids: np.ndarray, lengths: np.ndarray, beam: int, *, alpha: float = 1.0
    ) -> list[list[Hypothesis]]:
        """The best `beam` translations of each sentence, the best first. ids: (S, B), lengths: (B,)."""
        source = self._encode(np.repeat(ids, beam, axis=1), np.repeat(lengths, beam))
        trees = [_Tree(beam, alpha, int(n)) for n in lengths]
        alive, states = trees, None
        before = np.full(len(lengths) * beam, BEGIN)
        for t in range(longest_answer(int(lengths.max(initial=0)))):
            z, states, weights = self._step(t, source, before, states)
            log_p, words = self._likeliest(z, 2 * beam)
            chosen = []
            for k, tree in enumerate(alive):
                mine = slice(k * beam, (k + 1) * beam)
                look = None if weights is None else weights[mine]
                chosen.append(k * beam + tree.grow(log_p[mine], words[mine], look))
            before = np.concatenate([tree.words[-1] for tree in alive])
            going = [k for k, tree in enumerate(alive) if not tree.done]
            if not going:
                break
            kept = np.concatenate([chosen[k] for k in going])
            places = np.concatenate([np.arange(k * beam, (k + 1) * beam) for k in going])
            before = before[places]
            states = self._states(states, kept)
            if len(going) < len(alive):
                source, alive = self._only(source, places), [alive[k] for k in going]
        return [tree.best() for tree in trees]

    # -- one step ---------------------------------------------------------------------------------
    def _encode(self, ids: np.ndarray, lengths: np.ndarray) -> Source:
        self._encoder.begin(training=False)
        return self.network.encode(self._encoder, ids, lengths)

    def _step(
        self, t: int, source: Source, before: np.ndarray, states: list[State] | None
    ) -> tuple[Any, list[State], np.ndarray | None]:
        """Logits (B, V) of the next word; the states; weights (B, S) on the host."""
        tape = self._steps[t % 2]
        tape.begin(training=False)
        ids = np.ascontiguousarray(before[None], np.int64)
        h, states, weights = self.network.decode(tape, source, ids, states)
        z = self.network.logits(tape, h)
        z[:, : BEGIN + 1] = -np.inf  # <pad> and <s> are no words
        return z, states, None if weights is None else np.array(self.backend.to_host(weights.data[:, 0]))

    def _only(self, source: Source, rows: np.ndarray) -> Source:
        """The encoder's results for some sentences."""
        at = self.backend.asarray(rows)
        values = Variable(source.values.data[:, at])
        same = source.keys.data is source.values.data
        keys = values if same else Variable(source.keys.data[:, at])
        return Source(values, keys, source.lengths[at], [])

    def _states(self, states: list[State] | None, rows: np.ndarray) -> list[State]:
        at = self.backend.asarray(rows)
        return [tuple(Variable(part.data[at]) for part in state) for state in states or []]

    def _log_p_of(self, z: Any, words: Any) -> np.ndarray:
        """(B,) log p of one word in each row."""
        xp = self.backend.xp
        top = z.max(axis=1)
        total = xp.exp(z - top[:, None]).sum(axis=1)
        own = xp.take_along_axis(z, words[:, None], axis=1)[:, 0]
        return np.asarray(self.backend.to_host(own - top - xp.log(total)), np.float64)

    def _likeliest(self, z: Any, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(B, count) log p and words, the likeliest first, on the host."""
        z = np.ascontiguousarray(self.backend.to_host(z))
        shape = (len(z), min(count, z.shape[1]))
        log_p, words = np.empty(shape), np.empty(shape, np.int64)
        self._share(likeliest, z, log_p, words)
        return log_p, words


class _Tree:
    """The beams of one sentence, and how each came about."""

    def __init__(self, beam: int, alpha: float, source_words: int) -> None:
        self.beam, self.alpha, self.source_words = beam, alpha, source_words
        self.limit = longest_answer(source_words)
        self.log_p = np.full(beam, -np.inf)
        self.log_p[0] = 0.0  # one beginning, not `beam` equal ones
        self.words: list[np.ndarray] = []
        self.parents: list[np.ndarray] = []
        self.weights: list[np.ndarray] = []
        self.ended: list[Hypothesis] = []
        self.done = False

    def grow(self, log_p: np.ndarray, words: np.ndarray, weights: np.ndarray | None) -> np.ndarray:
        """One word more. log_p, words: (beam, 2 beam, or all) the likeliest next words of each beam; returns
        the beam that each new beam continues."""
        beam = self.beam
        total = (self.log_p[:, None] + log_p).ravel()
        at = np.arange(total.size) // words.shape[1]
        candidates = np.lexsort((words.ravel(), at, -total))[: 2 * beam]
        parents, chosen = at[candidates], words.ravel()[candidates]
        if weights is not None:
            self.weights.append(weights)
        for parent, word, value in zip(parents[:beam], chosen[:beam], total[candidates[:beam]], strict=True):
            if word == END and value > -np.inf:
                self._end(int(parent), float(value), ended=True)
        goes_on = np.flatnonzero(chosen != END)[:beam]
        goes_on = np.concatenate([goes_on, np.zeros(beam - len(goes_on), np.int64)])  # a tiny vocabulary
        self.log_p = np.where(np.arange(beam) < (chosen != END).sum(), total[candidates[goes_on]], -np.inf)
        self.words.append(chosen[goes_on])
        self.parents.append(parents[goes_on])
        if len(self.words) >= self.limit or not np.isfinite(self.log_p).any():
            for k in range(beam if len(self.ended) < beam else 0):
                if self.log_p[k] > -np.inf:
                    self._end(k, float(self.log_p[k]), ended=False)
            self.done = True
        self.done |= self._settled()
        return parents[goes_on]

    def _settled(self) -> bool:
        """Whether `beam` hypotheses have ended with scores that no beginning has now."""
        if len(self.ended) < self.beam:
            return False
        worst = sorted((h.score for h in self.ended), reverse=True)[self.beam - 1]
        return worst >= float(self.log_p.max()) / penalty(len(self.words), self.alpha)

    def _end(self, k: int, log_p: float, *, ended: bool) -> None:
        """Beam k of the step before (`ended`: its </s> is not stored) or of this one becomes a hypothesis."""
        ids, looks = [], []
        for t in range(len(self.words) - 1, -1, -1):
            ids.append(int(self.words[t][k]))
            k = int(self.parents[t][k])
            if self.weights:
                looks.append(self.weights[t][k])
        look = looks[::-1] if self.weights else None
        length = len(ids) + ended
        score = log_p / penalty(length, self.alpha)
        self.ended.append(
            _hypothesis(ids[::-1], log_p, self.alpha, look, self.source_words)._replace(score=score)
        )

    def best(self) -> list[Hypothesis]:
        """The hypotheses, best first."""
        return sorted(self.ended, key=lambda h: -h.score)[: self.beam]


def _hypothesis(
    ids: list[int], log_p: float, alpha: float, looks: list[np.ndarray] | None, source_words: int
) -> Hypothesis:
    weights = None
    if looks is not None:
        weights = (
            np.array(looks).reshape(len(ids), -1)[:, :source_words] if ids else np.zeros((0, source_words))
        )
    return Hypothesis(ids, log_p, log_p / penalty(len(ids) + 1, alpha), weights)


def in_batches(lengths: np.ndarray, rows: int, places: int) -> Iterator[np.ndarray]:
    """Sentences by length, some at a time: at most `rows`, and rows times the longest below `places`."""
    order = np.argsort(lengths, kind="stable")
    first = 0
    while first < len(order):
        last = min(first + rows, len(order))
        while last - first > 1 and (last - first) * int(lengths[order[last - 1]]) > places:
            last -= 1
        yield order[first:last]
        first = last
