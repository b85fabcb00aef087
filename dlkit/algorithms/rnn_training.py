"""An epoch of rnn: steps through a text or through labelled sequences, and the sums of their measures."""

import math
from collections.abc import Iterator
from typing import Any, Self

import numpy as np

from dlkit.algorithms.protocol import Context, Description, NonFinite, Progress, Tree
from dlkit.algorithms.rnn_classes import SequenceBatch, batch_of, class_figures
from dlkit.algorithms.rnn_judged import SUMS, JudgedSequences
from dlkit.algorithms.rnn_language import (
    CarriedStates,
    Streams,
    Window,
    foretell,
    language_figures,
    part,
    windows,
)
from dlkit.algorithms.rnn_network import SequenceNetwork
from dlkit.algorithms.rows import named
from dlkit.autograd import Tape
from dlkit.nn import optimizers, schedules
from dlkit.nn.parameter import Flat
from dlkit.nn.step import GradientStep, NonFiniteLoss, shard_rows, worthwhile_shards
from dlkit.readers.labelled_sequences import (
    SequenceBatches,
    SequenceData,
)
from dlkit.readers.language_data import LanguageData
from dlkit.readers.long_text import Numbered
from dlkit.readers.symbols import Symbols
from dlkit.training.checkpoint.form import misfit

GPU_CHECK_STEPS = 100
"""Steps between two looks at the loss on a GPU, where looking means waiting."""


