"""Naive Bayes over tables: the columns and their kinds, rows as numbers, and the counts of all columns."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from dlkit.algorithms.nb_parts import PARTS, UNSEEN, Categorical, Kind, Part, Tally
from dlkit.algorithms.protocol import Tree
from dlkit.readers.schema import Schema
from dlkit.readers.table import number_text


@dataclass
class Rows:
    """Rows as numbers: codes of categories, NaN for missing values."""

    name: str
    x: np.ndarray
    """(n, F) float64."""
    labels: np.ndarray
    """(n,) int64 class codes; -1 where no label was asked for."""
    lines: np.ndarray
    row: int = 0

    def __len__(self) -> int:
        return len(self.x)

    def place(self, d: int) -> str:
        """file:line of row d."""
        return f"{self.name}:{self.lines[d]}"

    def take(self, chosen: np.ndarray) -> "Rows":
        """Some of the rows."""
        return replace(self, x=self.x[chosen], labels=self.labels[chosen], lines=self.lines[chosen])


@dataclass
class Columns:
    """The feature columns: what each is, its categories; the label and its classes."""

    schema: Schema
    kinds: list[Kind]

    def to_dict(self) -> Tree:
        """For a checkpoint."""
        return {"schema": self.schema.to_dict(), "kinds": list(self.kinds)}

    @classmethod
    def from_dict(cls, state: Tree) -> "Columns":
        """The inverse of `to_dict`. Raises ValueError, LookupError, TypeError."""
        columns = cls(Schema.from_dict(state["schema"]), list(state["kinds"]))
        known = {"categorical", *PARTS}
        if len(columns.kinds) != len(columns.schema.columns) or not known.issuperset(columns.kinds):
            raise ValueError("columns without a kind")
        for name, kind in zip(columns.schema.columns, columns.kinds, strict=True):
            if (kind == "categorical") != (name in columns.schema.categories):
                raise ValueError("categories do not fit the kinds of the columns")
        return columns

    def parts(self, binarize: float) -> list[Part]:
        """An empty part for each kind of column that there is."""
        names, classes = self.schema.columns, len(self.schema.classes)
        made: list[Part] = []
        for kind in dict.fromkeys(self.kinds):
            places = np.array([k for k, one in enumerate(self.kinds) if one == kind], np.int64)
            chosen = [names[k] for k in places.tolist()]
            if kind == "categorical":
                categories = [self.schema.categories[name] for name in chosen]
                made.append(Categorical(places, chosen, classes, categories))
                continue
            part = PARTS[kind](places, chosen, classes)
            if kind == "bernoulli":
                part.threshold = binarize  # type: ignore[attr-defined]
            made.append(part)
        return made


class TableCounts:
    """The counts of all parts, and the rows of each class."""

    def __init__(self, columns: Columns, binarize: float) -> None:
        self.columns = columns
        self.parts = columns.parts(binarize)
        self.rows = np.zeros(len(columns.schema.classes), np.int64)

    def count(self, chunk: Rows) -> tuple[np.ndarray, list[Tally]]:
        """The counts of one chunk: rows of each class, and those of each part."""
        rows = np.bincount(chunk.labels, minlength=len(self.rows)).astype(np.int64)
        return rows, [part.tally(chunk.x[:, part.columns], chunk.labels) for part in self.parts]

    def add(self, counted: tuple[np.ndarray, list[Tally]]) -> None:
        """Take in the counts of a chunk."""
        rows, tallies = counted
        self.rows += rows
        for part, tally in zip(self.parts, tallies, strict=True):
            part.add(tally)

    def finish(self, recipe: Any) -> None:
        """Counts to log probabilities. Raises DataError."""
        for part in self.parts:
            part.finish(recipe)

    def scores(self, chunk: Rows) -> np.ndarray:
        """(n, C) log P(x|c)."""
        total = np.zeros((len(chunk), len(self.rows)))
        for part in self.parts:
            for start in range(0, len(chunk), 1024):
                total[start : start + 1024] += part.scores(chunk.x[start : start + 1024, part.columns])
        return total

    def evidence(self, chunk: Rows) -> Iterator[tuple[list[str], list[str], np.ndarray]]:
        """Of each row: columns, their values as text, and what each adds to log P(x|c), (F, C)."""
        names, kinds, categories = (
            self.columns.schema.columns,
            self.columns.kinds,
            self.columns.schema.categories,
        )
        for d in range(len(chunk)):
            parts = np.empty((len(names), len(self.rows)))
            for part in self.parts:
                parts[part.columns] = part.evidence(chunk.x[d : d + 1, part.columns])[0]
            known = np.flatnonzero(~np.isnan(chunk.x[d])).tolist()
            values = [
                _shown(chunk.x[d, f], categories.get(names[f]) if kinds[f] == "categorical" else None)
                for f in known
            ]
            yield [names[f] for f in known], values, parts[known]

    def state(self) -> Tree:
        """Columns and counts."""
        parts = {str(k): part.state() for k, part in enumerate(self.parts)}
        return {"columns": self.columns.to_dict(), "rows": self.rows.copy(), "parts": parts}

    def load(self, state: Tree) -> None:
        """The inverse of `state`, on counts of the same columns. Raises ValueError, LookupError."""
        rows = np.array(state["rows"])
        if rows.shape != self.rows.shape or rows.dtype != np.int64 or (rows < 0).any():
            raise ValueError("rows of each class that do not fit the classes")
        self.rows = rows
        for k, part in enumerate(self.parts):
            part.load(state["parts"][str(k)])


def _shown(value: float, categories: list[str] | None) -> str:
    if categories is None:
        return number_text(value)
    return categories[int(value)] if value != UNSEEN else "(unseen)"
