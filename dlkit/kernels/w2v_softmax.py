"""word2vec with the full softmax: every word of the vocabulary is weighed for every window, exactly.

With W1 (a word a row: h = W1[c], or the mean of the words around) and W2 (a word a row: u = W2 h), p =
softmax(u) is the chance of each word. A window with the targets C (the words around; for cbow the centre) has

    L = -sum_{j in C} u_j + |C| ln sum_i e^(u_i),        e = |C| p - sum_{j in C} onehot(j),

    W2 <- W2 - lr e h^T,        W1[c] <- W1[c] - lr W2^T e   (with W2 as it was).

The work is three products of a matrix and a vector, which NumPy does as fast as any loop.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def softmax_windows_reference(
    a: Any, b: Any, words: Any, reach: Any, lr: float, together: int, exact: int, distinct: int, loss: Any
) -> None:
    """a: (V, d) W1, b: (V, d) W2, updated; words: (n,) int32, -1 where a sentence ends; reach: (n,) int32.

    together: 0 the centre answers for the words around (skip-gram), 1 the mean of the words around for the
    centre (cbow), 2 their sum; exact: 1 divides the change of a mean by its inputs; distinct: 1 takes each
    word around once. loss: (2,) float64 gets the sum of L and how many targets there were.
    """
    total, count = 0.0, 0
    for c in range(len(words)):
        near = words_around(words, c, int(reach[c])) if words[c] >= 0 else []
        if not near:
            continue
        near = list(dict.fromkeys(near)) if distinct else near
        centre = [int(words[c])]
        rows, targets = (near, centre) if together else (centre, near)
        h = a[rows].sum(axis=0) / (len(rows) if together == 1 else 1)
        u = b @ h
        highest = u.max()
        p = np.exp(u - highest)
        weight = p.sum()
        total += len(targets) * (float(highest) + float(np.log(weight))) - float(u[targets].sum())
        count += len(targets)
        e = p * (len(targets) / weight)
        np.subtract.at(e, targets, 1)
        change = lr * (e @ b) / (len(rows) if together == 1 and exact else 1)
        b -= np.outer(lr * e, h).astype(b.dtype)
        np.subtract.at(a, rows, change.astype(a.dtype))
    loss[:] = total, count


def words_around(words: Any, c: int, reach: int) -> list[int]:
    """The words within reach of c, left to right, inside the sentence."""
    left, right = c, c + 1
    while left > max(0, c - reach) and words[left - 1] >= 0:
        left -= 1
    while right < min(len(words), c + reach + 1) and words[right] >= 0:
        right += 1
    return [*words[left:c].tolist(), *words[c + 1 : right].tolist()]


def _check(
    a: Any, b: Any, words: Any, reach: Any, lr: float, together: int, exact: int, distinct: int, loss: Any
) -> None:
    name = "softmax_windows"
    shape = checks.matrix(name, "a", a)
    checks.shaped(name, "b", b, shape, a.dtype)
    checks.shaped(name, "words", words, words.shape[:1], np.int32)
    checks.shaped(name, "reach", reach, words.shape, np.int32)
    checks.shaped(name, "loss", loss, (2,), np.float64)
    if len(words) and (words.max() >= shape[0] or words.min() < -1):
        raise ValueError(f"{name}: words: expected rows in [0, {shape[0]})")


softmax_windows = kernel("softmax_windows", softmax_windows_reference, check=_check, updates="a b loss")
