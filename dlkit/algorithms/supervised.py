"""A network that learns from labelled rows: what train-mlp and every other classifier or regressor do.

Read from top to bottom: data, model, one epoch, figures, state, questions. The command's own file
says what its recipe looks like and how layers become a network.
"""

import math
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms import mc_dropout
from dlkit.algorithms.objectives import Classes, ConstantNoise, LearntNoise, Objective, objective_for
from dlkit.algorithms.protocol import (
    Algorithm,
    Answer,
    Context,
    Description,
    LayerRow,
    NonFinite,
    Progress,
    Tree,
)
from dlkit.autograd import Tape
from dlkit.errors import DataError, UsageError
from dlkit.kernels.gather import gather_rows
from dlkit.nn import optimizers, schedules
from dlkit.nn.module import Module
from dlkit.nn.parameter import Flat
from dlkit.nn.step import GradientStep, NonFiniteLoss, shard_rows, worthwhile_shards
from dlkit.nn.summary import layer_table, step_bytes
from dlkit.readers.batches import Batches
from dlkit.readers.dataset import Dataset, TrainingData, regrouped
from dlkit.readers.prediction import PredictionRows, read_for_prediction
from dlkit.readers.preprocess import Preprocess, TargetScale
from dlkit.readers.schema import Schema
from dlkit.readers.training_data import read_training
from dlkit.training.metrics import Column

EVALUATION_ROWS = 1024
"""Rows of one evaluation chunk. Fixed: figures must not depend on the number of threads."""
PREDICTION_ROWS = 8 * EVALUATION_ROWS
"""Most rows of a file that are answered at once."""


GPU_CHECK_STEPS = 100
"""Steps between two looks at the loss on a GPU, where looking means waiting."""


@dataclass
class Rows:
    """One split on the device: inputs (n, d) as stored, targets (n,) or (n, k); input = x * scale + shift."""

    x: Any
    y: Any
    scale: Any
    shift: Any
    name: str = ""
    lines: np.ndarray | None = None
    """(n,) line of each row in the file `name`; None: not a text."""
    first: int = 0
    """Number of the first row in its file."""

    def place(self, k: int) -> str:
        """Where row k comes from."""
        return f"{self.name}: row {self.first + k}" if self.lines is None else f"{self.name}:{self.lines[k]}"

    def __len__(self) -> int:
        return len(self.x)


