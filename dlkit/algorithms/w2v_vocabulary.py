"""Tables that word2vec makes of the words' counts: who is dropped, who is drawn, and the tree of all
words.
"""

from dataclasses import dataclass

import numpy as np

from dlkit.kernels.compile import compiled
from dlkit.kernels.w2v_draw import ALWAYS


def chances_to_stay(counts: np.ndarray, sample: float) -> np.ndarray:
    """(V,) int64 in units of 2^-32: sqrt(t / f) + t / f for a word of share f, as in word2vec.c; sample 0:
    all
    stay."""
    if sample == 0 or not counts.sum():
        return np.full(len(counts), ALWAYS, np.int64)
    ratio = sample * counts.sum() / np.maximum(counts, 1)
    return np.minimum((np.sqrt(ratio) + ratio) * ALWAYS, ALWAYS).astype(np.int64)


def noise_tables(counts: np.ndarray, power: float) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias tables of the distribution counts^power: odds (V,) int64 of 2^32, alias (V,) int32."""
    weights = np.maximum(counts, 1).astype(np.float64) ** power
    share = weights * (len(weights) / weights.sum())
    alias = np.arange(len(share), dtype=np.int32)
    _fill_alias(share, alias)
    return np.minimum(share * ALWAYS, ALWAYS).astype(np.int64), alias


def _fill_alias(share: np.ndarray, alias: np.ndarray) -> None:
    compiled(_walker)(share, alias)


def _walker(share, alias):  # type: ignore[no-untyped-def]
    """Give what words have beyond 1 to those that have less (Vose 1991); in place."""
    small, large = np.empty(share.size, np.int64), np.empty(share.size, np.int64)
    few = many = 0
    for i in range(share.size):
        if share[i] < 1:
            small[few] = i
            few += 1
        else:
            large[many] = i
            many += 1
    while few > 0 and many > 0:
        few -= 1
        many -= 1
        s, g = small[few], large[many]
        alias[s] = g
        share[g] -= 1 - share[s]
        if share[g] < 1:
            small[few] = g
            few += 1
        else:
            large[many] = g
            many += 1
    for i in range(few):
        share[small[i]] = 1.0
    for i in range(many):
        share[large[i]] = 1.0


@dataclass
class Tree:
    """Huffman's tree over the words: the way to each word."""

    ends: np.ndarray
    """(V + 1,) int64: word w has points[ends[w]:ends[w + 1]]."""
    points: np.ndarray
    """int32: inner nodes from the root on; 0 to V - 2."""
    codes: np.ndarray
    """int32: +1 left, -1 right."""

    @property
    def longest(self) -> int:
        """Nodes of the longest way."""
        return int(np.diff(self.ends).max(initial=0))


def huffman_tree(counts: np.ndarray) -> Tree:
    """The tree with the shortest ways on average; `counts` (V,) int64. Equals: the later word first, as in
    word2vec.c."""
    words = len(counts)
    order = np.argsort(-counts, kind="stable")
    sorted_counts = np.maximum(counts[order], 1).astype(np.int64)
    parent, right = np.zeros(2 * words, np.int64), np.zeros(2 * words, np.int8)
    lengths = np.zeros(words, np.int64)
    if words > 1:
        compiled(_join)(sorted_counts, parent, right)
        compiled(_depths)(parent, lengths)
    by_word = np.empty(words, np.int64)
    by_word[order] = lengths
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(by_word)])
    points, codes = np.empty(int(ends[-1]), np.int32), np.empty(int(ends[-1]), np.int32)
    if words > 1:
        compiled(_ways)(parent, right, order, ends, points, codes)
    return Tree(ends, points, codes)


def _join(counts, parent, right):  # type: ignore[no-untyped-def]
    """The two rarest nodes get a parent, until one is left: words lie in falling order, parents come in
    rising
    order, so two queues suffice (van Leeuwen 1976). Nodes: words 0..V-1, parents V..2V-2."""
    words = counts.size
    total = np.empty(2 * words, np.int64)
    for i in range(words):
        total[i] = counts[i]
    word, made, first = words - 1, words, words
    for node in range(words, 2 * words - 1):
        for side in range(2):
            if word >= 0 and (first >= made or total[word] < total[first]):
                chosen = word
                word -= 1
            else:
                chosen = first
                first += 1
            total[node] = total[chosen] + (total[node] if side else 0)
            parent[chosen] = node
            right[chosen] = side
        made += 1


def _depths(parent, lengths):  # type: ignore[no-untyped-def]
    words = lengths.size
    root = 2 * words - 2
    for w in range(words):
        node = w
        while node != root:
            lengths[w] += 1
            node = parent[node]


def _ways(parent, right, order, ends, points, codes):  # type: ignore[no-untyped-def]
    words = order.size
    root = 2 * words - 2
    for w in range(words):
        node, at = w, ends[order[w] + 1]
        while node != root:
            at -= 1
            codes[at] = -1 if right[node] else 1
            node = parent[node]
            points[at] = node - words
