"""What vectors of words are asked: neighbours, analogies, the odd one out, figures, files; vectors of new
texts.
"""

from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms.protocol import Algorithm, Answer, Context, Description, File, LayerRow, Tree
from dlkit.algorithms.w2v_files import Table, exported_files, written_files
from dlkit.algorithms.w2v_infer import sentence_vectors
from dlkit.algorithms.w2v_map import word_map
from dlkit.algorithms.w2v_questions import analogy_figures, pair_figures
from dlkit.algorithms.w2v_recipe import CorpusSpec, Word2VecRecipe
from dlkit.errors import DataError, UsageError
from dlkit.pictures.exhibits import Made, Sheet
from dlkit.readers.paths import resolve_path
from dlkit.readers.word_vectors import read_vectors
from dlkit.training.rundir import Content

FIRST = 10
"""Neighbours told of each word."""
MUL_EPSILON = 1e-3
AT_ONCE = 1 << 14
"""Rows brought to length 1 at a time."""
EXHIBITED, NEAR = 20, 6
"""Words that a report shows, and neighbours of each."""


class AskedVectors(Algorithm):
    """Words with their vectors; documents with theirs."""

    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "predict": frozenset({"passes"}),
        "evaluate": frozenset({"analogies", "pairs"}),
        "similar": frozenset({"top", "farthest", "analogy", "method", "odd_one_out", "docs", "text"}),
        "export": frozenset({"format"}),
    }

    words: list[str]
    counts: np.ndarray
    documents: list[str] | None
    document_count: int
    matrices: dict[str, Any]
    vectors: np.ndarray
    """(V + documents, dim) on the host."""

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> "AskedVectors":
        self = cls(recipe, context)
        self.words, self.counts, self.documents = list(state["words"]), state["counts"], state["documents"]
        self.document_count = int(state["document_count"])
        self.matrices = dict(state["matrices"])
        self.vectors = self.matrices["input"]
        outputs = max(len(self.words) - 1, 1) if recipe.objective == "hierarchical" else len(self.words)
        shapes = {
            "input": (len(self.words) + self.document_count, recipe.dim),
            "output": (outputs, recipe.dim),
        }
        for name, shape in shapes.items():
            if self.matrices[name].shape != shape:
                raise DataError(f"{name} is {self.matrices[name].shape}, expected {shape}")
            if not np.isfinite(self.matrices[name]).all():
                raise DataError(f"{name} holds what is no finite number")
        if self.counts.shape != (len(self.words),) or not self.words:
            raise DataError("its counts do not fit its words")
        if self.documents is not None and len(self.documents) != self.document_count:
            raise DataError("its documents do not fit their names")
        return self

    @classmethod
    def of_file(cls, path: Path, context: Context) -> "AskedVectors":
        """Vectors of a file in word2vec's format, ready to be asked. Raises DataError."""
        found = read_vectors(path)
        recipe = Word2VecRecipe(data=CorpusSpec(train=str(path)), dim=found.vectors.shape[1])
        self = cls(recipe, context)
        self.words, self.counts = found.words, np.zeros(len(found.words), np.int64)
        self.documents, self.document_count = None, 0
        self.vectors = found.vectors
        self.matrices = {"input": found.vectors}
        return self

    def take_host_vectors(self) -> None:
        """After training: the input matrix without its padding, on the host."""
        self.vectors = self.context.backend.to_host(self.matrices["input"])[:, : self.recipe.dim]
        for name in ("_units", "_doc_units", "_index"):
            self.__dict__.pop(name, None)

    def described(self) -> Description:
        """Of a run that is asked, not trained."""
        layers = [
            LayerRow("input", "input vectors", f"{len(self.vectors):,}×{self.recipe.dim}", self.vectors.size)
        ]
        if "output" in self.matrices:
            rows = self.matrices["output"]
            layers.append(LayerRow("output", "output vectors", f"{len(rows):,}×{self.recipe.dim}", rows.size))
        facts = {"words": f"{len(self.words):,}"} | (
            {"documents": f"{self.document_count:,}"} if self.document_count else {}
        )
        return Description(layers=layers, parameters=sum(layer.parameters for layer in layers), facts=facts)

    # -- words ------------------------------------------------------------------------------------
    @cached_property
    def _index(self) -> dict[str, int]:
        return {word: k for k, word in enumerate(self.words)}

    @cached_property
    def _units(self) -> np.ndarray:
        """(V, dim) float32: the words' vectors of length 1; a vector of zeros stays."""
        return of_length_one(self.vectors[: len(self.words)])

    @cached_property
    def _doc_units(self) -> np.ndarray:
        return of_length_one(self.vectors[len(self.words) :])

    def find(self, word: str) -> int:
        """Number of a word, as it is or in small letters; -1 where it is not known."""
        found = self._index.get(word, -1)
        return found if found >= 0 else self._index.get(word.lower(), -1)

    def number(self, word: str) -> int:
        """Number of a word. Raises UsageError with one that is spelt like it."""
        found = self.find(word)
        if found < 0:
            near = get_close_matches(word, self.words[:200_000], n=1)
            hint = f"did you mean {near[0]}?" if near else None
            raise UsageError(
                f"the vocabulary of {len(self.words):,} words has no {word}", where="similar", hint=hint
            )
        return found

    # -- similar ----------------------------------------------------------------------------------
    def similar(self, names: Sequence[str], options: Mapping[str, Any]) -> Iterator[Answer]:
        """Nearest and farthest words by the cosine of their vectors; analogies; the odd one out;
        documents.
        """
        if sum(bool(options.get(name)) for name in ("analogy", "odd_one_out", "docs", "text")) > 1 and not (
            options.get("docs") and options.get("text")
        ):
            raise UsageError("--analogy, --odd-one-out and --docs are different questions")
        if options.get("method") and not options.get("analogy"):
            raise UsageError("only with --analogy", where="--method")
        if options.get("analogy"):
            yield self._analogy(names, options)
        elif options.get("odd_one_out"):
            yield self._odd(names)
        elif options.get("text") or options.get("docs"):
            yield from self._documents(names, options)
        else:
            for name in names:
                number = self.number(name)
                scores = self._units @ self._units[number]
                yield from self._ranked(self.words[number], self.words, scores, {number}, options)

    def exhibits(self) -> Iterator[Made | str]:
        """Frequent words with their neighbours."""
        rows, skip = [], self.recipe.map.skip if self.recipe.map else 0
        for number in range(len(self.words))[skip:][:EXHIBITED]:
            (found,) = self._ranked(
                "", self.words, self._units @ self._units[number], {number}, {"top": NEAR}
            )
            near = (f"{word} {cosine:.2f}" for word, cosine in zip(*found.columns[2:], strict=True))
            rows.append((self.words[number], f"{int(self.counts[number]):,}", ", ".join(near)))
        if rows:
            told = "Frequent words, how often each occurs, and the words that lie nearest to it (cosine)."
            yield Sheet("Neighbours of words", told, ("word", "times", "nearest"), rows)

    def _ranked(
        self, asked: str, names: Sequence[str], scores: np.ndarray, without: set[int], options: Mapping[str,
        Any],
        measure: str = "cosine", what: str = "word",
    ) -> Iterator[Answer]:  # fmt: skip
        """The best, and on request the worst, each with its rank from that end."""
        top = options.get("top") or FIRST
        kept = np.delete(np.arange(len(scores)), sorted(without))
        for end in ("nearest", "farthest") if options.get("farthest") else ("nearest",):
            order = kept[np.argsort(scores[kept] * (-1 if end == "nearest" else 1), kind="stable")[:top]]
            columns: list[Any] = [
                [asked] * len(order), *([[end] * len(order)] if options.get("farthest") else []),
                list(range(1, len(order) + 1)), [names[k] for k in order], scores[order].astype(np.float32),
            ]  # fmt: skip
            yield Answer(
                ["to", *(["end"] if options.get("farthest") else []), "rank", what, measure], columns
            )

    def _analogy(self, names: Sequence[str], options: Mapping[str, Any]) -> Answer:
        """3CosAdd: the word nearest to the sum; 3CosMul: products and quotients of nearness (Levy & Goldberg
        2014, eq. 4)."""
        plus, minus = terms_of(names, self._index)
        numbers = [self.number(word) for word in (*plus, *minus)]
        units = self._units
        if options.get("method") == "mul":
            near = (units @ units[numbers].T + 1) / 2
            above = np.prod(near[:, : len(plus)], axis=1)
            scores = above / np.prod(near[:, len(plus) :] + MUL_EPSILON, axis=1)
        else:
            signs = np.array([1] * len(plus) + [-1] * len(minus), units.dtype)
            aim = signs @ units[numbers]
            scores = units @ (aim / max(float(np.linalg.norm(aim)), 1e-30))
        asked = " ".join([*plus[:1], *(f"+ {word}" for word in plus[1:]), *(f"- {word}" for word in minus)])
        measure = "score" if options.get("method") == "mul" else "cosine"
        return next(
            self._ranked(asked, self.words, scores, set(numbers), {"top": options.get("top")}, measure)
        )

    def _odd(self, names: Sequence[str]) -> Answer:
        """The words by their cosine to the mean of all of them, the odd one first."""
        if len(names) < 3:
            raise UsageError("name at least three words", where="--odd-one-out")
        units = self._units[[self.number(name) for name in names]]
        scores = units @ of_length_one(units.mean(axis=0)[None])[0]
        order = np.argsort(scores, kind="stable")
        return Answer(
            ["rank", "word", "cosine"],
            [list(range(1, len(order) + 1)), [names[k] for k in order], scores[order]],
        )

    def _documents(self, names: Sequence[str], options: Mapping[str, Any]) -> Iterator[Answer]:
        """Documents near to a document, or to a text of one's own, whose vector is inferred."""
        if not self.document_count:
            raise UsageError(
                "the run has no vectors of documents", where="--docs", hint="train it with --docs"
            )
        known = self.document_names
        for name in names:
            without: set[int] = set()
            if options.get("text"):
                unit = of_length_one(next(sentence_vectors(self, [name], options))[1])[0]
            else:
                number = self._document(name)
                unit, without = self._doc_units[number], {number}
            yield from self._ranked(name, known, self._doc_units @ unit, without, options, what="document")

    @property
    def document_names(self) -> Sequence[str]:
        """Names of the documents; their numbers from 1 where they have none."""
        return self.documents if self.documents is not None else _Numbers(self.document_count)

    def _document(self, name: str) -> int:
        try:
            return self.document_names.index(name)
        except ValueError:
            known = f"1 to {self.document_count}" if self.documents is None else f"{self.documents[0]}, ..."
            raise UsageError(f"no document is called {name} (there are {known})", where="--docs") from None

    # -- figures ----------------------------------------------------------------------------------
    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        """Analogies and pairs, by default those of the recipe."""
        if source is not None:
            raise UsageError("word2vec is tested with --analogies FILE and --pairs FILE", where=str(source))
        analogies, pairs = options.get("analogies"), list(options.get("pairs") or [])
        test = self.recipe.test
        if analogies is None and not pairs:
            if test is None:
                raise UsageError("nothing to ask: give --analogies FILE or --pairs FILE", where="evaluate")
            analogies, pairs = test.analogies, test.pairs
        return self.asked_questions(analogies, [str(one) for one in pairs])

    def asked_questions(self, analogies: Any, pairs: Sequence[str]) -> dict[str, float]:
        """Figures of files of questions, found as data files are. Raises DataError, UsageError."""
        base = self.context.base
        figures: dict[str, float] = {}
        if analogies is not None:
            figures |= analogy_figures(resolve_path(str(analogies), base).path, self.find, self._units)
        for name in pairs:
            figures |= pair_figures(resolve_path(name, base).path, self.find, self._units)
        return figures

    def inputs(self) -> list[Path]:
        return []

    # -- vectors of new texts -----------------------------------------------------------------------
    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        """The vector of each line: inferred where documents were learnt, else the mean of its words' unit
        vectors.
        """
        row = 0
        header = ["row", "known_words", *(f"x{k + 1}" for k in range(self.recipe.dim))]
        for known, vectors in sentence_vectors(self, resolve_path(source).path, options):
            rows = list(range(row, row + len(vectors)))
            row += len(vectors)
            yield Answer(header, [rows, known, *vectors.T])

    # -- files --------------------------------------------------------------------------------------
    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """The words' vectors in a format that other programs read."""
        yield from exported_files(options.get("format") or "word2vec", self._tables())

    def _tables(self) -> Iterator[Table]:
        """Of the words, then of the documents."""
        yield "vectors", self.words, self.vectors[: len(self.words)]
        if self.document_count:
            yield "documents", list(self.document_names), self.vectors[len(self.words) :]

    def files_of_run(self) -> Iterator[tuple[str, str | Content]]:
        """vectors.txt, documents.txt, the map; the vectors are written word by word."""
        yield from written_files(self.recipe.files, list(self._tables()), self.context.log)
        if (spec := self.recipe.map) is not None:
            shown = slice(min(spec.skip, len(self.words)), min(spec.skip + spec.words, len(self.words)))
            yield from word_map(self.words[shown], of_length_one(self.vectors[shown]), self.context.log)


