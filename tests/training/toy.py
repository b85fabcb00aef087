"""Two small algorithms that the driver is tested with: one with epochs, one with a single pass.

Run as a program it takes a command line like dlkit's: toy.py COMMAND [KEY=VALUE...] -o DIR [--resume].
"""

import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.protocol import Algorithm, Answer, Description, LayerRow, NonFinite, Progress, Tree
from dlkit.errors import DataError
from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.training.metrics import Column


class Fold(Spec):
    """Part of a cross-validation."""

    index: int = Field(description="From 0.")
    of: int = Field(description="Folds.")


class Data(Spec):
    """Rows."""

    fold: Fold | None = Field(None, description="Rows left out.")
    file: str | None = Field(None, description="File of rows `x,y` instead of made-up ones.")


class RegressionRecipe(TrainingRecipe):
    """Recipe of the linear regression."""

    command: Literal["toy-regression"] = Field("toy-regression", description="Command.")
    epochs: int = Field(4, ge=1, description="Epochs.")
    rows: int = Field(40, ge=1, description="Rows made up.")
    batch: int = Field(4, ge=1, description="Rows a step.")
    lr: float = Field(0.05, description="Learning rate.")
    hold_out: bool = Field(True, description="Validate.")
    data: Data = Field(Data(), description="Rows.")
    poison: int | None = Field(None, description="Epoch whose third step gets a NaN.")
    rise_after: int | None = Field(None, description="Validation gets worse after this epoch.")
    sleep: float = Field(0.0, description="Seconds a step.")


