"""Counting and weighing the words of documents: what naive Bayes does with a text once words are numbers."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def tally_words_reference(
    ids: Any, units: Any, labels: Any, once: int, tally: Any, documents: Any, seen: Any
) -> None:
    """tally[w, c] += times that word w stands in documents of class c; documents[w] += documents with w.

    ids: (T,) int32, word of each unit, -1 for none; units: (D,) int64, units of each document, in their
    order; labels: (D,) int64. once: a word counts once a document. tally: (V, C) int64; documents: (V,)
    int64. seen: (V,) int64, scratch: the last document (from 1) that each word was met in.
    """
    seen[:] = 0
    at = 0
    for d in range(len(units)):
        words = ids[at : at + units[d]]
        at += int(units[d])
        for w in words[words >= 0].tolist():
            new = seen[w] != d + 1
            seen[w] = d + 1
            documents[w] += new
            tally[w, labels[d]] += new or not once


def _tally_words_cpu(ids, units, labels, once, tally, documents, seen):
    seen[:] = 0
    at = 0
    for d in range(units.size):
        c = labels[d]
        for t in range(at, at + units[d]):
            w = ids[t]
            if w < 0:
                continue
            if seen[w] != d + 1:
                seen[w] = d + 1
                documents[w] += 1
                tally[w, c] += 1
            elif not once:
                tally[w, c] += 1
        at += units[d]


def _check_tally(ids: Any, units: Any, labels: Any, once: int, tally: Any, documents: Any, seen: Any) -> None:
    name, (words, classes) = "tally_words", tally.shape
    _check_ids(name, ids, units, words)
    checks.shaped(name, "labels", labels, units.shape, np.int64)
    checks.index(name, "labels", labels, classes)
    checks.shaped(name, "tally", tally, tally.shape, np.int64)
    checks.shaped(name, "documents", documents, (words,), np.int64)
    checks.shaped(name, "seen", seen, (words,), np.int64)


def _check_ids(name: str, ids: Any, units: Any, words: int) -> None:
    checks.shaped(name, "ids", ids, ids.shape, np.int32)
    checks.shaped(name, "units", units, units.shape, np.int64)
    if (len(units) and units.min() < 0) or units.sum() != len(ids):
        raise ValueError(f"{name}: units: {units.sum()} units of documents, but {len(ids)} ids")
    if len(ids) and not (ids.min() >= -1 and ids.max() < words):
        raise ValueError(f"{name}: ids: expected -1 to {words - 1}, got {ids.min()} to {ids.max()}")


tally_words = kernel(
    "tally_words", tally_words_reference, cpu=_tally_words_cpu, check=_check_tally,
    updates="tally documents seen",
)  # fmt: skip


def add_rows_reference(rows: Any, columns: Any, part: Any, total: Any) -> None:
    """total[rows[i], columns[j]] += part[i, j]. rows: (V,) int64, columns: (C,) int64, all different;
    part: (V, C) int64; total: (>= V, >= C) int64."""
    total[np.ix_(rows, columns)] += part


def _add_rows_cpu(rows, columns, part, total):
    for i in range(rows.size):
        r = rows[i]
        for j in range(columns.size):
            if part[i, j]:
                total[r, columns[j]] += part[i, j]


def _check_add(rows: Any, columns: Any, part: Any, total: Any) -> None:
    name = "add_rows"
    checks.shaped(name, "rows", rows, rows.shape, np.int64)
    checks.shaped(name, "columns", columns, columns.shape, np.int64)
    checks.shaped(name, "part", part, (len(rows), len(columns)), np.int64)
    checks.shaped(name, "total", total, total.shape, np.int64)
    checks.index(name, "rows", rows, total.shape[0])
    checks.index(name, "columns", columns, total.shape[1])


add_rows = kernel("add_rows", add_rows_reference, cpu=_add_rows_cpu, check=_check_add, updates="total")


def score_words_reference(ids: Any, units: Any, once: int, weights: Any, scores: Any, seen: Any) -> None:
    """scores[d] += the weights of the words of document d, as often as they stand in it, or once each.

    ids, units, once, seen: as in tally_words. weights: (V, C); scores: (D, C).
    """
    seen[:] = 0
    at = 0
    for d in range(len(units)):
        words = ids[at : at + units[d]]
        at += int(units[d])
        for w in words[words >= 0].tolist():
            if not once or seen[w] != d + 1:
                scores[d] += weights[w]
            seen[w] = d + 1


def _score_words_cpu(ids, units, once, weights, scores, seen):
    seen[:] = 0
    at = 0
    for d in range(units.size):
        for t in range(at, at + units[d]):
            w = ids[t]
            if w < 0 or (once and seen[w] == d + 1):
                continue
            seen[w] = d + 1
            for c in range(scores.shape[1]):
                scores[d, c] += weights[w, c]
        at += units[d]


def _check_score(ids: Any, units: Any, once: int, weights: Any, scores: Any, seen: Any) -> None:
    name, (words, classes) = "score_words", checks.matrix("score_words", "weights", weights)
    _check_ids(name, ids, units, words)
    checks.shaped(name, "scores", scores, (len(units), classes), weights.dtype)
    checks.shaped(name, "seen", seen, (words,), np.int64)


score_words = kernel(
    "score_words", score_words_reference, cpu=_score_words_cpu, check=_check_score, updates="scores seen"
)
