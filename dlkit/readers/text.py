"""Labelled documents as a stream: lines ``label<TAB>text`` of a file, or a folder with one for each class.

Documents come in chunks whose bounds depend on the data alone, so that what is counted of them does not
depend on threads, machines or where a run was interrupted. Memory is bounded by the chunk, not by the file.
"""

import codecs
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.again import Kept, Rereadable
from dlkit.readers.cells import OnBadRow, quoted
from dlkit.readers.delimited import check_text, without_bom
from dlkit.readers.opening import read_bytes
from dlkit.readers.vocabulary import Vocabulary

Encoding = Literal["utf-8", "latin-1", "cp1252", "shift_jis", "cp932", "euc_jp"]
"""In all of these no byte of a longer character is a line end or a tab."""

CHUNK = 2 << 20
"""Bytes after which a chunk ends, with its line or file."""
PIECE = 16 << 10
"""Bytes that are looked at together, with the rest of their line, for letters beyond ASCII."""
LONGEST = 64 << 20
"""Most bytes of one document."""
KEPT = 128 << 20
"""A smaller source is kept in memory between two readings."""
TAB, NEWLINE, RETURN = 9, 10, 13
GZIP = b"\x1f\x8b"
NONE = -1
"""The label of a document without one, or of a class that is not known."""


@dataclass
class Texts:
    """Documents: number d is data[starts[d]:ends[d]], UTF-8."""

    name: str
    """The file or folder, as messages call it."""
    data: np.ndarray
    """(N,) uint8."""
    starts: np.ndarray
    ends: np.ndarray
    """(D,) int64 each."""
    labels: np.ndarray
    """(D,) int64 code of the class; -1 for none."""
    lines: np.ndarray | None = None
    """(D,) line of each document; None where each is a file."""
    files: list[str] | None = None
    """Path of each document."""
    row: int = 0
    """Number of the first document in the whole source, bad ones not counted."""

    def __len__(self) -> int:
        return len(self.starts)

    def place(self, d: int) -> str:
        """Where document d is: file:line, or its file."""
        if self.files is not None:
            return self.files[d]
        return self.name if self.lines is None else f"{self.name}:{self.lines[d]}"

    def take(self, chosen: np.ndarray) -> "Texts":
        """Some of the documents; (D,) bool or numbers. `row` means nothing then."""
        files = None
        if self.files is not None:
            numbers = np.flatnonzero(chosen) if chosen.dtype == bool else chosen
            files = [self.files[d] for d in numbers.tolist()]
        lines = None if self.lines is None else self.lines[chosen]
        starts, ends, labels = self.starts[chosen], self.ends[chosen], self.labels[chosen]
        return replace(self, starts=starts, ends=ends, labels=labels, lines=lines, files=files)


