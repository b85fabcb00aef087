"""Documents under fixed topics: which topics they have, and how well their words are foretold."""

import math
from dataclasses import dataclass

import numpy as np

from dlkit.algorithms.protocol import Context
from dlkit.kernels.lda import lda_fold_in
from dlkit.readers.documents import Documents

SCORED_AT_ONCE = 1 << 18
"""Numbers held while words are scored."""


@dataclass
class Topics:
    """Fixed topics."""

    phi: np.ndarray
    """(V, K) p(w|k)."""
    alpha: np.ndarray
    """(K,) prior, of the type of phi."""
    rounds: int
    """Of EM."""


def shares_of(documents: Documents, topics: Topics, context: Context) -> np.ndarray:
    """(D, K) shares of the topics in each document; words of number -1 say nothing."""
    words, counts, ends = distinct(documents.words, documents.ends, len(topics.phi))
    theta = np.empty((len(documents), len(topics.alpha)), topics.phi.dtype)
    counts = counts.astype(theta.dtype)
    shards = context.team.shards
    # documents do not touch each other: where they are cut makes no difference
    cuts = np.searchsorted(ends, np.linspace(0, ends[-1], shards + 1)).tolist()
    cuts[0], cuts[-1] = 0, len(documents)

    def work(shard: int) -> None:
        first, last = cuts[shard], cuts[shard + 1]
        mine = slice(ends[first], ends[last])
        lda_fold_in(words[mine], counts[mine], ends[first : last + 1] - ends[first], topics.phi, topics.alpha,
                    topics.rounds, theta[first:last])  # fmt: skip

    context.team.map(work)
    return theta


def distinct(
    words: np.ndarray, ends: np.ndarray, vocabulary: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Distinct words of each document, how often they stand in it, the documents' ends; -1 is left out."""
    owner = np.repeat(np.arange(len(ends) - 1, dtype=np.int64), np.diff(ends))
    known = words >= 0
    keys, counts = np.unique(owner[known] * vocabulary + words[known], return_counts=True)
    found = np.searchsorted(keys, np.arange(len(ends), dtype=np.int64) * vocabulary).astype(np.int64)
    return (keys % vocabulary).astype(np.int32), counts, found


class Completion:
    """Document completion: topics from one half of a document's words, the other half foretold with them.

    perplexity = exp(-mean log sum_k theta_dk phi_wk); Wallach, Murray, Salakhutdinov & Mimno (2009), section
    5.
    """

    def __init__(self, documents: Documents, context: Context) -> None:
        """Each word goes to either half by a draw of the stream "halves"."""
        self.context = context
        known = documents.words >= 0
        first = context.streams.get("halves").random(len(known)) < 0.5
        self.given = _part(documents, known & first)
        self.asked = _part(documents, known & ~first)

    @property
    def tokens(self) -> int:
        """Words that are foretold."""
        return len(self.asked.words)

    def perplexity(self, topics: Topics) -> float:
        """Of the second halves; NaN where they have no known word."""
        if not self.tokens:
            return math.nan
        theta = shares_of(self.given, topics, self.context)
        owner = np.repeat(np.arange(len(self.asked)), np.diff(self.asked.ends))
        total, at_once = 0.0, max(SCORED_AT_ONCE // len(topics.alpha), 1)
        for start in range(0, self.tokens, at_once):
            part = slice(start, start + at_once)
            p = (theta[owner[part]] * topics.phi[self.asked.words[part]]).sum(axis=1, dtype=np.float64)
            total += float(np.log(p).sum())
        return math.exp(-total / self.tokens)


def _part(documents: Documents, chosen: np.ndarray) -> Documents:
    """The same documents with the chosen words alone."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(chosen)])
    return Documents(documents.name, documents.words[chosen], before[documents.ends], None)
