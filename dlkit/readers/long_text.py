"""One long text as numbers, in bounded memory: it is read once, piece by piece, into a cache of codes.

A code is a character's own number, or that of a word in the order of first appearance. The cache is an array
where it is small and a memory-mapped temporary file where it is not; what is taken from it is translated into
the numbers of the model's symbols, which are known only when the whole text has been counted.
"""

import codecs
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from typing import IO

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import OnBadRow
from dlkit.readers.delimited import without_bom
from dlkit.readers.symbols import UNKNOWN, Cut, Symbols, pieces, width
from dlkit.readers.text import Encoding

CODE_POINTS = 0x110000
IN_MEMORY = 64 << 20
"""Bytes of codes that are kept in memory; more go to a temporary file."""
BLOCK = 1 << 20
"""Codes that are looked at together."""
LONGEST = 1 << 16
"""Characters after which a word that goes on from piece to piece is cut."""


@dataclass(frozen=True)
class Spelling:
    """How bytes become symbols."""

    cut: Cut = "characters"
    lower: bool = False
    encoding: Encoding = "utf-8"
    on_bad_row: OnBadRow = "error"


class CodedText:
    """A text as codes: number k is `codes[k]`. Words: texts of the codes, characters: None."""

    def __init__(self, name: str, spelling: Spelling) -> None:
        self.name, self.spelling = name, spelling
        self.skipped = 0
        """Places that could not be decoded and were left out."""
        self.first_fault = ""
        self.words: dict[str, int] = {}
        self._parts: list[np.ndarray] = []
        self._file: IO[bytes] | None = None
        self._held = 0
        self.codes: np.ndarray = np.zeros(0, np.int32)

    @classmethod
    def read(cls, blocks: Iterable[bytes], name: str, spelling: Spelling) -> "CodedText":
        """Raises DataError with file:line for what is no text, or no text at all."""
        self = cls(name, spelling)
        for text in self._texts(blocks):
            if text:
                self._keep(self._coded(text.lower() if spelling.lower else text))
        self._close()
        if not len(self.codes):
            raise DataError("no text in it", where=name)
        return self

    def __len__(self) -> int:
        return len(self.codes)

    # -- bytes to text ----------------------------------------------------------------------------
    def _texts(self, blocks: Iterable[bytes]) -> Iterator[str]:
        """Pieces of text with line feeds alone as line ends, words whole."""
        line, pending = 1, ""
        for piece in self._decoded(blocks):
            if "\0" in piece:
                line += _line_ends(piece[: piece.index("\0")])
                raise DataError("a NUL character; this is no text", where=f"{self.name}:{line}")
            line += _line_ends(piece)
            text = pending + piece
            cut = self._whole(text)
            pending = text[cut:]
            yield text[:cut].replace("\r\n", "\n").replace("\r", "\n")
        yield pending.replace("\r\n", "\n").replace("\r", "\n")

    def _whole(self, text: str) -> int:
        """Characters of a piece that the next one cannot change: up to a carriage return or a word's end."""
        if self.spelling.cut == "characters":
            return len(text) - text.endswith("\r")
        for k in range(len(text) - 1, max(len(text) - LONGEST, 0), -1):
            if text[k].isspace() and text[k] != "\r":
                return k + 1
        return 0 if len(text) < LONGEST else len(text) - text.endswith("\r")

    def _decoded(self, blocks: Iterable[bytes]) -> Iterator[str]:
        encoding, line = self.spelling.encoding, 1
        decoder = codecs.getincrementaldecoder("utf-8-sig" if encoding == "utf-8" else encoding)()
        whole = iter(blocks)
        head = next(whole, b"")
        without_bom(head, self.name)  # refuses UTF-16
        for block in chain([head], whole):
            try:
                text = decoder.decode(block)
            except UnicodeDecodeError as error:
                text = self._refused(error, line)
                decoder.reset()
            line += _line_ends(text)
            yield text
        try:
            yield decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            yield self._refused(error, line)

    def _refused(self, error: UnicodeDecodeError, line: int) -> str:
        """What can be read of bytes that are not all text. Raises DataError unless bad rows are skipped."""
        encoding = "UTF-8" if self.spelling.encoding == "utf-8" else self.spelling.encoding
        data = error.object
        line += data.count(b"\n", 0, error.start)
        place, fault = f"{self.name}:{line}", f"not {encoding}: byte 0x{data[error.start]:02x}"
        if self.spelling.on_bad_row == "error":
            hint = "save it as UTF-8, or say data.encoding" if encoding == "UTF-8" else None
            raise DataError(fault, where=place, hint=hint) from error
        self.first_fault = self.first_fault or f"{place}: {fault}"
        text = data.decode(self.spelling.encoding, "replace")
        self.skipped += max(text.count("\ufffd"), 1)
        return text.replace("\ufffd", "")

    # -- text to codes ----------------------------------------------------------------------------
    def _coded(self, text: str) -> np.ndarray:
        if self.spelling.cut == "characters":
            return np.frombuffer(text.encode("utf-32-le"), np.int32)
        words = self.words
        found = pieces(text, self.spelling.cut)
        return np.fromiter((words.setdefault(word, len(words)) for word in found), np.int32, len(found))

    def _keep(self, codes: np.ndarray) -> None:
        try:
            self._held += codes.nbytes
            if self._file is None and self._held > IN_MEMORY:
                self._file = tempfile.TemporaryFile()  # noqa: SIM115 - it lives as long as the text
                for part in self._parts:
                    self._file.write(part.tobytes())
                self._parts = []
            if self._file is None:
                self._parts.append(codes)
            else:
                self._file.write(codes.tobytes())
        except OSError as error:
            raise DataError(f"no room for a copy: {error.strerror or error}", where=self.name) from error

    def _close(self) -> None:
        if self._file is None:
            self.codes = np.concatenate(self._parts) if self._parts else self.codes
        else:
            self._file.flush()
            self.codes = np.memmap(self._file, np.int32, "r")
        self._parts = []

    # -- codes to numbers -------------------------------------------------------------------------
    def counts(self, lo: int, hi: int) -> np.ndarray:
        """How often each code stands in codes[lo:hi], int64."""
        size = CODE_POINTS if self.spelling.cut == "characters" else max(len(self.words), 1)
        total = np.zeros(size, np.int64)
        for start in range(lo, hi, BLOCK):
            total += np.bincount(self.codes[start : min(start + BLOCK, hi)], minlength=size)
        return total

    def symbols(self, lo: int, hi: int, *, least: int, most: int | None) -> Symbols:
        """The symbols of a part of the text. Raises DataError where none is frequent enough."""
        counts = self.counts(lo, hi)
        if self.spelling.cut == "characters":
            codes = np.flatnonzero(counts)
            texts, counts = [chr(code) for code in codes.tolist()], counts[codes]
        else:
            texts = list(self.words)
        made, _ = Symbols.chosen(
            self.spelling.cut, self.spelling.lower, texts, counts, least=least, most=most
        )
        if len(made) < 2:
            raise DataError(f"none of {len(texts):,} symbols occurs {least} times", where=self.name)
        return made

    def numbered(self, symbols: Symbols) -> "Numbered":
        """The whole text in the numbers of some symbols."""
        if self.spelling.cut == "characters":
            table = np.full(CODE_POINTS, UNKNOWN, np.int32)
            for text, number in symbols.numbers.items():
                table[ord(text)] = number
            widths = np.ones(1, np.int64)
        else:
            table = np.array([symbols.numbers.get(word, UNKNOWN) for word in self.words], np.int32)
            widths = np.array([width(word, self.spelling.cut) for word in self.words], np.int64)
        return Numbered(self, 0, len(self), table, widths)


@dataclass(frozen=True)
class Numbered:
    """A part of a coded text in the numbers of the model's symbols."""

    text: CodedText
    lo: int
    hi: int
    table: np.ndarray
    """(codes,) int32: number of each code."""
    widths: np.ndarray
    """(codes,) int64 characters of each code; (1,): the same for all."""

    def __len__(self) -> int:
        return self.hi - self.lo

    def part(self, lo: int, hi: int) -> "Numbered":
        """Symbols lo .. hi - 1 of this part."""
        return Numbered(self.text, self.lo + lo, self.lo + hi, self.table, self.widths)

    def take(self, places: np.ndarray) -> np.ndarray:
        """int64 numbers of the symbols at some places, any shape."""
        return self.table[self.text.codes[self.lo + places]].astype(np.int64)

    def characters(self) -> int:
        """Characters of the text that the part takes."""
        if len(self.widths) == 1:
            return len(self) * int(self.widths[0])
        return int((self.text.counts(self.lo, self.hi) * self.widths).sum())

    def unknown(self) -> int:
        """Symbols that are not known."""
        counts = self.text.counts(self.lo, self.hi)
        return int(counts[self.table == UNKNOWN].sum())


def _line_ends(text: str) -> int:
    return text.count("\n")
