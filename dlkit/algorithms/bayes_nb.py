"""bayes-nb: naive Bayes for tables and texts: counts by class in one pass, posteriors by Bayes' rule.

    P(c | x) = P(c) prod_f P(x_f | c) / sum_c' P(c') prod_f P(x_f | c')

The features are taken to be independent within a class, which is the naive part: P(x_f | c) is then a count.
What P(x_f | c) is for words, categories and numbers stands in nb_variants.py; docs/bayes-nb.md has the
mathematics.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms import nb_variants as variants
from dlkit.algorithms.nb_asked import AskedBayes
from dlkit.algorithms.nb_evidence import Chunk, Evidence, evidence_for
from dlkit.algorithms.nb_recipe import BayesNBRecipe
from dlkit.algorithms.protocol import Description, Progress, Tree
from dlkit.errors import DataError, UsageError
from dlkit.pictures.exhibits import Left
from dlkit.readers.again import Rereadable
from dlkit.readers.cells import quoted, skipped_rows
from dlkit.readers.paths import Found, find_file_or_folder, resolve_path
from dlkit.readers.streamed_split import RowSplit
from dlkit.training.metrics import Column


class BayesNB(AskedBayes):
    """Counts, a prior, and Bayes' rule."""

    command = "bayes-nb"
    Recipe = BayesNBRecipe
    UNIT = "rows"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("train_rows", "count", "rows or documents counted"),
        Column("train_features", "count", "columns, or distinct words within the limits"),
        Column("train_words", "count", "words (n-grams, characters) counted"),
        Column("train_pruned", "count", "distinct words dropped while counting because there were too many"),
        Column("train_missing", "count", "empty cells, left out of the counts"),
        Column("train_skipped", "count", "bad rows left out"),
    )
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left(
            "confusion.csv",
            "Confusion matrix",
            "A row a class, a column what was said; shaded by the row.",
            shaded=True,
        ),
        Left("classes.csv", "Classes", "Rows of each class, and its prior probability."),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit bayes-nb data/golf.csv                                 a table: the last column is the class
  dlkit bayes-nb messages.txt --test 0.2 --positive spam       lines of label<TAB>text
  dlkit bayes-nb mail/ --ngrams 2 --min-df 2                   a folder with a folder for each class
  dlkit bayes-nb recipes/nb-sms.yaml --model bernoulli -o runs/bernoulli"""

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        self.found = find_file_or_folder(recipe.data.train, context.base)
        self.test_found = self._test_file()
        file = Rereadable(self.found.path)
        self.evidence: Evidence = evidence_for(recipe, file, context.log, context.base)
        self.evidence.fit(file)
        self._check_classes()
        self.split = self._split()
        self.train_rows, self.test_rows = self._rows_of_classes()
        if (source := self.evidence.source).skipped:
            context.log(skipped_rows(source.name, source.skipped, source.first_fault))

    def _test_file(self) -> Found | None:
        test = self.recipe.data.test
        return find_file_or_folder(test, self.context.base) if isinstance(test, str) else None

    def _split(self) -> RowSplit | None:
        """Which rows of the training data are test rows."""
        data, streams = self.recipe.data, self.context.streams
        if data.fold is not None:
            return RowSplit.of_fold(streams, data.fold.index, data.fold.of)
        if data.test is None or isinstance(data.test, str):
            return None
        rows = sum(len(chunk) for chunk in self.evidence.source.chunks()) if isinstance(data.test, int) else 0
        return RowSplit.of_test(streams, data.test, rows, self.evidence.source.name)

    def _rows_of_classes(self) -> tuple[np.ndarray, np.ndarray]:
        """(C,) rows of each class to learn from, and to be tested on. Raises DataError where a class has
        none.
        """
        classes = self.evidence.classes
        whole, test = np.zeros((2, len(classes)), np.int64)
        for chunk in self.evidence.source.chunks():
            whole += np.bincount(chunk.labels, minlength=len(classes))
            if self.split is not None:
                held = chunk.labels[self.split.is_test(chunk.row, len(chunk))]
                test += np.bincount(held, minlength=len(classes))
        name = self.evidence.source.name
        for k in np.flatnonzero(whole == test).tolist():
            raise DataError(
                f"no training row of class {quoted(classes[k])} is left", where=name, hint="fewer test rows"
            )
        if self.split is not None and not test.any():
            raise DataError(f"{self.recipe.data.test} of {whole.sum():,} rows is no test row", where=name)
        return whole - test, test

    def inputs(self) -> list[Path]:
        files = [found.path for found in (self.found, self.test_found) if found and not found.is_stdin]
        stop = self.recipe.text.stop_words
        if stop not in (None, "english"):
            files.append(resolve_path(stop, self.context.base).path)
        return files

    def resolved_recipe(self) -> Any:
        data = {"train": self.found.written} | ({"test": self.test_found.written} if self.test_found else {})
        update: dict[str, Any] = {"data": self.recipe.data.model_copy(update=data)}
        if self.recipe.text.stop_words not in (None, "english"):
            found = resolve_path(self.recipe.text.stop_words, self.context.base)
            update["text"] = self.recipe.text.model_copy(update={"stop_words": found.written})
        return self.recipe.model_copy(update=update)

    # -- model ------------------------------------------------------------------------------------
    def build(self) -> None:
        self.evidence.begin()
        self.done = 0
        """Chunks counted."""
        self.finished = False

    def worthwhile_shards(self, threads: int) -> int:
        """A chunk for each thread, where there are so many."""
        chunks = sum(1 for _ in islice(self.evidence.source.chunks(), threads))
        return max(1, min(threads, chunks))

    def describe(self) -> Description:
        if not hasattr(self, "train_rows"):
            return Description(facts=self.telling_facts())
        train, test = int(self.train_rows.sum()), int(self.test_rows.sum())
        data = f"{self.recipe.data.train} {train:,}" + (f" + {test:,} test" if test else "")
        data += f" · {self.recipe.data.test}" if self.test_found else ""
        return Description(
            data=f"{data} · {len(self.classes)} classes", facts=self.class_facts(self.train_rows)
        )

    # -- the pass ---------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        """A step is a chunk of the file. Threads and ranks count chunks apart; all add them up in file
        order.
        """
        team, comm = self.context.team, self.context.comm
        if skip == 0:
            self.build()
        counters = [self.evidence.counter() for _ in range(team.shards)]
        chunks: Iterator[Chunk] = islice(self.evidence.source.chunks(), self.done, None)
        together = team.shards * comm.size
        while whole := list(islice(chunks, together)):
            group: list[Chunk] = [self._train_part(chunk) for chunk in whole]
            mine = group[comm.rank * team.shards : (comm.rank + 1) * team.shards]
            counted = team.map(partial(_count, counters, mine))
            comm.all_sum(np.zeros(1))  # signals travel in it
            everyone = [one for part in comm.gather(counted[: len(mine)]) for one in part]
            for chunk, one in zip(group, everyone, strict=True):
                self.evidence.add(one)
                self.done += 1
                yield Progress(self.done, 0, len(chunk))

    def _train_part(self, chunk: Chunk) -> Chunk:
        """The rows of a chunk that are not test rows."""
        return chunk if self.split is None else chunk.take(~self.split.is_test(chunk.row, len(chunk)))

    def end_epoch(self, epoch: int) -> dict[str, float]:
        self.evidence.finish()
        self.finished = True
        source = self.evidence.source
        figures = {"rows": int(self.evidence.rows.sum())} | self.evidence.figures()
        for name in ("missing", "skipped"):
            if found := getattr(source, name, 0):
                figures[name] = found
        if "missing" in figures:
            self.context.log(f"{source.name}: {figures['missing']:,} empty cells left out")
        return {f"train_{name}": value for name, value in figures.items()}

    # -- the end ----------------------------------------------------------------------------------
    def test(self) -> dict[str, float]:
        self.confusion = None
        if self.test_found is None and self.split is None:
            return {}
        self.confusion = self.judge(self.test_chunks())
        return {f"test_{name}": value for name, value in self.confusion.figures(self.recipe.positive).items()}

    def test_chunks(self) -> Iterator[Chunk]:
        """The recipe's own test rows."""
        if self.test_found is not None:
            source = self.evidence.open(self.test_found.path, need_label=True)
            yield from source.chunks()
            self.tell(source)
            return
        assert self.split is not None
        for chunk in self.evidence.source.chunks():
            yield chunk.take(self.split.is_test(chunk.row, len(chunk)))

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        yield "classes.csv", self.classes_csv()
        yield "features.csv", self.features_csv()
        if self.confusion is not None:
            yield "confusion.csv", self.confusion.to_csv()

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        kind = "text" if self.is_text else "table"
        return {
            "kind": kind,
            "chunks": self.done,
            "finished": self.finished,
            "evidence": self.evidence.state(),
        }

    def load(self, state: Tree) -> None:
        classes = list(self.evidence.classes)
        self._take(state)
        if list(self.evidence.classes) != classes:
            raise DataError("the classes of the data are not those of the run")

    def _take(self, state: Tree) -> None:
        self.evidence.load(state["evidence"])
        self.done, self.finished = int(state["chunks"]), bool(state["finished"])
        if self.finished:
            self.evidence.weigh()

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Any) -> "BayesNB":
        made = cls(recipe, context)
        made.evidence = made.evidence_of(str(state["kind"]))
        made._take(state)
        if not made.finished:
            made.evidence.finish()
        made._check_classes()
        return made

    def _check_classes(self) -> None:
        """Names of classes in the recipe must be classes. Raises UsageError."""
        classes, prior = self.evidence.classes, self.recipe.prior
        self.check_positive(self.recipe.positive, "positive")
        if isinstance(prior, Mapping) and set(prior) != set(classes):
            wrong = sorted(set(prior) ^ set(classes))[0]
            raise UsageError(
                f"{quoted(wrong)} is not both a class and given; the classes are {self.shown()}",
                where="prior",
            )

    @property
    def prior(self) -> np.ndarray:
        """(C,) log P(c); given ones are scaled to a sum of 1."""
        given, rows = self.recipe.prior, self.evidence.rows
        if given == "learnt":
            return variants.log_prior(rows.astype(np.float64))
        weights = np.ones(len(rows)) if given == "uniform" else np.array([given[c] for c in self.classes])
        return variants.log_prior(weights)


def _count(counters: Sequence[Callable[[Any], Any]], chunks: Sequence[Chunk], shard: int) -> Any:
    """A shard's chunk, where there is one for it."""
    return counters[shard](chunks[shard]) if shard < len(chunks) else None


ALGORITHM = BayesNB
