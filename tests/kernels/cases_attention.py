"""Cases of attention.py, additive.py and word_loss.py."""

import numpy as np
from kernels.cases import SHAPES, Args, Rng, cases, normal, unwritten

SOURCES = ((0, 2, 3), (1, 1, 1), (3, 2, 1), (2, 1, 7), (5, 3, 40), (4, 6, 70))
"""(B, T, S): rows, words of the target, words of the source."""


def lengths(rng: Rng, rows: int, size: int, *, none: bool = False) -> np.ndarray:
    """Words in each source, the first of them full; none: the last has no word at all."""
    drawn = rng.integers(1, size + 1, rows)
    drawn[:1] = size
    if none:
        drawn[-1:] = 0
    return drawn


@cases("masked_softmax", shape=SOURCES, none=(False, True))
def _masked_softmax(rng: Rng, real: type, shape: tuple[int, int, int], none: bool) -> Args:
    return 3 * normal(rng, real, *shape), lengths(rng, shape[0], shape[2], none=none), unwritten(real, *shape)


@cases("masked_softmax_backward", shape=SOURCES)
def _masked_softmax_backward(rng: Rng, real: type, shape: tuple[int, int, int]) -> Args:
    return rng.random(shape).astype(real), normal(rng, real, *shape), unwritten(real, *shape)


@cases("additive_scores", shape=SOURCES, n=(1, 33))
def _additive_scores(rng: Rng, real: type, shape: tuple[int, int, int], n: int) -> Args:
    rows, steps, size = shape
    q, k = normal(rng, real, steps, rows, n), normal(rng, real, size, rows, n)
    return q, k, normal(rng, real, n), unwritten(real, *shape)


@cases("additive_scores_backward", shape=SOURCES, n=(1, 33))
def _additive_scores_backward(rng: Rng, real: type, shape: tuple[int, int, int], n: int) -> Args:
    rows, steps, size = shape
    q, k = normal(rng, real, steps, rows, n), normal(rng, real, size, rows, n)
    w, ds = normal(rng, real, n), normal(rng, real, *shape)
    return q, k, w, ds, *(unwritten(real, *a.shape) for a in (q, k, w))


@cases("word_loss", shape=SHAPES, smoothing=(0.0, 0.1), ties=(False, True))
def _word_loss(rng: Rng, real: type, shape: tuple[int, int], smoothing: float, ties: bool) -> Args:
    n, k = shape
    z = normal(rng, real, n, k)
    b = np.zeros(k, real) if ties else normal(rng, real, k)
    z = np.round(z).astype(real) if ties else 3 * z
    labels = rng.integers(-1, k, n)
    outputs = unwritten(real, n), unwritten(real, n), np.full(n, 7, np.uint8)
    return z, b, labels, smoothing, 0.25, unwritten(real, k), *outputs
