"""What the sentences of a corpus are cut into: words, what stands between blanks, items between tabs, or
words by
SudachiPy."""

import unicodedata
from typing import Literal

import numpy as np
from pydantic import Field, field_validator

from dlkit.kernels.words import CODE_POINTS
from dlkit.readers.text import Texts
from dlkit.readers.words import Room, Spans, Tokeniser, WordsSpec
from dlkit.recipe.schema import Spec

TAB, BLANK = 9, 32


class CorpusWordsSpec(Spec):
    """What a sentence is cut into."""

    tokens: Literal["words", "blank", "tabs", "japanese"] = Field(
        "words",
        description="words: letters, digits and _ in a row; blank: what stands between blanks; tabs: items "
        "between tabs, which may hold blanks; japanese: words by SudachiPy (extra [ja]).",
        json_schema_extra={"flag": "--tokens", "aka": ["tokenizer", "tokeniser", "analyzer"]},
    )
    inside: str = Field("'", description="tokens: words: ASCII characters that belong to words, too.")
    lower: bool | None = Field(
        None,
        description="Small letters for capital ones; null: for words and japanese.",
        json_schema_extra={"aka": ["lowercase"]},
    )
    nfkc: bool | None = Field(
        None, description="Unicode's compatible composition (ｗｏｒｄ → word); null: for words and japanese."
    )
    japanese_mode: Literal["A", "B", "C"] = Field(
        "C", description="SudachiPy's unit: A short, B middle, C long (named entities whole)."
    )

    @field_validator("inside")
    @classmethod
    def _plain(cls, value: str) -> str:
        if any(not " " < c < "\x7f" for c in value):
            raise ValueError("expected visible ASCII characters")
        return value

    @property
    def folds(self) -> bool:
        """Whether words of natural language are meant, whose case and width say little."""
        return self.tokens in ("words", "japanese")


class CorpusTokeniser(Tokeniser):
    """Documents to spans, with characters of one's own inside words, and items between tabs."""

    def __init__(self, spec: CorpusWordsSpec) -> None:
        """Raises UsageError where SudachiPy is needed and not installed."""
        lower = spec.folds if spec.lower is None else spec.lower
        tokens = "blank" if spec.tokens == "tabs" else spec.tokens
        super().__init__(
            WordsSpec(tokens=tokens, lower=lower, shortest=1, japanese_mode=spec.japanese_mode), []
        )
        self.nfkc = spec.folds if spec.nfkc is None else spec.nfkc
        self.tabs = spec.tokens == "tabs"
        self._image, self._beyond = super()._tables(np.full(1, 255, np.uint8))
        if spec.tokens == "words" and spec.inside:
            self._image = self._image.copy()
            codes = [ord(c.lower() if lower else c) for c in spec.inside]
            self._image[[ord(c) for c in spec.inside]] = codes
        if self.tabs:
            self._image = np.arange(128, dtype=np.uint8)
            self._image[[0, TAB, 10, 13]] = 0
            if lower:
                self._image[65:91] += 32
            self._beyond = np.ones(CODE_POINTS, np.uint8)

    def spans(self, texts: Texts, room: Room | None = None) -> Spans:
        found = super().spans(texts, room)
        return _stripped(found) if self.tabs else found

    def _prepared(self, texts: Texts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return super()._prepared(_composed(texts) if self.nfkc else texts)

    def _tables(self, data: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        beyond = len(data) and data.max() >= 128
        return self._image, self._beyond if beyond else self._beyond[:0]


def _composed(texts: Texts) -> Texts:
    """The documents in NFKC. Text in ASCII is in it already; so is most other text."""
    if not len(texts.data) or texts.data.max() < 128:
        return texts
    pieces, starts, ends, at = [], [], [], 0
    for first, last in zip(texts.starts.tolist(), texts.ends.tolist(), strict=True):
        piece = texts.data[first:last].tobytes()
        if not piece.isascii():
            text = piece.decode("utf-8")
            if not unicodedata.is_normalized("NFKC", text):
                # a line end or tab that came of composing would be one more cut
                piece = unicodedata.normalize("NFKC", text).replace("\n", " ").encode("utf-8")
        pieces.append(piece)
        starts.append(at)
        at += len(piece)
        ends.append(at)
    data = np.frombuffer(b"".join(pieces), np.uint8)
    bounds = np.array(starts, np.int64), np.array(ends, np.int64)
    return Texts(texts.name, data, *bounds, texts.labels, texts.lines, texts.files, texts.row)


def _stripped(spans: Spans) -> Spans:
    """Items without the blanks around them; what holds nothing else is none."""
    flat, first, last = spans.flat, spans.first.copy(), spans.last.copy()
    while (more := (first < last) & (flat[np.minimum(first, len(flat) - 1)] == BLANK)).any():
        first[more] += 1
    while (more := (first < last) & (flat[np.maximum(last - 1, 0)] == BLANK)).any():
        last[more] -= 1
    kept = first < last
    document = np.repeat(np.arange(len(spans.units)), spans.units)
    units = np.bincount(document[kept], minlength=len(spans.units)).astype(np.int64)
    return Spans(flat, first[kept], last[kept], units)
