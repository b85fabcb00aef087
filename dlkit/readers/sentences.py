"""Sentences as numbers: how one language is cut into words, which words are known, and the way back.

Numbers 0 to 3 are <pad>, <s>, </s> and <unk>; words follow, the most frequent first. The words of a text
never become those four, whatever they look like.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from itertools import pairwise
from typing import Any, Self

import numpy as np

from dlkit.errors import UsageError
from dlkit.readers.pair_spec import SentenceSpec
from dlkit.readers.text import NONE, Texts
from dlkit.readers.vocabulary import Vocabulary
from dlkit.readers.words import Spans, Tokeniser, WordsSpec

PAD, BEGIN, END, UNKNOWN = range(4)
MARKS = ("<pad>", "<s>", "</s>", "<unk>")
BLANK = "▁"
"""Stands for a blank among characters, as in SentencePiece."""


@dataclass
class Sentences:
    """Sentences as numbers: number k is ids[starts[k]:starts[k + 1]]."""

    ids: np.ndarray
    """(N,) int32."""
    starts: np.ndarray
    """(n + 1,) int64."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def lengths(self) -> np.ndarray:
        """(n,) int64: words of each."""
        return np.diff(self.starts)

    def __getitem__(self, k: int) -> np.ndarray:
        return self.ids[self.starts[k] : self.starts[k + 1]]

    def padded(self, rows: np.ndarray, *, begin: bool = False, end: bool = False) -> np.ndarray:
        """(T, len(rows)) int64, time first: sentences with <s> and </s> put on if asked for, then <pad>."""
        lengths = self.lengths[rows]
        steps = int(lengths.max(initial=0)) + begin + end
        out = np.full((len(rows), steps), PAD, np.int64)
        inside = np.arange(int(lengths.max(initial=0)))[None] < lengths[:, None]
        source = (self.starts[rows][:, None] + np.arange(inside.shape[1])[None])[inside]
        words = out[:, int(begin) : int(begin) + inside.shape[1]]
        words[inside] = self.ids[source]
        if begin:
            out[:, 0] = BEGIN
        if end:
            out[np.arange(len(rows)), lengths + begin] = END
        return np.ascontiguousarray(out.T)


class Language:
    """One side of the pairs: its tokeniser and, once `learn` has seen the training sentences, its words."""

    def __init__(self, spec: SentenceSpec, key: str) -> None:
        """`key`: of the spec in the recipe, for messages. Raises UsageError without SudachiPy."""
        if spec.tokens == "japanese" and find_spec("sudachipy") is None:
            text = "Japanese words need SudachiPy, which is not installed"
            hint = "pip install 'dlkit[ja]', or give text cut into words with tokens: blank"
            raise UsageError(text, where=f"{key}.tokens", hint=hint)
        self.spec = spec
        words = WordsSpec(tokens=spec.tokens, lower=spec.lower, shortest=1, japanese_mode=spec.japanese_mode)
        self._tokeniser = Tokeniser(words, stop=[])
        self.vocabulary = Vocabulary()
        self._words: list[str] | None = None

    # -- text to words ----------------------------------------------------------------------------
    def cut(self, texts: Texts) -> Spans:
        """The words of each sentence."""
        return self._tokeniser.spans(_with_blanks_shown(texts) if self.by_characters else texts)

    def cut_lines(self, lines: Sequence[str]) -> tuple[Spans, list[list[str]]]:
        """The same of sentences at hand, and the words as texts."""
        pieces = [line.encode("utf-8") for line in lines]
        ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if pieces else ends
        data = np.frombuffer(b"".join(pieces), np.uint8)
        spans = self.cut(Texts("", data, starts, ends, np.full(len(ends), NONE)))
        return spans, texts_of(spans)

    @property
    def by_characters(self) -> bool:
        return self.spec.tokens == "characters"

    # -- words to numbers -------------------------------------------------------------------------
    def learn(self, spans: Spans) -> None:
        """Take the words of the training sentences that the spec keeps, the most frequent first."""
        found = Vocabulary()
        ids = found.index(spans.flat, spans.first, spans.last, grow=True)
        counts = np.bincount(ids, minlength=len(found))
        order = np.argsort(-counts, kind="stable")
        kept = order[counts[order] >= self.spec.min_count][: self.spec.most_words]
        self.vocabulary, self._words = Vocabulary(), None
        self.vocabulary.add(found.words(kept))

    def encode(self, spans: Spans) -> Sentences:
        """Sentences as numbers; words that are not known are UNKNOWN."""
        ids = self.vocabulary.index(spans.flat, spans.first, spans.last, grow=False)
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(spans.units)])
        return Sentences(np.where(ids < 0, UNKNOWN, ids + len(MARKS)).astype(np.int32), starts)

    @property
    def size(self) -> int:
        """Numbers in use: the words and the four marks."""
        return len(MARKS) + len(self.vocabulary)

    # -- and back ---------------------------------------------------------------------------------
    def words(self, ids: Sequence[int]) -> list[str]:
        """The words of numbers; <unk> and the other marks as they are written here."""
        if self._words is None:
            self._words = [*MARKS, *self.vocabulary.words()]
        return [self._words[i] for i in ids]

    def join(self, words: Sequence[str]) -> str:
        """Words as a sentence: with blanks between them, or as Japanese and characters are written."""
        if self.spec.tokens == "blank":
            return " ".join(words)
        text = "".join(words)
        return text.replace(BLANK, " ") if self.by_characters else text

    # -- state ------------------------------------------------------------------------------------
    def to_dict(self) -> dict[str, Any]:
        """Arrays for a checkpoint."""
        return self.vocabulary.to_dict()

    @classmethod
    def from_dict(cls, spec: SentenceSpec, key: str, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`. Raises ValueError, KeyError, TypeError for what it never gives."""
        made = cls(spec, key)
        made.vocabulary = Vocabulary.from_dict(data)
        return made


def texts_of(spans: Spans) -> list[list[str]]:
    """The words of each document as texts."""
    flat = spans.flat.tobytes()
    words = [flat[i:j].decode() for i, j in zip(spans.first.tolist(), spans.last.tolist(), strict=True)]
    return [words[i:j] for i, j in pairwise([0, *np.cumsum(spans.units).tolist()])]


def _with_blanks_shown(texts: Texts) -> Texts:
    """The same with blanks between words as a character of their own; runs of white space become one."""
    data = texts.data.tobytes()
    pieces = []
    for start, end in zip(texts.starts.tolist(), texts.ends.tolist(), strict=True):
        pieces.append(BLANK.join(data[start:end].decode("utf-8").split()).encode("utf-8"))
    ends = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if pieces else ends
    joined = np.frombuffer(b"".join(pieces), np.uint8)
    return Texts(texts.name, joined, starts, ends, texts.labels, texts.lines)
