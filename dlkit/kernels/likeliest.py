"""The likeliest words of each place with their log probabilities, for a search that follows few of them."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.exponential import exponential, largest
from dlkit.kernels.registry import kernel

BLOCK = 64
"""Words that are looked at one by one only if the largest of them counts."""


def likeliest_reference(z: Any, log_p: Any, words: Any) -> None:
    """z: (n, k) logits. log_p: (n, c) float64, c <= k: the largest log softmax values of each row in
    decreasing order; words: (n, c) int64 their columns, of equal ones the first first."""
    c = words.shape[1]
    words[...] = np.argsort(-z, axis=1, kind="stable")[:, :c]
    top = z.max(1, keepdims=True)
    with np.errstate(invalid="ignore"):
        total = np.log(np.exp((z - top).astype(np.float64)).sum(1, keepdims=True))
    log_p[...] = np.take_along_axis(z, words, 1).astype(np.float64) - top - total


def exponentials(z, top):
    """The sum of e^(z - top)."""
    total = z.dtype.type(0)
    for j in range(z.size):
        total += exponential(z[j] - top)
    return total


def _insert(value, word, count, values, words):
    """Take a word into a list of `count` in decreasing order; the last one falls out when it is full."""
    at = min(count, values.size - 1)
    while at > 0 and values[at - 1] < value:
        values[at], words[at] = values[at - 1], words[at - 1]
        at -= 1
    values[at], words[at] = value, word


def _likeliest_cpu(z, log_p, words):
    k, c = z.shape[1], words.shape[1]
    for i in range(z.shape[0]):
        row, values, found = z[i], log_p[i], words[i]
        top, total, count = largest(row), np.float64(0), 0
        for lo in range(0, k, BLOCK):
            block = row[lo : lo + BLOCK]
            total += exponentials(block, top)
            if count == c and largest(block) <= values[c - 1]:
                continue
            for j in range(block.size):
                if count < c or block[j] > values[c - 1]:
                    _insert(np.float64(block[j]), lo + j, count, values, found)
                    count = min(count + 1, c)
        log_total = np.log(total)
        for j in range(c):
            values[j] = values[j] - top - log_total


def _check(z: Any, log_p: Any, words: Any) -> None:
    n, k = checks.matrix("likeliest", "z", z)
    if words.ndim != 2 or not 1 <= words.shape[1] <= k:
        raise ValueError(f"likeliest: words: expected 1 to {k} columns, got shape {words.shape}")
    c = words.shape[1]
    checks.shaped("likeliest", "words", words, (n, c), np.int64)
    checks.shaped("likeliest", "log_p", log_p, (n, c), np.float64)


likeliest = kernel(
    "likeliest", likeliest_reference, cpu=_likeliest_cpu, check=_check, updates="log_p words",
    rows="z log_p words",
)  # fmt: skip
