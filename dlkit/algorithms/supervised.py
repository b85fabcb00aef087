"""A network that learns from labelled rows: what train-mlp and every other classifier or regressor do.

Read from top to bottom: data, model, one epoch, the end, state. The command's own file says what its
recipe looks like and how layers become a network; what a trained one can be asked is in asked.py.
"""

import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms import mc_dropout
from dlkit.algorithms.asked import AskedNetwork, Rows, named
from dlkit.algorithms.objectives import Classes, ConstantNoise, LearntNoise
from dlkit.algorithms.protocol import Context, Description, LayerRow, NonFinite, Progress, Tree
from dlkit.autograd import Tape
from dlkit.backend.feeder import Feeder
from dlkit.nn import optimizers, schedules
from dlkit.nn.step import GradientStep, NonFiniteLoss, shard_rows, worthwhile_shards
from dlkit.nn.summary import layer_table, step_bytes
from dlkit.readers.batches import Batches
from dlkit.readers.dataset import TrainingData
from dlkit.readers.preprocess import Preprocess
from dlkit.readers.schema import Schema
from dlkit.readers.training_data import read_training
from dlkit.training.checkpoint.form import misfit
from dlkit.training.metrics import Column

GPU_CHECK_STEPS = 100
"""Steps between two looks at the loss on a GPU, where looking means waiting."""


