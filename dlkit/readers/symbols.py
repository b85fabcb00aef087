"""The symbols of a sequence model: characters or words, their numbers, and the way back to text.

Number 0 stands for every symbol that is not known; the others follow, the most frequent first. A line end is
a symbol like any other, and always "\\n".
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal, Self

import numpy as np

Cut = Literal["characters", "words", "blank"]
UNKNOWN = 0
UNKNOWN_TEXT = "<unk>"

# A word keeps its inner apostrophes; any other mark is a word by itself.
_WORDS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]|\n")
_BLANK = re.compile(r"\S+|\n")
_NO_BLANK_BEFORE = frozenset(".,;:!?)]}%’”»…、。」』）")
_NO_BLANK_AFTER = frozenset("([{“«「『（")


def pieces(text: str, cut: Cut) -> list[str]:
    """The symbols of a text, in order; blanks are symbols among characters only."""
    if cut == "characters":
        return list(text)
    return (_WORDS if cut == "words" else _BLANK).findall(text)


def joined(symbols: Sequence[str], cut: Cut) -> str:
    """Symbols as text: words with a blank between them, but none before a comma or around a line end."""
    if cut == "characters":
        return "".join(symbols)
    parts: list[str] = []
    before = "\n"
    for symbol in symbols:
        tight = symbol == "\n" or before == "\n"
        if cut == "words":
            tight = tight or symbol in _NO_BLANK_BEFORE or before in _NO_BLANK_AFTER
        parts.append(symbol if tight else " " + symbol)
        before = symbol
    return "".join(parts)


def width(symbol: str, cut: Cut) -> int:
    """Characters of the text that a symbol takes; a word takes the blank behind it too."""
    return 1 if cut == "characters" or symbol == "\n" else len(symbol) + 1


class Symbols:
    """The symbols that a model knows, with how often each stands in the training text."""

    def __init__(self, cut: Cut, lower: bool, texts: Sequence[str], counts: np.ndarray) -> None:
        """texts: without the unknown one; counts: (len(texts) + 1,) int64, the unknown one's first."""
        self.cut, self.lower = cut, lower
        self.texts = [UNKNOWN_TEXT, *texts]
        self.counts = counts
        self.numbers = {text: k for k, text in enumerate(self.texts) if k != UNKNOWN}

    @classmethod
    def chosen(
        cls, cut: Cut, lower: bool, texts: Sequence[str], counts: np.ndarray, *, least: int, most: int | None
    ) -> tuple[Self, np.ndarray]:
        """Those of `texts` that occur `least` times or more, at most `most` of them; and the number of each.

        counts: (n,) int64. The most frequent first, those alike in the order given.
        """
        order = np.argsort(-counts, kind="stable")
        order = order[counts[order] >= max(least, 1)][:most]
        table = np.full(len(texts), UNKNOWN, np.int32)
        table[order] = np.arange(1, len(order) + 1)
        kept = counts[order]
        every = np.concatenate([[counts.sum() - kept.sum()], kept]).astype(np.int64)
        return cls(cut, lower, [texts[k] for k in order.tolist()], every), table

    def __len__(self) -> int:
        return len(self.texts)

    def encode(self, text: str) -> np.ndarray:
        """(n,) int64 numbers of a text's symbols."""
        found = pieces(text.lower() if self.lower else text, self.cut)
        return np.array([self.numbers.get(symbol, UNKNOWN) for symbol in found], np.int64)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of numbers."""
        return joined([self.texts[k] for k in ids], self.cut)

    def to_dict(self) -> dict[str, Any]:
        """Arrays for a checkpoint; the cut is the recipe's."""
        data = [text.encode("utf-8") for text in self.texts[1:]]
        ends = np.cumsum([len(piece) for piece in data], dtype=np.int64)
        return {"bytes": np.frombuffer(b"".join(data), np.uint8), "ends": ends, "counts": self.counts}

    @classmethod
    def from_dict(cls, cut: Cut, lower: bool, data: dict[str, Any]) -> Self:
        """The inverse of `to_dict`; raises ValueError, KeyError, TypeError for what it never gives."""
        pool, ends, counts = (np.asarray(data[name]) for name in ("bytes", "ends", "counts"))
        whole = pool.dtype == np.uint8 and ends.dtype == counts.dtype == np.int64
        if not whole or pool.ndim != 1 or ends.ndim != 1 or counts.shape != (len(ends) + 1,):
            raise ValueError("symbols are bytes, their ends and counts")
        starts = np.concatenate([np.zeros(1, np.int64), ends])
        if (np.diff(starts) < 1).any() or starts[-1] != len(pool) or (counts < 0).any():
            raise ValueError("symbols whose ends do not fit their bytes, or counts below 0")
        raw = pool.tobytes()
        bounds = zip(starts[:-1].tolist(), ends.tolist(), strict=True)
        made = cls(cut, lower, [raw[i:j].decode("utf-8") for i, j in bounds], counts)
        if len(made.numbers) != len(ends):
            raise ValueError("a symbol twice")
        return made
