"""word2vec with the full softmax, window by window (kernels/w2v_softmax.py): exact, and slow for many
words.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Context
from dlkit.algorithms.w2v_drawing import Drawing
from dlkit.algorithms.w2v_recipe import Word2VecRecipe
from dlkit.kernels.chance import draw
from dlkit.kernels.w2v_softmax import softmax_windows
from dlkit.readers.corpus import Corpus

WORK_A_STEP = 1 << 30
"""Multiplications of a step, about: half a second."""


class FullSoftmax:
    """Goes through a corpus window by window; the same to the driver as `Rounds`."""

    def __init__(
        self,
        recipe: Word2VecRecipe,
        context: Context,
        corpus: Corpus,
        drawing: Drawing,
        matrices: dict[str, Any],
    ) -> None:
        self.recipe, self.context, self.corpus, self.drawing = recipe, context, corpus, drawing
        self.matrices = matrices
        words = WORK_A_STEP // max(3 * matrices["output"].size, 1)
        self.stretches = corpus.stretches(min(max(words, 10), recipe.piece_words), 1)
        self.loss = np.zeros(2)

    @property
    def steps(self) -> int:
        """Steps of an epoch."""
        return self.stretches.steps

    def words_before(self, step: int) -> int:
        """Words of an epoch before its step `step` (from 0)."""
        return self.stretches.words_before(step)

    def step(self, epoch: int, step: int, lr_at: Callable[[int], float]) -> float:
        """Step `step` (from 0); returns the mean loss of a target. lr_at: as in `Rounds`."""
        recipe, lr = self.recipe, lr_at(self.words_before(step))
        seed = int(self.context.streams.get("windows", epoch).integers(2**63))
        begin, end = self.stretches.of(step)[0].tolist()
        words = self.corpus.numbers.read(begin, end)
        drawn = self.drawing.windows(words, draw(seed, step + 1), None, None)
        together = 0 if recipe.model == "skip-gram" else 1 if recipe.combine == "mean" else 2
        loss = np.empty(2)
        softmax_windows(
            self.matrices["input"], self.matrices["output"], drawn.words, drawn.reach, lr, together,
            int(recipe.exact_gradient), int(recipe.distinct), loss,
        )  # fmt: skip
        if np.isfinite(loss).all():
            self.loss += loss
        return float(loss[0] / max(loss[1], 1))
