"""Curves over a common axis, a panel for each measure: PNG, SVG or PDF, equal bytes for equal numbers."""

import io
import warnings
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from dlkit.pictures.figures import figure

FORMATS = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}, "pdf": {"CreationDate": None}}
"""What each format would write about the day and the program, and is kept from writing."""
DASHES = ("-", "--", ":")
ROWS = 20
"""Names in a column of the legend."""
SPLITS = ("valid", "train", "test")
"""What DASHES mean, where columns of several splits share a panel."""


class Curve(NamedTuple):
    """One line of a panel. colour, dash: numbers; curves of the same number look the same. spread: half the
    height of a band around it."""

    x: Sequence[float]
    y: Sequence[float]
    colour: int
    dash: int = 0
    spread: Sequence[float] = ()


class Panel(NamedTuple):
    """One pair of axes."""

    label: str
    curves: list[Curve]


def draw(
    panels: list[Panel], x_label: str, colours: Sequence[str], dashes: Mapping[str, int], *,
    log: Sequence[str] = (), format: str = "png",
) -> bytes:  # fmt: skip
    """colours, dashes: what the numbers of the curves mean, for the legend. log: "x", "y" or both."""
    text = "".join([x_label, *colours, *dashes, *(panel.label for panel in panels)])
    with figure(5.5 * len(panels) + 1.5, 4, text) as drawn:
        for place, panel in enumerate(panels, 1):
            axes = drawn.add_subplot(1, len(panels), place)
            for curve in panel.curves:
                marker = "o" if len(curve.x) < 3 else ""  # one point is no line
                style, colour = DASHES[curve.dash], f"C{curve.colour % 10}"
                axes.plot(curve.x, curve.y, style, color=colour, lw=1.4, marker=marker, ms=4)
                if curve.spread:
                    edges = [
                        [y + sign * s for y, s in zip(curve.y, curve.spread, strict=True)] for sign in (-1, 1)
                    ]
                    axes.fill_between(curve.x, *edges, color=colour, alpha=0.15, lw=0)
            axes.set(xlabel=x_label, ylabel=panel.label)
            axes.grid(alpha=0.25)
            for axis in log:
                _logarithmic(axes, axis)
        _legend(drawn, colours, dashes)
        out = io.BytesIO()
        with warnings.catch_warnings():  # what no font shows was told in words (missing_font)
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            drawn.savefig(out, format=format, metadata=FORMATS[format])
    return out.getvalue()


def _logarithmic(axes: Any, axis: str) -> None:
    """A logarithmic axis; one of less than a decade has plain numbers on it, not powers."""
    getattr(axes, f"set_{axis}scale")("log")
    low, high = getattr(axes, f"get_{axis}lim")()
    if high < 10 * low:
        scale = getattr(axes, f"{axis}axis")
        scale.set_major_formatter(_plain)
        scale.set_minor_formatter(_plain)


def _plain(value: float, _: int) -> str:
    return f"{value:g}"


def _legend(drawn: Any, colours: Sequence[str], dashes: Mapping[str, int]) -> None:
    from matplotlib.lines import Line2D

    lines = [Line2D([], [], color=f"C{k % 10}", label=name) for k, name in enumerate(colours)]
    lines += [Line2D([], [], color="0.3", ls=DASHES[k], label=name) for name, k in dashes.items()]
    if lines:
        size = "small" if len(lines) <= ROWS else "xx-small"
        drawn.legend(handles=lines, loc="outside right upper", ncols=-(-len(lines) // ROWS), fontsize=size)


def split_of(column: str) -> str:
    """The split that a column of metrics is of, by the beginning of its name; empty: of none."""
    split = column.split("_", 1)[0]
    return split if split in SPLITS and split != column else ""


def dashes_of(columns: Sequence[str]) -> dict[str, int]:
    """Dashes that tell the columns' splits apart; empty where there is one."""
    present = {split for split in map(split_of, columns) if split}
    return {split: k for k, split in enumerate(SPLITS) if split in present} if len(present) > 1 else {}