class Regression(Algorithm):
    """y = x.w by stochastic gradient descent on shuffled rows."""

    command = "toy-regression"
    Recipe = RegressionRecipe
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("train_loss", "1", "mean squared error of the epoch"),
        Column("valid_loss", "1", "mean squared error of rows held out"),
    )

    def read_data(self) -> None:
        self.x, self.y = _made_up(self.context.streams.get("data"), self.recipe.rows)
        if self.recipe.data.file:
            table = _read(Path(self.recipe.data.file))
            self.x, self.y = table[:, :-1], table[:, -1]
        if fold := self.recipe.data.fold:
            kept = np.arange(len(self.x)) % fold.of != fold.index
            self.x, self.y = self.x[kept], self.y[kept]
        self.tested = 0.0

    def inputs(self) -> list[Path]:
        return [Path(self.recipe.data.file)] if self.recipe.data.file else []

    def build(self) -> None:
        self.w = self.context.streams.get("init").normal(size=self.x.shape[1])
        self.sum, self.seen = 0.0, 0

    def describe(self) -> Description:
        size = self.x.shape[1]
        return Description(
            f"{len(self.x)} rows", [LayerRow("w", "linear", f"({size},)", size)], size, 64 * size
        )

    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        order = self.context.streams.get("shuffle", epoch).permutation(len(self.x))
        batches = np.array_split(order, max(len(order) // self.recipe.batch, 1))
        if skip == 0:
            self.sum, self.seen = 0.0, 0
        for number, rows in enumerate(batches[skip:], skip + 1):
            error = self.x[rows] @ self.w - self.y[rows]
            if epoch == self.recipe.poison and number == 3:
                error[0] = np.nan
            loss = float((error**2).mean())
            if not np.isfinite(loss):
                raise NonFinite(loss, "error")
            self.w -= self.recipe.lr * self.x[rows].T @ error / len(rows)
            self.sum, self.seen = self.sum + loss * len(rows), self.seen + len(rows)
            time.sleep(self.recipe.sleep)
            yield Progress(number, len(batches), len(rows), loss)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        row = {"train_loss": self.sum / self.seen}
        if self.recipe.hold_out:
            late = max(0, epoch - (self.recipe.rise_after or epoch))
            row["valid_loss"] = float(((self.x @ self.w - self.y) ** 2).mean()) + late
        return row

    def test(self) -> dict[str, float]:
        self.tested = float(np.abs(self.w).sum())
        return {"test_norm": self.tested}

    def state(self) -> Tree:
        return {"w": self.w, "sum": self.sum, "seen": self.seen, "tested": self.tested}

    def load(self, state: Tree) -> None:
        if state["w"].shape != self.w.shape:
            raise DataError(f"expected {self.w.shape[0]} weights, found {state['w'].shape}")
        self.w, self.sum, self.seen = state["w"].copy(), state["sum"], state["seen"]
        self.tested = state["tested"]

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        yield "weights.txt", "".join(f"{value!r}\n" for value in self.w.tolist())

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Any) -> "Regression":
        self = cls(recipe, context)
        self.w, self.tested = state["w"], state["tested"]
        return self

    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        yield Answer(["y"], [_read(Path(source)) @ self.w])


def _made_up(rng: np.random.Generator, rows: int) -> tuple[np.ndarray, np.ndarray]:
    x = rng.normal(size=(rows, 3))
    return x, x @ np.array([1.0, -2.0, 0.5]) + 0.1 * rng.normal(size=rows)


def _read(path: Path) -> np.ndarray:
    rows = []
    if not path.is_file():
        raise DataError("no such file", where=str(path))
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        try:
            rows.append([float(cell) for cell in line.split(",")])
        except ValueError as error:
            raise DataError("expected numbers", where=f"{path}:{number}") from error
    return np.array(rows)


class CountingRecipe(TrainingRecipe):
    """Recipe of the one-pass counting."""

    command: Literal["toy-counting"] = Field("toy-counting", description="Command.")
    chunks: int = Field(7, ge=0, description="Chunks of the made-up file.")
    sleep: float = Field(0.0, description="Seconds a step.")


class Counting(Algorithm):
    """How often each of ten items occurs, chunk by chunk: one epoch."""

    command = "toy-counting"
    Recipe = CountingRecipe
    METRICS: ClassVar[tuple[Column, ...]] = (Column("train_items", "count", "items seen"),)
    UNIT = "items"

    @property
    def epochs(self) -> int:
        return 1

    def read_data(self) -> None:
        """Chunks are drawn when they are counted."""

    def build(self) -> None:
        self.counts = np.zeros(10, np.int64)

    def describe(self) -> Description:
        return Description(f"{self.recipe.chunks} chunks", facts={"items": "10"})

    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        for number in range(skip + 1, self.recipe.chunks + 1):
            items = self.context.streams.get("chunk", number).integers(10, size=100)
            self.counts += np.bincount(items, minlength=10)
            time.sleep(self.recipe.sleep)
            yield Progress(number, 0, len(items))

    def end_epoch(self, epoch: int) -> dict[str, float]:
        return {"train_items": int(self.counts.sum())}

    def state(self) -> Tree:
        return {"counts": self.counts}

    def load(self, state: Tree) -> None:
        self.counts = state["counts"].copy()

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        yield "counts/items.csv", "item,count\n" + "".join(f"{k},{n}\n" for k, n in enumerate(self.counts))

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Any) -> "Counting":
        self = cls(recipe, context)
        self.counts = state["counts"]
        return self


TOYS: dict[str, type[Algorithm]] = {"toy-regression": Regression, "toy-counting": Counting}


def main(arguments: list[str]) -> int:
    """The command line; errors as dlkit shows them."""
    from dlkit.errors import Interrupted, UserError
    from dlkit.recipe.document import parse_document
    from dlkit.recipe.resolve import resolve
    from dlkit.training.driver import run
    from dlkit.training.options import RunOptions

    algorithm, directory = TOYS[arguments[0]], Path(arguments[arguments.index("-o") + 1])
    sets = [text for text in arguments[1:] if "=" in text]
    flags = {"resume": "--resume" in arguments, "force": "--force" in arguments, "quiet": "-q" in arguments}
    try:
        recipe = resolve(algorithm.Recipe, parse_document("{}", "toy"), sets, {})
        run(algorithm, recipe, RunOptions(directory, threads=1, **flags))
    except (UserError, Interrupted) as error:
        print(f"{'error: ' if isinstance(error, UserError) else ''}{error}", file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
