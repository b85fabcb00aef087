"""What a trained naive Bayes can be asked: labels and posteriors, their reasons, figures, telling
features.
"""

from abc import abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms import nb_variants as variants
from dlkit.algorithms.nb_evidence import Chunk, Evidence, TableEvidence, TextEvidence
from dlkit.algorithms.nb_explain import shares, telling
from dlkit.algorithms.nb_figures import Confusion
from dlkit.algorithms.nb_table import TableSource
from dlkit.algorithms.protocol import Algorithm, Answer, File
from dlkit.errors import UsageError
from dlkit.pictures.exhibits import Made, Sheet
from dlkit.readers.cells import quoted
from dlkit.readers.paths import find_file_or_folder
from dlkit.readers.text import TextSource
from dlkit.training.metrics import to_csv

EXPLAINED, TELLING, ARTIFACT_ROWS = 10, 10, 50
"""Features shown by default: of a row explained, of a class inspected, of a class in features.csv."""


class AskedBayes(Algorithm):
    """Evidence and a prior, and what follows from them."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset({"explain", "top", "positive", "threshold"}),
        "evaluate": frozenset({"positive", "threshold"}),
        "inspect": frozenset({"features_of_class", "top"}),
        "export": frozenset({"format"}),
    }

    evidence: Evidence
    confusion: Confusion | None = None
    """Of the test rows, once they have been judged."""

    @property
    @abstractmethod
    def prior(self) -> np.ndarray:
        """(C,) log P(c)."""

    @abstractmethod
    def test_chunks(self) -> Iterator[Chunk]:
        """The recipe's own test rows."""

    @property
    def classes(self) -> list[str]:
        """Names of the classes, by code."""
        return self.evidence.classes

    @property
    def is_text(self) -> bool:
        """Texts rather than tables."""
        return isinstance(self.evidence, TextEvidence)

    def evidence_of(self, kind: str) -> Evidence:
        """Evidence without data, to be loaded. Raises ValueError for a kind that there is not."""
        if kind not in ("text", "table"):
            raise ValueError(f"evidence of kind {kind!r}")
        if kind == "table":
            return TableEvidence(self.recipe)
        return TextEvidence(self.recipe, self.context.log, self.context.base)

    @property
    def _starting_odds(self) -> np.ndarray:
        """(C,) what is added to the scores: log P(c); complement naive Bayes has no use for it."""
        return np.zeros(len(self.classes)) if self.evidence.without_prior else self.prior

    def posterior(self, chunk: Chunk) -> np.ndarray:
        """(n, C) P(c|x) of each row."""
        joint = self.evidence.scores(chunk) + self._starting_odds
        p, impossible = variants.posterior(joint, self._starting_odds)
        for d in np.flatnonzero(impossible)[: max(1 - self.impossible, 0)].tolist():
            self.context.log(
                f"{chunk.place(d)}: impossible in every class (alpha is 0): the prior is the answer"
            )
        self.impossible += int(impossible.sum())
        return p

    impossible = 0
    """Rows so far whose evidence no class allows."""

    def said(self, p: np.ndarray, options: Mapping[str, Any]) -> np.ndarray:
        """(n,) codes of the classes to say: the likeliest, or `positive` from a threshold on. Raises
        UsageError.
        """
        positive = options.get("positive") or self.recipe.positive
        threshold = options.get("threshold") or self.recipe.threshold
        said = p.argmax(1)
        if threshold is None:
            return said
        self.check_positive(positive, "--positive", needed=True)
        k = self.classes.index(positive)
        others = p.copy()
        others[:, k] = -1.0
        return np.where(p[:, k] >= threshold, k, others.argmax(1))

    def check_positive(self, positive: str | None, where: str, *, needed: bool = False) -> None:
        """`positive` must be a class. Raises UsageError."""
        if positive is None and needed:
            raise UsageError("a threshold of which class?", where="--threshold", hint="give --positive")
        if positive is not None and positive not in self.classes:
            raise UsageError(f"no class is called {quoted(positive)}; there are {self.shown()}", where=where)

    def shown(self) -> str:
        """The names of the classes for a message."""
        some = ", ".join(quoted(name)[1:-1] for name in self.classes[:12])
        return some + (", …" if len(self.classes) > 12 else "")

    # -- predict ----------------------------------------------------------------------------------
    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        self.check_positive(options.get("positive"), "--positive")
        if options.get("top") and not options.get("explain"):
            raise UsageError("only with --explain", where="--top")
        opened = self.evidence.open(find_file_or_folder(source).path, need_label=False)
        first = 1
        for chunk in opened.chunks():
            p = self.posterior(chunk)
            if options.get("explain"):
                yield from self._reasons(chunk, p, options, first)
            else:
                yield self._answer(chunk, p, options)
            first += len(chunk)
        self.tell(opened)

    def _answer(self, chunk: Chunk, p: np.ndarray, options: Mapping[str, Any]) -> Answer:
        labels = [self.classes[k] for k in self.said(p, options).tolist()]
        header, columns = ["label", *(f"P({name})" for name in self.classes)], [labels, *p.T]
        files = getattr(chunk, "files", None)
        return Answer(["file", *header], [files, *columns]) if files is not None else Answer(header, columns)

    def _reasons(
        self, chunk: Chunk, p: np.ndarray, options: Mapping[str, Any], first: int
    ) -> Iterator[Answer]:
        """One line a feature: what it adds to the log odds of the class said against the next likely one."""
        header = ["row", "label", "against", "log_odds", "feature", "value", "adds"]
        top = int(options.get("top") or EXPLAINED)
        said = self.said(p, options)
        for d, (names, values, parts) in enumerate(self.evidence.pieces(chunk)):
            a = int(said[d])
            b = int(np.where(np.arange(len(self.classes)) == a, -1.0, p[d]).argmax())
            lines = shares(names, values, parts, self._starting_odds, a, b, top)
            total = sum(line.log_odds for line in lines)
            fixed = [first + d, self.classes[a], self.classes[b], total]
            yield Answer(
                header,
                [[value] * len(lines) for value in fixed] + [list(one) for one in zip(*lines, strict=True)],
            )

    def tell(self, source: TextSource | TableSource) -> None:
        """What was not as in training, once all rows are read."""
        log = self.context.log
        if source.skipped:
            log(f"{source.name}: {source.skipped:,} bad rows left out, first {source.first_fault}")
        if missing := getattr(source, "missing", 0):
            log(f"{source.name}: {missing:,} empty cells say nothing")
        if unseen := getattr(source, "unseen", 0) or getattr(self.evidence, "unseen", 0):
            what = "word" if self.is_text else "cell"
            what += "s" * (unseen > 1) + " with a category" * (not self.is_text)
            how = ": they say nothing" if unseen > 1 else ": it says nothing"
            how = "" if self.is_text or self.recipe.data.unseen == "smooth" else how
            log(f"{source.name}: {unseen:,} {what} not seen in training{how}")
        if self.impossible > 1:
            log(f"{source.name}: {self.impossible:,} rows impossible in every class")

    # -- evaluate ---------------------------------------------------------------------------------
    def judge(self, chunks: Iterable[Chunk], options: Mapping[str, Any] | None = None) -> Confusion:
        """Figures of labelled rows."""
        confusion = Confusion(self.classes)
        for chunk in chunks:
            if len(chunk):
                p = self.posterior(chunk)
                confusion.add(chunk.labels, self.said(p, options or {}), p)
        return confusion

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        positive = options.get("positive") or self.recipe.positive
        self.check_positive(positive, "--positive")
        if source is not None:
            opened = self.evidence.open(find_file_or_folder(source).path, need_label=True)
            confusion = self.judge(opened.chunks(), options)
            self.tell(opened)
        else:
            if self.recipe.data.train == "-" or (
                self.recipe.data.test is None and self.recipe.data.fold is None
            ):
                raise UsageError("the recipe has no test rows; name a labelled file", where="evaluate")
            self._read_again()
            confusion = self.judge(self.test_chunks(), options)
        figures = {**confusion.figures(positive), **confusion.detail()}
        return {"rows": confusion.rows} | {f"test_{name}": value for name, value in figures.items()}

    def _read_again(self) -> None:
        """The run's own data, for its test rows; what has been learnt stays."""
        learnt = self.state()
        self.read_data()
        self.build()
        self.load(learnt)

    # -- inspect ----------------------------------------------------------------------------------
    def look(self, options: Mapping[str, Any]) -> Iterator[File | str]:
        wanted = options.get("features_of_class")
        top = int(options.get("top") or TELLING)
        if wanted not in (None, "all"):
            self.check_positive(str(wanted), "--features-of-class")
        chosen = self.classes if wanted in (None, "all") else [str(wanted)]
        for name in chosen:
            yield f"class {printable(name)}"
            yield f"  {'log odds':>9}  {'P(f|class)':>11}  feature"
            for feature, probability, odds in self._telling(name, top):
                yield f"  {odds:9.3f}  {probability:11.4g}  {printable(feature)}"

    def exhibits(self) -> Iterator[Made | str]:
        """What speaks for each class."""
        rows = [
            (name, feature, f"{odds:.3f}", f"{probability:.4g}")
            for name in self.classes
            for feature, probability, odds in self._telling(name, TELLING)
        ]
        if rows:
            told = "Of each class the features whose presence speaks most for it, against the other classes."
            yield Sheet("What speaks for a class", told, ("class", "feature", "log odds", "P(f|class)"), rows)

    def _telling(self, name: str, top: int) -> list[tuple[str, float, float]]:
        """(feature, P(f|class), log odds against the other classes) of what speaks most for a class."""
        names, log_p = self.evidence.told()
        found = telling(log_p, np.exp(self.prior), self.classes.index(name), top)
        words = names(np.array([one.feature for one in found], np.int64))
        return [(word, one.probability, one.log_odds) for word, one in zip(words, found, strict=True)]

    def telling_facts(self) -> dict[str, str]:
        """A line for each class: its rows and what speaks most for it."""
        facts = {}
        for name, rows in zip(self.classes, self.evidence.rows.tolist(), strict=True):
            words = ", ".join(printable(word) for word, _, _ in self._telling(name, TELLING))
            facts[printable(name)] = f"{rows:,} rows; {words}" if words else f"{rows:,} rows"
        return facts

    def class_facts(self, rows: np.ndarray) -> dict[str, str]:
        """A line for each class: its rows."""
        return {printable(name): f"{n:,} rows" for name, n in zip(self.classes, rows.tolist(), strict=True)}

    # -- export -----------------------------------------------------------------------------------
    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """What was counted, as tables or arrays."""
        from dlkit.algorithms import nb_export

        return nb_export.exports(self, options)

    # -- artifacts --------------------------------------------------------------------------------
    def classes_csv(self) -> str:
        """class, rows, P(class)."""
        p = np.exp(self.prior).tolist()
        rows = zip(self.classes, map(str, self.evidence.rows.tolist()), map(repr, p), strict=True)
        return to_csv(["class", "rows", "prior"], rows)

    def features_csv(self) -> str:
        """class, feature, P(feature|class), log odds against the other classes: the telling ones of each
        class.
        """
        rows = (
            [name, feature, repr(probability), repr(odds)]
            for name in self.classes
            for feature, probability, odds in self._telling(name, ARTIFACT_ROWS)
        )
        return to_csv(["class", "feature", "probability", "log_odds"], rows)


def printable(text: str) -> str:
    """A name as a terminal may see it."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
