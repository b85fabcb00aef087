"""Where a run stands: position, rows, the best epoch so far, patience left. With the algorithm's state it
makes a checkpoint. Nothing in it depends on the clock or on how often the run was interrupted.
"""

import math
from dataclasses import dataclass
from typing import Any

from dlkit.errors import DataError
from dlkit.training.metrics import MetricsTable, Number, read_csv

Tree = dict[str, Any]


@dataclass
class Best:
    """The best value of the watched figure and its epoch."""

    epoch: int
    value: float


@dataclass
class RunRecord:
    """The position of a run and what it has found so far."""

    table: MetricsTable
    epoch: int = 0
    """Epochs done."""
    step: int = 0
    """Steps done in the epoch under way."""
    steps: int = 0
    """Steps done since the start."""
    best: Best | None = None
    reference: float | None = None
    """Value that the next one must beat by early_stopping.min_delta."""
    stale: int = 0
    """Epochs since that last happened."""
    stopped: bool = False
    """Early stopping has ended the run."""

    def judge(self, value: Number, *, higher: bool, patience: int | None, min_delta: float = 0.0) -> bool:
        """Take in the watched figure of the epoch just done; whether it is the best so far."""
        sign = 1.0 if higher else -1.0
        score = sign * value
        if self.reference is None or score > sign * self.reference + min_delta:
            self.reference, self.stale = (None if math.isnan(score) else float(value)), 0
        else:
            self.stale += 1
        self.stopped = self.out_of_patience(patience)
        if math.isnan(score) or (self.best is not None and not score > sign * self.best.value):
            return False
        self.best = Best(self.epoch, float(value))
        return True

    def out_of_patience(self, patience: int | None) -> bool:
        """Whether early stopping ends the run now; patience: None where the recipe has none."""
        return patience is not None and self.stale >= patience

    def position(self) -> dict[str, int]:
        """Epochs done, steps done in the epoch under way, steps done in all."""
        return {"epoch": self.epoch, "step": self.step, "steps": self.steps}

    def to_tree(self, recipe: str, state: Tree, *, metrics: bool = True) -> Tree:
        """The content of a checkpoint (docs/formats.md); `metrics`: with the table, else with none."""
        return {
            "recipe": recipe,
            "position": self.position(),
            "metrics": self.table.to_csv() if metrics else "",
            "best": {"epoch": self.best.epoch, "value": self.best.value} if self.best else {},
            "early_stopping": {"reference": self.reference, "stale": self.stale, "stopped": self.stopped},
            "state": state,
        }

    @classmethod
    def from_tree(cls, tree: Tree, names: list[str], where: str) -> "RunRecord":
        """The inverse of `to_tree`. Raises DataError for a tree that is not a run's."""
        try:
            record = cls(MetricsTable(names, _rows(tree["metrics"], where)), **tree["position"])
            record.best = Best(**tree["best"]) if tree["best"] else None
            stopping = tree["early_stopping"]
            record.reference, record.stale = stopping["reference"], stopping["stale"]
            record.stopped = stopping["stopped"]
            if not isinstance(tree["recipe"], str) or not isinstance(tree["state"], dict):
                raise TypeError("recipe or state of another type")
            record._check(tree)
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise DataError(f"not the checkpoint of a run: {error}", where=where) from error
        return record

    def _check(self, tree: Tree) -> None:
        """What a tree read says must be what `to_tree` would say. Raises ValueError."""
        again = self.to_tree(tree["recipe"], {})
        for name in ("position", "best", "early_stopping"):
            if set(again[name]) != set(tree[name]):
                raise ValueError(f"{name} has other parts")
        counts = [self.epoch, self.step, self.steps, self.stale, *([self.best.epoch] if self.best else [])]
        whole = all(type(count) is int and 0 <= count < 2**63 for count in counts)
        if not whole or type(self.stopped) is not bool:
            raise ValueError("its position or early stopping are no counts")
        figures = [self.reference] if self.reference is not None else []
        figures += [self.best.value] if self.best else []
        if not all(type(value) is float and not math.isnan(value) for value in figures):
            raise ValueError("its best or reference value is no number")
        done = [row.get("epoch") for row in self.table.rows]
        if len(done) != self.epoch or done != list(range(1, self.epoch + 1)):
            raise ValueError(f"metrics of {len(done)} epochs, but {self.epoch} are done")
        if self.best and not 1 <= self.best.epoch <= self.epoch:
            raise ValueError(f"epoch {self.best.epoch} is the best of {self.epoch}")


def _rows(text: str, where: str) -> list[dict[str, Number]]:
    """The rows of `to_csv`; an empty cell is NaN, so that writing them again gives the same text."""
    header = text.split("\n", 1)[0].split(",")
    rows = read_csv(text, where)
    if any(isinstance(value, str) for row in rows for value in row.values()):
        raise TypeError("metrics that are no numbers")
    return [{name: row.get(name, math.nan) for name in header} for row in rows]  # type: ignore[misc]
