"""Running text in pieces of bounded size: several files, gzip, standard input; lines of any length."""

import codecs
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import OnBadRow
from dlkit.readers.delimited import check_text, without_bom
from dlkit.readers.opening import blocks, display
from dlkit.readers.text import NONE, Encoding, Texts

CHUNK = 1 << 20
"""Bytes of a piece, about. A longer line is cut at a blank and goes on in the next piece."""
NAME_BYTES = 1 << 16
"""A document's name is looked for in so many bytes."""
BLANKS = b" \t\r\v\f"


@dataclass
class Piece:
    """Some lines of a text, or a part of a line."""

    data: bytes
    """UTF-8."""
    line: int
    """Number of its first line."""
    begins: bool
    """It begins where a line begins."""
    ends: bool
    """It ends where a line, or the file, ends."""


class TextPieces:
    """The pieces of one file ("-": standard input). Counts lines that were skipped."""

    def __init__(self, path: Path, encoding: Encoding, on_bad_row: OnBadRow) -> None:
        self.path, self.encoding, self.on_bad_row = path, encoding, on_bad_row
        self.name = display(path)
        self.skipped = 0
        self.first_fault = ""

    def __iter__(self) -> Iterator[Piece]:
        """Raises DataError with the line of what is no text."""
        line, before, column, begins = 1, b"", 0, True
        for block in self._utf8():
            data = before + block if before else block
            if len(data) < CHUNK:
                before = data
                continue
            cut, whole = _cut(data)
            piece, before = data[:cut], data[cut:]
            yield self._checked(Piece(piece, line, begins, whole), column)
            line += piece.count(b"\n")
            column = 0 if whole else column + len(piece)
            begins = whole
        if before:
            yield self._checked(Piece(before, line, begins, True), column)

    def _utf8(self) -> Iterator[bytes]:
        """The file in UTF-8, without a byte order mark, lines ended by LF."""
        first, after_return = True, False
        raw = blocks(self.path, self.name)
        source = raw if self.encoding == "utf-8" else self._decoded(raw)
        for read in source:
            data = without_bom(read, self.name) if first else read
            first = False
            if after_return and data.startswith(b"\n"):
                data = data[1:]
            after_return = data.endswith(b"\r")
            if b"\r" in data:
                data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            for start in range(0, len(data), CHUNK):
                yield data[start : start + CHUNK]

    def _decoded(self, raw: Iterator[bytes]) -> Iterator[bytes]:
        decoder = codecs.getincrementaldecoder(self.encoding)("strict")
        line = 1
        try:
            for data in raw:
                text = decoder.decode(data)
                line += text.count("\n")
                yield text.encode("utf-8")
            decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            line += error.object.count(b"\n", 0, error.start)
            text = f"not {self.encoding}: byte 0x{error.object[error.start]:02x}"
            raise DataError(text, where=f"{self.name}:{line}") from error

    def _checked(self, piece: Piece, column: int) -> Piece:
        """The piece, if it is text; where bad lines are to be skipped, without them."""
        try:
            check_text(piece.data, self.name, piece.line)
        except DataError as error:
            if self.on_bad_row == "error":
                raise _placed(error, piece, column, self.name) from error
            lines = [self._good(one, piece.line + k) for k, one in enumerate(piece.data.split(b"\n"))]
            piece.data = b"\n".join(lines)
        return piece

    def _good(self, data: bytes, line: int) -> bytes:
        try:
            check_text(data, self.name, line)
        except DataError as error:
            self.skipped += 1
            self.first_fault = self.first_fault or str(error)
            return b""
        return data


def _placed(error: DataError, piece: Piece, column: int, name: str) -> DataError:
    """The error with its byte counted from the line's begin, where the line began in an earlier piece."""
    first_line = piece.data.split(b"\n", 1)[0]
    if not column or b"\0" in first_line:
        return error
    try:
        first_line.decode("utf-8")
    except UnicodeDecodeError as bad:
        text = f"not UTF-8: byte 0x{first_line[bad.start]:02x} at byte {column + bad.start + 1} of the line"
        return DataError(text, where=f"{name}:{piece.line}", hint="save it as UTF-8")
    return error


def _cut(data: bytes) -> tuple[int, bool]:
    """Where to cut, and whether a line ends there: behind the last line end, else the last blank, else the
    last
    Japanese full stop, else between characters."""
    end = data.rfind(b"\n") + 1
    if end:
        return end, True
    end = max(data.rfind(one) for one in (b" ", b"\t")) + 1
    if end:
        return end, False
    stop = data.rfind("。".encode()) + 3
    if stop > 2:
        return stop, False
    end = len(data)
    while end > len(data) - 4 and data[end - 1] & 0xC0 == 0x80:
        end -= 1
    return (end - 1 if data[end - 1] >= 0x80 else len(data)), False


Sentences = Literal["lines", "running", "files"]


@dataclass
class Sentence:
    """Bounds of sentences in a piece."""

    texts: Texts
    """A line (or a part of one) each; white space alone is none."""
    closed: np.ndarray
    """(D,) bool: a sentence ends behind it."""
    opened: bool
    """A sentence ends before the first of them (or before the end of a piece without any)."""


def sentences_of(piece: Piece, name: str, kind: Sentences) -> Sentence:
    """Where sentences end: with each line; with an empty line (running text); nowhere (a file is one)."""
    data = np.frombuffer(piece.data, np.uint8)
    newlines = np.flatnonzero(data == 10)
    ends = newlines if not len(data) or (len(newlines) and newlines[-1] == len(data) - 1) else None
    ends = np.append(newlines, len(data)) if ends is None else ends
    starts = np.concatenate([np.zeros(1, np.int64), newlines + 1])[: len(ends)]
    lines = piece.line + np.arange(len(ends))
    filled = _filled(data, starts, ends)
    whole = np.ones(len(ends), bool)
    if len(whole):
        whole[-1] = piece.ends
    if kind == "lines":
        closed = whole[filled]
        opened = bool(len(filled) and not filled[0] and not piece.begins and whole[0])
    elif kind == "running":
        empty = ~filled & whole
        if len(empty) and not piece.begins:
            empty[0] = False  # the rest of a line, not an empty one
        positions = np.flatnonzero(filled)
        breaks = np.cumsum(empty)
        after = (
            np.append(breaks[positions[1:]], breaks[-1] if len(breaks) else 0)
            if len(positions)
            else breaks[:0]
        )
        closed = after > breaks[positions]
        opened = bool(len(breaks) and (breaks[positions[0]] if len(positions) else breaks[-1]))
    else:
        closed, opened = np.zeros(int(filled.sum()), bool), False
    starts, ends, lines = starts[filled], ends[filled], lines[filled]
    labels = np.full(len(starts), NONE, np.int64)
    return Sentence(Texts(name, data, starts, ends, labels, lines), closed, opened)


def _filled(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(L,) bool: lines that hold more than ASCII white space (9 to 13 and 28 to 32)."""
    seen = np.flatnonzero((data > 32) | (data < 9) | ((data > 13) & (data < 28)))
    return np.searchsorted(seen, starts) < np.searchsorted(seen, ends)
