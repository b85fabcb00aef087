"""How good a classifier is: accuracy, precision, recall, F1, the confusion matrix, a filter's own figures.

M[t, s]: rows of class t that were said to be s.

    precision_c = M_cc / sum_t M_tc      recall_c = M_cc / sum_s M_cs      F1 = 2 P R / (P + R)
    MCC (Matthews 1975; several classes: Gorodkin 2004)
"""

import math

import numpy as np

from dlkit.training.metrics import to_csv


class Confusion:
    """Counts of true and said classes, and the sum of -log P(true class)."""

    def __init__(self, classes: list[str]) -> None:
        self.classes = classes
        self.matrix = np.zeros((len(classes), len(classes)), np.int64)
        self.loss = 0.0

    def add(self, true: np.ndarray, said: np.ndarray, posterior: np.ndarray) -> None:
        """Rows of known class: (n,) codes, (n,) codes, (n, C) probabilities."""
        cell = true * len(self.classes) + said
        self.matrix += np.bincount(cell, minlength=self.matrix.size).reshape(self.matrix.shape)
        right = np.maximum(posterior[np.arange(len(true)), true], np.finfo(np.float64).tiny)
        self.loss -= float(np.log(right).sum())

    @property
    def rows(self) -> int:
        """Rows judged."""
        return int(self.matrix.sum())

    def by_class(self) -> list[tuple[str, int, float, float, float]]:
        """(class, rows, precision, recall, F1) of each class; 0 where there is nothing to divide by."""
        found = []
        for k, name in enumerate(self.classes):
            right, true, said = (
                int(self.matrix[k, k]),
                int(self.matrix[k].sum()),
                int(self.matrix[:, k].sum()),
            )
            precision, recall = _ratio(right, said), _ratio(right, true)
            found.append((name, true, precision, recall, _ratio(2 * precision * recall, precision + recall)))
        return found

    def figures(self, positive: str | None = None) -> dict[str, float]:
        """Accuracy, loss, macro means, MCC; of a `positive` class also what is caught and what is blocked."""
        by_class = self.by_class()
        right = int(np.trace(self.matrix))
        figures = {"accuracy": _ratio(right, self.rows)}
        if positive is not None:
            k = self.classes.index(positive)
            true = int(self.matrix[k].sum())
            wrongly = int(self.matrix[:, k].sum() - self.matrix[k, k])
            figures["caught"] = _ratio(int(self.matrix[k, k]), true)
            figures["blocked"] = _ratio(wrongly, self.rows - true)
        figures |= {"mcc": self.mcc(), "loss": _ratio(self.loss, self.rows)}
        means = np.array([row[2:] for row in by_class]).mean(0).tolist()
        return figures | dict(zip(("macro_precision", "macro_recall", "macro_f1"), means, strict=True))

    def mcc(self) -> float:
        """Matthews' correlation of true and said classes; 0 where all rows are of, or said to be of, one
        class.
        """
        true, said = self.matrix.sum(1).astype(float), self.matrix.sum(0).astype(float)
        rows, right = float(self.rows), float(np.trace(self.matrix))
        spread = (rows * rows - true @ true) * (rows * rows - said @ said)
        return (right * rows - true @ said) / math.sqrt(spread) if spread > 0 else 0.0

    def detail(self) -> dict[str, float]:
        """Figures of each class and the cells of the matrix that are not 0, by names that hold the
        classes.
        """
        found: dict[str, float] = {}
        for name, rows, precision, recall, f1 in self.by_class():
            found |= {f"precision[{name}]": precision, f"recall[{name}]": recall, f"f1[{name}]": f1}
            found[f"rows[{name}]"] = rows
        for t, s in np.argwhere(self.matrix).tolist():
            found[f"confusion[{self.classes[t]}][{self.classes[s]}]"] = int(self.matrix[t, s])
        return found

    def to_csv(self) -> str:
        """The matrix: a row for each true class, a column for each class that was said."""
        rows = ([name, *map(str, row)] for name, row in zip(self.classes, self.matrix.tolist(), strict=True))
        return to_csv(["true", *self.classes], rows)


def _ratio(a: float, b: float) -> float:
    return a / b if b else 0.0
