"""What naive Bayes learns from: texts or tables behind one interface."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.nb_columns import Columns, Rows, TableCounts
from dlkit.algorithms.nb_table import TableSource
from dlkit.algorithms.nb_text import ChunkCounter, TextModel, TextScores, WordCounts
from dlkit.algorithms.protocol import Tree
from dlkit.errors import UsageError
from dlkit.readers.again import Rereadable
from dlkit.readers.column_facts import only_class
from dlkit.readers.stop_words import stop_words
from dlkit.readers.text import Texts, TextSource, looks_like_text
from dlkit.readers.words import Tokeniser

Chunk = Rows | Texts
Pieces = Iterator[tuple[list[str], list[str], np.ndarray]]
"""Of each row: features, their values as text, and what each adds to log P(x|c), (F, C)."""


class Evidence(ABC):
    """Counts by class of whatever a row consists of."""

    classes: list[str]

    # -- reading --------------------------------------------------------------------------------
    @abstractmethod
    def fit(self, file: Rereadable) -> None:
        """Read all of the training data once: what there is, and whether it is sound. Raises DataError."""

    @abstractmethod
    def open(self, path: Path, *, need_label: bool) -> TextSource | TableSource:
        """Another file of the same kind; classes that training had not are bad rows."""

    source: TextSource | TableSource
    """The training data."""

    # -- counting -------------------------------------------------------------------------------
    @abstractmethod
    def begin(self) -> None:
        """Empty counts."""

    @abstractmethod
    def counter(self) -> Callable[[Any], Any]:
        """A function that counts one chunk; one for each thread."""

    @abstractmethod
    def add(self, counted: Any) -> None:
        """Take in what a counter returned, in the order of the chunks."""

    @abstractmethod
    def finish(self) -> None:
        """The pass is over: counts to log probabilities. Raises DataError."""

    @abstractmethod
    def weigh(self) -> None:
        """Log probabilities of counts that are finished."""

    @property
    @abstractmethod
    def without_prior(self) -> bool:
        """Complement naive Bayes: the scores are no log P(x|c) that a prior could be added to."""

    @property
    @abstractmethod
    def rows(self) -> np.ndarray:
        """(C,) rows counted so far, by class."""

    @abstractmethod
    def figures(self) -> dict[str, int]:
        """What the pass has found, by name of the metric without its split."""

    # -- asking ---------------------------------------------------------------------------------
    @abstractmethod
    def scores(self, chunk: Any) -> np.ndarray:
        """(n, C) log P(x|c)."""

    @abstractmethod
    def pieces(self, chunk: Any) -> Pieces:
        """Where the scores come from."""

    @abstractmethod
    def told(self) -> tuple[Callable[[Any], list[str]], np.ndarray]:
        """All that can be said of a row: names of chosen ones (int array), and log P by class, (M, C)."""

    @abstractmethod
    def state(self) -> Tree:
        """Counts so far, and all that reading another file needs."""

    @abstractmethod
    def load(self, state: Tree) -> None:
        """The inverse of `state`. Raises ValueError, LookupError, TypeError."""


class TextEvidence(Evidence):
    """Words of documents."""

    def __init__(self, recipe: Any, log: Callable[[str], None], base: Path | None) -> None:
        self.recipe, self.log, self.base = recipe, log, base
        self.model: TextModel = "multinomial" if recipe.model == "auto" else recipe.model
        self.unseen = 0
        if self.model not in ("multinomial", "bernoulli", "complement"):
            raise UsageError(
                f"{self.model} is for tables; text takes multinomial, bernoulli or complement", where="model"
            )
        if self.model == "bernoulli" and recipe.alpha == 0:
            raise UsageError("bernoulli over text needs some; 1e-10 is next to nothing", where="alpha")

    def fit(self, file: Rereadable) -> None:
        spec = self.recipe
        self.tokeniser = Tokeniser(spec.text, stop_words(spec.text.stop_words, self.base))
        self.source = TextSource(file, encoding=spec.data.encoding, on_bad_row=spec.on_bad_row)
        for _ in self.source.chunks():
            pass
        self.classes = sorted(self.source.classes)
        only_class(self.classes, self.source.name)
        self.source.settle(self.classes)
        if empty := self.source.empty_classes():
            self.log(f"no document in {', '.join(empty)}: no class of that name")

    def open(self, path: Path, *, need_label: bool) -> TextSource:
        spec = self.recipe
        settings: Any = {
            "encoding": spec.data.encoding,
            "on_bad_row": spec.on_bad_row,
            "classes": self.classes,
        }
        if need_label:
            return TextSource(path, **settings)
        source = TextSource(path, labelled=False, **settings)
        source.drop_labels = True
        return source

    def begin(self) -> None:
        self.counts = WordCounts(len(self.classes), self.recipe.text.distinct_limit)

    def counter(self) -> Callable[[Any], Any]:
        once = self.recipe.text.binary or self.model == "bernoulli"
        return ChunkCounter(self.tokeniser, len(self.classes), once).count

    def add(self, counted: Any) -> None:
        if self.counts.add(counted):
            floor, counts = self.counts.floor, self.counts
            self.log(
                f"more than {counts.limit:,} distinct words: those in {floor:,} document{'s' * (floor > 1)} "
                f"or fewer so far are dropped ({counts.pruned:,} in all); text.distinct_limit sets the limit"
            )

    def finish(self) -> None:
        self.counts.select(self.recipe.text)
        self.weigh()

    def weigh(self) -> None:
        spec = self.recipe
        self.asked = TextScores(
            self.counts,
            self.model,
            alpha=spec.alpha,
            norm=spec.norm,
            binary=spec.text.binary,
            tokeniser=self.tokeniser,
        )

    @property
    def without_prior(self) -> bool:
        return self.model == "complement"

    @property
    def rows(self) -> np.ndarray:
        return self.counts.rows

    def figures(self) -> dict[str, int]:
        counts = self.counts
        found = {"features": len(counts.vocabulary), "words": counts.tokens}
        return found | ({"pruned": counts.pruned} if counts.pruned else {})

    def scores(self, chunk: Any) -> np.ndarray:
        scores, unseen = self.asked.scores(chunk)
        self.unseen += unseen
        return scores

    def pieces(self, chunk: Any) -> Pieces:
        return self.asked.evidence(chunk)

    def told(self) -> tuple[Callable[[Any], list[str]], np.ndarray]:
        vocabulary = self.counts.vocabulary
        return vocabulary.words, self.asked.log_p

    def state(self) -> Tree:
        return {
            "classes": list(self.classes),
            "stop": list(self.tokeniser.stop),
            "counts": self.counts.state(),
        }

    def load(self, state: Tree) -> None:
        self.classes = list(state["classes"])
        self.tokeniser = Tokeniser(self.recipe.text, list(state["stop"]))
        self.begin()
        self.counts.load(state["counts"])


class TableEvidence(Evidence):
    """Columns of a table."""

    def __init__(self, recipe: Any) -> None:
        self.recipe = recipe

    def fit(self, file: Rereadable) -> None:
        source = TableSource(file, self.recipe)
        self.columns = source.fit()
        self.classes = self.columns.schema.classes
        only_class(self.classes, source.name)
        for _ in source.chunks():
            pass
        self.source = source

    def open(self, path: Path, *, need_label: bool) -> TableSource:
        return TableSource(path, self.recipe, self.columns, need_label=need_label)

    def begin(self) -> None:
        self.counts = TableCounts(self.columns, self.recipe.binarize)

    def counter(self) -> Callable[[Any], Any]:
        return self.counts.count

    def add(self, counted: Any) -> None:
        self.counts.add(counted)

    def finish(self) -> None:
        self.weigh()

    def weigh(self) -> None:
        self.counts.finish(self.recipe)

    @property
    def without_prior(self) -> bool:
        return "complement" in self.columns.kinds

    @property
    def rows(self) -> np.ndarray:
        return self.counts.rows

    def figures(self) -> dict[str, int]:
        return {"features": len(self.columns.kinds)}

    def scores(self, chunk: Any) -> np.ndarray:
        return self.counts.scores(chunk)

    def pieces(self, chunk: Any) -> Pieces:
        return self.counts.evidence(chunk)

    def told(self) -> tuple[Callable[[Any], list[str]], np.ndarray]:
        names: list[str] = []
        log_p = [np.zeros((0, len(self.classes)))]
        for part in self.counts.parts:
            said, values = part.told()
            names += said
            log_p.append(values)
        return (lambda ids: [names[int(k)] for k in ids]), np.concatenate(log_p)

    def state(self) -> Tree:
        return self.counts.state()

    def load(self, state: Tree) -> None:
        self.columns = Columns.from_dict(state["columns"])
        self.classes = self.columns.schema.classes
        self.begin()
        self.counts.load(state)


LABELLED = 0.6
"""Share of the first lines that have a tab where lines are label<TAB>text: the others are bad rows, not the
proof of a table whose classes are the texts."""


def evidence_for(recipe: Any, file: Rereadable, log: Callable[[str], None], base: Path | None) -> Evidence:
    """Text or table: as the recipe says, else by the looks of the source. Raises DataError."""
    kind = recipe.data.format
    if kind == "auto":
        kind = "text" if looks_like_text(file.path, file.head(), LABELLED) else "table"
        if kind == "text":
            looks = "a folder for each class" if file.path.is_dir() else "lines of label<TAB>words"
            log(f"format: text ({looks})")
    return TextEvidence(recipe, log, base) if kind == "text" else TableEvidence(recipe)
