"""An epoch of seq2seq: batches of pairs of like lengths through the loss, and the sums of its measures."""

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Self

import numpy as np

from dlkit.algorithms.protocol import Algorithm, Context, Description, NonFinite, Progress, Tree
from dlkit.algorithms.rows import named
from dlkit.algorithms.seq2seq_batch import Batch, WordsFed, batch_of
from dlkit.algorithms.seq2seq_network import Translator
from dlkit.algorithms.seq2seq_search import in_batches
from dlkit.autograd import Tape, Variable
from dlkit.nn import optimizers, schedules
from dlkit.nn.parameter import Flat
from dlkit.nn.step import GradientStep, NonFiniteLoss, shard_rows, worthwhile_shards
from dlkit.ops.word_loss import word_loss, work_numbers
from dlkit.readers.pair_batches import PairBatches
from dlkit.readers.parallel import Corpus, ParallelData, read_parallel
from dlkit.readers.sentences import Language
from dlkit.training.checkpoint.form import misfit

GPU_CHECK_STEPS = 100
"""Steps between two looks at the loss on a GPU, where looking means waiting."""
SUMS = ("loss", "nll", "correct")
JUDGED_PAIRS, JUDGED_PLACES = 128, 4096
"""Most pairs, and about most source words, that are judged or translated at once: figures must not depend on
the number of threads, so these do not."""


