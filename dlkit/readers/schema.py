"""What the training file looked like: enough to read other files the same way, and to name the answers."""

from dataclasses import dataclass, field
from typing import Any, Literal, get_args

import numpy as np

Task = Literal["classification", "regression", "none"]
Kind = Literal["number", "category"]


@dataclass
class Schema:
    """Columns, categories, classes and shapes, fitted on the training file and kept in checkpoints."""

    task: Task
    """none: rows without labels; classes then are those that some rows are known to have."""
    table: bool
    """Rows were rows of a table; otherwise arrays (images) with labels apart."""
    columns: list[str] = field(default_factory=list)
    """Feature columns by name, in the order of the training file; empty for arrays."""
    kinds: list[Kind] = field(default_factory=list)
    categories: dict[str, list[str]] = field(default_factory=dict)
    """Category columns: their categories, sorted."""
    positions: list[int] = field(default_factory=list)
    """Index of each feature column in the training file."""
    label: list[str] = field(default_factory=list)
    """Label column; several for several targets."""
    label_positions: list[int] = field(default_factory=list)
    width: int = 0
    """Columns of the training file."""
    named: bool = False
    """The training file had a header."""
    delimiter: str = ""
    """Delimiter that the recipe gives; empty: it is found anew in each file."""
    classes: list[str] = field(default_factory=list)
    """Classification: the labels as text, sorted (as numbers where they are numbers)."""
    numeric_classes: bool = False
    row_shape: tuple[int, ...] = ()
    """Shape of a row before preprocessing: (28, 28) for an image, (encoded width,) for a table."""
    input_shape: tuple[int, ...] = ()
    """Shape of a row as the model gets it: (28, 28, 1), (width,)."""
    unseen: Literal["error", "ignore"] = "error"

    @property
    def targets(self) -> list[str]:
        """Names of the regression targets."""
        return self.label if self.task == "regression" else []

    @property
    def outputs(self) -> int:
        """Classes, or targets."""
        return len(self.classes) if self.task == "classification" else len(self.label)

    @property
    def encoded_width(self) -> int:
        """Columns after one-hot encoding, before preprocessing."""
        return sum(len(self.categories[name]) if kind == "category" else 1 for name, kind in self._features())

    @property
    def encoded_names(self) -> list[str]:
        """Name of each encoded column: age, colour=red, colour=blue …; empty for arrays."""
        names: list[str] = []
        for name, kind in self._features():
            names += [f"{name}={value}" for value in self.categories[name]] if kind == "category" else [name]
        return names

    @property
    def numeric(self) -> np.ndarray:
        """(encoded_width,) bool: True where an encoded column is a number, not part of a one-hot code."""
        parts: list[bool] = []
        for name, kind in self._features():
            parts += [False] * len(self.categories[name]) if kind == "category" else [True]
        return np.array(parts, bool)

    def _features(self) -> list[tuple[str, Kind]]:
        return list(zip(self.columns, self.kinds, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """Plain data for a checkpoint: texts, truth values, numbers, lists of texts and int64 arrays."""
        chosen = [name for name, kind in self._features() if kind == "category"]
        return {
            "task": self.task,
            "table": self.table,
            "columns": list(self.columns),
            "kinds": list(self.kinds),
            "categories": [value for name in chosen for value in self.categories[name]],
            "category_counts": np.array([len(self.categories[name]) for name in chosen], np.int64),
            "positions": np.array(self.positions, np.int64),
            "label": list(self.label),
            "label_positions": np.array(self.label_positions, np.int64),
            "width": self.width,
            "named": self.named,
            "delimiter": self.delimiter,
            "classes": list(self.classes),
            "numeric_classes": self.numeric_classes,
            "row_shape": np.array(self.row_shape, np.int64),
            "input_shape": np.array(self.input_shape, np.int64),
            "unseen": self.unseen,
        }

    def _check(self) -> None:
        """Raises ValueError where the parts contradict each other."""
        named = [self.columns, self.label, self.classes, *self.categories.values()]
        places = [*self.positions, *self.label_positions]
        shapes = [self.row_shape, self.input_shape]
        good = (
            self.task in get_args(Task) and self.unseen in ("error", "ignore"),
            all(kind in get_args(Kind) for kind in self.kinds),
            all(isinstance(name, str) for names in named for name in names),
            len(set(places)) == len(places) and all(len(set(names)) == len(names) for names in named),
            len(self.positions) == len(self.columns) and (bool(self.label) or self.task == "none"),
            not self.table or len(self.label_positions) == len(self.label),
            all(0 <= place < self.width for place in places),
            all(shape and min(shape) > 0 for shape in shapes),
            not self.table or self.row_shape == (self.encoded_width,),
            isinstance(self.delimiter, str) and len(self.delimiter) <= 1,
            self.task == "none" or bool(self.classes) == (self.task == "classification"),
        )
        if not all(good):
            raise ValueError(f"a schema that contradicts itself (rule {good.index(False) + 1})")

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Schema":
        """The inverse of `to_dict`; raises KeyError, TypeError, ValueError for what `to_dict` never gives."""
        columns, kinds = list(data["columns"]), list(data["kinds"])
        chosen = [name for name, kind in zip(columns, kinds, strict=True) if kind == "category"]
        ends = np.cumsum([int(count) for count in data["category_counts"]], dtype=np.int64).tolist()
        starts = [0, *ends][: len(ends)]
        texts = list(data["categories"])
        categories = {name: texts[start:end] for name, start, end in zip(chosen, starts, ends, strict=True)}
        schema = cls(
            task=data["task"],
            table=bool(data["table"]),
            columns=columns,
            kinds=kinds,
            categories=categories,
            positions=[int(index) for index in data["positions"]],
            label=list(data["label"]),
            label_positions=[int(index) for index in data["label_positions"]],
            width=int(data["width"]),
            named=bool(data["named"]),
            delimiter=data["delimiter"],
            classes=list(data["classes"]),
            numeric_classes=bool(data["numeric_classes"]),
            row_shape=tuple(int(size) for size in data["row_shape"]),
            input_shape=tuple(int(size) for size in data["input_shape"]),
            unseen=data["unseen"],
        )
        schema._check()
        return schema
