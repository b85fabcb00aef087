"""What lda has learnt: topics, priors, and the topics of the documents that it learnt from."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from dlkit.algorithms.lda_documents import Topics
from dlkit.algorithms.lda_sampler import compact
from dlkit.algorithms.protocol import Tree
from dlkit.readers.vocabulary import Vocabulary


@dataclass
class TopicModel:
    """K topics over V words, and D documents."""

    vocabulary: Vocabulary
    word_topics: np.ndarray
    """(V, K) int32, n_wk."""
    alpha: np.ndarray
    """(K,) float64."""
    beta: float
    names: list[str]
    """Of the documents: file, line or number."""
    labels: list[str] | None
    sizes: np.ndarray
    """(D,) topics that each document has."""
    listed: tuple[np.ndarray, np.ndarray]
    """Those topics, and how many words of the document each has."""
    coherence: np.ndarray
    """(2, K) UMass and NPMI; NaN before the first epoch."""

    def __post_init__(self) -> None:
        self.words = self.vocabulary.words()
        self.totals = self.word_topics.sum(axis=0, dtype=np.int64)

    @property
    def owner(self) -> np.ndarray:
        """Document of each entry of `listed`."""
        return np.repeat(np.arange(len(self.sizes)), self.sizes)

    @property
    def tokens(self) -> np.ndarray:
        """(D,) words of each document that the topics are made of."""
        times = self.listed[1].astype(np.float64)
        return np.bincount(self.owner, times, minlength=len(self.sizes)).astype(np.int64)

    @property
    def shares(self) -> np.ndarray:
        """(K,) share of all words that each topic has."""
        return self.totals / max(int(self.totals.sum()), 1)

    def phi(self, dtype: Any = np.float64) -> np.ndarray:
        """(V, K) p(w|k) = (n_wk + beta) / (n_k + V beta)."""
        base = (self.totals + len(self.word_topics) * self.beta).astype(dtype)
        return (self.word_topics.astype(dtype) + dtype(self.beta)) / base

    def theta(self) -> np.ndarray:
        """(D, K) float32, (n_dk + alpha_k) / (n_d + sum alpha)."""
        theta = np.tile(self.alpha.astype(np.float32), (len(self.sizes), 1))
        theta[self.owner, self.listed[0]] += self.listed[1]
        theta /= theta.sum(axis=1, keepdims=True)
        return theta

    def fixed(self, dtype: Any, rounds: int) -> Topics:
        """The topics as new documents are folded into them."""
        return Topics(self.phi(dtype), self.alpha.astype(dtype), rounds)

    def top(self, count: int, relevance: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
        """(K, n) numbers of each topic's first words, -1 where it has no more, and their p(w|k).

        By relevance (Sievert & Shirley 2014): lambda log p(w|k) + (1 - lambda) log p(w|k)/p(w). Of equals the
        earlier word.
        """
        phi = self.phi()
        count = min(count, len(phi))
        log_marginal = np.log(phi @ self.shares)
        numbers = np.empty((phi.shape[1], count), np.int64)
        for k, p in enumerate(phi.T):
            score = p if relevance == 1 else np.log(p) - (1 - relevance) * log_marginal
            score = np.where(self.word_topics[:, k] > 0, score, -np.inf)
            border = np.partition(score, len(score) - count)[len(score) - count]
            best = np.flatnonzero(score >= border)
            best = best[np.argsort(-score[best], kind="stable")][:count]
            numbers[k] = np.where(np.isfinite(score[best]), best, -1)
        return numbers, np.take_along_axis(phi.T, np.maximum(numbers, 0), axis=1)

    # -- state --------------------------------------------------------------------------------------
    def state(self) -> Tree:
        """Without what documents list, which is the sampler's; counts sparsely, for most words have few."""
        word, topic = np.nonzero(self.word_topics)
        labels = sorted(set(self.labels or []))
        number = {label: code for code, label in enumerate(labels)}
        codes = np.array([number[label] for label in self.labels or []], np.int64)
        return {
            "vocabulary": self.vocabulary.to_dict(),
            "word": compact(word),
            "topic": compact(topic),
            "count": compact(self.word_topics[word, topic]),
            "alpha": self.alpha.copy(),
            "beta": float(self.beta),
            "coherence": self.coherence.copy(),
            "names": self.names,
            "labels": labels if self.labels is not None else None,
            "label": compact(codes),
        }

    @classmethod
    def from_state(cls, state: Tree, sampler: Tree, topics: int) -> "TopicModel":
        """The inverse. Raises ValueError, LookupError, TypeError for what it never gives."""
        vocabulary = Vocabulary.from_dict(state["vocabulary"])
        word_topics = np.zeros((len(vocabulary), topics), np.int32)
        word, topic, count = (np.asarray(state[name]).astype(np.int64) for name in ("word", "topic", "count"))
        _within(word, len(vocabulary))
        _within(topic, topics)
        if not len(word) == len(topic) == len(count) or (count < 1).any():
            raise ValueError("counts whose parts do not fit")
        word_topics[word, topic] = count
        alpha, coherence = np.asarray(state["alpha"]), np.asarray(state["coherence"])
        if alpha.shape != (topics,) or alpha.dtype != np.float64 or not (alpha > 0).all():
            raise ValueError("alpha is not a number above 0 for each topic")
        if coherence.shape != (2, topics) or not 0 < float(state["beta"]) < np.inf:
            raise ValueError("beta or coherence of other topics")
        names, codes = list(state["names"]), np.asarray(state["label"]).astype(np.int64)
        sizes, listed, times = (np.asarray(sampler[n]).astype(np.int64) for n in ("sizes", "topics", "times"))
        _within(listed, topics)
        if (
            len(sizes) != len(names)
            or sizes.sum() != len(listed)
            or len(times) != len(listed)
            or (sizes < 0).any()
        ):
            raise ValueError("topics of other documents")
        labels = None
        if state["labels"] is not None:
            _within(codes, len(state["labels"]))
            labels = [state["labels"][code] for code in codes.tolist()]
            if len(labels) != len(names):
                raise ValueError("labels of other documents")
        priors = alpha, float(state["beta"])
        return cls(vocabulary, word_topics, *priors, names, labels, sizes, (listed, times), coherence)


def _within(values: np.ndarray, end: int) -> None:
    """Raises ValueError unless all of them lie in [0, end)."""
    if values.ndim != 1 or (len(values) and not (values.min() >= 0 and values.max() < end)):
        raise ValueError("numbers beyond what there is")
