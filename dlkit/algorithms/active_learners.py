"""What learns in active learning: a network of train-mlp or train-cnn, or naive Bayes, on some of its rows.

The learners are the commands' own algorithms. A round makes a new one, gives it the rows whose labels are
known, and trains it; then it says what it thinks of the others.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from dlkit.algorithms.active_recipe import ALGORITHMS, NETWORKS
from dlkit.algorithms.asked import softmax
from dlkit.algorithms.bayes_nb import BayesNB
from dlkit.algorithms.nb_evidence import Chunk
from dlkit.algorithms.protocol import Context, Tree
from dlkit.algorithms.supervised import Supervised
from dlkit.backend.streams import Streams
from dlkit.readers.dataset import TrainingData

DRAWS_AT_ONCE = 4096
"""About as many rows times draws are scored between two looks at the clock."""


class Learner(ABC):
    """Rows of a pool, and a model that is trained anew on some of them.

    labels: (n,) codes of the pool's rows, -1: not known. classes: their names.
    """

    labels: np.ndarray
    classes: list[str]

    @abstractmethod
    def steps(self, labelled: int) -> int:
        """Training steps of a round with so many labels."""

    @abstractmethod
    def begin(self, rows: np.ndarray, labels: np.ndarray, streams: Streams) -> None:
        """A new model for pool rows with these labels; `streams` are its own."""

    @abstractmethod
    def learn(self, skip: int) -> Iterator[float | None]:
        """The training steps, without the first `skip`: the loss of each, where it is at hand."""

    @abstractmethod
    def probabilities(self, rows: np.ndarray, draws: int) -> np.ndarray:
        """(draws, n, C) class probabilities of pool rows; more than one draw: under dropout."""

    @abstractmethod
    def figures(self) -> dict[str, float]:
        """Accuracy and loss on the test rows; empty where there are none."""

    @abstractmethod
    def state(self) -> Tree:
        """Of the model in training, or trained."""

    @abstractmethod
    def load(self, state: Tree) -> None:
        """The inverse, on a model that `begin` has made."""

    @abstractmethod
    def place(self, row: int) -> str:
        """Where a row of the pool stands: its line, its file, or its number."""


class NetworkLearner(Learner):
    """train-mlp or train-cnn."""

    def __init__(self, recipe: Any, context: Context, data: TrainingData) -> None:
        assert data.train.y is not None
        self.recipe, self.context, self.data = recipe, context, data
        self.labels, self.classes = data.train.y, data.schema.classes
        self.model: Supervised = self._made(context)

    def _made(self, context: Context) -> Supervised:
        made: Any = ALGORITHMS[self.recipe.command](self.recipe, context)
        made._take(self.data.schema, self.data.preprocess)
        made.data = self.data
        made.start = None  # fresh weights in every round, never those of an earlier run
        return made

    @property
    def shape(self) -> Any:
        """The algorithm on the whole pool, not trained: to be described and measured."""
        return self.model

    @property
    def has_noise(self) -> bool:
        """Whether passes under dropout differ."""
        self.model._lay_out()
        return self.model.model.has_noise()

    def steps(self, labelled: int) -> int:
        batch = self.recipe.batch
        size = labelled if batch == "full" else min(batch, labelled)
        return int(self.recipe.epochs) * -(-labelled // size)

    def begin(self, rows: np.ndarray, labels: np.ndarray, streams: Streams) -> None:
        context = replace(self.context, streams=streams, log=lambda line: None)
        train = replace(self.data.train.take(rows), y=labels)
        self.model = self._made(context)
        self.model.data = replace(self.data, train=train, valid=None)
        self.model.build()

    def learn(self, skip: int) -> Iterator[float | None]:
        model = self.model
        size = model.batches.steps
        for epoch in range(skip // size + 1, int(self.recipe.epochs) + 1):
            done = skip % size if epoch == skip // size + 1 else 0
            for progress in model.train_epoch(epoch, done):
                if progress.step == size:
                    model.epoch_recorded(model.end_epoch(epoch))
                yield progress.loss

    def probabilities(self, rows: np.ndarray, draws: int) -> np.ndarray:
        part = self.model._rows(replace(self.data.train.take(rows), y=None))
        part.first = int(rows[0]) if len(rows) else 0
        return softmax(self.model.outputs(part, draws))

    def figures(self) -> dict[str, float]:
        test = self.data.test
        return {} if test is None else self.model._judge(self.model._rows(test), 1)

    def state(self) -> Tree:
        return self.model.state()

    def load(self, state: Tree) -> None:
        self.model.load(state)

    def place(self, row: int) -> str:
        train = self.data.train
        if train.names is not None:
            return str(train.names[row])
        return str(row if train.rows is None else train.rows[row])


class BayesLearner(Learner):
    """bayes-nb: a pass over the labelled rows is a round's training."""

    def __init__(self, recipe: Any, context: Context) -> None:
        self.model = BayesNB(recipe, context)
        self.model.read_data()
        self.chunks = list(self.model.evidence.source.chunks())
        self.split = self.model.split
        parts = [self._pool_part(chunk) for chunk in self.chunks]
        self.starts = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
        """(chunks + 1,) first pool row of each chunk."""
        self.parts = parts
        self.labels = np.concatenate([part.labels for part in parts])
        self.classes = list(self.model.evidence.classes)

    def _pool_part(self, chunk: Any) -> Chunk:
        """The rows of a chunk that are not test rows."""
        return chunk if self.split is None else chunk.take(~self.split.is_test(chunk.row, len(chunk)))

    def steps(self, labelled: int) -> int:
        return len(self.parts)

    def begin(self, rows: np.ndarray, labels: np.ndarray, streams: Streams) -> None:
        self.chosen = np.zeros(len(self.labels), bool)
        self.chosen[rows] = True
        self.model.build()
        self.count = self.model.evidence.counter()

    def learn(self, skip: int) -> Iterator[float | None]:
        for k in range(skip, len(self.parts)):
            part = self.parts[k].take(self.chosen[self.starts[k] : self.starts[k + 1]])
            if len(part):
                self.model.evidence.add(self.count(part))
            self.model.done += 1
            if k == len(self.parts) - 1:
                self.model.evidence.finish()
                self.model.finished = True
            yield None

    def probabilities(self, rows: np.ndarray, draws: int) -> np.ndarray:
        p = np.empty((len(rows), len(self.classes)))
        for k, part in enumerate(self.parts):
            here = (rows >= self.starts[k]) & (rows < self.starts[k + 1])
            if here.any():
                mask = np.zeros(len(part), bool)
                inside = rows[here] - self.starts[k]
                mask[inside] = True
                order = np.argsort(np.argsort(inside))
                p[here] = self.model.posterior(part.take(mask))[order]
        return p[None]

    def figures(self) -> dict[str, float]:
        figures = self.model.judge(self.model.test_chunks()).figures(None)
        return {"accuracy": figures["accuracy"], "loss": figures["loss"]}

    def state(self) -> Tree:
        return self.model.state()

    def load(self, state: Tree) -> None:
        self.model.load(state)

    def place(self, row: int) -> str:
        k = int(np.searchsorted(self.starts, row, side="right")) - 1
        return self.parts[k].place(row - int(self.starts[k])).rpartition(":")[2]


def restored(recipe: Any, state: Tree, context: Context) -> Any:
    """The learner's algorithm with what it has learnt, without the pool."""
    return ALGORITHMS[recipe.command].restore(recipe, state, context)


__all__ = ["DRAWS_AT_ONCE", "NETWORKS", "BayesLearner", "Learner", "NetworkLearner", "restored"]