class Supervised(Algorithm):
    """Batches through a network, a loss, a gradient step; figures on rows held out."""

    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("lr", "1", "learning rate of the epoch's last step"),
        *(
            Column(f"{split}_{c.name}", c.unit, f"{text}: {c.doc}")
            for split, text in (("train", "over the epoch, noise on"), ("valid", "validation rows"))
            for c in {c.name: c for o in (Classes, ConstantNoise, LearntNoise) for c in o.measures}.values()
        ),
    )

    # -- data ----------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        data: TrainingData = read_training(
            recipe.data, recipe.task, context.streams, recipe.on_bad_row, context.base, dtype=recipe.dtype
        )
        self.data = data
        self._describe_task(data.schema, data.preprocess)
        for note in data.notes:
            context.log(note)

    def _describe_task(self, schema: Schema, preprocess: Preprocess) -> None:
        self.schema, self.preprocess = schema, preprocess
        self.objective: Objective = objective_for(
            schema.task, self.recipe.noise, len(schema.classes), preprocess.targets
        )
        if schema.task == "classification" and self.recipe.noise == "learnt":
            raise UsageError("learnt is for regression; the label is one of "
                             f"{len(schema.classes)} classes", where="noise")  # fmt: skip

    def inputs(self) -> list[Path]:
        return self.data.files

    def resolved_recipe(self) -> Any:
        """The recipe with data paths that hold from the current folder."""
        if not self.data.resolved:
            return self.recipe
        return self.recipe.model_copy(update={"data": self.recipe.data.model_copy(update=self.data.resolved)})

    def _rows(self, dataset: Dataset) -> Rows:
        backend = self.context.backend
        with backend.memory_errors(f"the {len(dataset)} rows of {dataset.name}", "data.train"):
            y = None if dataset.y is None else backend.asarray(dataset.y)
            return Rows(
                backend.asarray(dataset.x),
                y,
                backend.asarray(dataset.scale),
                backend.asarray(dataset.shift),
                dataset.name,
                dataset.row_lines,
            )

    # -- model ---------------------------------------------------------------------------------
    def shape_of(self, row: tuple[int, ...]) -> tuple[int, ...]:
        """Shape in which the network takes a row of this shape."""
        return row

    @abstractmethod
    def network(self, input_shape: tuple[int, ...], outputs: int) -> Module:
        """The recipe's layers and the output layer."""

    def worthwhile_shards(self, threads: int) -> int:
        model = self.network(self.shape_of(self.schema.input_shape), self.objective.outputs)
        products = sum(parameter.size for _, parameter in model.parameters())
        rows = len(self.data.train)
        batch = rows if self.recipe.batch == "full" else min(self.recipe.batch, rows)
        return worthwhile_shards(products, batch, threads)

    def build(self) -> None:
        recipe, data = self.recipe, self.data
        self._assemble(training=True)
        self.train, self.valid = self._rows(data.train), self._rows(data.valid) if data.valid else None
        self.batches = Batches(len(self.train), recipe.batch, True, self.context.streams)
        self.schedule = schedules.build(recipe.optimizer, recipe.epochs)
        self.step = GradientStep(
            self.model,
            optimizers.build(recipe.optimizer, self.flat, self.context.streams, len(self.train)),
            self.context.backend,
            self.context.team,
            self.context.streams,
            clip=recipe.optimizer.clip,
            comm=self.context.comm,
        )
        self.lr = recipe.optimizer.lr
        self.sums = self.context.backend.zeros((self.context.team.shards, self.objective.totals), np.float64)
        self.rows_seen = 0

    def _assemble(self, *, training: bool = False) -> None:
        backend = self.context.backend
        self.input_shape = self.shape_of(self.schema.input_shape)
        self.model = self.network(self.input_shape, self.objective.outputs)
        self._refuse_too_large(training)
        if self.context.describes_only:
            self.flat = Flat(self.model, backend)
        else:
            self.flat = Flat.allocate(self.model, backend, self.context.streams)
        self.noise_variance = np.full(max(len(self.schema.targets), 1), np.nan)
        self._tapes = [Tape(backend) for _ in range(self.context.team.shards)]

    def _refuse_too_large(self, training: bool) -> None:
        """A model that cannot fit is told before it is allocated. Raises UserError."""
        backend = self.context.backend
        parameters = sum(parameter.size for _, parameter in self.model.parameters())
        size, what = parameters * backend.dtype.itemsize, f"a model of {parameters:,} parameters"
        if training:
            batch, rows = self.recipe.batch, len(self.data.train)
            size = self._step_bytes(rows if batch == "full" else min(batch, rows))
            what = f"a training step of {what}"
        backend.refuse_beyond_memory(size, what, "model or batch" if training else "model")

    def _step_bytes(self, batch: int) -> int:
        """Estimated bytes of a training step on `batch` rows, of which each rank takes its share."""
        rows = -(-batch // self.context.comm.size)
        shards, itemsize = self.context.team.shards, self.context.backend.dtype.itemsize
        optimizer = self.recipe.optimizer
        return step_bytes(self.model, self.input_shape, rows, optimizer, shards, itemsize=itemsize)

    def describe(self) -> Description:
        layers = [LayerRow(*row) for row in layer_table(self.model, self.input_shape)]
        return Description(
            data=self.data.summary() if hasattr(self, "data") else "",
            layers=layers,
            parameters=self.flat.size,
            step_bytes=self._step_bytes(self.batches.size if hasattr(self, "train") else 1),
        )

    # -- one epoch -------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        if skip == 0:
            self.sums[...] = 0
            self.rows_seen = 0
        steps, comm = self.batches.steps, self.context.comm
        for number, batch in self.batches.epoch(epoch, skip):
            self.lr = self.schedule.lr(epoch - 1 + (number - 0.5) / steps)  # the middle of the step
            mine = batch[shard_rows(len(batch), comm.size, comm.rank)]
            loss = self._learn(self.context.backend.asarray(mine), len(batch), (epoch, number))
            if loss is None and number % GPU_CHECK_STEPS == 0:
                self._refuse_nonfinite()
            yield Progress(number, steps, len(batch), loss)

    def _learn(self, batch: Any, n: int, position: tuple[int, int]) -> float | None:
        """One gradient step on rows `batch` (indices; of n on all machines); the mean loss where at hand."""
        several = self.context.comm.size > 1
        sums = self.context.backend.zeros(self.sums.shape, np.float64) if several else self.sums

        def loss(tape: Tape, shard: int, rows: slice) -> Any:
            index = batch[rows]
            f = self.model(tape, tape.constant(self._inputs(tape, self.train, index)))
            total, measures = self.objective.loss(tape, f, self.train.y[index], 1 / n)
            for k, values in enumerate(measures):
                sums[shard, k] += values.sum(dtype=np.float64)
            return total, None

        try:
            tallies = sums if several else None
            mean = self.step(len(batch), loss, self.lr, position, total_rows=n, tallies=tallies)
        except NonFiniteLoss as error:
            raise NonFinite(error.value, ", ".join(error.arrays) or "the loss itself") from error
        if several:
            self.sums[0] += self.context.backend.asarray(self.step.tally, np.float64)
        self.rows_seen += n
        return mean

    def _inputs(self, tape: Tape, rows: Rows, index: Any) -> Any:
        x = tape.empty((len(index), rows.x.shape[1]))
        gather_rows(rows.x, index, rows.scale, rows.shift, x)
        return x

    def _refuse_nonfinite(self) -> None:
        """Where the device is not waited for at each step, the epoch's sums tell. Raises NonFinite."""
        total = float(self.context.backend.to_host(self.sums).sum())
        if not math.isfinite(total):
            raise NonFinite(total, ", ".join(self.step.not_finite()) or "the loss itself")

    def end_epoch(self, epoch: int) -> dict[str, float]:
        self._refuse_nonfinite()
        sums = self.context.backend.to_host(self.sums)
        row = {"lr": self.lr} | _named("train", self.objective.figures(sums.sum(0), self.rows_seen))
        if self.valid is not None:
            row |= _named("valid", self._figures(self.valid))
        return row

    def epoch_recorded(self, row: Mapping[str, float]) -> None:
        self.schedule.observe(row.get("valid_loss", row["train_loss"]))

    # -- figures -----------------------------------------------------------------------------------
    def _figures(self, rows: Rows) -> dict[str, float]:
        """Loss and measures over rows, noise off; the team shares the chunks, sums go in chunk order."""

        def judge(tape: Tape, index: Any) -> Any:
            f = self.model(tape, tape.constant(self._inputs(tape, rows, index)))
            _, measures = self.objective.loss(tape, f, rows.y[index], 1.0)
            return self.context.backend.xp.stack([m.sum(dtype=np.float64) for m in measures])

        sums = self.context.backend.xp.stack(self._over_chunks(len(rows), judge))
        return self.objective.figures(self.context.backend.to_host(sums).sum(0), len(rows))

    def _over_chunks(
        self, n: int, fn: Any, *, passes: int = 1, noise: str | None = None, first: int = 0
    ) -> list[Any]:
        """fn(tape, indices) for chunks of range(n), in chunk order; `noise`: stream of noise left on.

        first: number of the first row in its file, so that each chunk of a long file draws noise of its own.
        """
        size = _chunk_rows(passes)
        starts = range(0, n, size)
        arange = self.context.backend.asarray(np.arange(n))
        team, comm = self.context.team, self.context.comm
        mine = range(len(starts))[shard_rows(len(starts), comm.size, comm.rank)]
        results: list[Any] = [None] * len(mine)

        def work(shard: int) -> None:
            tape = self._tapes[shard]
            for j in range(shard, len(mine), team.shards):
                k = mine[j]
                rng = self.context.streams.get(noise, first + starts[k]) if noise else None
                tape.begin(training=False, noise=noise is not None, rng=rng)
                with np.errstate(all="ignore"):  # figures and answers that are not finite are told as such
                    results[j] = fn(tape, arange[starts[k] : starts[k] + size])

        team.map(work)
        return [result for part in comm.gather(results) for result in part]

    def outputs(self, rows: Rows, samples: int = 1) -> np.ndarray:
        """Raw outputs (samples, n, outputs) on the host; with samples > 1 dropout stays on (stream "mc").

        Raises DataError for a row whose output is not finite.
        """
        noise = "mc" if samples > 1 else None
        to_host = self.context.backend.to_host

        # Passes go through the network side by side, unless they would share one mask of the weights.
        together = 1 if self.model.has_noise(of_weights=True) else samples

        def forward(tape: Tape, index: Any) -> np.ndarray:
            tiled = self.context.backend.xp.tile(index, together) if together > 1 else index
            draws = []
            for k in range(samples // together):
                if k:
                    tape.begin(training=False, noise=True, rng=tape.rng)
                f = self.model(tape, tape.constant(self._inputs(tape, rows, tiled)))
                draws.append(np.array(to_host(f.data)).reshape(together, len(index), -1))
            return np.concatenate(draws)

        parts = self._over_chunks(len(rows), forward, passes=together, noise=noise, first=rows.first)
        f = np.concatenate(parts, axis=1)
        if not np.isfinite(f).all():
            row = int(np.flatnonzero(~np.isfinite(f).all(axis=(0, 2)))[0])
            text = "the network's output for this row is not finite"
            raise DataError(text, where=rows.place(row), hint="are its numbers far from those of training?")
        return f

    def test(self) -> dict[str, float]:
        figures: dict[str, float] = {}
        self._fit_noise()
        if self.data.test is not None:
            rows = self._rows(self.data.test)
            figures = self._judge(rows, self.recipe.mc_samples)
        return _named("test", figures)

    def _judge(self, rows: Rows, samples: int) -> dict[str, float]:
        figures = self._figures(rows)
        if samples > 1:
            figures |= self._mc_figures(rows, samples)
        return figures

    def _fit_noise(self) -> None:
        """Constant noise of a regression, from rows held out (or, without them, from the training rows)."""
        if not isinstance(self.objective, ConstantNoise):
            return
        rows = self.valid or self.train
        mu, _ = self._moments(rows, max(self.recipe.mc_samples, 1))
        self.noise_variance = mc_dropout.fit_noise(self._targets(rows), mu)

    def _targets(self, rows: Rows) -> np.ndarray:
        return self._target_scale().restore_mean(self.context.backend.to_host(rows.y))

    def _target_scale(self) -> TargetScale:
        assert self.preprocess.targets is not None, "a regression's targets are standardised"
        return self.preprocess.targets

    def _moments(self, rows: Rows, samples: int) -> tuple[np.ndarray, np.ndarray]:
        """Means and variances of the targets in their own units, (samples, n, k) each."""
        f = self.outputs(rows, samples).astype(np.float64)
        targets = self._target_scale()
        if isinstance(self.objective, LearntNoise):
            k = len(targets.sd)
            return targets.restore_mean(f[..., :k]), np.exp(f[..., k:]) * targets.sd**2
        return targets.restore_mean(f), np.broadcast_to(self.noise_variance, f.shape)

    def _mc_figures(self, rows: Rows, samples: int) -> dict[str, float]:
        """Figures of the mean over dropout passes."""
        y = self.context.backend.to_host(rows.y)
        if isinstance(self.objective, Classes):
            p, _, _ = mc_dropout.class_spread(softmax(self.outputs(rows, samples)))
            right = np.maximum(p[np.arange(len(y)), y], np.finfo(float).tiny)
            return {"mc_accuracy": float((p.argmax(1) == y).mean()), "mc_loss": float(-np.log(right).mean())}
        mu, variance = self._moments(rows, samples)
        y = self._targets(rows)
        error = mu.mean(0) - y
        return {
            "mc_rmse": float(np.sqrt((error**2).mean())),
            "mc_log_likelihood": float(mc_dropout.log_likelihood(y, mu, variance).mean()),
        }

    # -- state -------------------------------------------------------------------------------------
    def state(self) -> Tree:
        self._refuse_nonfinite()  # a state worth saving
        return {
            "schema": self.schema.to_dict(),
            "preprocess": self.preprocess.state(),
            "model": self.model.state(),
            "optimizer": self.step.optimizer.state(),
            "schedule": self.schedule.state(),
            "epoch": {
                "lr": float(self.lr),
                "sums": np.array(self.context.backend.to_host(self.sums)),
                "rows": self.rows_seen,
            },
            "noise_variance": self.noise_variance,
        }

    def load(self, state: Tree) -> None:
        self.model.load(state["model"])
        self.step.optimizer.load(state["optimizer"])
        self.schedule.load(state["schedule"])
        self.lr = state["epoch"]["lr"]
        self.sums[...] = self.context.backend.asarray(state["epoch"]["sums"], np.float64)
        self.rows_seen = state["epoch"]["rows"]
        self.noise_variance = state["noise_variance"]

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> "Supervised":
        self = cls(recipe, context)
        self._describe_task(Schema.from_dict(state["schema"]), Preprocess.from_state(state["preprocess"]))
        self._assemble()
        self.model.load(state["model"])
        self.noise_variance = state["noise_variance"]
        return self

    # -- questions -----------------------------------------------------------------------------------
    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        samples = self._samples(options)
        answer = self._class_answer if isinstance(self.objective, Classes) else self._number_answer
        chunks = self._read(source, need_label=False)
        first = 0
        # Always the same pieces, whatever a pipe or gzip hands out: the noise and the last digits go by them.
        for chunk in regrouped(chunks, PREDICTION_ROWS - PREDICTION_ROWS % _chunk_rows(samples)):
            rows = self._rows(chunk)
            rows.first = first
            yield answer(rows, samples)
            first += len(chunk)
        self._tell(chunks)
        if isinstance(self.objective, ConstantNoise) and np.isnan(self.noise_variance).any():
            self.context.log("noise is fitted when a run is finished; in this checkpoint it is unknown: nan")

    def _tell(self, chunks: PredictionRows) -> None:
        """What was not as in training, once all rows are read."""
        if chunks.skipped:
            self.context.log(f"{chunks.skipped} bad rows left out; the first: {chunks.first_fault}")
        if chunks.unseen:
            self.context.log(f"{chunks.unseen} cells with a category unknown from training: all zeros")

    def _read(self, source: str, *, need_label: bool) -> PredictionRows:
        return read_for_prediction(
            source,
            self.schema,
            self.preprocess,
            need_label=need_label,
            on_bad_row=self.recipe.on_bad_row,
            dtype=self.recipe.dtype,
        )

    def _samples(self, options: Mapping[str, Any]) -> int:
        samples = options.get("mc_samples") or 1
        if samples > 1 and not self.model.has_noise():
            raise UsageError("this network has no dropout: its passes would be equal", where="--mc-samples")
        return int(samples)

    def _class_answer(self, rows: Rows, samples: int) -> Answer:
        draws = softmax(self.outputs(rows, samples))
        p, entropy, information = mc_dropout.class_spread(draws)
        label = [self.schema.classes[k] for k in p.argmax(1)]
        names = [f"p_{c}" for c in self.schema.classes]
        columns = [label, *p.astype(np.float32).T]
        if samples == 1:
            return Answer(["label", *names], columns)
        return Answer(
            ["label", *names, "entropy", "mutual_information"],
            [*columns, entropy.astype(np.float32), information.astype(np.float32)],
        )

    def _number_answer(self, rows: Rows, samples: int) -> Answer:
        mu, variance = self._moments(rows, samples)
        spread = mc_dropout.regression_spread(mu, variance)
        parts = {"mean": spread.mean, "std": spread.total}
        if samples > 1:
            parts |= {"epistemic_std": spread.epistemic, "aleatoric_std": spread.aleatoric}
        several = len(self.schema.targets) > 1
        header = [f"{part}_{t}" if several else part for t in self.schema.targets for part in parts]
        targets = range(len(self.schema.targets))
        columns = [values[:, k].astype(np.float32) for k in targets for values in parts.values()]
        return Answer(header, columns)

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        samples = self._samples(options)
        if source is None:
            if self.recipe.data.train == "-":
                raise UsageError("the run learnt from standard input; name a labelled file", where="evaluate")
            self.read_data()
            if self.data.test is None:
                raise UsageError("the recipe has no test rows; name a labelled file", where="evaluate")
            return _named("test", self._judge(self._rows(self.data.test), samples))
        chunks = self._read(source, need_label=True)
        (whole,) = regrouped(chunks, sys.maxsize)
        self._tell(chunks)
        return {"rows": len(whole)} | _named("test", self._judge(self._rows(whole), samples))


def _chunk_rows(passes: int) -> int:
    """Rows of one evaluation chunk that goes through the network `passes` times."""
    return max(EVALUATION_ROWS // passes, 1)


def softmax(logits: np.ndarray) -> np.ndarray:
    """Probabilities along the last axis, in float64."""
    e = np.exp(logits.astype(np.float64) - logits.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def _named(split: str, figures: Mapping[str, float]) -> dict[str, float]:
    return {f"{split}_{name}": value for name, value in figures.items()}
