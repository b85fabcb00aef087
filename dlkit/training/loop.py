"""Epochs and steps of one run, and when its state goes to disk.

Order of writing, so that a crash between any two files loses nothing: best.h5, timing.csv,
checkpoint.h5, metrics.csv. A best.h5 newer than checkpoint.h5 is written again, with the same bytes,
by the resumed run; timing.csv is cut back to the checkpoint's position; metrics.csv is written from
the rows that the checkpoint carries.
"""

import functools
import math
import time
from collections.abc import Mapping
from typing import Any

from dlkit.algorithms.protocol import Algorithm, NonFinite, Progress, Tree
from dlkit.errors import Interrupted, UsageError, UserError
from dlkit.training import checkpoint
from dlkit.training.checkpoint.leaves import copy_of
from dlkit.training.metrics import Column, Number, Timing, better_when_higher
from dlkit.training.pace import Pace
from dlkit.training.progress import Display
from dlkit.training.record import RunRecord
from dlkit.training.rundir import BEST, CHECKPOINT, METRICS, TIMING, RunDirectory
from dlkit.training.signals import Signals


class Diverged(UserError):
    """A loss that is NaN or infinite. What was saved before it stays."""


class TrainingLoop:
    """Trains `algorithm` from where `record` stands to its last epoch."""

    def __init__(
        self,
        algorithm: Algorithm,
        record: RunRecord,
        *,
        timing: Timing,
        directory: RunDirectory,
        display: Display,
        signals: Signals,
        recipe: Any,
        recipe_text: str,
        pace: float | None = None,
    ) -> None:
        self.algorithm = algorithm
        self.comm = algorithm.context.comm
        self.record = record
        self.timing = timing
        self.directory = directory
        self.display = display
        self.signals = signals
        self.recipe = recipe
        self.recipe_text = recipe_text
        self.pace = Pace(pace)
        self.table_pace = Pace()
        self._best: Tree | None = None
        """Checkpoint of the best epoch without its metrics, as long as it is not on disk."""

    def run(self) -> None:
        """Train to the end and save.

        Raises Interrupted (state saved), Diverged, UserError (a full disk).
        """
        record, epochs = self.record, self.algorithm.epochs
        self.display.begin(epochs, record.epoch)
        try:
            while record.epoch < epochs and not record.stopped and not self.algorithm.waits_for():
                self._train(record.epoch + 1)
                self._end_epoch(epochs)
                if signum := self.comm.heed(self.signals.received):
                    self._leave(signum)
                if self.pace.due_after_epoch():
                    self.save()
                elif self.table_pace.due_after_epoch():
                    self._save_tables()
        finally:
            self.display.close()
        self.comm.once(self.save)

    # -- one epoch ------------------------------------------------------------------------------
    def _train(self, epoch: int) -> None:
        record = self.record
        self.display.begin_epoch()
        self.timing.begin_epoch()
        try:
            with self.algorithm.context.backend.memory_errors("a training step", "batch"):
                for progress in self.algorithm.train_epoch(epoch, skip=record.step):
                    self._count(epoch, progress)
                    if signum := self.comm.heed(self.signals.received):
                        self._leave(signum)
                    if self.pace.due_inside_epoch():
                        self.save()
        except NonFinite as error:
            raise self._not_finite(error.value, error.array, epoch, record.step + 1) from error
        self.timing.end_steps()

    def _count(self, epoch: int, progress: Progress) -> None:
        if progress.loss is not None and not math.isfinite(progress.loss):
            raise NonFinite(float(progress.loss), "the loss")
        self.record.steps += progress.step - self.record.step
        self.record.step = progress.step
        self.timing.count(progress.examples)
        self.display.step(epoch, progress.step, progress.steps, progress.examples, progress.loss)

    def _end_epoch(self, epochs: int) -> None:
        record, epoch = self.record, self.record.epoch + 1
        try:
            figures = self.algorithm.end_epoch(epoch)
        except NonFinite as error:  # a GPU's steps are not waited for: told at the end of the epoch
            raise self._not_finite(error.value, error.array, epoch, record.step) from error
        for name, value in figures.items():
            if name.endswith("_loss") and not math.isfinite(value):
                raise self._not_finite(float(value), name, epoch, record.step)
        record.epoch, record.step = epoch, 0
        row = record.table.append({"epoch": epoch, "step": record.steps, **figures})
        self.algorithm.epoch_recorded(row)
        self._judge(row)
        self.timing.end_epoch(epoch, record.steps, self.algorithm.context.backend.peak_memory())
        self.display.end_epoch(epoch, row, last=record.stopped or epoch == epochs)
        if record.stopped and epoch < epochs:
            self.display.note(f"stopped early: no better for {record.stale} epochs")

    def _judge(self, row: Mapping[str, Number]) -> None:
        """Best epoch and early stopping."""
        stopping = self.recipe.early_stopping
        watched = watched_column(self.algorithm.METRICS, self.recipe, row)
        if watched is None:
            return
        best = self.record.judge(
            row.get(watched.name, math.nan),
            higher=better_when_higher(watched),
            patience=stopping.patience if stopping else None,
            min_delta=stopping.min_delta if stopping else 0.0,
        )
        if best and self.recipe.keep == "best" and self.directory.writes:
            # A copy, for a state may be views of live arrays; the rows are put in when it is written.
            tree = self.record.to_tree(self.recipe_text, self.algorithm.state(), metrics=False)
            self._best = copy_of(tree)

    def _not_finite(self, value: float, array: str, epoch: int, step: int) -> Diverged:
        """The line for a loss that is not finite; what is on disk stays as it is."""
        problem = f"the loss is {value} at epoch {epoch}, step {step} (first not finite: {array})"
        kept = self.directory.path / CHECKPOINT
        where = f"{kept} holds the last good state" if kept.is_file() else "nothing was saved before it"
        return Diverged(problem, hint=f"{where}; a lower learning rate may help")

    # -- saving ---------------------------------------------------------------------------------
    def tree(self) -> Tree:
        """What a checkpoint of this moment holds."""
        return self.record.to_tree(self.recipe_text, self.algorithm.state())

    def save(self) -> None:
        """Write everything that a resumed run needs. Raises UserError (full disk, read-only)."""
        if not self.directory.writes:
            return
        began = time.monotonic()
        newest_is_best = False
        if self._best is not None:
            self._best["metrics"] = self.record.table.to_csv(self._best["position"]["epoch"])
            self.write_checkpoint(BEST, self._best)
            newest_is_best = self._best["position"] == self.record.position()
            self._best = None
        self.directory.write(TIMING, self.timing.to_csv())
        if newest_is_best:
            self.directory.copy(BEST, CHECKPOINT)
        else:
            self.write_checkpoint(CHECKPOINT, self.tree())
        self.directory.write(METRICS, self.record.table.to_csv())
        for name, content in self.algorithm.previews():
            self.directory.write(name, content)
        self.directory.saved()
        self.pace.saved(began)
        self.display.detail(f"saved {self.directory.path / CHECKPOINT}")

    def write_checkpoint(self, name: str, tree: Tree, *, unless_same: bool = False) -> None:
        """One checkpoint of this run; `unless_same`: if the file does not hold these very bytes already."""
        content = functools.partial(checkpoint.write, tree=tree, command=self.algorithm.command)
        self.directory.write(name, content, unless_same=unless_same)

    def _save_tables(self) -> None:
        """Let someone watch metrics.csv grow between two checkpoints."""
        began = time.monotonic()
        self.directory.write(TIMING, self.timing.to_csv())
        self.directory.write(METRICS, self.record.table.to_csv())
        self.table_pace.saved(began)

    def _leave(self, signum: int) -> None:
        self.comm.once(self.save)  # the others wait: who leaves first must not end the job
        record = self.record
        place = (
            f"in epoch {record.epoch + 1} after step {record.step}"
            if record.step
            else f"after epoch {record.epoch}"
        )
        raise Interrupted(signum, f"stopped {place}, saved; --resume goes on")


def watched_column(columns: tuple[Column, ...], recipe: Any, row: Mapping[str, Number]) -> Column | None:
    """The column that says which epoch is best: early_stopping.metric, else the first valid_* one in the row.

    Raises UsageError when early stopping has nothing to watch.
    """
    stopping = recipe.early_stopping
    if stopping and stopping.metric:
        if stopping.metric not in row:
            names = ", ".join(name for name in row if name not in ("epoch", "step"))
            raise UsageError(
                f"early_stopping.metric: no figure {stopping.metric} in this run", hint=f"there are {names}"
            )
        return next(column for column in columns if column.name == stopping.metric)
    for column in columns:
        if column.name.startswith("valid_") and column.name in row:
            return column
    if stopping:
        raise UsageError("early_stopping: no validation figure to watch", hint="give data.valid or a metric")
    return None
