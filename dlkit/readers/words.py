"""What counts as a word: tokenisers and n-grams over documents of UTF-8 text.

`words` is the rule of scikit-learn's CountVectorizer, ``\\b\\w\\w+\\b`` in lower case: Unicode letters,
digits and underscores, two or more in a row. `blank` cuts at white space, for text that is cut into words
already. `characters` takes single characters. `japanese` asks SudachiPy.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, model_validator

from dlkit.errors import UsageError
from dlkit.kernels.words import CODE_POINTS, segment_characters, segment_words
from dlkit.readers.stop_words import stop_words
from dlkit.readers.text import Texts
from dlkit.readers.vocabulary import Vocabulary
from dlkit.recipe.schema import Spec

Count = Annotated[int, Field(ge=1)]


class WordsSpec(Spec):
    """What a text is cut into."""

    tokens: Literal["words", "blank", "characters", "japanese"] = Field(
        "words",
        description="words: letters, digits and _ in a row; blank: what stands between blanks; characters; "
        "japanese: words by SudachiPy (extra [ja]).",
        json_schema_extra={"flag": "--tokens", "aka": ["tokenizer", "tokeniser", "analyzer"]},
    )
    lower: bool = Field(
        True, description="Small letters for capital ones.", json_schema_extra={"aka": ["lowercase"]}
    )
    shortest: int | None = Field(
        None, ge=1, description="Shortest word in characters; null: 2 for words, else 1."
    )
    ngrams: Count | list[Count] = Field(
        1,
        description="Tokens in a row that are one feature: a number, or [least, most].",
        json_schema_extra={"flag": "--ngrams", "aka": ["ngram_range", "ngram"]},
    )
    stop_words: str | None = Field(
        None,
        description="Words to leave out: english (a short built-in list), or a file with one a line.",
        json_schema_extra={"flag": "--stop-words", "aka": ["stopwords"]},
    )
    japanese_mode: Literal["A", "B", "C"] = Field(
        "C", description="SudachiPy's unit: A short, B middle, C long (named entities whole)."
    )

    @model_validator(mode="after")
    def _range(self) -> "WordsSpec":
        if isinstance(self.ngrams, list) and (len(self.ngrams) != 2 or self.ngrams[0] > self.ngrams[1]):
            raise ValueError("ngrams: a number, or [least, most]")
        if self.tokens == "characters" and self.stop_words is not None:
            raise ValueError("stop_words: characters are not words")
        return self

    @property
    def orders(self) -> range:
        """Lengths of the n-grams."""
        least, most = self.ngrams if isinstance(self.ngrams, list) else (self.ngrams, self.ngrams)
        return range(least, most + 1)


@dataclass
class Spans:
    """Features of documents: feature t is flat[first[t]:last[t]]; document d has units[d] of them, in
    order.
    """

    flat: np.ndarray
    first: np.ndarray
    last: np.ndarray
    units: np.ndarray


class Room:
    """Memory that spans lie in, kept from one chunk to the next: new memory costs a third of the work."""

    def __init__(self) -> None:
        self._flat = np.empty(0, np.uint8)
        self._first = self._last = np.empty(0, np.int64)

    def arrays(self, size: int, spans: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """flat, (size,) uint8; first and last, (spans,) int64: whatever was in them."""
        if size > len(self._flat):
            self._flat = np.empty(size, np.uint8)
        if spans > len(self._first):
            self._first, self._last = np.empty(spans, np.int64), np.empty(spans, np.int64)
        return self._flat[:size], self._first[:spans], self._last[:spans]


@cache
def _letters(rule: str) -> np.ndarray:
    """(code points,) uint8: 1 where a character is part of a word by Python's \\w, or no white space."""
    table = np.zeros(CODE_POINTS, np.uint8)
    if rule == "words":
        table[:0x110000] = [chr(code).isalnum() for code in range(0x110000)]
        table[ord("_")] = 1
    else:
        table[:0x110000] = 1
        table[[code for code in range(0x110000) if chr(code).isspace()]] = 0
    return table


@cache
def _ascii_image(rule: str, lower: bool) -> np.ndarray:
    """(128,) uint8: what an ASCII character becomes, 0 where it is no part of a word."""
    table = np.zeros(128, np.uint8)
    for code in range(128):
        c = chr(code)
        inside = c.isalnum() or c == "_" if rule == "words" else not c.isspace()
        table[code] = ord(c.lower() if lower else c) if inside else 0
    return table


_NO_LETTERS = np.zeros(0, np.uint8)


