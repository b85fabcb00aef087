"""Reading a source more than once, standard input too."""

import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import IO

from dlkit.errors import DataError
from dlkit.readers.opening import BLOCK, STDIN, blocks, display

IN_MEMORY = 64 << 20
"""Bytes of standard input that are kept in memory; a longer one goes to a temporary file."""


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
