"""Batches of rows through a loss and a gradient step: the epoch of every network with one loss over rows.

A subclass reads its data, lays out its model and says what the loss of some rows is; classification and
regression are in supervised.py.
"""

import math
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Self

import numpy as np

from dlkit.algorithms.protocol import Context, Description, LayerRow, NonFinite, Progress, Tree
from dlkit.algorithms.rows import RowNetwork, Rows, named
from dlkit.autograd import Tape, Variable
from dlkit.backend.feeder import Feeder
from dlkit.nn import optimizers, schedules
from dlkit.nn.step import GradientStep, NonFiniteLoss, shard_rows, worthwhile_shards
from dlkit.nn.summary import layer_table, step_bytes
from dlkit.readers.batches import Batches
from dlkit.readers.preprocess import Preprocess
from dlkit.readers.schema import Schema
from dlkit.training.checkpoint.form import misfit

GPU_CHECK_STEPS = 100
"""Steps between two looks at the loss on a GPU, where looking means waiting."""


class MinibatchTraining(RowNetwork):
    """The recipe's batches, optimizer and schedule; sums of measures over the epoch."""

    PLATEAU: ClassVar[str] = "loss"
    """Measure that a schedule which waits for a plateau watches."""

    # -- model ------------------------------------------------------------------------------------
    def worthwhile_shards(self, threads: int) -> int:
        self._lay_out()
        products = self.model.products(self.input_shape)
        return worthwhile_shards(products, self._batch_rows(), threads, self.recipe.split)

    def _batch_rows(self) -> int:
        rows, batch = len(self.data.train), self.recipe.batch
        return rows if batch == "full" else min(batch, rows)

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
        self.sums = self.context.backend.zeros((self.context.team.shards, self.totals), np.float64)
        self.rows_seen = 0

    def _refuse_too_large(self, training: bool) -> None:
        """A model that cannot fit is told before it is allocated. Raises UserError."""
        backend = self.context.backend
        parameters = sum(parameter.size for _, parameter in self.model.parameters())
        size, what = parameters * backend.dtype.itemsize, f"a model of {parameters:,} parameters"
        if training:
            size = self._step_bytes(self._batch_rows())
            what = f"a training step of {what}"
        backend.refuse_beyond_memory(size, what, "model or batch" if training else "model")

    def _step_bytes(self, batch: int) -> int:
        """Estimated bytes of a training step on `batch` rows, of which each rank takes its share."""
        context, rows = self.context, -(-batch // self.context.comm.size)
        return step_bytes(
            self.model, self.input_shape, rows, self.recipe.optimizer, context.team, context.backend
        )

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
            share = Rows(x, None if train.y is None else train.y[index], train.scale, train.shift)
            yield number, n, share, asarray(np.arange(len(mine)))

    def _learn(self, table: Rows, batch: Any, n: int, position: tuple[int, int]) -> float | None:
        """One gradient step on rows `batch` of a table, of n on all machines; the mean loss where at hand."""
        several = self.context.comm.size > 1
        sums = self.context.backend.zeros(self.sums.shape, np.float64) if several else self.sums
        self.before_step(n, position)

        def loss(tape: Tape, shard: int, rows: slice) -> Any:
            total, measures = self.training_loss(tape, table, batch, rows, 1 / n)
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

    def before_step(self, n: int, position: tuple[int, int]) -> None:
        """Called before the step at `position` (epoch, step) on n rows: the place to draw for all of them."""

    def training_loss(
        self, tape: Tape, table: Rows, batch: Any, rows: slice, weight: float
    ) -> tuple[Variable, list[Any]]:
        """`batch_loss` of a shard's rows of this rank's share of the batch, while it is learnt from."""
        return self.batch_loss(tape, table, batch[rows], weight)

    def _refuse_nonfinite(self) -> None:
        """Where the device is not waited for at each step, the epoch's sums tell. Raises NonFinite."""
        total = float(self.context.backend.to_host(self.sums).sum())
        if not math.isfinite(total):
            raise NonFinite(total, ", ".join(self.step.not_finite()) or "the loss itself")

    def end_epoch(self, epoch: int) -> dict[str, float]:
        self._refuse_nonfinite()
        sums = self.context.backend.to_host(self.sums)
        row = {"lr": self.lr} | named("train", self.figures(sums.sum(0), self.rows_seen))
        if self.valid is not None:
            row |= named("valid", self._figures(self.valid))
        return row

    def epoch_recorded(self, row: Mapping[str, float]) -> None:
        self.schedule.observe(row.get(f"valid_{self.PLATEAU}", row[f"train_{self.PLATEAU}"]))

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
        }

    def load(self, state: Tree) -> None:
        schema_of(state)
        self.model.load(state["model"])
        self.step.optimizer.load(state["optimizer"])
        self.schedule.load(state["schedule"])
        epoch = state["epoch"]
        if not np.isfinite([epoch["lr"], *epoch["sums"].flat]).all() or type(epoch["rows"]) is not int:
            raise ValueError("sums of an epoch that are not finite or of no number of rows")
        self.lr = epoch["lr"]
        self.sums[...] = self.context.backend.asarray(epoch["sums"], np.float64)
        self.rows_seen = epoch["rows"]

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> Self:
        self = cls(recipe, context)
        self._take(*schema_of(state))
        self._lay_out()
        self._refuse_too_large(training=False)
        self._allocate()
        self.model.load(state["model"])
        return self


def schema_of(state: Tree) -> tuple[Schema, Preprocess]:
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
