"""Long rows of numbers of 4 bytes, such as the words of a corpus: in memory, or in a file without a name."""

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO

import numpy as np

from dlkit.errors import DataError

MARK = -1
"""The end of a sentence among the numbers of words."""
IN_MEMORY = 2 << 20
"""Numbers that are kept in memory; more of them go to a file."""
AT_ONCE = 1 << 20
"""Numbers worked on at once."""


class NumberFile:
    """A long row of int32, in memory as long as it is short."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder
        self._parts: list[np.ndarray] = []
        self._file: IO[bytes] | None = None
        self._array: np.ndarray | None = None
        self.size = 0

    def append(self, numbers: np.ndarray) -> None:
        """Raises DataError where the disk is full."""
        self._array = None
        self.size += len(numbers)
        if self._file is None:
            self._parts.append(numbers.astype(np.int32))
            if self.size > IN_MEMORY:
                self._spill()
            return
        self._write(numbers)

    def _spill(self) -> None:
        try:
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - it lives as long as this
        except OSError as error:
            raise self._trouble(error) from error
        for part in self._parts:
            self._write(part)
        self._parts = []

    def _write(self, numbers: np.ndarray) -> None:
        assert self._file is not None
        try:
            self._file.write(np.ascontiguousarray(numbers, np.int32).data)
        except OSError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: OSError) -> DataError:
        folder = self._folder or tempfile.gettempdir()
        text = f"no room for the numbers of the words: {error.strerror or error}"
        return DataError(text, where=str(folder), hint="data.cache names another folder")

    def read(self, start: int, stop: int) -> np.ndarray:
        """(stop - start,) int32; not to be written to."""
        if self._file is None:
            if self._array is None:
                self._array = np.concatenate(self._parts) if self._parts else np.zeros(0, np.int32)
                self._parts = [self._array]
            return self._array[start:stop]
        self._file.flush()
        wanted, begin, pieces = 4 * (stop - start), 4 * start, []
        while wanted > 0 and (piece := os.pread(self._file.fileno(), wanted, begin)):
            pieces.append(piece)
            wanted, begin = wanted - len(piece), begin + len(piece)
        return np.frombuffer(b"".join(pieces), np.int32)

    def rewrite(self, change: Callable[[np.ndarray], np.ndarray]) -> None:
        """Every piece changed into one that is no longer, in place."""
        if self._file is None:
            self._parts = [change(self.read(0, self.size))]
            self._array, self.size = None, len(self._parts[0])
            return
        written = 0
        for start in range(0, self.size, AT_ONCE):
            piece = change(self.read(start, min(start + AT_ONCE, self.size)))
            os.pwrite(self._file.fileno(), np.ascontiguousarray(piece).tobytes(), 4 * written)
            written += len(piece)
        os.ftruncate(self._file.fileno(), 4 * written)
        self.size = written