class SequenceTraining(JudgedSequences):
    """Builds the network, takes gradient steps."""

    # -- model ------------------------------------------------------------------------------------
    def _streams(self, text: Numbered) -> Streams:
        """As many as the batch says, or fewer where they would be shorter than a step."""
        count = min(self.recipe.batch, max((len(text) - 1) // self.recipe.steps, 1))
        return Streams(text, count, self.recipe.steps)

    def _symbols_a_step(self) -> int:
        if isinstance(self.data, LanguageData):
            streams = self._streams(self.data.train)
            return streams.count * streams.window
        lengths = self.data.train.lengths
        return int(lengths.mean()) * min(self.recipe.batch, len(lengths)) + 1

    def worthwhile_shards(self, threads: int) -> int:
        products = self._network(self._by_rows()).products_a_symbol()
        return worthwhile_shards(products, self._symbols_a_step(), threads, self.recipe.split)

    def _by_rows(self) -> bool:
        asked = self.recipe.model.by_rows
        if asked != "auto":
            return bool(asked)
        return self.recipe.optimizer.name != "sgld" and len(self.symbols) > self._symbols_a_step()

    def _network(self, by_rows: bool) -> SequenceNetwork:
        return SequenceNetwork(
            self.recipe.model, len(self.symbols), len(self.classes), by_rows=by_rows,
            counts=self.symbols.counts,
        )  # fmt: skip

    def _allocate(self) -> None:
        context = self.context
        if context.describes_only:
            self.flat = Flat(self.network, context.backend)
        else:
            self.flat = Flat.allocate(self.network, context.backend, context.streams)
        product = context.team.product
        self._tapes = [Tape(context.backend, product=product) for _ in range(context.team.shards)]

    def build(self) -> None:
        recipe, context, data = self.recipe, self.context, self.data
        self.network = self._network(self._by_rows())
        size = self._step_bytes()
        what = f"a training step of a model of {self._parameters():,} parameters"
        context.backend.refuse_beyond_memory(size, what, "batch, steps or model")
        self._allocate()
        self.schedule = schedules.build(recipe.optimizer, recipe.epochs)
        examples = len(data.train) if isinstance(data, SequenceData) else self._streams(data.train).places
        self.step = GradientStep(
            self.network,
            optimizers.build(recipe.optimizer, self.flat, context.streams, examples),
            context.backend,
            context.team,
            context.streams,
            clip=recipe.optimizer.clip,
            comm=context.comm,
        )
        if isinstance(data, LanguageData):
            self.streams = self._streams(data.train)
            self.carried = CarriedStates(self.network, context.backend, self.streams.count)
            if self.streams.count < recipe.batch:
                context.log(f"the text is short: read at {self.streams.count} places side by side")
        else:
            self.batches = SequenceBatches(data.train.lengths, recipe.batch, context.streams)
        self.lr = recipe.optimizer.lr
        self.sums = context.backend.zeros((context.team.shards, SUMS), np.float64)
        self.seen = 0

    def _parameters(self) -> int:
        return sum(p.size for _, p in self.network.parameters())

    def _step_bytes(self) -> int:
        """Estimated bytes of a step: parameters, gradients, moments, and what is kept of each symbol."""
        tables = sum(p.size for _, p in self.network.parameters() if p.by_rows)
        slots = 1 + len(self.recipe.optimizer.SLOTS)
        kept = self._parameters() * slots + (self._parameters() - tables) * self.context.team.shards
        numbers = kept + self._symbols_a_step() * self.network.numbers_a_symbol()
        return numbers * self.context.backend.dtype.itemsize

    def describe(self) -> Description:
        made = Description(layers=self.network.table(), parameters=self._parameters())
        if hasattr(self, "data"):
            made.data, made.step_bytes = self.data.summary(), self._step_bytes()
            if isinstance(self.data, LanguageData):
                streams = self._streams(self.data.train)
                made.facts["steps"] = f"{streams.steps:,} of {streams.count} streams × {streams.window}"
        return made

    # -- one epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        if skip == 0:
            self.sums[...] = 0
            self.seen = 0
            if not self.classes:
                self.carried.clear()
        steps = self.batches.steps if self.classes else self.streams.steps
        for number, batch, count, examples in self._batches(epoch, skip):
            self.lr = self.schedule.lr(epoch - 1 + (number - 0.5) / steps)  # the middle of the step
            loss = self._learn(batch, count, examples, (epoch, number))
            if loss is None and number % GPU_CHECK_STEPS == 0:
                self._refuse_nonfinite()
            yield Progress(number, steps, examples, loss)

    def _batches(
        self, epoch: int, skip: int
    ) -> Iterator[tuple[int, Window | SequenceBatch, int, int]]:  # fmt: skip
        """Number of each step, what it reads, its rows on all machines, and what it is to foretell."""
        if isinstance(self.data, LanguageData):
            for number, window in windows(self.streams, skip):
                if not self.recipe.carry:
                    self.carried.clear()
                yield number, window, self.streams.count, window.foretold
        else:
            for number, rows in self.batches.epoch(epoch, skip):
                yield number, batch_of(self.data.train, rows), len(rows), len(rows)

    def _learn(
        self, batch: Window | SequenceBatch, rows: int, examples: int, position: tuple[int, int]
    ) -> float | None:
        """One step on this rank's share of a batch of so many rows on all machines."""
        comm, backend = self.context.comm, self.context.backend
        share = shard_rows(rows, comm.size, comm.rank)
        several = comm.size > 1
        sums = backend.zeros(self.sums.shape, np.float64) if several else self.sums

        def loss(tape: Tape, shard: int, mine: slice) -> Any:
            at = slice(share.start + mine.start, share.start + mine.stop)
            if isinstance(batch, Window):
                states = self.carried.rows(at)
                total, measures, last = foretell(self.network, tape, part(batch, at), states, 1 / examples)
            else:
                total, measures = batch.part(at).loss(self.network, tape, 1 / examples)
                last = []
            for k, values in enumerate(measures):
                sums[shard, k] += values.sum(dtype=np.float64)
            return total, (at, last)

        try:
            size, tallies = share.stop - share.start, sums if several else None
            mean = self.step(size, loss, self.lr, position, total_rows=rows, tallies=tallies)
        except NonFiniteLoss as error:
            raise NonFinite(error.value, ", ".join(error.arrays) or "the loss itself") from error
        if several:
            self.sums[0] += backend.asarray(self.step.tally, np.float64)
        if isinstance(batch, Window):
            self._carry(share)
        self.seen += examples
        return mean

    def _carry(self, share: slice) -> None:
        """The states at the end of the step; each rank has those of all, for any of them may save."""
        for at, last in self.step.results:
            self.carried.take(at, last)
        if self.context.comm.size > 1:
            for array in self.carried.arrays():
                mine = self.context.backend.to_host(array[share])
                array[...] = self.context.backend.asarray(self.context.comm.gather_rows(mine))

    def _refuse_nonfinite(self) -> None:
        """Where the device is not waited for at each step, the epoch's sums tell. Raises NonFinite."""
        total = float(self.context.backend.to_host(self.sums).sum())
        if not math.isfinite(total):
            raise NonFinite(total, ", ".join(self.step.not_finite()) or "the loss itself")

    def trained(self) -> dict[str, float]:
        """The row of the epoch under way: learning rate and the training figures."""
        self._refuse_nonfinite()
        nll, correct = self.context.backend.to_host(self.sums).sum(0).tolist()
        if isinstance(self.data, LanguageData):
            figures = language_figures(nll, correct, self.seen, self._characters(self.data.train))
        else:
            figures = class_figures(nll, correct, self.seen)
        return {"lr": self.lr} | named("train", figures)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        self._refuse_nonfinite()  # a state worth saving
        epoch: Tree = {
            "lr": float(self.lr),
            "sums": np.array(self.context.backend.to_host(self.sums)),
            "seen": self.seen,
        }
        if not self.classes:
            epoch["states"] = {str(k): array for k, array in enumerate(self.carried.state())}
        return {
            "symbols": self.symbols.to_dict(),
            "classes": self.classes,
            "model": self.network.state(),
            "optimizer": self.step.optimizer.state(),
            "schedule": self.schedule.state(),
            "epoch": epoch,
        }

    def load(self, state: Tree) -> None:
        saved, mine = state["symbols"], self.symbols.to_dict()
        other = misfit(saved, mine, "symbols") or any((saved[name] != mine[name]).any() for name in mine)
        if other or state["classes"] != self.classes:
            raise ValueError("the symbols or classes of other training data")
        self.network.load(state["model"])
        self.step.optimizer.load(state["optimizer"])
        self.schedule.load(state["schedule"])
        epoch = state["epoch"]
        if not np.isfinite([epoch["lr"], *epoch["sums"].flat]).all() or type(epoch["seen"]) is not int:
            raise ValueError("sums of an epoch that are not finite or of no number of symbols")
        self.lr = epoch["lr"]
        self.sums[...] = self.context.backend.asarray(epoch["sums"], np.float64)
        self.seen = epoch["seen"]
        if not self.classes:
            self._load_carried(epoch["states"])

    def _load_carried(self, saved: Tree) -> None:
        for k, array in enumerate(self.carried.arrays()):
            one = saved[str(k)]
            if one.shape != array.shape or not np.isfinite(one).all():
                raise ValueError("states of other streams, or not finite")
            array[...] = self.context.backend.asarray(one)

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> Self:
        self = cls(recipe, context)
        data = recipe.data
        self.symbols = Symbols.from_dict(data.tokens, data.lower, state["symbols"])
        self.classes = state["classes"]
        if not all(isinstance(name, str) for name in self.classes) or len(self.classes) == 1:
            raise ValueError("classes that are not two texts or more")
        self.task = "classification" if self.classes else "language"
        self.network = self._network(False)
        self._allocate()
        self.network.load(state["model"])
        return self
