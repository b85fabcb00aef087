"""Mode collapse, seen without a classifier: does the generator make all that is in the data?

Three looks at samples beside the training rows, all in the generator's units and Euclidean distance:
- diversity: mean distance between two samples over the mean distance between two rows. 1 is the data's own;
- modes: k-means divides the rows into k modes; a mode is hit where at least a fifth of the samples that it
  would get if the samples were rows are nearest to it;
- classes, where rows have labels: the same with the class means, and the divergence
  KL(p || q) = sum_c p_c log(p_c / q_c) of the samples' shares p of the classes from the rows' own shares q,
  both by the nearest class mean.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from pydantic import Field

from dlkit.recipe.schema import Spec
from dlkit.training.metrics import Column, to_csv

HIT = 0.2
"""A mode or class is hit by this share of the samples that it would get of the data."""
MOST_ROWS = 5000
"""Training rows that stand for the data."""
ROUNDS = 25


class WatchSpec(Spec):
    """How mode collapse is looked for at the end of each epoch."""

    samples: int = Field(1000, ge=2, le=100_000, description="Samples that are looked at.")
    modes: int = Field(50, ge=1, le=1000, description="Modes that k-means divides the training rows into.")
    below: float = Field(
        0.5,
        ge=0,
        le=1,
        description="Warn once when diversity, or the share of modes or classes hit, is less.",
    )
    after: int = Field(3, ge=0, description="Epochs that the generator is given first.")


COLUMNS = (
    Column("train_diversity", "1", "mean distance between two samples over that between two training rows"),
    Column("train_modes", "count", "k-means modes of the data that samples hit"),
    Column("train_classes", "count", "classes that samples hit, by the nearest class mean"),
    Column("train_class_kl", "nats", "divergence of the samples' classes from the data's, by the same"),
)


class Seen(NamedTuple):
    """What was seen of a set of samples."""

    diversity: float
    shares: np.ndarray
    """(k,) share of the samples that is nearest to each mode."""
    hit: int
    class_shares: np.ndarray
    """(classes,); empty without labels."""
    classes_hit: int
    class_kl: float


class Watch:
    """The data's side of the comparison: modes, class means, and how rows fall to them."""

    def __init__(
        self,
        spec: WatchSpec,
        rows: np.ndarray,
        labels: np.ndarray | None,
        classes: list[str],
        rng: np.random.Generator,
    ) -> None:
        """rows: (n, d) in no order; labels: (n,) codes of `classes`, -1 for none, or None."""
        self.spec = spec
        rows = np.asarray(rows, np.float32)
        self.rows = len(rows)
        self.spread = mean_distance(rows)
        self.modes = k_means(rows, min(spec.modes, len(rows)), rng)
        self.shares = shares_of(nearest(rows, self.modes), len(self.modes))
        known = [] if labels is None else [c for c in range(len(classes)) if (labels == c).any()]
        self.names = [classes[c] for c in known]
        self.means = np.stack([rows[labels == c].mean(0) for c in known]) if known else rows[:0]
        self.class_shares = shares_of(nearest(rows, self.means), len(known)) if known else np.zeros(0)

    def look(self, samples: np.ndarray) -> Seen:
        """samples: (m, d)."""
        shares = shares_of(nearest(samples, self.modes), len(self.modes))
        classes = self.class_shares
        if len(classes):
            classes = shares_of(nearest(samples, self.means), len(self.means))
        return Seen(
            mean_distance(samples) / self.spread if self.spread > 0 else 1.0,
            shares,
            hits(shares, self.shares),
            classes,
            hits(classes, self.class_shares),
            divergence(classes, self.class_shares, 0.5 / self.rows),
        )

    def collapsed(self, seen: Seen) -> bool:
        """Whether one of the three looks shows less of what the data have than the recipe allows."""
        looks = [seen.diversity, seen.hit / len(self.modes)]
        looks += [seen.classes_hit / len(self.names)] if len(self.names) else []
        return min(looks) < self.spec.below

    def figures(self, samples: np.ndarray) -> dict[str, float]:
        """What is seen of samples (m, d), by name."""
        return self.named(self.look(samples))

    def named(self, seen: Seen) -> dict[str, float]:
        found: dict[str, float] = {"diversity": seen.diversity, "modes": seen.hit}
        if len(self.names):
            found |= {"classes": seen.classes_hit, "class_kl": seen.class_kl}
        return found

    def told(self, seen: Seen) -> str:
        """What was seen, in words."""
        words = [f"diversity {seen.diversity:.2f}", f"{seen.hit} of {len(self.modes)} modes"]
        if len(self.names):
            most = np.argsort(-seen.class_shares, kind="stable")[:3]
            shown = ", ".join(f"{self.names[c]} {100 * seen.class_shares[c]:.0f} %" for c in most)
            words.append(f"{seen.classes_hit} of {len(self.names)} classes, most often {shown}")
        return "; ".join(words)

    def artifacts(self, samples: np.ndarray) -> Iterator[tuple[str, str]]:
        """modes.csv and, for labelled rows, classes.csv: the shares of the data and of the samples."""
        seen = self.look(samples)
        modes = [str(k) for k in range(len(self.modes))]
        yield "modes.csv", _table("mode", modes, self.shares, seen.shares)
        if len(self.names):
            yield "classes.csv", _table("class", self.names, self.class_shares, seen.class_shares)