class Tokeniser:
    """Documents to spans by a recipe's rule. Safe to use from several threads at once."""

    def __init__(self, spec: WordsSpec, stop: list[str] | None = None) -> None:
        """`stop`: the stop words; None: those that `spec` names. Raises DataError, UsageError (no
        SudachiPy).
        """
        self.spec = spec
        self.rule = "words" if spec.tokens == "words" else "blank"
        self.shortest = spec.shortest or (2 if spec.tokens == "words" else 1)
        self.stop = stop_words(spec.stop_words) if stop is None else stop
        self._stop = Vocabulary()
        if self.stop:
            self._stop.add([word.lower() for word in self.stop] if spec.lower else self.stop)
        self._cut = _japanese(spec.japanese_mode) if spec.tokens == "japanese" else None

    def spans(self, texts: Texts, room: "Room | None" = None) -> Spans:
        """The n-grams of each document. With `room` they may lie in it, until it is used again."""
        data, starts, ends = self._prepared(texts)
        cut = self._characters if self.spec.tokens == "characters" else self._words
        whole = cut(data, starts, ends, room or Room())
        if self.stop:
            whole = _without(whole, self._stop, joined=max(self.spec.orders) > 1)
        if self.spec.orders == range(1, 2):
            return whole
        return _grams(whole, self.spec.orders)

    def _prepared(self, texts: Texts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The text with documents beyond ASCII in their final form: ASCII is left to the kernels."""
        data, starts, ends = texts.data, texts.starts, texts.ends
        chosen = np.arange(len(starts)) if self._cut else _beyond_ascii(data, starts, ends)
        if not len(chosen) or not (self.spec.lower or self._cut):
            return data, starts, ends
        pieces, at = [data], len(data)
        starts, ends = starts.copy(), ends.copy()
        for d in chosen.tolist():
            text = data[starts[d] : ends[d]].tobytes().decode("utf-8")
            text = self._cut(text) if self._cut else text
            piece = np.frombuffer((text.lower() if self.spec.lower else text).encode("utf-8"), np.uint8)
            pieces.append(piece)
            starts[d], ends[d] = at, at + len(piece)
            at += len(piece)
        return np.concatenate(pieces), starts, ends

    def _words(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, room: "Room") -> Spans:
        flat, first, last = room.arrays(len(data) + len(starts), len(data) // 2 + len(starts))
        units, used = np.empty(len(starts), np.int64), np.empty(2, np.int64)
        image, letters = self._tables(data)
        segment_words(data, starts, ends, image, letters, self.shortest, flat, first, last, units, used)
        return Spans(flat[: used[1]], first[: used[0]], last[: used[0]], units)

    def _characters(self, data: np.ndarray, starts: np.ndarray, ends: np.ndarray, room: "Room") -> Spans:
        flat, first, last = room.arrays(len(data), len(data))
        units, used = np.empty(len(starts), np.int64), np.empty(2, np.int64)
        image, letters = self._tables(data)
        segment_characters(data, starts, ends, image, letters, flat, first, last, units, used)
        return Spans(flat[: used[1]], first[: used[0]], last[: used[0]], units)

    def _tables(self, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        beyond = len(data) and data.max() >= 128
        return _ascii_image(self.rule, self.spec.lower), _letters(self.rule) if beyond else _NO_LETTERS


def _beyond_ascii(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Numbers of the documents with a byte of 128 or more."""
    high = np.flatnonzero(data >= 128)
    if not len(high):
        return high
    return np.flatnonzero(np.searchsorted(high, starts) < np.searchsorted(high, ends))


def _without(spans: Spans, stop: Vocabulary, *, joined: bool) -> Spans:
    """The spans that are no stop word; `joined`: what is left lies one blank apart again, for n-grams."""
    kept = stop.index(spans.flat, spans.first, spans.last, grow=False) < 0
    document = np.repeat(np.arange(len(spans.units)), spans.units)
    units = np.bincount(document[kept], minlength=len(spans.units)).astype(np.int64)
    first, last = spans.first[kept], spans.last[kept]
    if not joined:
        return Spans(spans.flat, first, last, units)
    lengths = last - first + 1  # with the blank behind, which every word has
    ends = np.cumsum(lengths)
    source = np.arange(int(ends[-1]) if len(ends) else 0) + np.repeat(first - (ends - lengths), lengths)
    return Spans(spans.flat[source], ends - lengths, ends - 1, units)


def _grams(spans: Spans, orders: range) -> Spans:
    """Every run of n units inside a document, for each n; shorter ones first, document by document."""
    document = np.repeat(np.arange(len(spans.units)), spans.units)
    firsts, lasts, owners = [], [], []
    for n in orders:
        runs = max(len(document) - n + 1, 0)
        whole = document[:runs] == document[n - 1 : n - 1 + runs]
        firsts.append(spans.first[:runs][whole])
        lasts.append(spans.last[n - 1 : n - 1 + runs][whole])
        owners.append(document[:runs][whole])
    owner = np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    units = np.bincount(owner, minlength=len(spans.units)).astype(np.int64)
    return Spans(spans.flat, np.concatenate(firsts)[order], np.concatenate(lasts)[order], units)


def _japanese(mode: str) -> Callable[[str], str]:
    """A function that puts blanks between the words of a Japanese text. Raises UsageError without
    SudachiPy.
    """
    try:
        sudachi: Any = import_module("sudachipy")
    except ImportError as error:
        text = "the Japanese tokeniser needs SudachiPy, which is not installed"
        hint = "pip install 'dlkit[ja]', or give text cut into words with tokens: blank"
        raise UsageError(text, where="tokens", hint=hint) from error
    import threading

    local = threading.local()
    split: Any = getattr(sudachi.SplitMode, mode)
    try:
        dictionary = sudachi.Dictionary(dict="small")
    except ImportError as error:
        text = "the Japanese tokeniser needs SudachiPy's small dictionary, which is not installed"
        hint = "pip install 'dlkit[ja]' (sudachidict-small)"
        raise UsageError(text, where="tokens", hint=hint) from error

    def cut(text: str) -> str:
        if not hasattr(local, "tokeniser"):
            make = getattr(dictionary, "tokenizer", None) or dictionary.create  # `create` before 0.7
            local.tokeniser = make(split)
        words = []
        for part in _short_enough(text):
            words += [word.surface() for word in local.tokeniser.tokenize(part)]
        return " ".join(words)

    return cut


_LONGEST = 10_000
"""Characters that SudachiPy is given at once; it refuses more than 49,149 bytes."""


def _short_enough(text: str) -> list[str]:
    """The text in pieces of bounded length, cut behind a full stop, a line end or a blank where there is
    one.
    """
    parts = []
    while len(text) > _LONGEST:
        cut = 1 + max(text.rfind(mark, 0, _LONGEST) for mark in "。\n 、")
        cut = cut or _LONGEST
        parts.append(text[:cut])
        text = text[cut:]
    return [*parts, text]
