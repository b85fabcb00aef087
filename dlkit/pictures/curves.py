"""Curves over a common axis, a panel for each measure: PNG, SVG or PDF, equal bytes for equal numbers."""

import io
import warnings
from collections.abc import Sequence
from typing import Any, NamedTuple

from dlkit.pictures.figures import figure

FORMATS = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}}
"""What each format would write about the day and the program, and is kept from writing."""
DASHES = ("-", "--", ":", "-.")


class Curve(NamedTuple):
    """One line of a panel. colour, dash: numbers; curves of the same number look the same."""

    x: Sequence[float]
    y: Sequence[float]
    colour: int
    dash: int = 0


class Panel(NamedTuple):
    """One pair of axes."""

    label: str
    curves: list[Curve]


def draw(
    panels: list[Panel], x_label: str, colours: Sequence[str], dashes: Sequence[str], *,
    log: Sequence[str] = (), format: str = "png",
) -> bytes:  # fmt: skip
    """colours, dashes: what the numbers of the curves mean, for the legend. log: "x", "y" or both."""
    text = "".join([x_label, *colours, *dashes, *(panel.label for panel in panels)])
    with figure(5.5 * len(panels) + 1.5, 4, text) as drawn:
        for place, panel in enumerate(panels, 1):
            axes = drawn.add_subplot(1, len(panels), place)
            for curve in panel.curves:
                marker = "o" if len(curve.x) < 3 else ""  # one point is no line
                style, colour = DASHES[curve.dash % len(DASHES)], f"C{curve.colour % 10}"
                axes.plot(curve.x, curve.y, style, color=colour, lw=1.4, marker=marker, ms=4)
            axes.set(xlabel=x_label, ylabel=panel.label)
            axes.grid(alpha=0.25)
            for axis in log:
                getattr(axes, f"set_{axis}scale")("log")
        _legend(drawn, colours, dashes)
        out = io.BytesIO()
        with warnings.catch_warnings():  # what no font shows was told in words (missing_font)
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            drawn.savefig(out, format=format, metadata=FORMATS[format])
    return out.getvalue()


def _legend(drawn: Any, colours: Sequence[str], dashes: Sequence[str]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=f"C{k % 10}", label=name) for k, name in enumerate(colours)]
    lines = lines if len(lines) > 1 else []
    if len(dashes) > 1:
        lines += [Line2D([], [], color="0.3", ls=DASHES[k % 4], label=name) for k, name in enumerate(dashes)]
    if lines:
        drawn.legend(handles=lines, loc="outside right upper", fontsize="small")