class PairTraining(Algorithm):
    """Reads pairs, builds the network, takes gradient steps."""

    data: ParallelData
    network: Translator

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        both = (
            Language(recipe.source_words, "source_words"),
            Language(recipe.target_words, "target_words"),
        )
        self.data = read_parallel(recipe.data, both, recipe.on_bad_row, context.streams, context.base)
        self.source, self.target = both
        for note in self.data.notes:
            context.log(note)

    def inputs(self) -> list[Path]:
        return self.data.files

    def resolved_recipe(self) -> Any:
        if not self.data.resolved:
            return self.recipe
        return self.recipe.model_copy(update={"data": self.recipe.data.model_copy(update=self.data.resolved)})

    # -- model ------------------------------------------------------------------------------------
    def _batches(self) -> PairBatches:
        train, recipe = self.data.train, self.recipe
        lengths = train.source.lengths, train.target.lengths + 1
        return PairBatches(*lengths, recipe.batch, recipe.tokens, self.context.streams)

    def worthwhile_shards(self, threads: int) -> int:
        network = Translator(self.recipe.model, self.source.size, self.target.size)
        places = self._batches().places() // 2
        return worthwhile_shards(network.products_a_place(), places, threads, self.recipe.split)

    def _lay_out(self) -> None:
        self.network = Translator(self.recipe.model, self.source.size, self.target.size)

    def _allocate(self) -> None:
        context = self.context
        if context.describes_only:
            self.flat = Flat(self.network, context.backend)
        else:
            self.flat = Flat.allocate(self.network, context.backend, context.streams)
        self._tapes = [
            Tape(context.backend, product=context.team.product) for _ in range(context.team.shards)
        ]

    def build(self) -> None:
        recipe, context = self.recipe, self.context
        self.batches = self._batches()
        self._lay_out()
        size = self._step_bytes()
        what = f"a training step of a model of {self._parameters():,} parameters"
        context.backend.refuse_beyond_memory(size, what, "batch, tokens or model")
        self._allocate()
        self.schedule = schedules.build(recipe.optimizer, recipe.epochs)
        optimizer = optimizers.build(recipe.optimizer, self.flat, context.streams, len(self.data.train))
        self.step = GradientStep(
            self.network,
            optimizer,
            context.backend,
            context.team,
            context.streams,
            clip=recipe.optimizer.clip,
            comm=context.comm,
        )
        team = context.team
        self._fed = [WordsFed(self.network, context.backend, team.product) for _ in range(team.shards)]
        self.lr = recipe.optimizer.lr
        self.sums = context.backend.zeros((context.team.shards, len(SUMS)), np.float64)
        self.words_seen = 0

    def _parameters(self) -> int:
        return sum(p.size for _, p in self.network.parameters())

    def _step_bytes(self) -> int:
        """Estimated bytes of the largest training step: parameters, gradients, moments; places; logits."""
        kept = self._parameters() * (1 + self.context.team.shards + len(self.recipe.optimizer.SLOTS))
        places, width = self.batches.places(), self.recipe.model.before_output
        work = work_numbers(self.context.backend, self.target.size, width, places)
        numbers = kept + places * self.network.numbers_a_place() + work
        return numbers * self.context.backend.dtype.itemsize

    def describe(self) -> Description:
        if not hasattr(self, "data"):
            return Description(layers=self.network.table(), parameters=self._parameters())
        facts = {"batches": f"{self.batches.steps:,} of up to {self.batches.most} pairs"}
        return Description(
            data=self.data.summary(),
            layers=self.network.table(),
            parameters=self._parameters(),
            step_bytes=self._step_bytes(),
            facts=facts,
        )

    # -- one epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        if skip == 0:
            self.sums[...] = 0
            self.words_seen = 0
        steps, comm, train = self.batches.steps, self.context.comm, self.data.train
        for number, rows in self.batches.epoch(epoch, skip):
            self.lr = self.schedule.lr(epoch - 1 + (number - 0.5) / steps)  # the middle of the step
            mine = batch_of(train, rows).part(shard_rows(len(rows), comm.size, comm.rank))
            words = int(train.target.lengths[rows].sum()) + len(rows)
            loss = self._learn(mine, len(rows), words, (epoch, number))
            if loss is None and number % GPU_CHECK_STEPS == 0:
                self._refuse_nonfinite()
            yield Progress(number, steps, words, loss)

    def _learn(self, batch: Batch, pairs: int, words: int, position: tuple[int, int]) -> float | None:
        """One step on this rank's share of a batch of `pairs` with so many target words on all machines."""
        several = self.context.comm.size > 1
        sums = self.context.backend.zeros(self.sums.shape, np.float64) if several else self.sums
        true = self._truths(pairs, len(batch.before), position)
        weight = 1 / (words if self.recipe.mean_over == "words" else pairs)

        def loss(tape: Tape, shard: int, rows: slice) -> Any:
            part = batch.part(rows)
            if true is not None:
                part = part._replace(before=self._fed[shard](part, true[:, rows]))
            total, measures = self.pair_loss(tape, part, weight, self.recipe.label_smoothing)
            for k, values in enumerate(measures):
                sums[shard, k] += values.sum(dtype=np.float64)
            return total, None

        try:
            rows = len(batch.lengths)
            mean = self.step(
                rows, loss, self.lr, position, total_rows=pairs, tallies=sums if several else None
            )
        except NonFiniteLoss as error:
            raise NonFinite(error.value, ", ".join(error.arrays) or "the loss itself") from error
        if several:
            self.sums[0] += self.context.backend.asarray(self.step.tally, np.float64)
        self.words_seen += words
        return None if mean is None else mean / (weight * words)

    def pair_loss(
        self, tape: Tape, batch: Batch, weight: float, smoothing: float
    ) -> tuple[Variable, tuple[Any, ...]]:
        """The weighted loss of a batch, and of each place: smoothed loss, -log p, whether it was foretold."""
        network = self.network
        source = network.encode(tape, batch.source, batch.lengths)
        h, _, _ = network.decode(tape, source, batch.before)
        w, b = tape.parameter(network.output), tape.parameter(network.output_bias)
        labels = tape.backend.asarray(batch.labels.reshape(-1))
        loss, *measures = word_loss(tape, h, w, b, labels, weight, smoothing=smoothing)
        return loss, tuple(measures)

    def _truths(self, pairs: int, steps: int, position: tuple[int, int]) -> np.ndarray | None:
        """(T, this rank's pairs) bool: whether the decoder is fed the true word before each place."""
        ratio = self.recipe.teacher_forcing
        if ratio >= 1:
            return None
        comm = self.context.comm
        drawn = self.context.streams.get("teacher", *position).random(
            (pairs, self.recipe.data.max_length + 1)
        )
        mine = drawn[shard_rows(pairs, comm.size, comm.rank), :steps]
        return np.ascontiguousarray(mine.T) < ratio

    # -- figures --------------------------------------------------------------------------------------
    def measured(self, corpus: Corpus) -> dict[str, float]:
        """Loss, perplexity and token accuracy on other pairs, fed the true words, noise off."""
        team, comm = self.context.team, self.context.comm
        lengths = corpus.source.lengths + corpus.target.lengths
        chunks = list(in_batches(lengths, JUDGED_PAIRS, JUDGED_PLACES))
        mine = shard_rows(len(chunks), comm.size, comm.rank)
        totals = np.zeros((len(chunks), len(SUMS)))

        def work(s: int) -> None:
            tape = self._tapes[s]
            for k in range(mine.start + s, mine.stop, team.shards):
                tape.begin(training=False)
                with np.errstate(all="ignore"):  # figures that are not finite are told as such
                    _, measures = self.pair_loss(tape, batch_of(corpus, chunks[k]), 1.0, 0.0)
                    sums = [m.sum(dtype=np.float64) for m in measures]
                totals[k] = [float(self.context.backend.to_host(each)) for each in sums]

        team.map(work)
        every = np.sum(comm.gather(totals), axis=0)  # each rank's chunks are zeros elsewhere
        return figures(every.sum(0), corpus.words)

    def _refuse_nonfinite(self) -> None:
        """Where the device is not waited for at each step, the epoch's sums tell. Raises NonFinite."""
        total = float(self.context.backend.to_host(self.sums).sum())
        if not math.isfinite(total):
            raise NonFinite(total, ", ".join(self.step.not_finite()) or "the loss itself")

    def trained(self) -> dict[str, float]:
        """The row of the epoch under way: learning rate and the training figures."""
        self._refuse_nonfinite()
        sums = self.context.backend.to_host(self.sums).sum(0)
        return {"lr": self.lr} | named("train", figures(sums, self.words_seen))

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        self._refuse_nonfinite()  # a state worth saving
        return {
            "source": self.source.to_dict(),
            "target": self.target.to_dict(),
            "model": self.network.state(),
            "optimizer": self.step.optimizer.state(),
            "schedule": self.schedule.state(),
            "epoch": {
                "lr": float(self.lr),
                "sums": np.array(self.context.backend.to_host(self.sums)),
                "words": self.words_seen,
            },
        }

    def load(self, state: Tree) -> None:
        for side, language in (("source", self.source), ("target", self.target)):
            saved, mine = state[side], language.to_dict()
            if misfit(saved, mine, side) or any((saved[name] != mine[name]).any() for name in mine):
                raise ValueError(f"the {side} words of other training pairs")
        self.network.load(state["model"])
        self.step.optimizer.load(state["optimizer"])
        self.schedule.load(state["schedule"])
        epoch = state["epoch"]
        if not np.isfinite([epoch["lr"], *epoch["sums"].flat]).all() or type(epoch["words"]) is not int:
            raise ValueError("sums of an epoch that are not finite or of no number of words")
        self.lr = epoch["lr"]
        self.sums[...] = self.context.backend.asarray(epoch["sums"], np.float64)
        self.words_seen = epoch["words"]

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> Self:
        self = cls(recipe, context)
        self.source = Language.from_dict(recipe.source_words, "source_words", state["source"])
        self.target = Language.from_dict(recipe.target_words, "target_words", state["target"])
        self._lay_out()
        self._allocate()
        self.network.load(state["model"])
        return self


def figures(sums: np.ndarray, words: int) -> dict[str, float]:
    """Measures from the sums of SUMS over so many target words."""
    loss, nll, correct = (float(total) / max(words, 1) for total in sums)
    return {
        "loss": loss,
        "perplexity": math.exp(min(nll, 700.0)),  # beyond, exp overflows
        "token_accuracy": correct,
    }
