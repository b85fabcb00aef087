"""Vectors of words in the formats of word2vec: text (a word and its numbers a line) and binary; GloVe's text.

The text has a first line with the number of words and of numbers a word; GloVe's has none. The binary format
has the same first line, then word, blank and little-endian float32 numbers, each followed by a line end or
not.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.opening import blocks, check_size, display

HEAD = re.compile(rb"\s*(\d{1,12})[ \t]+(\d{1,6})[ \t\r]*\n")
LONGEST_WORD = 1 << 16
_PIECE = 1 << 20


class WordVectors(NamedTuple):
    """Words and their vectors, in the order of the file."""

    words: list[str]
    vectors: np.ndarray
    """(n, dim) float32."""


def looks_like_vectors(path: Path) -> bool:
    """Whether a file begins like one: a head, or a word and at least two numbers. Raises DataError."""
    head = next(blocks(path), b"")
    if HEAD.match(head):
        return True
    line = head.split(b"\n", 1)[0].split()
    try:
        return len(line) > 2 and bool(np.isfinite([float(cell) for cell in line[1:]]).all())
    except ValueError:
        return False


def read_vectors(path: Path) -> WordVectors:
    """Read a file of vectors; what format it has is told from its content. Raises DataError with the
    place.
    """
    name = display(path)
    source = Buffered(blocks(path))
    source.fill(1 << 12)
    head = HEAD.match(source.data)
    if head is None:
        return _read_text(source, name, None)
    count, dim = int(head[1]), int(head[2])
    if not dim:
        raise DataError("expected vectors of at least one number, found 0", where=f"{name}:1")
    source.take(head.end())
    check_size(4 * count * dim, name, f"{count:,} vectors of {dim} numbers")
    source.fill(1 << 16)
    return (_read_text if _is_text(source.data, dim) else _read_binary)(source, name, (count, dim))


class Buffered:
    """Bytes of a stream, as many as are wanted."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._held, self._at = b"", 0

    @property
    def data(self) -> bytes:
        """What is held."""
        if self._at:
            self._held, self._at = self._held[self._at :], 0
        return self._held

    def fill(self, size: int) -> bool:
        """Hold at least `size` bytes, if there are so many."""
        have = len(self._held) - self._at
        if have < size:
            parts = [self.data]
            while have < size and (piece := next(self._pieces, b"")):
                parts.append(piece)
                have += len(piece)
            self._held = b"".join(parts)
        return have >= size

    def word(self) -> bytes | None:
        """The bytes before the next blank, which is left out; None where there is none within reach."""
        size = 256
        while True:
            enough = self.fill(size)
            blank = self._held.find(b" ", self._at)
            if blank >= 0:
                return self.take(blank + 1 - self._at)[:-1]
            if not enough or size > LONGEST_WORD:
                return None
            size *= 4

    def take(self, size: int) -> bytes:
        """The next bytes, which are held."""
        taken = self._held[self._at : self._at + size]
        self._at += size
        return taken


def _is_text(data: bytes, dim: int) -> bool:
    """Whether the first line is a word and `dim` numbers in ASCII."""
    line = data.split(b"\n", 1)[0]
    cells = line.split()
    try:
        return len(cells) > dim and len([float(cell) for cell in cells[-dim:]]) == dim
    except ValueError:
        return not data or (b"\0" not in data[:4096] and line.isascii() and b" " in line)


def _read_text(source: Buffered, name: str, head: tuple[int, int] | None) -> WordVectors:
    """A line a word. Blanks inside a word are possible: the last `dim` cells are the numbers."""
    number = 1 if head is None else 2
    dim = head[1] if head else 0
    words: list[str] = []
    rows: list[np.ndarray] = []
    while source.fill(_PIECE) or source.data:
        cut = source.data.rfind(b"\n") + 1
        if not cut or len(source.data) < _PIECE:
            if not cut and source.fill(64 * _PIECE):
                raise DataError(f"a line of more than {64 * _PIECE >> 20} MiB", where=f"{name}:{number}")
            source.fill(len(source.data) + _PIECE)
            cut = source.data.rfind(b"\n") + 1 if len(source.data) >= _PIECE else len(source.data)
            cut = cut or len(source.data)
        for line in source.take(cut).removesuffix(b"\n").split(b"\n"):
            if line.strip():
                dim = dim or len(line.split()) - 1
                word, numbers = _parsed(line.rstrip(b"\r"), dim, f"{name}:{number}")
                words.append(word)
                rows.append(numbers)
            number += 1
    return _whole(words, rows, head, name)


