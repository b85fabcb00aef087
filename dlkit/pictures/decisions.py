"""Pictures of agents: what they do on a map, the values of a table, how they have learnt."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from dlkit.pictures.figures import figure, png

WALL, PAPER, INK = "#3c4650", "#ffffff", "#14202b"
LEARNT, EXACT = "#1f6f8b", "#b1452b"
_SYMBOLS = {"G": "#2e8b57", "X": "#b1452b", "S": None}


class Side(NamedTuple):
    """One of the maps that stand beside each other."""

    title: str
    marks: Sequence[tuple[float, float] | str]
    """(n,) of each state: an arrow (down, right), or a letter."""
    values: np.ndarray
    """(n,) of each state, its colour."""


def maps(rows: Sequence[str], panels: Sequence[str], places: np.ndarray, sides: Sequence[Side]) -> bytes:
    """PNG: a map for each side (and panel), cells coloured by value, what is done as arrows.

    rows: the drawing, a character a cell. places: (n, 3) panel, row, column of each state.
    """
    height, width = len(rows), len(rows[0])
    many = len(panels) > 1
    sides = sides[:1] if many else sides
    across = 4 if many else len(sides)
    down = -(-len(panels) // across) if many else 1
    cell = min(0.5, 9 / max(width, height)) if not many else 0.22
    size = (
        max(across * (width * cell + 0.35) + 0.9, 3.5),
        max(down * (height * cell + (0.3 if many else 0.5)) + 0.3, 2.2),
    )
    with figure(*size, "".join(panels)) as drawn:
        grid = drawn.subplots(down, across, squeeze=False)
        values = np.concatenate([side.values for side in sides])
        span = float(values.min(initial=0)), float(values.max(initial=0))
        shown = None
        for k, axes in enumerate(grid.flat):
            axes.set_axis_off()
            panel, side = (k, sides[0]) if many else (0, sides[k])
            if panel >= len(panels):
                continue
            mine = np.flatnonzero(places[:, 0] == panel)
            shown = _map(
                axes,
                rows,
                places[mine, 1:],
                side.values[mine],
                [side.marks[int(i)] for i in mine],
                span,
                many,
            )
            axes.set_title(panels[panel] if many else side.title, fontsize=8 if many else 10)
        if shown is not None:
            drawn.colorbar(shown, ax=list(grid.flat), label="value", shrink=0.8)
        return png(drawn)


def _map(
    axes: Any, rows: Sequence[str], places: np.ndarray, values: np.ndarray, marks: Sequence[Any],
    span: tuple[float, float], small: bool,
) -> Any:  # fmt: skip
    height, width = len(rows), len(rows[0])
    image = np.full((height, width), np.nan)
    image[places[:, 0], places[:, 1]] = values
    low, high = span if span[1] > span[0] else (span[0] - 1, span[1] + 1)
    shown = axes.imshow(
        image, cmap="YlGnBu_r" if high <= 0 else "YlGnBu", vmin=low, vmax=high, aspect="equal"
    )
    _cells(axes, rows, {tuple(place) for place in places.tolist()}, small)
    middle = (low + high) / 2
    arrows = [
        (r, c, mark, v) for (r, c), mark, v in zip(places.tolist(), marks, values.tolist(), strict=True)
    ]
    for r, c, mark, value in arrows:
        dark = (value > middle) != (high <= 0)
        ink = "white" if dark else INK
        if isinstance(mark, str):
            axes.text(c, r, mark, ha="center", va="center", fontsize=6 if small else 9, color=ink)
            continue
        y, x = mark
        style = {"arrowstyle": "-|>", "color": ink, "shrinkA": 0, "shrinkB": 0}
        style |= {"lw": 0.7, "mutation_scale": 5} if small else {"lw": 1.2, "mutation_scale": 9}
        axes.annotate(
            "", xy=(c + 0.33 * x, r + 0.33 * y), xytext=(c - 0.33 * x, r - 0.33 * y), arrowprops=style
        )
    axes.set(xlim=(-0.5, width - 0.5), ylim=(height - 0.5, -0.5))
    return shown


def _cells(axes: Any, rows: Sequence[str], states: set[tuple[int, ...]], small: bool) -> None:
    """Walls, goals and what else is drawn in the map."""
    from matplotlib.patches import Rectangle

    for r, row in enumerate(rows):
        for c, symbol in enumerate(row):
            if (r, c) in states:
                if symbol not in ".":
                    plate = {
                        "boxstyle": "round,pad=0.15",
                        "facecolor": PAPER,
                        "edgecolor": "none",
                        "alpha": 0.85,
                    }
                    size = 4 if small else 7
                    axes.text(c - 0.38, r - 0.32, symbol, fontsize=size, color=INK, va="center", bbox=plate)
                continue
            if small and symbol in " :":
                continue
            colour = WALL if symbol == "#" else _SYMBOLS.get(symbol) or "#d8dde2"
            if not small:
                axes.add_patch(Rectangle((c - 0.5, r - 0.5), 1, 1, color=colour, lw=0))
            if symbol not in "#.":
                ink = WALL if small else "white" if symbol in "GX" else INK
                axes.text(c, r, symbol, ha="center", va="center", fontsize=6 if small else 10, color=ink)


def value_table(values: np.ndarray, states: Sequence[str], actions: Sequence[str]) -> bytes:
    """PNG: (n, m) values of n states and m actions as a table; the best of a row in bold, NaN: no action."""
    n, m = values.shape
    with figure(max(2.2 + 0.95 * m, 4), max(1.0 + 0.36 * n, 2), "".join([*states, *actions])) as drawn:
        axes = drawn.add_subplot()
        shown = axes.imshow(values, cmap="YlGnBu", aspect="auto")
        axes.set_xticks(range(m), actions)
        axes.set_yticks(range(n), states)
        axes.tick_params(length=0)
        axes.xaxis.tick_top()
        low, high = np.nanmin(values), np.nanmax(values)
        for r in range(n):
            for c in range(m):
                if np.isnan(values[r, c]):
                    continue
                best = values[r, c] == np.nanmax(values[r])
                ink = "white" if values[r, c] > (low + high) / 2 else INK
                text = f"{values[r, c]:.3g}"
                axes.text(c, r, text, ha="center", va="center", color=ink, fontsize=9,
                          fontweight="bold" if best else "normal")  # fmt: skip
        drawn.colorbar(shown, ax=axes, label="value")
        return png(drawn)


def learning(train: np.ndarray, greedy: np.ndarray | None, best: float | None, episodes: int) -> bytes:
    """PNG: mean return over the epochs while learning and of the greedy policy, bands from the worst agent to
    the best, and the best return there is.

    train, greedy: (epochs, K); episodes: of an epoch.
    """
    x = episodes * np.arange(1, len(train) + 1)
    with figure(7, 4) as drawn:
        axes = drawn.add_subplot()
        curves = [(train, "while learning", LEARNT)]
        curves += [(greedy, "greedy policy, exact", EXACT)] if greedy is not None else []
        for values, label, colour in curves:
            there = ~np.isnan(values).all(axis=1)
            if not there.any():
                continue
            v = values[there]
            axes.fill_between(x[there], v.min(axis=1), v.max(axis=1), color=colour, alpha=0.18, lw=0)
            axes.plot(x[there], v.mean(axis=1), color=colour, lw=1.6, label=label)
        if best is not None:
            axes.axhline(best, color=INK, lw=0.9, ls="--", label="the best there is")
        agents = train.shape[1]
        axes.set(xlabel="episodes", ylabel="return")
        axes.set_title(f"mean and range of {agents} agents" if agents > 1 else "one agent", fontsize=10)
        axes.grid(alpha=0.25, lw=0.5)
        axes.legend(fontsize=8)
        return png(drawn)
