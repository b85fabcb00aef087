"""Points in a plane as PNG: coloured by class, or one number against another."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlkit.pictures.figures import figure, png

MOST_NAMED = 20
"""Classes that get a line in the legend."""


def scatter(
    points: np.ndarray, codes: np.ndarray | None, classes: Sequence[str], axes: tuple[str, str]
) -> bytes:
    """points: (n, 2); codes: (n,) class of each point, -1: none known; None: no classes. axes: their labels.

    Needs matplotlib. The same points give the same bytes.
    """
    from matplotlib import colormaps

    with figure(6.6, 6, "".join([*classes, *axes])) as drawn:
        plane = drawn.add_subplot()
        style: dict[str, Any] = {"s": 16 if len(points) < 2000 else 5, "linewidths": 0, "alpha": 0.7}
        if codes is None or not classes:
            plane.scatter(*points.T, color="#1f4e79", **style)
        else:
            colours = colormaps["tab10" if len(classes) <= 10 else "tab20" if len(classes) <= 20 else "turbo"]
            plane.scatter(*points[codes < 0].T, color="#bbbbbb", **style)
            for k, name in enumerate(classes):
                colour = colours(k / max(len(classes) - 1, 1)) if len(classes) > 20 else colours(k)
                plane.scatter(*points[codes == k].T, color=colour, label=name.replace("$", r"\$"), **style)
            if len(classes) <= MOST_NAMED:
                plane.legend(markerscale=2, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
        plane.set(xlabel=axes[0], ylabel=axes[1], aspect="equal")
        return png(drawn)


def against(wanted: np.ndarray, found: np.ndarray, axes: tuple[str, str]) -> bytes:
    """(n,) targets along, (n,) answers up, and the line on which they are equal. Needs matplotlib."""
    with figure(5.2, 5, "".join(axes)) as drawn:
        plane = drawn.add_subplot()
        both = np.concatenate([wanted, found])
        ends = [float(both.min()), float(both.max())]
        plane.plot(ends, ends, color="0.6", lw=1)
        plane.scatter(wanted, found, s=14 if len(wanted) < 2000 else 4, alpha=0.6, linewidths=0)
        plane.set_xlabel(axes[0], parse_math=False)
        plane.set_ylabel(axes[1], parse_math=False)
        plane.grid(alpha=0.25)
        return png(drawn)
