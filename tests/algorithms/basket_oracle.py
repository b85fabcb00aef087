"""Item sets and rules by trying everything: slow, and obviously right."""

from collections.abc import Sequence
from itertools import chain, combinations

import numpy as np

Sets = dict[frozenset[str], int]


def item_sets(baskets: Sequence[Sequence[str]], min_count: int, longest: int = 99) -> Sets:
    """Every set of items that occur together, with the baskets that hold it."""
    held = [frozenset(b) for b in baskets]
    candidates = {
        frozenset(c)
        for b in held
        for k in range(1, min(len(b), longest) + 1)
        for c in combinations(sorted(b), k)
    }
    counts = {c: sum(c <= b for b in held) for c in candidates}
    return {c: n for c, n in counts.items() if n >= min_count}


def closed(sets: Sets) -> Sets:
    """Those that no larger set equals in support."""
    return {s: n for s, n in sets.items() if not any(s < t and n == m for t, m in sets.items())}


def maximal(sets: Sets) -> Sets:
    """Those that no larger set contains."""
    return {s: n for s, n in sets.items() if not any(s < t for t in sets)}


def rules(sets: Sets, confidence: float) -> set[tuple[frozenset[str], frozenset[str]]]:
    """(body, head) of every rule."""
    parts = ((z, frozenset(b)) for z in sets for b in chain(*(combinations(z, k) for k in range(1, len(z)))))
    return {(b, z - b) for z, b in parts if sets[z] / sets[b] >= confidence}


def made(rng: np.random.Generator, baskets: int, items: int, density: float) -> list[list[str]]:
    """Random baskets, none empty; item 0 is in most of them, some are equal."""
    rows = []
    for _ in range(baskets):
        held = np.flatnonzero(rng.random(items) < density)
        rows.append([f"i{k}" for k in (held if len(held) else [0])])
    return [*rows, *rows[: baskets // 4]]
