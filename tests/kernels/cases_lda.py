"""Cases of the kernels of latent Dirichlet allocation."""

import numpy as np
from kernels.cases import Args, Rng, cases, unwritten

SIZES = ((0, 1, 1, 1), (1, 1, 1, 1), (7, 3, 4, 2), (300, 20, 12, 5), (300, 9, 40, 33))
"""Tokens, documents, words, topics."""


def corpus(rng: Rng, size: tuple[int, int, int, int]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Word, document and topic of each token, sorted by word."""
    tokens, documents, words, topics = size
    w = np.sort(rng.integers(0, words, tokens))
    d = rng.integers(0, documents, tokens).astype(np.int32)
    return w, d, rng.integers(0, topics, tokens).astype(np.int32)


def lists(d: np.ndarray, documents: int, topics: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Room for the topics of each document: starts, listed, sizes."""
    room = np.minimum(np.bincount(d, minlength=documents), topics)
    starts = np.concatenate([[0], np.cumsum(room)]).astype(np.int64)
    return starts, np.zeros((int(starts[-1]), 2), np.int32), np.zeros(documents, np.int32)


def fill(d: np.ndarray, z: np.ndarray, starts: np.ndarray, listed: np.ndarray, sizes: np.ndarray) -> None:
    """Count the topics of the documents, sorted by topic."""
    for document in range(len(sizes)):
        topics, times = np.unique(z[d == document], return_counts=True)
        listed[starts[document] : starts[document] + len(topics)] = np.column_stack([topics, times])
        sizes[document] = len(topics)


@cases("lda_sample", size=SIZES)
def _lda_sample(rng: Rng, real: type, size: tuple[int, int, int, int]) -> Args:
    tokens, documents, words, topics = size
    w, d, z = corpus(rng, size)
    found = np.unique(w)
    ends = np.searchsorted(w, [*found, words]).astype(np.int64)
    starts, listed, sizes = lists(d, documents, topics)
    fill(d, z, starts, listed, sizes)
    counts = rng.integers(0, 3, (words, topics)).astype(np.int32)  # other parts' tokens
    np.add.at(counts, (w, z), 1)
    alpha = (rng.random(topics) + 0.05).astype(real)
    return (
        found, ends, d, rng.random(tokens).astype(real), counts, counts.sum(0, dtype=np.int64), alpha, 0.1,
        starts, listed, sizes, z, np.zeros((len(found), topics), np.int32),
    )  # fmt: skip


@cases("lda_list", size=SIZES)
def _lda_list(rng: Rng, real: type, size: tuple[int, int, int, int]) -> Args:
    _, d, z = corpus(rng, size)
    return d, z, size[3], *lists(d, size[1], size[3])


@cases("lda_fold_in", size=SIZES, rounds=(1, 9))
def _lda_fold_in(rng: Rng, real: type, size: tuple[int, int, int, int], rounds: int) -> Args:
    tokens, documents, words, topics = size
    ends = np.sort(rng.integers(0, tokens + 1, documents + 1))
    ends[0], ends[-1] = 0, tokens
    phi = rng.dirichlet(np.full(words, 0.5), topics).T + 1e-3
    theta = unwritten(real, documents, topics)
    counts, w = rng.integers(1, 5, tokens).astype(real), rng.integers(0, words, tokens).astype(np.int32)
    alpha = (rng.random(topics) + 0.05).astype(real)
    return w, counts, ends, np.ascontiguousarray(phi, real), alpha, rounds, theta
