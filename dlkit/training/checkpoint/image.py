"""The part of an open file that is HDF5's, as a file of its own: what lies behind the user block.

HDF5 writes and reads through it piece by piece, so that no copy of the file is held in memory.
"""

import hashlib
import io
from typing import BinaryIO

PIECE = 1 << 20
"""Bytes read at a time where a whole file is looked through."""


class Image:
    """What h5py wants of a file. HDF5 cannot undo half a call, so a failed one is kept in `failed` and the
    library hears nothing of it: whoever opened the image raises it once the library has let go.
    """

    def __init__(self, stream: BinaryIO, start: int) -> None:
        self.stream, self.start = stream, start
        self.failed: OSError | None = None

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self.stream.seek(offset + (self.start if whence == io.SEEK_SET else 0), whence) - self.start

    def tell(self) -> int:
        return self.stream.tell() - self.start

    def read(self, size: int = -1) -> bytes:
        return self.stream.read(size)

    def readinto(self, buffer: memoryview) -> int:
        """Fills all of the buffer; what lies beyond the end of the file reads as zeros."""
        try:
            found = self.stream.readinto(buffer)  # type: ignore[attr-defined]
        except OSError as error:
            self.failed = self.failed or error
            found = 0
        buffer[found:] = bytes(len(buffer) - found)
        return len(buffer)

    def write(self, data: memoryview) -> int:
        if self.failed is None:
            try:
                self.stream.write(data)
            except OSError as error:
                self.failed = error
        return len(data)

    def truncate(self, size: int) -> int:
        if self.failed is None:
            try:
                self.stream.truncate(size + self.start)
            except OSError as error:
                self.failed = error
        return size

    def flush(self) -> None:
        """Whoever wrote the file flushes it."""


def length_and_digest(stream: BinaryIO, start: int) -> tuple[int, str]:
    """How many bytes a file holds from `start` on, and their SHA-256 in hexadecimal digits."""
    digest, length, piece = hashlib.sha256(), 0, memoryview(bytearray(PIECE))
    stream.seek(start)
    while found := stream.readinto(piece):  # type: ignore[attr-defined]
        digest.update(piece[:found])
        length += found
    return length, digest.hexdigest()
