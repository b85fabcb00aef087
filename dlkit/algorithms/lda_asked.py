"""What learnt topics can be asked: topics of new documents, figures, documents alike, the topics' words."""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms import exported
from dlkit.algorithms.lda_documents import Completion, Topics, shares_of
from dlkit.algorithms.lda_model import TopicModel
from dlkit.algorithms.protocol import Algorithm, Answer, File
from dlkit.errors import DataError, UsageError
from dlkit.pictures.exhibits import Made, Sheet
from dlkit.readers.cells import quoted
from dlkit.readers.documents import DocumentReader, Documents, joined_documents
from dlkit.readers.paths import find_file_or_folder
from dlkit.readers.stop_words import stop_words
from dlkit.readers.words import Tokeniser

FACTS = 20
SHOWN = 12
"""Words of a topic in a report."""
"""Most topics of a plain `inspect`."""


class AskedTopics(Algorithm):
    """Topics, and what follows from them."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset(),
        "evaluate": frozenset(),
        "similar": frozenset({"top"}),
        "inspect": frozenset({"topics", "top"}),
        "export": frozenset({"format"}),
    }

    _model: TopicModel | None = None

    def model(self) -> TopicModel:
        """What has been learnt so far."""
        if self._model is None:
            raise RuntimeError("lda: nothing has been learnt")
        return self._model

    def fixed(self, model: TopicModel | None = None) -> Topics:
        """The topics as documents are folded into them."""
        model = model or self.model()
        return model.fixed(self.context.backend.dtype.type, self.recipe.rounds)

    # -- reading ----------------------------------------------------------------------------------
    @cached_property
    def tokeniser(self) -> Tokeniser:
        """Cuts texts into words."""
        text = self.recipe.text
        return Tokeniser(text, stop_words(text.stop_words, self.context.base))

    def other_documents(self, source: str) -> Iterator[Documents]:
        """The documents of another file of the same making, piece by piece; unknown words are -1."""
        model = self.model()
        recipe = self.recipe
        reader = DocumentReader(
            recipe.data, self.tokeniser, model.vocabulary, recipe.on_bad_row, self.context.base
        )
        labels = sorted(set(model.labels)) if model.labels is not None else None
        found = find_file_or_folder(source)
        last = None
        for last in reader.pieces(found.path, labels):
            yield last
        if last is not None and last.skipped:
            self.context.log(f"{last.name}: {last.skipped:,} bad rows left out, first {last.first_fault}")

    # -- predict, evaluate ------------------------------------------------------------------------
    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        """Share of each topic in each document; a document without a known word has the prior's shares."""
        topics = self.fixed()
        header = [
            "document",
            "words",
            "unknown",
            "topic",
            *(f"topic_{k + 1}" for k in range(len(topics.alpha))),
        ]
        before, empty = 0, 0
        for documents in self.other_documents(source):
            theta = shares_of(documents, topics, self.context)
            known = _per_document(documents.words >= 0, documents.ends)
            every = np.diff(documents.ends)
            names = documents.names
            if documents.files is None and documents.lines is None:
                names = [str(before + n) for n in range(1, len(documents) + 1)]
            before += len(documents)
            empty += int((known == 0).sum())
            yield Answer(header, [names, every, every - known, theta.argmax(axis=1) + 1, *theta.T])
        if empty:
            self.context.log(
                f"{source}: {empty:,} documents without a known word have the shares of the prior"
            )

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        """Perplexity by document completion of other documents, or of the recipe's own test documents."""
        if source is None:
            documents = self._own_test()
        else:
            documents = joined_documents(list(self.other_documents(source)))
        completion = Completion(documents, self.context)
        if not completion.tokens:
            raise DataError("no word of it is known", where=documents.name)
        return {
            "documents": len(documents),
            "words": len(documents.words),
            "unknown": int((documents.words < 0).sum()),
            "test_perplexity": completion.perplexity(self.fixed()),
        }

    def _own_test(self) -> Documents:
        """The recipe's test documents, read again."""
        data = self.recipe.data
        if data.train == "-" or (data.test is None and data.fold is None):
            raise UsageError("the recipe has no test documents; name a file", where="evaluate")
        learnt = self.model()
        self.read_data()
        documents = self.own_test_documents()
        if self.words_read() != learnt.words:
            raise DataError("its words are not those that the run learnt from", where=documents.name)
        return documents

    def own_test_documents(self) -> Documents:
        """The recipe's test documents, after `read_data`."""
        raise NotImplementedError

    def words_read(self) -> list[str]:
        """The vocabulary, after `read_data`."""
        raise NotImplementedError

    # -- similar ----------------------------------------------------------------------------------
    def similar(self, names: Sequence[str], options: Mapping[str, Any]) -> Iterator[Answer]:
        """Documents with the most similar topics: 1 minus Hellinger's distance of the shares."""
        model = self.model()
        roots = np.sqrt(model.theta())
        for name in names:
            asked = self._document(name, model)
            overlap = np.minimum(roots @ roots[asked], 1.0)
            near = 1 - np.sqrt(1 - overlap.astype(np.float64))
            near[asked] = -np.inf
            near[model.tokens == 0] = -np.inf
            best = np.argsort(-near, kind="stable")[: options.get("top") or 10]
            best = best[np.isfinite(near[best])]
            label = [] if model.labels is None else ["label"]
            labels = [] if model.labels is None else [[model.labels[d] for d in best.tolist()]]
            columns: list[Any] = [
                [model.names[asked]] * len(best),
                list(range(1, len(best) + 1)),
                [model.names[d] for d in best.tolist()],
                *labels,
                near[best].astype(np.float32),
            ]
            yield Answer(["to", "rank", "document", *label, "similarity"], columns)

    def _document(self, name: str, model: TopicModel) -> int:
        """A document by its name, as in doc_topics.csv. Raises UsageError."""
        if name not in model.names:
            near = get_close_matches(name, model.names[:100_000], n=1)
            hint = f"did you mean {near[0]}?" if near else f"they are called {model.names[0]}, ..."
            raise UsageError(f"no document is called {quoted(name)}", where="similar", hint=hint)
        found = model.names.index(name)
        if not model.tokens[found]:
            raise UsageError(f"document {name} has no word that the topics know", where="similar")
        return found

    # -- inspect ----------------------------------------------------------------------------------
    def look(self, options: Mapping[str, Any]) -> Iterator[File | str]:
        """The words of each topic, the largest topic first."""
        if not options.get("topics"):
            raise UsageError("only with --topics", where="--top")
        model = self.model()
        count = int(options.get("top") or self.recipe.top_words)
        yield f"{'topic':>5}  {'share':>6}  {'alpha':>8}  {'umass':>7}  {'npmi':>6}  words"
        umass, npmi = model.coherence
        for k in np.argsort(-model.shares, kind="stable").tolist():
            share, alpha = 100 * model.shares[k], model.alpha[k]
            words = self._words(model, k, count)
            yield f"{k + 1:5}  {share:5.1f}%  {alpha:8.4f}  {umass[k]:7.3f}  {npmi[k]:6.3f}  {words}"

    def exhibits(self) -> Iterator[Made | str]:
        """The topics with their words, the largest first."""
        model = self.model()
        umass, npmi = (["" if np.isnan(x) else f"{x:.3f}" for x in one.tolist()] for one in model.coherence)
        order = np.argsort(-model.shares, kind="stable").tolist()
        rows = [
            (k + 1, f"{100 * model.shares[k]:.1f} %", self._words(model, k, SHOWN), umass[k], npmi[k])
            for k in order
        ]
        told = "Of each topic its share of all words, its first words, and how well they go together."
        yield Sheet("Words of the topics", told, ("topic", "share", "words", "UMass", "NPMI"), rows)

    def _words(self, model: TopicModel, k: int, count: int) -> str:
        numbers, _ = self._top(count)
        between = ", " if any(" " in word for word in model.words) else " "
        return between.join(printable(model.words[w]) for w in numbers[k].tolist() if w >= 0)

    def _top(self, count: int) -> tuple[np.ndarray, np.ndarray]:
        if getattr(self, "_top_words", (0, None))[0] != count:
            self._top_words = count, self.model().top(count, self.recipe.relevance)
        return self._top_words[1]

    def topic_facts(self) -> dict[str, str]:
        """A line for each of the largest topics: its share and first words."""
        model = self.model()
        facts = {}
        for k in np.argsort(-model.shares, kind="stable")[:FACTS].tolist():
            facts[f"topic {k + 1}"] = (
                f"{100 * model.shares[k]:4.1f} %  {self._words(model, k, self.recipe.top_words)}"
            )
        return facts

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """The topics: csv, words and documents by topic, each in a file; npz, all in topics.npz."""
        from dlkit.algorithms import lda_files

        model = self.model()
        if exported.chosen(options, "csv", "npz") == "npz":
            yield File("topics.npz", lda_files.arrays(model, model.theta()))
            return
        header = ["word", *(f"topic_{k + 1}" for k in range(len(model.alpha)))]
        yield exported.matrix("topic_words.csv", header, [[word] for word in model.words], model.phi())
        yield File("doc_topics.csv", lda_files.documents_csv(model, model.theta()))


def _per_document(chosen: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(D,) how many are chosen in each document."""
    before = np.concatenate([np.zeros(1, np.int64), np.cumsum(chosen)])
    return np.diff(before[ends])


def printable(text: str) -> str:
    """A word as a terminal may see it."""
    return "".join(c if c.isprintable() else "\ufffd" for c in text)
