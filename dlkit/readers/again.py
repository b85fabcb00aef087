"""Reading a source more than once, standard input too."""

import sys
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import suppress
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
        self._copy: IO[bytes] | None = None

    def blocks(self) -> Iterator[bytes]:
        """The content in pieces of some MiB, decompressed if it is gzip. Raises DataError."""
        if str(self.path) != STDIN:
            yield from blocks(self.path, self.name)
            return
        if self._copy is not None:
            self._copy.seek(0)
            while data := self._copy.read(BLOCK):
                yield data
            return
        try:
            copy = tempfile.SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115 - it lives as long as the source
            for data in blocks(self.path, self.name):
                copy.write(data)
                yield data
        except OSError as error:
            raise DataError(f"no room for a copy: {error.strerror or error}", where=self.name) from error
        self._copy = copy

    def head(self) -> bytes:
        """The first bytes, without taking them from standard input; empty for an empty source."""
        if str(self.path) != STDIN:
            return next(blocks(self.path, self.name), b"")
        data = sys.stdin.buffer.peek(1) if hasattr(sys.stdin.buffer, "peek") else b""
        with suppress(zlib.error):
            return zlib.decompressobj(31).decompress(data, BLOCK)
        return data