def _parsed(line: bytes, dim: int, place: str) -> tuple[str, np.ndarray]:
    cells = line.rsplit(maxsplit=dim)
    if len(cells) != dim + 1 or dim < 1:
        raise DataError(
            f"expected a word and {max(dim, 1)} numbers, found {len(line.split())} cells", where=place
        )
    try:
        numbers = np.array([float(cell) for cell in cells[1:]])
    except ValueError as error:
        raise DataError(f"expected {dim} numbers after the word", where=place) from error
    return _word(cells[0], place), _finite(numbers, place)


def _word(raw: bytes, place: str) -> str:
    """The word in these bytes. Raises DataError."""
    try:
        word = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8: byte 0x{raw[error.start]:02x} in the word", where=place) from error
    if not word or "\n" in word or "\r" in word:
        raise DataError(f"expected a word, found {'a line end in it' if word else 'none'}", where=place)
    return word


def _finite(numbers: np.ndarray, place: str) -> np.ndarray:
    """As float32. Raises DataError."""
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is told here
        single = numbers.astype(np.float32)
    if not np.isfinite(single).all():
        raise DataError("a number that is not finite in float32", where=place)
    return single


def _read_binary(source: Buffered, name: str, head: tuple[int, int]) -> WordVectors:
    count, dim = head
    size = 4 * dim
    words: list[str] = []
    rows: list[np.ndarray] = []
    for number in range(1, count + 1):
        place = f"{name}: vector {number}"
        raw = source.word()
        if raw is None:
            raise DataError(f"expected {count:,} vectors, the file ends in number {number:,}", where=place)
        word = _word(raw.lstrip(b"\n"), place)
        if not source.fill(size):
            raise DataError(f"expected {count:,} vectors, the file ends in number {number:,}", where=place)
        words.append(word)
        rows.append(_finite(np.frombuffer(source.take(size), "<f4"), place))
    return _whole(words, rows, head, name)


def _whole(words: list[str], rows: list[np.ndarray], head: tuple[int, int] | None, name: str) -> WordVectors:
    if not words:
        raise DataError("no vector in it", where=name)
    if head and len(words) != head[0]:
        raise DataError(f"the first line promises {head[0]:,} words, found {len(words):,}", where=name)
    seen: dict[str, int] = {}
    for row, word in enumerate(words):
        if seen.setdefault(word, row) != row:
            raise DataError(
                f"the word {word!r} twice, as number {seen[word] + 1:,} and {row + 1:,}", where=name
            )
    return WordVectors(words, np.stack(rows))


def text_pieces(words: list[str], vectors: np.ndarray) -> Iterator[bytes]:
    """word2vec's text format, a word at a time; words as `safe` has them."""
    yield f"{len(words)} {vectors.shape[1]}\n".encode()
    for word, row in zip(safe(words), vectors, strict=True):
        yield f"{word} {' '.join(map(str, row))}\n".encode()


def binary_pieces(words: list[str], vectors: np.ndarray) -> Iterator[bytes]:
    """word2vec's binary format, float32, a word at a time; words as `safe` has them."""
    yield f"{len(words)} {vectors.shape[1]}\n".encode()
    for word, row in zip(safe(words), vectors, strict=True):
        yield word.encode("utf-8") + b" " + row.astype("<f4").tobytes() + b"\n"


def to_text(words: list[str], vectors: np.ndarray) -> bytes:
    """word2vec's text format as a whole."""
    return b"".join(text_pieces(words, vectors))


def to_binary(words: list[str], vectors: np.ndarray) -> bytes:
    """word2vec's binary format as a whole."""
    return b"".join(binary_pieces(words, vectors))


def safe(words: list[str]) -> list[str]:
    """Words without white space inside, which would end them: _ stands for it.

    Where that makes two words one, as of `New York` and `New_York`, the changed one gets a _ more.
    """
    found = ["_".join(word.split()) or "_" for word in words]
    taken = {word for word, whole in zip(words, found, strict=True) if word == whole}
    for row, word in enumerate(words):
        if found[row] != word:
            while found[row] in taken:
                found[row] += "_"
            taken.add(found[row])
    return found
