"""Pictures of association rules: all of them in a plane, and the best of them as a network of items."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlkit.pictures.figures import figure, png

NETWORK_RULES = 20
"""Rules of a network: more cannot be read."""
LABEL = 22
"""Most characters of an item's name in a picture."""
TURNS = 300
WIDE = np.array([0.25, 1.0])
"""Squares of distances count so much across and upwards: labels are wider than high."""

NamedRule = tuple[Sequence[str], Sequence[str], float]
"""Items of the body, items of the head, lift."""


def scatter(support: np.ndarray, confidence: np.ndarray, lift: np.ndarray) -> bytes:
    """PNG: a point a rule at its support and confidence, its lift as colour, the highest lift on top."""
    order = np.argsort(lift, kind="stable")
    with figure(7, 4.5) as drawn:
        axes = drawn.add_subplot()
        points = axes.scatter(
            support[order], confidence[order], c=lift[order], s=14, cmap="viridis", linewidths=0, alpha=0.85
        )
        wide = support.min() > 0 and support.max() > 20 * support.min()
        axes.set_xscale("log" if wide else "linear")
        axes.set(xlabel="support", ylabel="confidence")
        axes.set_title(f"{len(support):,} rule{'s' if len(support) != 1 else ''}", fontsize=10)
        axes.grid(alpha=0.25, lw=0.5)
        drawn.colorbar(points, ax=axes, label="lift")
        return png(drawn)


def network(rules: Sequence[NamedRule], rank: str, total: int) -> bytes:
    """PNG: items as labels, a rule as a dot: arrows lead from its body's items to it, and on to its head's.

    rules: the best NETWORK_RULES, best first. The colour of a dot is the rule's lift.
    """
    items = sorted({item for body, head, _ in rules for item in (*body, *head)})
    number = {item: k for k, item in enumerate(items)}
    edges = []
    for r, (body, head, _) in enumerate(rules):
        edges += [(number[item], len(items) + r) for item in body]
        edges += [(len(items) + r, number[item]) for item in head]
    places = layout(len(items) + len(rules), len(items), edges)
    places[: len(items)] = apart(places[: len(items)], [len(_short(item)) for item in items])
    with figure(9, 7, "".join(items)) as drawn:
        axes = drawn.add_subplot()
        _arrows(axes, places, edges, len(items))
        dots = places[len(items) :]
        lift = [one for _, _, one in rules]
        points = axes.scatter(dots[:, 0], dots[:, 1], c=lift, s=45, cmap="viridis", zorder=3)
        for item, (x, y) in zip(items, places, strict=False):
            axes.text(x, y, _short(item), ha="center", va="center", fontsize=9, zorder=4, parse_math=False,
                      bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": "#888888",
                      "lw": 0.6})  # fmt: skip
        low, high = places.min(axis=0), places.max(axis=0)
        margin = 0.08 * np.maximum(high - low, 0.1)
        axes.set(
            xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(low[1] - margin[1], high[1] + margin[1])
        )
        axes.set_axis_off()
        which = f"the best {len(rules)} of {total:,} rules" if total > len(rules) else f"{total} rules"
        axes.set_title(f"{which} by {rank}", fontsize=10)
        drawn.colorbar(points, ax=axes, label="lift", shrink=0.6)
        return png(drawn)


def _arrows(axes: Any, places: np.ndarray, edges: Sequence[tuple[int, int]], items: int) -> None:
    for a, b in edges:
        to_item = b < items
        style = {
            "arrowstyle": "-|>",
            "color": "#9a9a9a",
            "lw": 0.8,
            "shrinkA": 4,
            "shrinkB": 14 if to_item else 4,
        }
        axes.annotate("", xy=places[b], xytext=places[a], arrowprops=style, zorder=2)


def _short(text: str) -> str:
    text = "".join(c if c.isprintable() else " " for c in text)
    return text if len(text) <= LABEL else text[: LABEL - 1] + "…"


def layout(nodes: int, labels: int, edges: Sequence[tuple[int, int]]) -> np.ndarray:
    """(nodes, 2) places in the plane by forces (Fruchterman & Reingold 1991) from a spiral on: no chance."""
    angle = 2 * math.pi * np.arange(nodes) * 0.61803398875  # golden section: neighbours in number stand apart
    radius = np.sqrt((np.arange(nodes) + 0.5) / max(nodes, 1))
    places = np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])
    k = 2.2 / math.sqrt(max(nodes, 1))
    weight = np.where(np.arange(nodes) < labels, 3.0, 1.0)  # labels need more room than dots
    a, b = np.array(edges, np.int64).reshape(-1, 2).T
    for turn in range(TURNS):
        away = places[:, None] - places[None]
        square = (away**2 * WIDE).sum(-1) + 1e-9
        force = (away * (k * k * weight * weight[:, None] / square)[..., None]).sum(axis=1)
        pull = (places[b] - places[a]) * (np.linalg.norm(places[b] - places[a], axis=1) / k)[:, None]
        np.add.at(force, a, pull)
        np.add.at(force, b, -pull)
        force -= 0.6 * places  # what hangs together with nothing does not drift away
        length = np.linalg.norm(force, axis=1) + 1e-9
        step = 0.15 * (1 - turn / TURNS)
        places = places + force / length[:, None] * np.minimum(length, step)[:, None]
    return np.round(places, 6)


def apart(places: np.ndarray, lengths: Sequence[int]) -> np.ndarray:
    """(labels, 2) places moved up and down until labels of so many characters hide each other no more."""
    low, size = places.min(axis=0), np.maximum(np.ptp(places, axis=0), 1e-6)
    unit = (places - low) / size
    half = 0.006 * np.array(lengths) + 0.01
    for _ in range(60):
        away = unit[:, None] - unit[None]
        over = (np.abs(away[..., 0]) < half[:, None] + half) & (np.abs(away[..., 1]) < 0.04)
        up = np.sign(away[..., 1] + 1e-9 * (np.arange(len(unit))[:, None] - np.arange(len(unit))))
        unit[:, 1] += 0.01 * np.where(over, up, 0).sum(axis=1)
    return unit * size + low
