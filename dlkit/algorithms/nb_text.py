"""Naive Bayes over texts: counting words by class, chunk by chunk, and what they say for each class.

A chunk is counted on its own (in a thread or on another machine) into a small vocabulary, and added to the
totals in the order of the file. So the totals do not depend on how the chunks were shared out.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from dlkit.algorithms import nb_variants as variants
from dlkit.algorithms.protocol import Tree
from dlkit.errors import DataError
from dlkit.kernels.tally import add_rows, score_words, tally_words
from dlkit.readers.text import Texts
from dlkit.readers.vocabulary import Vocabulary
from dlkit.readers.words import Room, Spans, Tokeniser, WordsSpec

TextModel = Literal["multinomial", "bernoulli", "complement"]


class TextFeaturesSpec(WordsSpec):
    """How a text becomes features, and which of them are kept."""

    binary: bool = Field(
        False, description="A word counts once a document (bernoulli always does so).",
        json_schema_extra={"flag": "--binary"},
    )  # fmt: skip
    min_df: int | float = Field(
        1, ge=0, description="Leave out words of fewer documents: a number (1, 2, ...) or a share (0.01).",
        json_schema_extra={"flag": "--min-df", "aka": ["min_count"]},
    )  # fmt: skip
    max_df: int | float = Field(
        1.0, ge=0, description="Leave out words of more documents: a number (1, 2, ...) or a share (1.0).",
        json_schema_extra={"flag": "--max-df"},
    )  # fmt: skip
    most_words: int | None = Field(
        None, ge=1, description="Keep the most frequent words only; null: all.",
        json_schema_extra={"aka": ["max_features", "vocabulary_size"]},
    )  # fmt: skip
    distinct_limit: int = Field(
        2_000_000,
        ge=1000,
        description="Most distinct words held while counting; beyond, the rarest so far are dropped.",
    )

    @model_validator(mode="after")
    def _limits(self) -> "TextFeaturesSpec":
        for name in ("min_df", "max_df"):
            value = getattr(self, name)
            if isinstance(value, float) and value > 1:
                raise ValueError(
                    f"{name}: a share lies between 0 and 1; a number of documents is a whole number"
                )
        return self


@dataclass
class Counted:
    """The words of one chunk: vocabulary, times by word and class, documents by word; documents and words in
    all.
    """

    pool: np.ndarray
    first: np.ndarray
    last: np.ndarray
    classes: np.ndarray
    """(k,) int64 codes of the classes that the chunk has: the columns of `tally`."""
    tally: np.ndarray
    documents: np.ndarray
    rows: np.ndarray
    """(C,) int64 documents of each class."""
    tokens: int


class ChunkCounter:
    """Counts chunks for one thread, which keeps its own scratch memory."""

    def __init__(self, tokeniser: Tokeniser, classes: int, once: bool) -> None:
        self.tokeniser, self.classes, self.once = tokeniser, classes, once
        self.vocabulary, self.room = Vocabulary(), Room()

    def count(self, texts: Texts) -> Counted:
        """The counts of one chunk of labelled documents."""
        spans = self.tokeniser.spans(texts, self.room)
        self.vocabulary.clear()
        ids = self.vocabulary.index(spans.flat, spans.first, spans.last, grow=True)
        classes, columns = np.unique(texts.labels, return_inverse=True)
        words = len(self.vocabulary)
        tally = np.zeros((words, len(classes)), np.int64)
        documents, seen = np.zeros(words, np.int64), np.empty(words, np.int64)
        tally_words(ids, spans.units, columns.astype(np.int64), int(self.once), tally, documents, seen)
        rows = np.bincount(texts.labels, minlength=self.classes).astype(np.int64)
        pool, first, last = self.vocabulary.spans()
        return Counted(pool.copy(), first, last.copy(), classes, tally, documents, rows, len(ids))


class WordCounts:
    """What has been counted so far: words, N_fc, documents of each word, documents of each class."""

    def __init__(self, classes: int, limit: int) -> None:
        self.limit = limit
        self.vocabulary = Vocabulary()
        self.counts = np.zeros((1 << 12, classes), np.int64)
        self.documents = np.zeros(1 << 12, np.int64)
        self.rows = np.zeros(classes, np.int64)
        self.tokens = 0
        self.pruned = 0
        """Words dropped because there were too many distinct ones."""
        self.floor = 0
        """Words of at most so many documents have been dropped at some time."""

    def add(self, chunk: Counted) -> bool:
        """Add a chunk's counts; returns whether words had to be dropped to stay below the limit."""
        ids = self.vocabulary.index(chunk.pool, chunk.first, chunk.last, grow=True).astype(np.int64)
        self._make_room(len(self.vocabulary))
        add_rows(ids, chunk.classes, chunk.tally, self.counts)
        self.documents[ids] += chunk.documents
        self.rows += chunk.rows
        self.tokens += chunk.tokens
        return len(self.vocabulary) > self.limit and self._prune()

    def _make_room(self, words: int) -> None:
        if words > len(self.counts):
            held = len(self.counts)
            size = max(held + min(held, max(held // 8, 1 << 18)), words)  # a row has 8 bytes a class
            # what a large array holds is not copied: its memory is made longer
            self.counts.resize((size, self.counts.shape[1]), refcheck=False)
            self.documents.resize(size, refcheck=False)

    def _prune(self) -> bool:
        """Drop the words of the fewest documents until half of the limit is free again."""
        documents = self.documents[: len(self.vocabulary)]
        while (documents > self.floor).sum() > self.limit // 2:
            self.floor += 1
        before = len(documents)
        self.keep(documents > self.floor)
        self.pruned += before - len(self.vocabulary)
        return True

    def keep(self, chosen: np.ndarray) -> None:
        """Only the words of (V,) bool `chosen`."""
        words = len(self.vocabulary)
        self.counts = self.counts[:words][chosen]
        self.documents = self.documents[:words][chosen]
        self.vocabulary.keep(chosen)

    def select(self, spec: TextFeaturesSpec) -> None:
        """Apply the limits on document frequency and the number of words. Raises DataError where none is
        left.
        """
        words, rows = len(self.vocabulary), int(self.rows.sum())
        documents = self.documents[:words]
        least = spec.min_df if isinstance(spec.min_df, int) else math.ceil(spec.min_df * rows)
        most = spec.max_df if isinstance(spec.max_df, int) else math.floor(spec.max_df * rows)
        chosen = (documents >= least) & (documents <= most)
        if spec.most_words is not None and chosen.sum() > spec.most_words:
            times = np.where(chosen, self.counts[:words].sum(1), -1)
            chosen = np.zeros(words, bool)
            chosen[np.argsort(-times, kind="stable")[: spec.most_words]] = True
        if not chosen.any():
            text = f"none of {words:,} words is left" if words else "no word in any document"
            raise DataError(text, hint="text.min_df, max_df, stop_words" if words else "text.tokens")
        if not chosen.all():
            self.keep(chosen)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        """Sparse: most words stand in few classes."""
        words = len(self.vocabulary)
        counts = self.counts[:words]
        row, column = np.nonzero(counts)
        return {
            "vocabulary": self.vocabulary.to_dict(),
            "word": _compact(row),
            "class": _compact(column),
            "count": _compact(counts[row, column]),
            "documents": _compact(self.documents[:words]),
            "rows": self.rows.copy(),
            "tokens": self.tokens,
            "pruned": self.pruned,
            "floor": self.floor,
        }

    def load(self, state: Tree) -> None:
        """The inverse of `state`. Raises ValueError, LookupError, TypeError for what it never gives."""
        vocabulary = Vocabulary.from_dict(state["vocabulary"])
        words, classes = len(vocabulary), len(self.rows)
        parts = [np.asarray(state[name]) for name in ("word", "class", "count", "documents", "rows")]
        row, column, count, documents, rows = (part.astype(np.int64) for part in parts)
        sizes = {len(row), len(column), len(count)}
        if len(sizes) > 1 or documents.shape != (words,) or rows.shape != (classes,) or (rows < 0).any():
            raise ValueError("counts whose parts have different lengths")
        if len(row) and not (
            row.min() >= 0 and row.max() < words and column.min() >= 0 and column.max() < classes
        ):
            raise ValueError("counts of words or classes that are not there")
        if (count < 1).any() or (documents < 0).any():
            raise ValueError("counts below one")
        self.vocabulary = vocabulary
        self.counts = np.zeros((max(words, 1), classes), np.int64)
        self.counts[row, column] = count
        self.documents = documents if words else np.zeros(1, np.int64)
        self.rows = rows
        self.tokens, self.pruned, self.floor = int(state["tokens"]), int(state["pruned"]), int(state["floor"])


def _compact(values: np.ndarray) -> np.ndarray:
    """Non-negative integers in the smallest type that holds them."""
    largest = int(values.max(initial=0))
    return values.astype(
        next(t for t in (np.uint8, np.uint16, np.uint32, np.int64) if largest <= np.iinfo(t).max)
    )


class TextScores:
    """log P(text|c) and where it comes from; made of finished counts."""

    def __init__(
        self,
        counts: WordCounts,
        model: TextModel,
        *,
        alpha: float,
        norm: bool,
        binary: bool,
        tokeniser: Tokeniser,
    ) -> None:
        self.vocabulary, self.tokeniser, self.model = counts.vocabulary, tokeniser, model
        self.once = binary or model == "bernoulli"
        words = len(counts.vocabulary)
        n = counts.counts[:words]
        self.base = np.zeros(n.shape[1])
        """(C,) log P of a text without any known word."""
        if model == "bernoulli":
            self.log_p, absent = variants.bernoulli(n, counts.rows, alpha)
            self.weights, self.base = self.log_p - absent, absent.sum(0)
        elif model == "complement":
            self.log_p = self.weights = variants.complement(n, alpha, norm)
        else:
            self.log_p = self.weights = variants.multinomial(n, alpha)

    def index(self, texts: Texts) -> tuple[np.ndarray, Spans]:
        """Number of each feature of the texts, -1 for those not seen in training."""
        spans = self.tokeniser.spans(texts)
        return self.vocabulary.index(spans.flat, spans.first, spans.last, grow=False), spans

    def scores(self, texts: Texts) -> tuple[np.ndarray, int]:
        """(D, C) log P(text|c), and how many features were not seen in training (they say nothing)."""
        ids, spans = self.index(texts)
        scores = np.tile(self.base, (len(texts), 1))
        score_words(
            ids, spans.units, int(self.once), self.weights, scores, np.empty(len(self.weights), np.int64)
        )
        return scores, int((ids < 0).sum())

    def evidence(self, texts: Texts) -> Iterator[tuple[list[str], list[str], np.ndarray]]:
        """Of each text: features, their values as text, and what each adds to log P(text|c), (F, C)."""
        ids, spans = self.index(texts)
        ends = np.cumsum(spans.units)
        for end, size in zip(ends.tolist(), spans.units.tolist(), strict=True):
            found = ids[end - size : end]
            words, times = np.unique(found[found >= 0], return_counts=True)
            times = np.ones_like(times) if self.once else times
            parts = self.weights[words] * times[:, None]
            names, values = self.vocabulary.words(words), [str(n) for n in times.tolist()]
            if self.base.any():
                names, values = [*names, "(no word at all)"], [*values, ""]
                parts = np.concatenate([parts, self.base[None]])
            yield names, values, parts