class TextSource:
    """Documents of a file or folder, as often as they are asked for; counts what it meets on the way.

    Classes are numbered in the order of first appearance, or are those given; then others are bad rows.
    """

    def __init__(
        self,
        path: Path | Rereadable,
        *,
        encoding: Encoding = "utf-8",
        on_bad_row: OnBadRow = "error",
        labelled: bool = True,
        classes: list[str] | None = None,
    ) -> None:
        self._file = path if isinstance(path, Rereadable) else Rereadable(path)
        self.path, self.name = self._file.path, self._file.name
        self.encoding, self.on_bad_row, self.labelled = encoding, on_bad_row, labelled
        self.known = classes
        self._labels = Vocabulary()
        if classes:
            self._labels.add(classes)
        self.skipped = 0
        self.first_fault = ""
        self._first_line = 0
        self.drop_labels = False
        """Without `labelled`: lines that all begin with the name of a class and a tab are read as labelled
        ones.
        """
        self._kept: Kept[Texts] = Kept(KEPT, lambda chunk: chunk.data.nbytes)

    @property
    def classes(self) -> list[str]:
        """The classes met so far, by number."""
        return self._labels.words()

    def settle(self, classes: list[str]) -> None:
        """Number the classes met so far as in `classes`; from now on others are bad rows."""
        code = {name: k for k, name in enumerate(classes)}
        codes = np.array([code[name] for name in self.classes], np.int64)
        for chunk in self._kept.chunks or []:
            chunk.labels = codes[chunk.labels]
        self.known = classes
        self._labels.clear()
        self._labels.add(classes)

    def chunks(self) -> Iterator[Texts]:
        """All documents, some MiB at a time. Raises DataError with file:line for what is no labelled text."""
        if self._kept.chunks is not None:
            yield from self._kept.chunks
            return
        self.skipped, self.first_fault = 0, ""
        yield from self._kept.passing(self._folder() if self.path.is_dir() else self._lines())
        if not self._kept.rows:
            because = f"; {self.first_fault}" if self.first_fault else ""
            raise DataError(f"no document in it{because}", where=self.name)

    # -- lines ------------------------------------------------------------------------------------
    def _lines(self) -> Iterator[Texts]:
        line, pending = 1, b""
        first = macintosh = True
        for piece in self._file.blocks():
            data = pending + piece if pending else piece
            if first:
                data = without_bom(data, self.name)
                macintosh = b"\n" not in data and b"\r" in data
                first = False
            if macintosh:
                data = data.replace(b"\r", b"\n")
            end = data.rfind(b"\n") + 1 if len(data) >= CHUNK else 0
            if not end and len(data) > LONGEST:
                text = f"a line of more than {LONGEST >> 20} MiB"
                raise DataError(text, where=f"{self.name}:{line}")
            pending = data[end:]
            if end:
                yield self._cut(data[:end], line)
                line += data.count(b"\n", 0, end)
        if pending:
            yield self._cut(pending, line)

    def _cut(self, data: bytes, line: int) -> Texts:
        """Whole lines as documents; blank ones are none."""
        data, starts, ends = self._decoded(data, line)
        buffer = np.frombuffer(data, np.uint8)
        lines = np.arange(line, line + len(starts))
        trimmed = ends - ((ends > starts) & (buffer[np.maximum(ends - 1, 0)] == RETURN))
        good = trimmed > starts
        starts, ends, lines = starts[good], trimmed[good], lines[good]
        labels = np.full(len(starts), NONE, np.int64)
        chunk = Texts(self.name, buffer, starts, ends, labels, lines)
        if self.drop_labels and line == 1:
            self.drop_labels = self._all_labelled(chunk)
        return self._label(chunk) if self.labelled else self._without_label(chunk)

    def _all_labelled(self, chunk: Texts) -> bool:
        """Whether every line of the first chunk begins with the name of a known class and a tab."""
        tab = _first_tabs(chunk)
        if not len(chunk) or (tab >= chunk.ends).any():
            return False
        return bool((self._labels.index(chunk.data, chunk.starts, tab, grow=False) >= 0).all())

    def _without_label(self, chunk: Texts) -> Texts:
        if self.drop_labels:
            tab = _first_tabs(chunk)
            chunk.starts = np.where(tab < chunk.ends, tab + 1, chunk.starts)
        return chunk

    def _decoded(self, data: bytes, line: int) -> tuple[bytes, np.ndarray, np.ndarray]:
        """UTF-8 bytes and the bounds of their lines; lines that cannot be read are cut to nothing."""
        try:
            data = self._utf8(data, self.name, line)
        except DataError:
            if self.on_bad_row == "error":
                raise
            data = b"\n".join(self._utf8_or_nothing(one, line + k) for k, one in enumerate(data.split(b"\n")))
        newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == NEWLINE)
        open_end = [len(data)] if not data.endswith(b"\n") else []
        ends = np.concatenate([newlines, np.array(open_end, np.int64)])
        starts = np.concatenate([np.zeros(1, np.int64), newlines + 1])[: len(ends)]
        return data, starts, ends

    def _utf8_or_nothing(self, data: bytes, line: int) -> bytes:
        try:
            return self._utf8(data, self.name, line)
        except DataError as error:
            self._skip(str(error), line)
            return b""

    def _utf8(self, data: bytes, name: str, line: int) -> bytes:
        """The text in UTF-8. Raises DataError with the line of the first byte that is none."""
        if self.encoding == "utf-8":
            check_text(data, name, line)
            return data
        if data.isascii():
            return data
        pieces, at = [], 0
        while at < len(data):  # most of a text may be ASCII, which is the same in all encodings
            end = data.find(b"\n", at + PIECE) + 1 or len(data)
            piece = data[at:end]
            try:
                pieces.append(piece if piece.isascii() else piece.decode(self.encoding).encode("utf-8"))
            except UnicodeDecodeError as error:
                line += data.count(b"\n", 0, at + error.start)
                text = f"not {self.encoding}: byte 0x{piece[error.start]:02x}"
                raise DataError(text, where=f"{name}:{line}") from error
            at = end
        return b"".join(pieces)

    def _label(self, chunk: Texts) -> Texts:
        """The part before the first tab of each line is its label."""
        tab = _first_tabs(chunk)
        missing = tab >= chunk.ends
        if missing.any():
            for d in np.flatnonzero(missing).tolist():
                self.fault("expected label<TAB>text, found no tab", chunk, d)
            chunk, tab = chunk.take(~missing), tab[~missing]
        if not len(chunk):
            return chunk
        bare = tab == chunk.starts
        if bare.any():
            for d in np.flatnonzero(bare).tolist():
                self.fault("the label before the tab is missing", chunk, d)
            chunk, tab = chunk.take(~bare), tab[~bare]
        first = np.ascontiguousarray(chunk.starts)
        codes = self._labels.index(chunk.data, first, tab, grow=self.known is None)
        chunk.labels, chunk.starts = codes.astype(np.int64), tab + 1
        return self._known_only(chunk, first, tab)

    def _known_only(self, chunk: Texts, first: np.ndarray, last: np.ndarray) -> Texts:
        strange = chunk.labels < 0
        if not strange.any():
            return chunk
        for d in np.flatnonzero(strange).tolist():
            label = chunk.data[first[d] : last[d]].tobytes().decode("utf-8")
            self.fault(f"class {quoted(label)} was not in the training data", chunk, d)
        return chunk.take(~strange)

    def fault(self, text: str, chunk: Texts, d: int) -> None:
        """Document d of a chunk is a bad row: counted. Raises DataError where none is to be left out."""
        if self.on_bad_row == "error":
            raise DataError(text, where=chunk.place(d))
        self._skip(f"{chunk.place(d)}: {text}", None if chunk.lines is None else int(chunk.lines[d]))

    def _skip(self, fault: str, line: int | None = None) -> None:
        """line: where there are lines, for what is wrong with some is seen before what is with others."""
        self.skipped += 1
        if not self.first_fault or (line is not None and line < self._first_line):
            self.first_fault, self._first_line = fault, line or 0

    # -- folders ----------------------------------------------------------------------------------
    def _folder(self) -> Iterator[Texts]:
        parts: list[bytes] = []
        files: list[str] = []
        codes: list[int] = []
        known: dict[str, int] = {}
        size = 0
        for label, path in self.members():
            try:
                data = self._utf8(without_bom(_content(path), path), path, 1)
                if label not in known:
                    known[label] = self._code(label, path)
            except DataError as error:
                if self.on_bad_row == "error":
                    raise
                self._skip(str(error))
                continue
            parts.append(data)
            files.append(path)
            codes.append(known[label])
            size += len(data)
            if size >= CHUNK:
                yield self._joined(parts, files, codes)
                parts, files, codes, size = [], [], [], 0
        if parts:
            yield self._joined(parts, files, codes)

    def members(self) -> Iterator[tuple[str, str]]:
        """(class, file) of each document, both in the order of their names; hidden files are none.

        Files that stand beside the class folders belong to no class and are left out, except where the
        documents need no label.
        """
        with os.scandir(self.path) as found:
            entries = sorted(
                (entry for entry in found if not entry.name.startswith(".")), key=lambda e: e.name
            )
        for entry in entries:
            if entry.is_dir():
                for parent, folders, names in os.walk(entry.path):
                    folders[:] = sorted(name for name in folders if not name.startswith("."))
                    for name in sorted(names):
                        if not name.startswith("."):
                            yield entry.name, os.path.join(parent, name)  # noqa: PTH118 - a Path costs more than the file
            elif not self.labelled:
                yield "", entry.path

    def empty_classes(self) -> list[str]:
        """Folders without any document."""
        if not self.path.is_dir():
            return []
        folders = [
            path.name for path in self.path.iterdir() if path.is_dir() and not path.name.startswith(".")
        ]
        return sorted(set(folders) - set(self.classes))

    def _code(self, label: str, place: str) -> int:
        if not self.labelled:
            return NONE
        piece = np.frombuffer(label.encode("utf-8", "surrogateescape"), np.uint8)
        bounds = np.array([0], np.int64), np.array([len(piece)], np.int64)
        code = int(self._labels.index(piece, *bounds, grow=self.known is None)[0])
        if code < 0:
            raise DataError(f"class {quoted(label)} was not in the training data", where=place)
        return code

    def _joined(self, parts: list[bytes], files: list[str], codes: list[int]) -> Texts:
        ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]])
        data = np.frombuffer(b"".join(parts), np.uint8)
        return Texts(self.name, data, starts, ends, np.array(codes, np.int64), None, files)


