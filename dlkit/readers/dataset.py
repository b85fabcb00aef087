"""What the readers hand out."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.readers.preprocess import Preprocess
from dlkit.readers.schema import Schema


@dataclass
class Dataset:
    """Rows for a model. Its input is x * scale + shift; for float x that is x itself (scale 1, shift 0)."""

    x: np.ndarray
    """(n, width), C order: float32 or float64 ready for the model, or uint8 as in the file."""
    y: np.ndarray | None
    """int64 (n,) class codes; or (n, targets) standardised targets of x's float type; None: no labels."""
    name: str
    """The file, as messages call it."""
    row_lines: np.ndarray | None = None
    """(n,) line number of each row; None for arrays."""
    rows: np.ndarray | None = None
    """(n,) number of each row in its file, from 0."""
    labels: Any = None
    """As in the file: regression (n, targets) float64; classification (n,) texts, an object array."""
    names: np.ndarray | None = None
    """(n,) file of each row, where rows are files."""
    scale: np.ndarray = field(default_factory=lambda: np.ones(1, np.float32))
    """(1,) or (width,), of the float type."""
    shift: np.ndarray = field(default_factory=lambda: np.zeros(1, np.float32))

    def __len__(self) -> int:
        return len(self.x)

    def inputs(self, rows: np.ndarray | slice | None = None) -> np.ndarray:
        """(n, width) floats for the model: x * scale + shift, of some or all rows."""
        x = self.x if rows is None else self.x[rows]
        return x if x.dtype == self.scale.dtype else x * self.scale + self.shift

    def take(self, rows: slice | np.ndarray) -> "Dataset":
        """Some of the rows; of a slice x and y are views."""

        def cut(array: Any) -> Any:
            return None if array is None else array[rows]

        return replace(
            self,
            x=self.x[rows],
            y=cut(self.y),
            row_lines=cut(self.row_lines),
            rows=cut(self.rows),
            labels=cut(self.labels),
            names=cut(self.names),
        )


def joined(parts: Sequence[Dataset]) -> Dataset:
    """Pieces of one file as one."""

    def together(arrays: list[Any]) -> Any:
        return None if arrays[0] is None else np.concatenate(arrays)

    return replace(
        parts[0],
        x=np.concatenate([part.x for part in parts]),
        y=together([part.y for part in parts]),
        row_lines=together([part.row_lines for part in parts]),
        rows=together([part.rows for part in parts]),
        labels=together([part.labels for part in parts]),
        names=together([part.names for part in parts]),
    )


def regrouped(pieces: Iterable[Dataset], size: int) -> Iterator[Dataset]:
    """The same rows in pieces of exactly `size`, the last one smaller, however they were cut before."""
    waiting: list[Dataset] = []
    count = 0
    for piece in pieces:
        waiting.append(piece)
        count += len(piece)
        if count < size:
            continue
        whole = waiting[0] if len(waiting) == 1 else joined(waiting)
        ends = range(size, count + 1, size)
        yield from (whole.take(slice(end - size, end)) for end in ends)
        rest = whole.take(slice(ends[-1], count))
        waiting, count = [rest] if len(rest) else [], len(rest)
    if waiting:
        yield waiting[0] if len(waiting) == 1 else joined(waiting)


@dataclass
class TrainingData:
    """All that `read_training` has found."""

    train: Dataset
    valid: Dataset | None
    test: Dataset | None
    schema: Schema
    preprocess: Preprocess
    skipped: int = 0
    """Bad rows left out, over all files."""
    unseen: int = 0
    """Cells with a category unknown from training, encoded as zeros."""
    files: list[Path] = field(default_factory=list)
    """Files read, for provenance; standard input is not among them."""
    resolved: dict[str, str] = field(default_factory=dict)
    """Keys of DataSpec whose paths a resolved recipe has to write so, to be found from the current folder."""
    notes: list[str] = field(default_factory=list)
    """Lines worth telling the user: the task that was chosen, rows skipped."""
    names: dict[str, str] = field(default_factory=dict)
    """Splits that have a file of their own (train, valid, test): the file as the recipe names it."""

    def summary(self) -> str:
        """One line: rows of each split, shape of an input, classes or targets."""
        whole = f"{self.names['train']} {len(self.train):,}"
        apart = []
        for split, rows in (("valid", self.valid), ("test", self.test)):
            if rows is not None and split in self.names:
                apart.append(f"{self.names[split]} {len(rows):,}")
            elif rows is not None:
                whole += f" + {len(rows):,} {split}"
        shape = "×".join(map(str, self.schema.input_shape))
        inputs = shape if len(self.schema.input_shape) > 1 else f"{shape} inputs"
        if self.schema.task == "none":
            return " · ".join([whole, *apart, inputs])
        if self.schema.task == "classification":
            outputs = f"{len(self.schema.classes):,} classes"
        else:
            outputs = f"target{'s' * (len(self.schema.label) > 1)} {', '.join(self.schema.label)}"
        return " · ".join([whole, *apart, inputs, outputs])
