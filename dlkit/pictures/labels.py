"""Texts at places in a plane, moved a little so that they do not cover each other."""

import numpy as np

from dlkit.pictures.figures import figure, png

LONGEST = 24
"""Most characters of a label."""
INCHES = 9.0


def labelled(points: np.ndarray, labels: list[str]) -> bytes:
    """PNG: a dot and its text for each of (n, 2) points; the first labels are placed first, and stay
    nearest.
    """
    short = [text if len(text) <= LONGEST else text[: LONGEST - 1] + "…" for text in labels]
    low, high = points.min(axis=0), points.max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    places = (points - low) / span
    size = 8.5 if len(labels) <= 200 else 6.5
    boxes = placed(places, [_width(text) * size / 72 / INCHES for text in short], 1.25 * size / 72 / INCHES)
    with figure(INCHES, INCHES, "".join(short)) as drawn:
        axes = drawn.add_subplot()
        axes.scatter(*places.T, s=6, color="#9ab3cc", linewidths=0)
        for text, at, (x, y) in zip(short, places, boxes, strict=True):
            if abs(x - at[0]) + abs(y - at[1]) > 0.02:
                axes.plot([at[0], x], [at[1], y], color="#cccccc", lw=0.5, zorder=0)
            axes.text(x, y, text, ha="center", va="center", fontsize=size, parse_math=False)
        axes.set(xlim=(-0.07, 1.07), ylim=(-0.05, 1.05), xticks=[], yticks=[])
        for side in axes.spines.values():
            side.set_visible(False)
        return png(drawn)


def _width(text: str) -> float:
    """About how wide a text is, in letter heights: Japanese characters are square, Latin ones half as
    wide.
    """
    return sum(1.0 if ord(c) > 0x2E80 else 0.58 for c in text) + 0.3


def placed(points: np.ndarray, widths: list[float], height: float) -> np.ndarray:
    """(n, 2) centres of boxes near their points, without overlap as far as there is room near by."""
    found = np.empty_like(points)
    angles = np.arange(16) * (2 * np.pi / 16)
    offsets = [np.zeros((1, 2))]
    offsets += [
        height * r * np.column_stack([1.6 * np.cos(angles), np.sin(angles)]) for r in np.arange(1, 9) * 0.6
    ]
    tries = np.concatenate(offsets)
    for k, point in enumerate(points):
        candidates = point + tries
        if k == 0:
            found[k] = candidates[0]
            continue
        near = np.abs(candidates[:, None, 0] - found[None, :k, 0])
        apart = (near > (widths[k] + np.array(widths[:k])) / 2) | (
            np.abs(candidates[:, None, 1] - found[None, :k, 1]) > height
        )
        free = np.flatnonzero(apart.all(axis=1))
        found[k] = candidates[free[0] if len(free) else int(apart.sum(axis=1).argmax())]
    return found