class Supervised(AskedNetwork):
    """Batches through a network, a loss, a gradient step; figures on rows held out."""

    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("lr", "1", "learning rate of the epoch's last step"),
        *(
            Column(f"{split}_{c.name}", c.unit, f"{text}: {c.doc}")
            for split, text in (("train", "over the epoch, noise on"), ("valid", "validation rows"))
            for c in {c.name: c for o in (Classes, ConstantNoise, LearntNoise) for c in o.measures}.values()
        ),
    )

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        data: TrainingData = read_training(
            recipe.data, recipe.task, context.streams, recipe.on_bad_row, context.base, dtype=recipe.dtype
        )
        self.data = data
        self._describe_task(data.schema, data.preprocess)
        for note in data.notes:
            context.log(note)

    def inputs(self) -> list[Path]:
        return self.data.files

    def resolved_recipe(self) -> Any:
        """The recipe with data paths that hold from the current folder."""
        if not self.data.resolved:
            return self.recipe
        return self.recipe.model_copy(update={"data": self.recipe.data.model_copy(update=self.data.resolved)})

    # -- model ------------------------------------------------------------------------------------
    def worthwhile_shards(self, threads: int) -> int:
        model = self.network(self.shape_of(self.schema.input_shape), self.objective.outputs)
        products = sum(parameter.size for _, parameter in model.parameters())
        rows = len(self.data.train)
        batch = rows if self.recipe.batch == "full" else min(self.recipe.batch, rows)
        return worthwhile_shards(products, batch, threads)

    def build(self) -> None:
        recipe, data = self.recipe, self.data
        self._lay_out()
        self._refuse_too_large(training=True)
        self._allocate()
        self.train, self.valid = self._rows(data.train), self._rows(data.valid) if data.valid else None
        self.batches = Batches(len(self.train), recipe.batch, True, self.context.streams)
        self.feeder = Feeder(self.context.backend)
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

    # -- one epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        if skip == 0:
            self.sums[...] = 0
            self.rows_seen = 0
        steps = self.batches.steps
        for number, n, table, mine in self._steps(epoch, skip):
            self.lr = self.schedule.lr(epoch - 1 + (number - 0.5) / steps)  # the middle of the step
            loss = self._learn(table, mine, n, (epoch, number))
            if loss is None and number % GPU_CHECK_STEPS == 0:
                self._refuse_nonfinite()
            yield Progress(number, steps, n, loss)

    def _steps(self, epoch: int, skip: int) -> Iterator[tuple[int, int, Rows, Any]]:
        """Each batch's number and size, a table on the device, and the rows of it that are this rank's share.

        The table is that of all training rows or, where it stays on the host, the share alone: it is sent
        while the batch before it is computed with.
        """
        asarray, comm, train = self.context.backend.asarray, self.context.comm, self.train
        steps = [
            (number, len(batch), batch[shard_rows(len(batch), comm.size, comm.rank)])
            for number, batch in self.batches.epoch(epoch, skip)
        ]
        if not train.on_host:
            yield from ((number, n, train, asarray(mine)) for number, n, mine in steps)
            return
        fed = self.feeder((train.x[mine], mine) for _, _, mine in steps)
        for (number, n, mine), (x, index) in zip(steps, fed, strict=True):
            share = Rows(x, train.y[index], train.scale, train.shift)
            yield number, n, share, asarray(np.arange(len(mine)))

    def _learn(self, table: Rows, batch: Any, n: int, position: tuple[int, int]) -> float | None:
        """One gradient step on rows `batch` of a table, of n on all machines; the mean loss where at hand."""
        several = self.context.comm.size > 1
        sums = self.context.backend.zeros(self.sums.shape, np.float64) if several else self.sums

        def loss(tape: Tape, shard: int, rows: slice) -> Any:
            index = batch[rows]
            f = self.model(tape, tape.constant(self._inputs(tape, table, index)))
            total, measures = self.objective.loss(tape, f, table.y[index], 1 / n)
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

    def _refuse_nonfinite(self) -> None:
        """Where the device is not waited for at each step, the epoch's sums tell. Raises NonFinite."""
        total = float(self.context.backend.to_host(self.sums).sum())
        if not math.isfinite(total):
            raise NonFinite(total, ", ".join(self.step.not_finite()) or "the loss itself")

    def end_epoch(self, epoch: int) -> dict[str, float]:
        self._refuse_nonfinite()
        sums = self.context.backend.to_host(self.sums)
        row = {"lr": self.lr} | named("train", self.objective.figures(sums.sum(0), self.rows_seen))
        if self.valid is not None:
            row |= named("valid", self._figures(self.valid))
        return row

    def epoch_recorded(self, row: Mapping[str, float]) -> None:
        self.schedule.observe(row.get("valid_loss", row["train_loss"]))

    # -- the end ----------------------------------------------------------------------------------
    def test(self) -> dict[str, float]:
        figures: dict[str, float] = {}
        self._fit_noise()
        if self.data.test is not None:
            rows = self._rows(self.data.test)
            figures = self._judge(rows, self.recipe.mc_samples)
        return named("test", figures)

    def _fit_noise(self) -> None:
        """Constant noise of a regression, from rows held out (or, without them, from the training rows)."""
        if not isinstance(self.objective, ConstantNoise):
            return
        rows = self.valid or self.train
        mu, _ = self._moments(rows, max(self.recipe.mc_samples, 1))
        self.noise_variance = mc_dropout.fit_noise(self._targets(rows), mu)

    # -- state ------------------------------------------------------------------------------------
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
        _schema_of(state)
        self.model.load(state["model"])
        self.step.optimizer.load(state["optimizer"])
        self.schedule.load(state["schedule"])
        epoch = state["epoch"]
        if not np.isfinite([epoch["lr"], *epoch["sums"].flat]).all() or type(epoch["rows"]) is not int:
            raise ValueError("sums of an epoch that are not finite or of no number of rows")
        self.lr = epoch["lr"]
        self.sums[...] = self.context.backend.asarray(epoch["sums"], np.float64)
        self.rows_seen = epoch["rows"]
        self._load_noise(state)

    def _load_noise(self, state: Tree) -> None:
        """The noise variances, NaN before they are fitted."""
        variance = state["noise_variance"]
        if misfit(variance, self.noise_variance) or (variance < 0).any():
            raise ValueError("noise_variance: a variance for each target is expected")
        self.noise_variance = variance

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> "Supervised":
        self = cls(recipe, context)
        self._describe_task(*_schema_of(state))
        self._lay_out()
        self._refuse_too_large(training=False)
        self._allocate()
        self.model.load(state["model"])
        self._load_noise(state)
        return self


def _schema_of(state: Tree) -> tuple[Schema, Preprocess]:
    """Schema and preprocessing of a saved state.

    Raises KeyError, TypeError or ValueError for what is neither, or not of the same data.
    """
    schema, preprocess = Schema.from_dict(state["schema"]), Preprocess.from_state(state["preprocess"])
    for name, again in (("schema", schema.to_dict()), ("preprocess", preprocess.state())):
        if fault := misfit(state[name], again, f"state/{name}"):
            raise ValueError(fault)
    targets = 0 if preprocess.targets is None else len(preprocess.targets.sd)
    widths = (len(preprocess.numeric), preprocess.width, targets)
    if widths != (math.prod(schema.row_shape), math.prod(schema.input_shape), len(schema.targets)):
        raise ValueError("schema and preprocessing are of different data")
    return schema, preprocess
