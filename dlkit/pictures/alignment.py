"""Which word was written looking at which: the weights of attention as a picture."""

from collections.abc import Sequence

import numpy as np

from dlkit.pictures.figures import figure, png

WORD = 0.34
"""Inches that a word takes."""
LETTER = 0.11
"""Inches that a letter of the longest word takes."""


def alignment_png(source: Sequence[str], target: Sequence[str], weights: np.ndarray) -> bytes:
    """A grid with the source's words above and the target's at the left; dark where a weight is large.

    weights: (target words, source words), rows sum to 1. Needs matplotlib. The same input gives the same
    bytes.
    """
    wide = [max((_width(word) for word in side), default=1) for side in (source, target)]
    width = 0.6 + WORD * len(source) + LETTER * wide[1]
    height = 0.6 + WORD * len(target) + LETTER * wide[0]
    with figure(width, height, "".join([*source, *target])) as drawn:
        plane = drawn.add_subplot()
        plane.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="equal")
        upright = wide[0] <= 2
        plane.set_xticks(range(len(source)), _shown(source), rotation=0 if upright else 90)
        plane.set_yticks(range(len(target)), _shown(target))
        plane.tick_params(length=0, labeltop=True, labelbottom=False, top=False)
        plane.set_xticks(np.arange(0.5, len(source) - 1), minor=True)
        plane.set_yticks(np.arange(0.5, len(target) - 1), minor=True)
        plane.grid(which="minor", color="#dddddd", linewidth=0.5)
        plane.tick_params(which="minor", length=0)
        return png(drawn)


def _shown(words: Sequence[str]) -> list[str]:
    """Words as labels: a dollar sign would begin a formula."""
    return [word.replace("$", r"\$") for word in words]


def _width(word: str) -> int:
    """Letters that a word is wide; those beyond Latin are about two."""
    return sum(1 if ord(c) < 0x2E80 else 2 for c in word)