def _table(kind: str, names: list[str], data: np.ndarray, samples: np.ndarray) -> str:
    hit = (samples >= HIT * data).astype(int)
    rows = (
        [n, repr(float(q)), repr(float(p)), str(h)]
        for n, q, p, h in zip(names, data, samples, hit, strict=True)
    )
    return to_csv([kind, "data_share", "sample_share", "hit"], rows)


def hits(shares: np.ndarray, expected: np.ndarray) -> int:
    """How many modes get at least HIT of their expected share."""
    return int((shares >= HIT * expected).sum())


def divergence(p: np.ndarray, q: np.ndarray, least: float) -> float:
    """KL(p || q) in nats; a q of 0 counts as `least` (half a row), so that it is finite."""
    there = p > 0
    return float((p[there] * np.log(p[there] / np.maximum(q[there], least))).sum())


def shares_of(index: np.ndarray, k: int) -> np.ndarray:
    """(k,) share of each of k numbers in index (n,)."""
    return np.bincount(index, minlength=k) / max(len(index), 1)


def squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(n, m) |a_i - b_j|^2 of a (n, d) and b (m, d), never below 0."""
    squares = (a * a).sum(1)[:, None] - 2 * (a @ b.T) + (b * b).sum(1)
    return np.maximum(squares, 0)


def nearest(rows: np.ndarray, centres: np.ndarray) -> np.ndarray:
    """(n,) which centre (k, d) is nearest to each row (n, d)."""
    return squared_distances(rows, centres).argmin(1)


def mean_distance(rows: np.ndarray, most: int = 1000) -> float:
    """Mean Euclidean distance between two different ones of the first `most` rows."""
    rows = np.asarray(rows[:most], np.float64)
    n = len(rows)
    return float(np.sqrt(squared_distances(rows, rows)).sum() / (n * (n - 1))) if n > 1 else 0.0


def k_means(rows: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """k centres (k, d) of rows (n, d): Lloyd's iterations from k-means++ (Arthur & Vassilvitskii 2007)."""
    centres = rows[rng.integers(len(rows), size=1)]
    gap = squared_distances(rows, centres)[:, 0].astype(np.float64)
    while len(centres) < k:
        total = gap.sum()
        chosen = rng.choice(len(rows), p=gap / total) if total > 0 else rng.integers(len(rows))
        centres = np.concatenate([centres, rows[chosen : chosen + 1]])
        gap = np.minimum(gap, squared_distances(rows, centres[-1:])[:, 0])
    before: Any = None
    for _ in range(ROUNDS):
        index = nearest(rows, centres)
        if before is not None and (index == before).all():
            break
        before = index
        member = (index == np.arange(k)[:, None]).astype(rows.dtype)
        counts = member.sum(1, keepdims=True)
        # a centre that lost all its rows stays where it is
        centres = np.where(counts > 0, member @ rows / np.maximum(counts, 1), centres)
    return centres
