"""The windows of word2vec: drawn from a piece of text by what the recipe says and how often words come."""

from dataclasses import dataclass

import numpy as np

from dlkit.algorithms.w2v_recipe import Word2VecRecipe
from dlkit.algorithms.w2v_vocabulary import chances_to_stay, huffman_tree, noise_tables
from dlkit.kernels.chance import draw
from dlkit.kernels.w2v_draw import draw_negatives, draw_windows, tree_targets
from dlkit.kernels.w2v_windows import EACH, MEAN, SUM, WHOLE
from dlkit.readers.corpus import MARK

NONE = np.zeros(0, np.int32)
LINE = 64
"""Bytes of a line of the cache."""


def padded(dim: int) -> int:
    """Numbers of a row in memory, the last of them zeros."""
    return -(-dim // WHOLE) * WHOLE


def aligned(shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """Zeros whose rows begin on lines of the cache, if they are of whole lines."""
    size = shape[0] * shape[1] * dtype.itemsize
    room = np.zeros(size + LINE, np.uint8)
    first = -room.ctypes.data % LINE
    return room[first : first + size].view(dtype).reshape(shape)


@dataclass
class Windows:
    """The windows of a piece of text, drawn."""

    words: np.ndarray
    """(m,) int32, MARK where a sentence ends."""
    reach: np.ndarray
    own: np.ndarray
    """(m,) int32: the document's row of the input matrix; (0,) where there are no documents."""
    targets: np.ndarray
    signs: np.ndarray
    ends: np.ndarray


class Drawing:
    """Makes windows of text, by draws that are a function of the seed and the place in the text."""

    def __init__(self, recipe: Word2VecRecipe, counts: np.ndarray) -> None:
        self.recipe, self.counts = recipe, counts
        self.keep = chances_to_stay(counts, recipe.sample)
        self.tree = huffman_tree(counts) if recipe.objective == "hierarchical" else None
        self.odds, self.alias = noise_tables(counts, recipe.noise)

    @property
    def paths(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The tree as arrays; empty ones without a tree."""
        if self.tree is None:
            return np.zeros(0, np.int64), NONE, NONE
        return self.tree.ends, self.tree.points, self.tree.codes

    @property
    def most(self) -> int:
        """Most targets of a window."""
        return self.tree.longest if self.tree is not None else self.recipe.negative + 1

    def windows(self, words: np.ndarray, seed: int, document: int | None, rows: np.ndarray | None) -> Windows:
        """words: (n,) int32. document: number of the first sentence, None: there are no documents; rows: the
        row of each document in the input matrix, None: V + its number."""
        recipe, n = self.recipe, len(words)
        kept, reach, used = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(1, np.int64)
        draw_windows(
            words, self.keep, recipe.window, int(recipe.dynamic), draw(seed, 1) >> 1, kept, reach, used
        )
        kept, reach = kept[: used[0]], reach[: used[0]]
        own = NONE
        if document is not None:
            passed = (
                document + np.concatenate([np.zeros(1, np.int64), np.cumsum(kept == MARK)[:-1]])[: len(kept)]
            )
            own = (len(self.counts) + passed if rows is None else rows[passed]).astype(np.int32)
            own[kept == MARK] = -1
        return Windows(kept, reach, own, *self._targets(kept, draw(seed, 2) >> 1))

    def _targets(self, kept: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        ends = np.empty(len(kept) + 1, np.int64)
        if self.tree is not None:
            words = kept[kept >= 0]
            size = int((self.tree.ends[words + 1] - self.tree.ends[words]).sum())
            targets, signs = np.empty(size, np.int32), np.empty(size, np.int32)
            tree_targets(kept, self.tree.ends, self.tree.points, self.tree.codes, targets, signs, ends)
            return targets, signs, ends
        size = len(kept) * (self.recipe.negative + 1)
        targets, signs = np.empty(size, np.int32), np.empty(size, np.int32)
        draw_negatives(kept, self.odds, self.alias, self.recipe.negative, seed, targets, signs, ends)
        return targets[: ends[-1]], signs[: ends[-1]], ends


def manner(recipe: Word2VecRecipe) -> tuple[int, int, int]:
    """around, together and exact of the kernel `embed_windows`."""
    if recipe.model == "skip-gram":
        return int(not recipe.docs or recipe.doc_words), EACH, 0
    return 1, MEAN if recipe.combine == "mean" else SUM, int(recipe.exact_gradient)
