"""Naive Bayes over columns: one part for each kind of column, each with its counts and what they say.

A part sees x, (n, F) float64: numbers, or codes of categories; NaN where a value is missing (it is left out
of counts and evidence alike), UNSEEN where a category was not in the training data.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal

import numpy as np

from dlkit.algorithms import nb_variants as variants
from dlkit.algorithms.protocol import Tree
from dlkit.errors import DataError

Kind = Literal["categorical", "bernoulli", "multinomial", "complement", "gaussian"]
UNSEEN = -1.0
Tally = tuple[np.ndarray, ...]


class Part(ABC):
    """The columns of one kind."""

    kind: ClassVar[Kind]

    def __init__(self, columns: np.ndarray, names: list[str], classes: int) -> None:
        """columns: (F,) int64 places among all feature columns; names: theirs."""
        self.columns, self.names, self.classes = columns, names, classes
        self.totals: Tally = self.zeros()

    @abstractmethod
    def zeros(self) -> Tally:
        """What has been counted before the first row."""

    @abstractmethod
    def tally(self, x: np.ndarray, y: np.ndarray) -> Tally:
        """Counts of some rows: x (n, F), y (n,) class codes."""

    def add(self, tally: Tally) -> None:
        """Take in the counts of a chunk."""
        self.totals = tuple(a + b for a, b in zip(self.totals, tally, strict=True))

    @abstractmethod
    def finish(self, settings: Any) -> None:
        """Turn counts into log probabilities. `settings`: the recipe. Raises DataError where they cannot
        be.
        """

    @abstractmethod
    def evidence(self, x: np.ndarray) -> np.ndarray:
        """(n, F, C): what each column adds to log P(x|c)."""

    def scores(self, x: np.ndarray) -> np.ndarray:
        """(n, C) log P(x|c) of these columns."""
        return self.evidence(x).sum(1)

    @abstractmethod
    def told(self) -> tuple[list[str], np.ndarray]:
        """What can be said of a row, as text, and log P of it by class, (M, C)."""

    def state(self) -> Tree:
        """The counts."""
        return {str(k): np.array(a) for k, a in enumerate(self.totals)}

    def load(self, state: Tree) -> None:
        """The inverse of `state`. Raises ValueError or LookupError for what it never gives."""
        found = tuple(np.array(state[str(k)]) for k in range(len(self.totals)))
        for a, b in zip(found, self.totals, strict=True):
            if a.shape != b.shape or a.dtype != b.dtype or not np.isfinite(a).all():
                raise ValueError(f"counts of {self.kind} columns that do not fit them")
        self.totals = found


class Categorical(Part):
    """Each column takes one of its categories."""

    kind = "categorical"

    def __init__(
        self, columns: np.ndarray, names: list[str], classes: int, categories: list[list[str]]
    ) -> None:
        self.categories = categories
        self.starts = np.cumsum([0, *(len(values) for values in categories)])
        super().__init__(columns, names, classes)

    def zeros(self) -> Tally:
        return (np.zeros((int(self.starts[-1]), self.classes), np.int64),)

    def tally(self, x: np.ndarray, y: np.ndarray) -> Tally:
        known = x >= 0  # neither missing nor unseen
        cell = (np.where(known, x, 0).astype(np.int64) + self.starts[:-1]) * self.classes + y[:, None]
        return (
            np.bincount(cell[known], minlength=int(self.starts[-1]) * self.classes).reshape(-1, self.classes),
        )

    def finish(self, settings: Any) -> None:
        (counts,) = self.totals
        self.log_p = np.empty(counts.shape)
        self.log_unseen = np.zeros((len(self.names), self.classes))
        for f, (a, b) in enumerate(zip(self.starts[:-1], self.starts[1:], strict=True)):
            self.log_p[a:b] = variants.categorical(counts[a:b], settings.alpha)
            if settings.data.unseen == "smooth":  # as one category more, of which no row was seen
                self.log_unseen[f] = variants.categorical(
                    np.concatenate([counts[a:b], np.zeros((1, self.classes), np.int64)]), settings.alpha
                )[-1]

    def evidence(self, x: np.ndarray) -> np.ndarray:
        known = x >= 0
        parts = self.log_p[np.where(known, x, 0).astype(np.int64) + self.starts[:-1]]
        parts[~known] = 0.0
        row, column = np.nonzero(x == UNSEEN)
        parts[row, column] = self.log_unseen[column]
        return parts

    def told(self) -> tuple[list[str], np.ndarray]:
        names = [f"{n}={v}" for n, values in zip(self.names, self.categories, strict=True) for v in values]
        return names, self.log_p


class Bernoulli(Part):
    """Each column is there or not: a number above `binarize`."""

    kind = "bernoulli"
    threshold = 0.0

    def zeros(self) -> Tally:
        shape = (len(self.names), self.classes)
        return np.zeros(shape, np.int64), np.zeros(shape, np.int64)

    def tally(self, x: np.ndarray, y: np.ndarray) -> Tally:
        there = (x > self.threshold).astype(np.float64)
        known = (~np.isnan(x)).astype(np.float64)
        of_class = np.eye(self.classes)[y]
        return (there.T @ of_class).astype(np.int64), (known.T @ of_class).astype(np.int64)

    def finish(self, settings: Any) -> None:
        present, known = self.totals
        self.log_there, self.log_absent = variants.bernoulli(present, known, settings.alpha)

    def evidence(self, x: np.ndarray) -> np.ndarray:
        parts = np.where((x > self.threshold)[:, :, None], self.log_there, self.log_absent)
        parts[np.isnan(x)] = 0.0
        return parts

    def told(self) -> tuple[list[str], np.ndarray]:
        names = [*self.names, *(f"not {name}" for name in self.names)]
        return names, np.concatenate([self.log_there, self.log_absent])


class Multinomial(Part):
    """The columns are counts that share one distribution."""

    kind: ClassVar[Kind] = "multinomial"

    def zeros(self) -> Tally:
        return (np.zeros((len(self.names), self.classes)),)

    def tally(self, x: np.ndarray, y: np.ndarray) -> Tally:
        return (np.nan_to_num(x, nan=0.0).T @ np.eye(self.classes)[y],)

    def finish(self, settings: Any) -> None:
        self.weights = variants.multinomial(self.totals[0], settings.alpha)

    def evidence(self, x: np.ndarray) -> np.ndarray:
        times = np.nan_to_num(x, nan=0.0)[:, :, None]
        with np.errstate(invalid="ignore"):  # 0 times log 0: a word that is not there says nothing
            return np.where(times > 0, times * self.weights, 0.0)

    def told(self) -> tuple[list[str], np.ndarray]:
        return self.names, self.weights


class Complement(Multinomial):
    """Counts, judged by the classes that a row is not in."""

    kind = "complement"

    def finish(self, settings: Any) -> None:
        self.weights = variants.complement(self.totals[0], settings.alpha, settings.norm)


class Gaussian(Part):
    """Each column is normal within a class."""

    kind = "gaussian"

    def zeros(self) -> Tally:
        shape = (len(self.names), self.classes)
        return np.zeros(shape), np.zeros(shape), np.zeros(shape)

    def tally(self, x: np.ndarray, y: np.ndarray) -> Tally:
        n, mean, m2 = self.zeros()
        for c in np.unique(y).tolist():
            rows = x[y == c]
            known = ~np.isnan(rows)
            n[:, c] = known.sum(0)
            mean[:, c] = np.where(known, rows, 0).sum(0) / np.maximum(n[:, c], 1)
            m2[:, c] = np.where(known, (rows - mean[:, c]) ** 2, 0).sum(0)
        return n, mean, m2

    def add(self, tally: Tally) -> None:
        self.totals = variants.merged_moments(self.totals, tally)

    def finish(self, settings: Any) -> None:
        n, self.mean, m2 = self.totals
        if (n == 0).any():
            name = self.names[int(np.flatnonzero((n == 0).any(1))[0])]
            raise DataError(
                f"column {name}: a class has no value in it", hint="leave it out with data.ignore"
            )
        self.variance = m2 / n + settings.var_smoothing * self._largest_variance()
        if not (self.variance > 0).all():
            name = self.names[int(np.flatnonzero((self.variance <= 0).any(1))[0])]
            hint = "leave it out with data.ignore, or give var_smoothing"
            raise DataError(f"column {name}: a class has one value only, a variance of 0", hint=hint)

    def _largest_variance(self) -> float:
        """The largest variance of a column over all classes."""
        whole: Tally = tuple(a[:, 0] for a in self.totals)
        for c in range(1, self.classes):
            whole = variants.merged_moments(whole, tuple(a[:, c] for a in self.totals))
        return float((whole[2] / whole[0]).max())

    def evidence(self, x: np.ndarray) -> np.ndarray:
        parts = variants.log_normal(x[:, :, None], self.mean, self.variance)
        parts[np.isnan(x)] = 0.0
        return parts

    def told(self) -> tuple[list[str], np.ndarray]:
        """Nothing: what a number says depends on the number."""
        return [], np.zeros((0, self.classes))


PARTS: dict[Kind, type[Part]] = {
    "bernoulli": Bernoulli,
    "multinomial": Multinomial,
    "complement": Complement,
    "gaussian": Gaussian,
}