def _content(path: str) -> bytes:
    """A document of its own, decompressed if it is gzip: read at once, for there may be very many."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
            data = file.read()
    except OSError as error:
        raise DataError(f"cannot be read: {error.strerror or error}", where=path) from error
    return read_bytes(Path(path)) if data[:2] == GZIP else data


def _first_tabs(chunk: Texts) -> np.ndarray:
    """(D,) place of the first tab from each document's start on; beyond its end where it has none."""
    tabs = np.append(np.flatnonzero(chunk.data == TAB), len(chunk.data))
    return tabs[np.searchsorted(tabs, chunk.starts)]


def looks_like_text(path: Path, head: bytes, share: float = 1.0) -> bool:
    """Whether a source is labelled text rather than a table: a folder, or lines `label<TAB>some words`.

    head: the first bytes of the file. It is text where each line (or such a share of them, where some may be
    bad) has a tab, and what follows the first one looks like words in most lines.
    """
    if path.is_dir():
        return True
    lines = head.removeprefix(codecs.BOM_UTF8).replace(b"\r", b"\n").split(b"\n")
    whole = [line for line in (lines[:-1] if len(lines) > 1 else lines) if line.strip()][:200]
    fields = [line.split(b"\t", 1) for line in whole if b"\t" in line]  # the last line may be cut off
    if not fields or len(fields) < share * len(whole):
        return False
    tabs = {1 + text.count(b"\t") for _, text in fields}
    if len(tabs) == 1 and tabs != {1}:
        return False  # three columns or more, all alike: a table
    return 2 * sum(_has_words(text.strip()) for _, text in fields) > len(fields)


def _has_words(text: bytes) -> bool:
    """Blanks between words, or a sentence of a script that has none (24 bytes: 8 characters of Japanese)."""
    return b" " in text or (len(text) >= 24 and not text.isascii())
