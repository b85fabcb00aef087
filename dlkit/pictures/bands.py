"""Curves of several runs: their mean with a band of one standard deviation around it."""

from collections.abc import Mapping

import numpy as np

from dlkit.pictures.figures import figure, png

EACH = 30
"""Most runs that are drawn one by one behind their band."""


def draw(
    x: np.ndarray,
    curves: Mapping[str, np.ndarray],
    *,
    axes: tuple[str, str],
    level: float | None = None,
) -> bytes:
    """PNG. x: (points,); curves: name -> (runs, points), NaN where there is no figure; axes: their labels.

    level: a height to be marked.
    """
    with figure(7, 4.2, "".join([*curves, *axes])) as drawn:
        plane = drawn.add_subplot()
        for k, (name, runs) in enumerate(curves.items()):
            colour = f"C{k % 10}"
            known = np.isfinite(runs)
            count = np.maximum(known.sum(0), 1)
            mean = np.where(known, runs, 0).sum(0) / count
            sd = np.sqrt((np.where(known, runs - mean, 0) ** 2).sum(0) / np.maximum(count - 1, 1))
            mean = np.where(known.any(0), mean, np.nan)
            if len(runs) > 1:
                plane.fill_between(x, mean - sd, mean + sd, color=colour, alpha=0.2, lw=0)
            if len(curves) == 1 and 1 < len(runs) <= EACH:
                plane.plot(x, runs.T, color=colour, lw=0.5, alpha=0.35)
            count_of = f"{len(runs)} runs" if len(runs) > 1 else "one run"
            plane.plot(x, mean, color=colour, lw=1.6, label=f"{name} ({count_of})")
        if level is not None:
            plane.axhline(level, color="black", lw=0.8, ls=":")
        plane.set(xlabel=axes[0], ylabel=axes[1])
        plane.grid(alpha=0.25, lw=0.5)
        plane.legend(fontsize=8)
        return png(drawn)
