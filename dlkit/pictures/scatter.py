"""Points in a plane, coloured by class, as PNG."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np

MOST_NAMED = 20
"""Classes that get a line in the legend."""


def scatter(
    points: np.ndarray, codes: np.ndarray | None, classes: Sequence[str], axes: tuple[str, str]
) -> bytes:
    """points: (n, 2); codes: (n,) class of each point, -1: none known; None: no classes. axes: their labels.

    Needs matplotlib. The same points give the same bytes.
    """
    from matplotlib import colormaps
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.6, 6), dpi=100, layout="constrained")
    plane = figure.add_subplot()
    style: dict[str, Any] = {"s": 16 if len(points) < 2000 else 5, "linewidths": 0, "alpha": 0.7}
    if codes is None or not classes:
        plane.scatter(*points.T, color="#1f4e79", **style)
    else:
        colours = colormaps["tab10" if len(classes) <= 10 else "tab20" if len(classes) <= 20 else "turbo"]
        plane.scatter(*points[codes < 0].T, color="#bbbbbb", **style)
        for k, name in enumerate(classes):
            colour = colours(k / max(len(classes) - 1, 1)) if len(classes) > 20 else colours(k)
            plane.scatter(*points[codes == k].T, color=colour, label=name, **style)
        if len(classes) <= MOST_NAMED:
            plane.legend(markerscale=2, fontsize=8, loc="upper left", bbox_to_anchor=(1, 1))
    plane.set(xlabel=axes[0], ylabel=axes[1], aspect="equal")
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
