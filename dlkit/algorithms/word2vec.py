"""word2vec: vectors of words, items and documents from the company they keep in text or sequences.

Skip-gram lets each word around answer for the word in the middle, cbow lets their mean do so; against words
drawn at random (negative sampling), along a tree of all words (hierarchical softmax), or against all words
exactly (full softmax). With `docs` every document has a vector that takes part (PV-DBOW, PV-DM). What a step
does is in w2v_rounds.py and kernels/w2v_windows.py; what can be asked of the vectors in w2v_asked.py;
docs/word2vec.md has the mathematics.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

from dlkit.algorithms.protocol import Description, LayerRow, NonFinite, Progress, Tree
from dlkit.algorithms.w2v_asked import AskedVectors
from dlkit.algorithms.w2v_drawing import Drawing, aligned, padded
from dlkit.algorithms.w2v_recipe import Word2VecRecipe
from dlkit.algorithms.w2v_rounds import Plan, Rounds, pieces_of
from dlkit.algorithms.w2v_softmax import FullSoftmax
from dlkit.algorithms.w2v_start import Start, read_start
from dlkit.backend.memory import give_back_memory
from dlkit.errors import DataError, UsageError
from dlkit.pictures.exhibits import Left
from dlkit.readers.corpus import Corpus, Reading, corpus_files
from dlkit.readers.corpus_words import CorpusTokeniser
from dlkit.readers.paths import find_file_or_folder
from dlkit.training.checkpoint.leaves import Gathered
from dlkit.training.metrics import Column
from dlkit.training.rundir import Content


class Word2Vec(AskedVectors):
    """A vocabulary, two matrices, and windows that slide over the text."""

    command = "word2vec"
    Recipe = Word2VecRecipe
    UNIT = "words"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column(
            "train_loss",
            "nats",
            "mean over all inputs of the epoch of -ln P(their targets), each before its update",
        ),
        Column("train_lr", "1", "learning rate at the end of the epoch", True),
        Column("train_words", "count", "words of the vocabulary gone by since the begin", True),
        Column(
            "train_inputs",
            "count",
            "inputs that answered in the epoch: pairs (skip-gram), windows (cbow)",
            True,
        ),
    )
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left("map.png", "Map of words", "Frequent words in a plane: those that are near are used alike."),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit word2vec corpus.txt --dim 100
  zcat news.gz | dlkit word2vec - --tokens blank --model cbow -o runs/news
  dlkit word2vec histories.tsv --tokens tabs --window 50 --min-count 2      items of readers, between tabs
  dlkit word2vec reviews.txt --docs                                         a vector for each line, too
  dlkit similar runs/word2vec-corpus --analogy king - man + woman"""

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context, data = self.recipe, self.context, self.recipe.data
        names = data.train if isinstance(data.train, list) else [data.train]
        if not names:
            raise UsageError("expected at least one file", where="data.train")
        self.found = [find_file_or_folder(name, context.base) for name in names]
        self.start: Start | None = read_start(recipe, context)
        self.tokeniser = CorpusTokeniser(data)
        reading = Reading(
            self.tokeniser, data.sentences, data.encoding, recipe.on_bad_row, data.names, recipe.docs,
            data.distinct_limit, None if data.cache is None else Path(data.cache),
        )  # fmt: skip
        self.files = list(corpus_files([one.path for one in self.found]))
        self.corpus = Corpus(self.files, reading)
        first = self.start.words if self.start else []
        self.counts = self.corpus.settle(data.min_count, data.max_vocab, first)
        self.words = self.corpus.words
        give_back_memory()  # the table of all the text's words was larger than what stays
        if self.start:
            self.counts[: len(first)] += self.start.counts
        self.documents = self.corpus.document_names()[0]
        self.document_count = (
            0
            if not recipe.docs
            else len(self.documents)
            if self.documents is not None
            else self.corpus.documents
        )
        self._tell_losses()

    def _tell_losses(self) -> None:
        corpus = self.corpus
        if corpus.skipped:
            self.context.log(f"{corpus.skipped:,} bad lines skipped, first {corpus.first_fault}")
        if corpus.dropped:
            self.context.log(
                f"more than {self.recipe.data.distinct_limit:,} distinct words: {corpus.dropped:,} of the "
                f"rarest "
                "were dropped while counting (data.distinct_limit)"
            )
        if not corpus.words_kept:
            raise DataError("no word of the vocabulary is in the text", where=self.files[0][1])

    def inputs(self) -> list[Path]:
        files = [path for path, _ in getattr(self, "files", []) if str(path) != "-"]
        start = getattr(self, "start", None)
        return files + (start.files if start else [])

    def resolved_recipe(self) -> Any:
        """The recipe with data paths that hold from the current folder."""
        written = [one.written for one in self.found]
        train = written if isinstance(self.recipe.data.train, list) else written[0]
        update: dict[str, Any] = {"data": self.recipe.data.model_copy(update={"train": train})}
        if self.start:
            update["start"] = self.start.written
        if self.recipe.test is not None:
            update["test"] = self._resolved_questions()
        return self.recipe.model_copy(update=update)

    def _resolved_questions(self) -> Any:
        def found(name: str) -> str:
            return find_file_or_folder(name, self.context.base).written

        test = self.recipe.test
        analogies = None if test.analogies is None else found(test.analogies)
        return test.model_copy(update={"analogies": analogies, "pairs": [found(one) for one in test.pairs]})

    # -- model ------------------------------------------------------------------------------------
    def worthwhile_shards(self, threads: int) -> int:
        if self.recipe.objective == "softmax":
            return 1
        return min(threads, pieces_of(self.recipe, int(self.corpus.numbers.size)))

    def build(self) -> None:
        recipe, backend = self.recipe, self.context.backend
        size = sum(math.prod(shape) for shape in self._shapes().values()) * backend.dtype.itemsize
        text = f"vectors of {len(self.words):,} words" + (
            f" and {self.document_count:,} documents" * recipe.docs
        )
        backend.refuse_beyond_memory(size, text, "dim (or data.max_vocab)")
        if self.context.comm.size > 1 and (recipe.objective == "softmax" or recipe.updates == "hogwild"):
            what = "the full softmax" if recipe.objective == "softmax" else "hogwild"
            raise UsageError(f"{what} does not run on several machines", where="word2vec")
        if self.context.describes_only:
            return
        drawing, shapes = Drawing(recipe, self.counts), self._shapes()
        self.trainer: Rounds | FullSoftmax
        if recipe.objective == "softmax":
            self.matrices = {name: self._drawn(name, shape, 0) for name, shape in shapes.items()}
            self.trainer = FullSoftmax(recipe, self.context, self.corpus, drawing, self.matrices)
        else:
            rows = {name: shape[0] for name, shape in shapes.items()}
            plan, host = Plan(recipe, self.corpus, drawing, rows), backend.name == "cpu"
            whole = {
                name: self._drawn(name, shape, plan.spare(name) if host else 0)
                for name, shape in shapes.items()
            }
            self.matrices = {name: table[: rows[name]] for name, table in whole.items()}
            self.trainer = Rounds(recipe, self.context, self.corpus, drawing, plan, whole)
        self.words_seen = 0

    def _shapes(self) -> dict[str, tuple[int, int]]:
        words, width = len(self.words), padded(self.recipe.dim)
        outputs = max(words - 1, 1) if self.recipe.objective == "hierarchical" else words
        return {"input": (words + self.document_count, width), "output": (outputs, width)}

    def _drawn(self, name: str, shape: tuple[int, int], spare: int) -> Any:
        """First values: from the stream "init"; rows of words that `start` has are its rows. spare: rows more
        behind them."""
        recipe, backend = self.recipe, self.context.backend
        values = aligned((shape[0] + spare, shape[1]), backend.dtype)
        rng = self.context.streams.get("init", 0 if name == "input" else 1)
        if recipe.init == "unit" or name == "input":
            for row in range(0, shape[0], 1 << 14):  # some at a time: no second matrix
                part = values[row : row + (1 << 14), : recipe.dim]
                part[...] = rng.random(part.shape, backend.dtype)
                if recipe.init == "small":
                    part -= backend.dtype.type(0.5)
                    part /= recipe.dim
        rows = self.start.matrices.get(name) if self.start else None
        if rows is not None and (name == "input" or self._same_outputs()):
            values[: len(rows), : recipe.dim] = rows
        return backend.asarray(values)

    def _same_outputs(self) -> bool:
        """Whether output rows mean the same as in `start`: nodes of a tree do not, the counts being
        others.
        """
        assert self.start is not None
        hierarchical = "hierarchical" in (self.recipe.objective, self.start.objective)
        return not hierarchical

    def describe(self) -> Description:
        if not hasattr(self, "corpus"):
            return self.described()
        data = f"{self.corpus.words_kept:,} words of {self.corpus.words_read:,}"
        data += f" · {len(self.words):,} distinct"
        data += f" · {self.document_count:,} documents" if self.recipe.docs else ""
        layers = [
            LayerRow(
                name,
                f"{name} vectors",
                "×".join(f"{n:,}" for n in (rows, self.recipe.dim)),
                rows * self.recipe.dim,
            )
            for name, (rows, _) in self._shapes().items()
        ]
        return Description(data=data, layers=layers, parameters=sum(layer.parameters for layer in layers))

    # -- one epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        trainer = self.trainer
        if skip == 0:
            trainer.loss[:] = 0
        whole = trainer.words_before(trainer.steps)
        for step in range(skip, trainer.steps):
            before, after = trainer.words_before(step), trainer.words_before(step + 1)
            loss = trainer.step(epoch, step, lambda seen: self.lr_at((epoch - 1) * whole + seen, whole))
            if not math.isfinite(loss):
                raise NonFinite(loss, "the product of two vectors")
            self.words_seen = (epoch - 1) * whole + after
            yield Progress(step + 1, trainer.steps, after - before, loss)

    def lr_at(self, seen: int, whole: int) -> float:
        """The learning rate after so many words, falling in a line to min_lr; `whole`: words of an epoch."""
        progress = seen / max(whole * self.epochs, 1)
        return self.recipe.lr - (self.recipe.lr - self.recipe.min_lr) * progress

    def end_epoch(self, epoch: int) -> dict[str, float]:
        total, count = self.trainer.loss.tolist()
        whole = self.trainer.words_before(self.trainer.steps)
        return {
            "train_loss": total / max(count, 1),
            "train_lr": self.lr_at(self.words_seen, whole),
            "train_words": self.words_seen,
            "train_inputs": int(count),
        }

    # -- the end ----------------------------------------------------------------------------------
    def test(self) -> dict[str, float]:
        if self.recipe.test is None:
            return {}
        self.take_host_vectors()
        found = self.asked_questions(self.recipe.test.analogies, self.recipe.test.pairs)
        return {name: value for name, value in found.items() if name.startswith("test_")}

    def artifacts(self) -> Iterable[tuple[str, str | Content]]:
        self.take_host_vectors()
        return self.files_of_run()

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        backend, dim = self.context.backend, self.recipe.dim
        return {
            "words": self.words,
            "counts": self.counts,
            "objective": self.recipe.objective,
            "documents": self.documents,
            "document_count": self.document_count,
            "words_seen": self.words_seen,
            "loss": self.trainer.loss.copy(),
            "matrices": {
                name: Gathered(rows[:, :dim], backend.xp.arange(len(rows)), backend.to_host)
                for name, rows in self.matrices.items()
            },
        }

    def load(self, state: Tree) -> None:
        if list(state["words"]) != self.words or int(state["document_count"]) != self.document_count:
            raise DataError("the words of the data are not those of the run")
        backend = self.context.backend
        for name, shape in self._shapes().items():
            rows, wanted = state["matrices"][name], (shape[0], self.recipe.dim)
            if rows.shape != wanted or rows.dtype != backend.dtype:
                text = f"{name} is {rows.shape} of {rows.dtype}, expected {wanted} of {backend.dtype}"
                raise DataError(text)
            self.matrices[name][:, : self.recipe.dim] = backend.asarray(rows)
        self.trainer.loss[:] = state["loss"]
        self.words_seen = int(state["words_seen"])


ALGORITHM = Word2Vec
