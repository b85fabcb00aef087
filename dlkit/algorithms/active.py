"""active: which rows are worth a label: train, ask about the rows that the model knows least, train again.

    labelled <- a few rows by chance
    for round = 1, 2, ...
        train a new model on the labelled rows
        score the others by what the model does not know of them (acquisition.py)
        ask about the highest; labelled <- labelled and these

The oracle is the label column of the pool, or a person (active_person.py). The learner is another command's
algorithm (active_learners.py). docs/active.md has the mathematics.
"""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from dlkit.algorithms.acquisition import OF_DRAWS, SCORES, highest
from dlkit.algorithms.active_files import accuracy_csv, accuracy_png, queries_csv
from dlkit.algorithms.active_learners import DRAWS_AT_ONCE, BayesLearner, Learner, NetworkLearner, restored
from dlkit.algorithms.active_person import Person
from dlkit.algorithms.active_recipe import NETWORKS, ActiveRecipe
from dlkit.algorithms.protocol import Algorithm, Answer, Context, Description, File, Progress, Tree
from dlkit.backend.streams import Streams
from dlkit.errors import DataError, UsageError
from dlkit.pictures.exhibits import Left
from dlkit.readers.pool import read_pool
from dlkit.readers.training_data import read_training
from dlkit.training.metrics import Column

FIGURES = ("accuracy", "loss")