def of_length_one(vectors: np.ndarray) -> np.ndarray:
    """Rows of length 1 in float32; rows of zeros stay."""
    whole = vectors.astype(np.float32)
    for first in range(0, len(whole), AT_ONCE):
        rows = whole[first : first + AT_ONCE]
        with np.errstate(over="ignore"):
            length = np.linalg.norm(rows, axis=1)
        extreme = ~((length > 1e-15) & (length < np.inf))  # squares that float32 has no place for
        if extreme.any():
            largest = np.abs(rows[extreme]).max(axis=1, keepdims=True)
            rows[extreme] /= np.where(largest > 0, largest, 1)
            length[extreme] = np.linalg.norm(rows[extreme], axis=1)
        np.divide(rows, length[:, None], out=rows, where=length[:, None] > 0)
    return whole


def terms_of(names: Sequence[str], known: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """The words that stand for + and for - in ``king - man + woman``, one word an argument or all in one.

    Raises UsageError.
    """
    parts = [part for name in names for part in ([name] if name in known else name.split())]
    plus: list[str] = []
    minus: list[str] = []
    sign = "+"
    for k, part in enumerate(parts):
        if part in ("+", "-", "−") and k < len(parts) - 1:
            sign = part
            continue
        (plus if sign == "+" else minus).append(part)
        sign = "+" if k < len(parts) - 1 and parts[k + 1] in ("+", "-", "−") else ""
        if not sign and k < len(parts) - 1:
            raise UsageError(f"expected + or - after {part}", where="--analogy", hint="king - man + woman")
    if not plus or len(plus) + len(minus) < 2:
        raise UsageError(
            "expected words with + and - between them", where="--analogy", hint="king - man + woman"
        )
    return plus, minus


class _Numbers(Sequence[str]):
    """ "1", "2", ... without keeping them."""

    def __init__(self, count: int) -> None:
        self._count = count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, key: Any) -> Any:
        return str(range(1, self._count + 1)[key])

    def index(self, value: Any, start: int = 0, stop: int | None = None) -> int:
        if not str(value).isdecimal() or not 1 <= int(value) <= self._count:
            raise ValueError(value)
        return int(value) - 1
