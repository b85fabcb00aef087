"""Reading a source more than once, standard input too."""

import tempfile
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import IO, Generic, Protocol, TypeVar

from dlkit.errors import DataError
from dlkit.readers.opening import BLOCK, STDIN, blocks, display

IN_MEMORY = 64 << 20
"""Bytes of standard input that are kept in memory; a longer one goes to a temporary file."""


class Chunk(Protocol):
    """A piece of a source: some rows."""

    row: int
    """Number of its first row in the source."""

    def __len__(self) -> int: ...


C = TypeVar("C", bound=Chunk)


class Kept(Generic[C]):
    """The chunks of a source that is read several times: remembered where they are small together."""

    def __init__(self, most: int, size: Callable[[C], int]) -> None:
        """most: of `size` summed over the chunks."""
        self.most, self.size = most, size
        self.chunks: list[C] | None = None
        """All of them, once they have gone by; None: not yet, or too large."""
        self.rows = 0
        """Rows in the chunks that have gone by."""

    def passing(self, chunks: Iterator[C]) -> Iterator[C]:
        """The chunks, numbered by rows, as they come; at the end they are kept."""
        kept: list[C] | None = []
        size = self.rows = 0
        for chunk in chunks:
            chunk.row = self.rows
            self.rows += len(chunk)
            size += self.size(chunk)
            kept = kept if kept is not None and size <= self.most else None
            if kept is not None:
                kept.append(chunk)
            yield chunk
        self.chunks = kept if self.rows else None


class Rereadable:
    """A file, or standard input, which comes once: a copy of it is made, on disk where it is large."""

    def __init__(self, path: Path) -> None:
        self.path, self.name = path, display(path)
        self.once = str(path) == STDIN
        self._head: bytes | None = None
        self._rest: Iterator[bytes] = iter(())
        self._copy: IO[bytes] | None = None

    def head(self) -> bytes:
        """The first bytes; empty for an empty source and for a folder. Raises DataError."""
        if self._head is None and not self.path.is_dir():
            self._rest = blocks(self.path, self.name)
            self._head = next(self._rest, b"")
        return self._head or b""

    def blocks(self) -> Iterator[bytes]:
        """The content in pieces of some MiB, decompressed if it is gzip. Raises DataError."""
        if not self.once:
            yield from blocks(self.path, self.name)
            return
        if self._copy is None:
            yield from self._copied()
            return
        self._copy.seek(0)
        while data := self._copy.read(BLOCK):
            yield data

    def _copied(self) -> Iterator[bytes]:
        head = self.head()
        try:
            copy = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - it lives as long as the source
            for data in chain([head] if head else [], self._rest):
                copy.write(data)
                yield data
        except OSError as error:
            raise DataError(f"no room for a copy: {error.strerror or error}", where=self.name) from error
        self._copy = copy