class Active(Algorithm):
    """Rounds of training and asking, in several runs."""

    command = "active"
    Recipe = ActiveRecipe
    UNIT = "rows"
    OVER = "train_labels"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("train_labels", "count", "labelled rows that the round's models learnt from, in each run"),
        Column("test_accuracy", "fraction", "test rows whose most probable class is the right one"),
        Column("test_accuracy_sd", "fraction", "standard deviation of the accuracy over runs", False),
        Column("test_loss", "nats", "-log probability of the right class, mean over test rows and runs"),
    )  # fmt: skip
    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset({"mc_samples"}),
        "evaluate": frozenset({"mc_samples"}),
        "export": frozenset({"format"}),
    }
    ANSWERED: ClassVar[str] = "ask.csv"
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left(
            "accuracy.png",
            "Accuracy and labels",
            "Accuracy on test rows by the number of labels: mean and standard deviation.",
        ),
        Left("queries.csv", "What was asked", "The first rows whose labels were asked for."),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit active recipes/active-digits.yaml
  dlkit active data/digits.csv --test 0.3 --strategy margin --runs 5
  dlkit active pool.csv --label kind --ask -o runs/mine       writes runs/mine/ask.csv: fill it in, then
  dlkit active pool.csv --label kind --ask -o runs/mine --resume"""

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        own = recipe.learner_recipe()
        if recipe.data.test is None and not recipe.ask:
            text = "accuracy is measured on test rows: give a file, a number or a share"
            raise UsageError(text, where="data.test")
        self.learner: Learner
        if own.command in NETWORKS:
            if recipe.ask:
                self.pool = read_pool(own.data, recipe.classes, recipe.on_bad_row, context.base, own.dtype)
                self.read = self.pool.data
            else:
                self.read = read_training(
                    own.data,
                    "classification",
                    context.streams,
                    recipe.on_bad_row,
                    context.base,
                    dtype=own.dtype,
                )
            for note in self.read.notes:
                context.log(note)
            self.learner = NetworkLearner(own, context, self.read)
        else:
            self.learner = BayesLearner(own, context)
        self._check(own)
        self.person = Person(self, self.pool) if recipe.ask else None
        self.PREVIEWS = (self.ANSWERED, "ask.png") if recipe.ask else ()  # type: ignore[misc]

    def _check(self, own: Any) -> None:
        """What can be told before the first round. Raises UsageError, DataError."""
        recipe, pool = self.recipe, len(self.learner.labels)
        needs_noise = recipe.strategy in OF_DRAWS
        if needs_noise and not self.learner.has_noise:  # type: ignore[attr-defined]
            raise UsageError(
                f"{recipe.strategy} compares dropout passes; this network has no dropout", where="strategy",
                hint="add {dropout: 0.5} to learner.model",
            )  # fmt: skip
        most = recipe.start + recipe.epochs * recipe.query
        if most > pool and not recipe.ask:
            raise DataError(
                f"{recipe.start} labels and {recipe.epochs} rounds of {recipe.query} are {most:,}; the pool "
                f"has {pool:,} rows", where=recipe.data.train, hint="fewer epochs, or a smaller query",
            )  # fmt: skip

    def inputs(self) -> list[Path]:
        if not hasattr(self, "learner"):
            return list(self.answering.inputs())
        learner = self.learner
        return learner.model.inputs() if isinstance(learner, BayesLearner) else self.read.files

    def resolved_recipe(self) -> Any:
        """The recipe with data paths that hold from the current folder."""
        if isinstance(self.learner, BayesLearner):
            found = self.learner.model.resolved_recipe().data
            paths = {"train": found.train, "test": found.test}
        else:
            paths = dict(self.read.resolved)
        return self.recipe.model_copy(update={"data": self.recipe.data.model_copy(update=paths)})

    # -- model ------------------------------------------------------------------------------------
    def worthwhile_shards(self, threads: int) -> int:
        return (
            self.learner.model.worthwhile_shards(threads) if isinstance(self.learner, NetworkLearner) else 1
        )

    def build(self) -> None:
        runs = self.recipe.runs
        self.learner = self._on_settled_team()
        self.labelled = [np.zeros(0, np.int64) for _ in range(runs)]
        """Of each run the rows with labels, in the order in which they came."""
        self.labels = self.learner.labels.copy()
        self.curve = np.zeros((runs, 0, len(FIGURES)))
        """Figures of each run after each round; NaN where there are no test rows."""
        self.counts: list[int] = []
        """Labels of each round."""
        self.figures = np.full((runs, len(FIGURES)), np.nan)
        self.asked = [np.zeros(0, np.int64) for _ in range(runs)]
        """Of each run the rows that this round's model has asked about."""
        self.scores = np.zeros(0)
        """Of the candidates looked at so far."""
        self.under_way: tuple[int, int] | None = None
        """Run whose model is in training or scoring, and its steps done."""
        self.kept: Tree = {}
        """State of the first run's newest model: the one that answers."""
        if self.person is not None:
            self.person.begin()
        else:
            self.labelled = [self._first_rows(r) for r in range(runs)]

    def _on_settled_team(self) -> Learner:
        """The learner's context again: the team may have been changed once the shards were settled."""
        learner: Any = self.learner
        if isinstance(learner, NetworkLearner):
            learner.recipe = learner.recipe.model_copy(update={"shards": self.recipe.shards})
            learner.context = self.context
            learner.model = learner._made(self.context)
        else:
            learner.model.context = self.context
        return learner

    def streams_of(self, run: int, number: int) -> Streams:
        """The streams of a run's round; round 0 is before the first."""
        return Streams(int(self.context.streams.get("active", run, number).integers(2**62)))

    def _first_rows(self, run: int) -> np.ndarray:
        """`start` rows by chance, the classes in turn as long as they last."""
        rng = self.streams_of(run, 0).get("start")
        order = rng.permutation(len(self.labels))
        turn = np.zeros(len(order), np.int64)
        for c in range(len(self.learner.classes)):
            mine = np.flatnonzero(self.labels[order] == c)
            turn[mine] = np.arange(len(mine))
        return order[np.argsort(turn, kind="stable")][: self.recipe.start]

    def describe(self) -> Description:
        if not hasattr(self, "learner"):
            return self.answering.describe()
        recipe = self.recipe
        runs = f"{recipe.runs} run{'s' * (recipe.runs > 1)}"
        facts = {"asks": f"{recipe.strategy}, {recipe.query} rows a round, {runs}"}
        if isinstance(self.learner, BayesLearner):
            return Description(data=self.learner.model.describe().data, facts=facts)
        found = self._described()
        return Description(self.read.summary(), found.layers, found.parameters, found.step_bytes, facts)

    def _described(self) -> Description:
        """Of the network, as if it were about to learn from the first labels."""
        learner = self.learner
        assert isinstance(learner, NetworkLearner)
        shown = NetworkLearner(learner.recipe, learner.context, learner.data)  # one in training stays
        shown.begin(np.arange(2), np.zeros(2, np.int64), self.streams_of(0, 0))
        return shown.model.describe()

    # -- one round --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        """A step is a gradient step of one run's model, or a piece of the candidates that it scores."""
        if skip == 0:
            self.figures[...] = np.nan
        done = 0
        for run in range(self.recipe.runs):
            rows = self.labelled[run]
            candidates = self._candidates(run, epoch)
            pieces = self._pieces(candidates)
            train = self.learner.steps(len(rows))
            whole = train + len(pieces)
            if done + whole > skip:
                first = max(skip - done, 0)
                for number, count, loss in self._round(run, epoch, first, train, pieces):
                    yield Progress(done + number, whole * self.recipe.runs, count, loss)
            done += whole

    def _round(
        self, run: int, epoch: int, first: int, train: int, pieces: list[np.ndarray]
    ) -> Iterator[tuple[int, int, float | None]]:
        """The steps of a run's round from step `first` (from 0) on: (steps done, rows, loss)."""
        if first == 0:
            self._begin(run, epoch)
        learner, number = self.learner, first
        if number < train:
            for loss in learner.learn(number):
                number += 1
                self.under_way = (run, number)
                yield number, 1, loss
        for piece in pieces[number - train :]:
            self.scores = np.concatenate([self.scores, self._scores(run, epoch, piece)])
            number += 1
            self.under_way = (run, number)
            if number == train + len(pieces):
                self._end_run(run, np.concatenate(pieces))
            yield number, len(piece), None

    def _begin(self, run: int, epoch: int) -> None:
        """A new model for what is labelled in this run."""
        rows = self.labelled[run]
        self.scores = np.zeros(0)
        self.learner.begin(rows, self.labels[rows], self.streams_of(run, epoch))

    def _candidates(self, run: int, epoch: int) -> np.ndarray:
        """Rows without a label that are looked at, in the order of the pool."""
        known = np.zeros(len(self.labels), bool)
        known[self.labelled[run]] = True
        rest = np.flatnonzero(~known)
        most = self.recipe.candidates
        if most is None or most >= len(rest):
            return rest
        return np.sort(self.streams_of(run, epoch).get("candidates").permutation(rest)[:most])

    @property
    def _draws(self) -> int:
        return self.recipe.mc_samples if self.recipe.strategy in OF_DRAWS else 1

    def _pieces(self, candidates: np.ndarray) -> list[np.ndarray]:
        """Pieces of the candidates; at least one, which may be empty."""
        size = max(DRAWS_AT_ONCE // self._draws, 64)
        return [candidates[start : start + size] for start in range(0, max(len(candidates), 1), size)]

    def _scores(self, run: int, epoch: int, rows: np.ndarray) -> np.ndarray:
        """How much each row is worth a label."""
        if not len(rows):
            return np.zeros(0)
        if self.recipe.strategy == "random":
            return self.streams_of(run, epoch).get("random", int(rows[0])).random(len(rows))
        return SCORES[self.recipe.strategy](self.learner.probabilities(rows, self._draws))

    def _end_run(self, run: int, candidates: np.ndarray) -> None:
        """Judge the model; ask about the rows it knows least."""
        found = self.learner.figures()
        self.figures[run] = [found.get(name, np.nan) for name in FIGURES]
        if run == 0:
            self.kept = self.learner.state()
        self.asked[run] = candidates[highest(self.scores, self.recipe.query)]
        self.scores = np.zeros(0)
        self.under_way = None

    def end_epoch(self, epoch: int) -> dict[str, float]:
        self.curve = np.concatenate([self.curve, self.figures[:, None]], axis=1)
        self.counts.append(len(self.labelled[0]))
        row: dict[str, float] = {"train_labels": self.counts[-1]}
        if not np.isnan(self.figures).any():
            accuracy, loss = self.figures.mean(0).tolist()
            row |= {"test_accuracy": accuracy, "test_loss": loss}
            if len(self.figures) > 1:
                row["test_accuracy_sd"] = float(self.figures[:, 0].std(ddof=1))
        self._ask()
        return row

    def _ask(self) -> None:
        """The oracle answers for the rows that each run has asked about."""
        if self.person is not None:
            self.person.ask(self.asked[0])
        else:
            self.labelled = [np.concatenate(pair) for pair in zip(self.labelled, self.asked, strict=True)]
        self.asked = [np.zeros(0, np.int64) for _ in self.labelled]

    # -- the end ----------------------------------------------------------------------------------
    def test(self) -> dict[str, float]:
        """Labels after which a run's accuracy first reaches the target, where the recipe has one."""
        target, accuracy = self.recipe.target, self.curve[..., 0]
        if target is None or np.isnan(accuracy).any() or not accuracy.size:
            return {}
        reached = accuracy >= target
        first = np.array(self.counts)[reached.argmax(1)][reached.any(1)]
        figures = {"test_reached": float(reached.any(1).mean())}
        return figures | ({"test_labels_to_target": float(first.mean())} if len(first) else {})

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        """accuracy.csv and its picture, queries.csv: which rows were asked about."""
        if not np.isnan(self.curve).all():
            accuracy = self.curve[..., 0]
            yield "accuracy.csv", accuracy_csv(self.counts, accuracy)
            picture = accuracy_png(self.counts, accuracy, self.recipe.strategy, self.recipe.target)
            if picture is None:
                self.context.log('accuracy.png is not drawn: pip install "dlkit[report]"')
            else:
                yield "accuracy.png", picture
        yield "queries.csv", queries_csv(self.labelled, self.labels, self.counts, self.learner)

    def previews(self) -> Iterable[tuple[str, str | bytes]]:
        """The rows that a person is to label."""
        return self.person.files() if self.person is not None else ()

    # -- a person ---------------------------------------------------------------------------------
    def waits_for(self) -> str:
        return self.person.waits_for() if self.person is not None else ""

    def answer(self, text: str | None, where: str) -> None:
        if self.person is not None:
            self.person.answer(text, where)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        run, number = self.under_way or (-1, 0)
        return {
            "labelled": {str(r): rows.copy() for r, rows in enumerate(self.labelled)},
            "asked": {str(r): rows.copy() for r, rows in enumerate(self.asked)},
            "curve": self.curve.copy(),
            "counts": np.array(self.counts, np.int64),
            "figures": self.figures.copy(),
            "scores": self.scores.copy(),
            "run": run,
            "step": number,
            "learner": self.learner.state() if run >= 0 else {},
            "kept": self.kept,
            "person": self.person.state() if self.person is not None else {},
        }

    def load(self, state: Tree) -> None:
        pool = len(self.labels)
        if self.person is not None:
            self.person.load(state["person"])
        for r in range(self.recipe.runs):
            rows = np.array(state["labelled"][str(r)], np.int64)
            inside = not rows.size or (rows.min() >= 0 and rows.max() < pool)
            if not inside or len(np.unique(rows)) < len(rows):
                raise ValueError("labelled rows that are not in the pool")
            self.labelled[r] = rows
            self.asked[r] = np.array(state["asked"][str(r)], np.int64)
        self.curve, self.figures = np.array(state["curve"]), np.array(state["figures"])
        self.counts = [int(n) for n in state["counts"]]
        self.scores, self.kept = np.array(state["scores"]), state["kept"]
        run, number = int(state["run"]), int(state["step"])
        self.under_way = None if run < 0 else (run, number)
        if self.under_way is not None:
            scores = self.scores
            self._begin(run, len(self.counts) + 1)
            self.scores = scores
            self.learner.load(state["learner"])

    # -- questions --------------------------------------------------------------------------------
    answering: Any
    """The first run's newest model, of a restored run."""

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> Self:
        self = cls(recipe, context)
        if not state["kept"]:
            raise DataError("no round is finished yet: there is no model to ask")
        own = recipe.learner_recipe()
        self.answering = restored(own, state["kept"], context)
        return self

    def _own(self, options: Mapping[str, Any]) -> dict[str, Any]:
        if options.get("mc_samples") and self.answering.command not in NETWORKS:
            raise UsageError("bayes-nb has no dropout", where="--mc-samples")
        return dict(options)

    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        self.answering.context.log = self.context.log
        yield from self.answering.predict(source, self._own(options))

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        self.answering.context.log = self.context.log
        return self.answering.evaluate(source, self._own(options))

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """As the learner's command does."""
        yield from self.answering.export(options)


ALGORITHM = Active
