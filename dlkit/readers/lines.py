"""Lines of a text as one buffer: UTF-8, normalised, with what is wrong with single lines noted by number.

A line ends at a line feed (or carriage return and line feed) and nowhere else: in parallel texts a stray form
feed or U+2028 must not shift every line below it.
"""

import codecs
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.delimited import check_text, without_bom
from dlkit.readers.opening import blocks, display
from dlkit.readers.text import LONGEST, Encoding, Texts


@dataclass
class Lines:
    """All lines of a file: line k (from 0) is data[starts[k]:ends[k]], UTF-8."""

    name: str
    data: np.ndarray
    """(N,) uint8."""
    starts: np.ndarray
    ends: np.ndarray
    """(n,) int64 each."""
    faults: dict[int, str] = field(default_factory=dict)
    """Lines that cannot be read, by number from 0, and why not; they are empty."""

    def __len__(self) -> int:
        return len(self.starts)

    def texts(self) -> Texts:
        """The lines as documents."""
        lines = np.arange(1, len(self) + 1)
        return Texts(self.name, self.data, self.starts, self.ends, np.full(len(self), -1), lines)


@dataclass(frozen=True)
class LineRules:
    """How bytes become lines. strict: a line that cannot be read is an error, not a fault of that line."""

    encoding: Encoding = "utf-8"
    nfkc: bool = True
    strict: bool = True


def read_lines(path: Path, rules: LineRules) -> Lines:
    """All lines of a file ("-": standard input; gzip is undone). Raises DataError with file:line."""
    name = display(path)
    pieces: list[bytes] = []
    faults: dict[int, str] = {}
    number = 0
    for raw in whole_lines(blocks(path, name), name):
        piece = read_piece(raw, name, number, rules, faults)
        pieces.append(piece)
        number += raw.count(b"\n") + (not raw.endswith(b"\n"))
    data = b"".join(pieces)
    return Lines(name, np.frombuffer(data, np.uint8), *line_bounds(data), faults)


def whole_lines(pieces: Iterator[bytes], name: str) -> Iterator[bytes]:
    """The same bytes in pieces that end with a line; the mark at the beginning of the file taken off.

    Raises DataError for a line of more than 64 MiB: this is no text.
    """
    pending, first = b"", True
    for piece in pieces:
        data = pending + piece if pending else piece
        if first:
            if len(data) < len(codecs.BOM_UTF8) and b"\n" not in data:
                pending = data
                continue
            data, first = without_bom(data, name), False
        end = data.rfind(b"\n") + 1
        if not end and len(data) > LONGEST:
            raise DataError(f"a line of more than {LONGEST >> 20} MiB", where=name)
        pending = data[end:]
        if end:
            yield data[:end]
    if pending:
        yield without_bom(pending, name) if first else pending


def read_piece(raw: bytes, name: str, number: int, rules: LineRules, faults: dict[int, str]) -> bytes:
    """Whole lines, the first of them number `number` from 0, as normalised UTF-8; bad ones become empty.

    Raises DataError with file:line for a bad line where the rules are strict.
    """
    try:
        return _normal(_decoded(raw, name, number, rules.encoding), rules.nfkc)
    except DataError as error:
        if rules.strict:
            raise
        if raw.find(b"\n") in (-1, len(raw) - 1):
            faults[number] = error.problems[0].text
            return b"\n"  # also where the file ends without one: an empty piece would be no line
    *lines, last = raw.split(b"\n")
    lines = [line + b"\n" for line in lines] + ([last] if last else [])
    return b"".join(read_piece(line, name, number + k, rules, faults) for k, line in enumerate(lines))


def _decoded(raw: bytes, name: str, number: int, encoding: Encoding) -> str:
    """The text of some lines. Raises DataError with file:line."""
    if encoding == "utf-8":
        check_text(raw, name, number + 1)
        return raw.decode("utf-8")
    try:
        return raw.decode(encoding)
    except UnicodeDecodeError as error:
        line = number + 1 + raw.count(b"\n", 0, error.start)
        text = f"not {encoding}: byte 0x{raw[error.start]:02x}"
        raise DataError(text, where=f"{name}:{line}") from error


def _normal(text: str, nfkc: bool) -> bytes:
    return (unicodedata.normalize("NFKC", text) if nfkc else text).encode("utf-8")


def line_bounds(data: bytes) -> tuple[np.ndarray, np.ndarray]:
    """(starts, ends) of the lines, without their line ends."""
    buffer = np.frombuffer(data, np.uint8)
    newlines = np.flatnonzero(buffer == ord("\n"))
    open_end = [len(data)] if data and not data.endswith(b"\n") else []
    ends = np.concatenate([newlines, np.array(open_end, np.int64)])
    starts = np.concatenate([np.zeros(1, np.int64), newlines + 1])[: len(ends)]
    if len(ends):
        ends = ends - ((ends > starts) & (buffer[np.maximum(ends - 1, 0)] == ord("\r")))
    return starts, ends
