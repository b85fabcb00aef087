"""Arguments for the counting of item sets over bitmaps; nothing in them is a floating number."""

from typing import Any

import numpy as np
from kernels.cases import Args, Rng, cases

SIZES = ((3, 4, 0, 5), (1, 1, 1, 1), (3, 5, 2, 7), (7, 9, 33, 40), (20, 30, 130, 500))
"""Bitmaps left and right, words, pairs."""


def bits(rng: Rng, *shape: int) -> np.ndarray:
    """Any 64 bits, the sign's among them."""
    return rng.integers(-(1 << 63), 1 << 63, shape, np.int64)


@cases("intersection_counts", size=SIZES, kind=("random", "full", "empty"))
def _intersection_counts(rng: Rng, real: Any, size: tuple[int, ...], kind: str) -> Args:
    n, m, words, pairs = size
    left, right = bits(rng, n, words), bits(rng, m, words)
    if kind != "random":
        left[...] = right[...] = -1 if kind == "full" else 0
    i, j = rng.integers(0, n, pairs, np.int32), rng.integers(0, m, pairs, np.int32)
    return left, right, i, j, np.full(pairs, -7, np.int64)
