"""Coherence: do the words that a topic puts first stand in the same documents?

    UMass (Mimno et al. 2011)   mean over i > j of log (D(w_i, w_j) + 1) / D(w_j)
    NPMI (Bouma 2009)           mean over i > j of log [p(w_i, w_j) / p(w_i) p(w_j)] / -log p(w_i, w_j)

w_1, w_2, ... are a topic's words by probability, D counts training documents, p = D / documents. UMass is at
most about 0; NPMI lies between -1 (never together) and 1 (only together).
"""

from typing import NamedTuple

import numpy as np

AT_ONCE = 1 << 16
"""Documents looked at together."""


class Coherence(NamedTuple):
    """(K,) float64 each; NaN for a topic of fewer than two words."""

    umass: np.ndarray
    npmi: np.ndarray


def coherence(top: np.ndarray, words: np.ndarray, ends: np.ndarray) -> Coherence:
    """top: (K, n) word numbers, best first, -1 for none; words: (T,) of the tokens; ends: (D + 1,) of the
    documents.
    """
    chosen, place = np.unique(np.maximum(top, 0), return_inverse=True)
    place = place.reshape(top.shape)
    row = np.full(int(max(words.max(initial=0), chosen.max(initial=0))) + 1, -1, np.int64)
    row[chosen] = np.arange(len(chosen))
    second, first = np.tril_indices(top.shape[1], -1)  # i > j
    i, j = place[:, second], place[:, first]
    both, alone = np.zeros(i.shape), np.zeros(len(chosen))
    documents = len(ends) - 1
    for start in range(0, documents, AT_ONCE):
        part = ends[start : start + AT_ONCE + 1]
        mine = row[words[part[0] : part[-1]]]
        owner = np.repeat(np.arange(len(part) - 1), np.diff(part))
        there = np.zeros((len(chosen), len(part) - 1), bool)
        there[mine[mine >= 0], owner[mine >= 0]] = True
        bits = np.packbits(there, axis=1)
        alone += there.sum(axis=1)
        for k in range(len(top)):
            both[k] += np.bitwise_count(bits[i[k]] & bits[j[k]]).sum(axis=1)
    pairs = (top[:, second] >= 0) & (top[:, first] >= 0)
    umass = np.log((both + 1) / np.maximum(alone[j], 1))
    npmi = normalised_pmi(both, np.maximum(alone[i], 1), np.maximum(alone[j], 1), documents)
    some = np.maximum(pairs.sum(axis=1), 1)
    return Coherence(
        *(np.where(pairs.any(axis=1), (x * pairs).sum(axis=1) / some, np.nan) for x in (umass, npmi))
    )


def normalised_pmi(both: np.ndarray, a: np.ndarray, b: np.ndarray, documents: int) -> np.ndarray:
    """NPMI of pairs from their numbers of documents; -1 where they never meet, 1 where they always do."""
    value = np.full(both.shape, -1.0)
    met = both > 0
    p = both[met] / documents
    everywhere = p == 1
    bits = np.log(p) - np.log(a[met] / documents) - np.log(b[met] / documents)
    value[met] = np.where(everywhere, 1.0, bits / -np.log(np.where(everywhere, 0.5, p)))
    return value
