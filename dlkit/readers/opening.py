"""Bytes from a file or standard input, with gzip undone on the way.

gzip is known by its first two bytes, not by the file's name, so that it works in a pipe too.
"""

import os
import sys
import zlib
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from dlkit.errors import DataError

BLOCK = 1 << 20
_INFLATED = 4 << 20
_GZIP = b"\x1f\x8b"
STDIN = "-"
STDIN_NAME = "standard input"


def display(path: Path | str) -> str:
    """How messages call a file."""
    return STDIN_NAME if str(path) == STDIN else str(path)


@cache
def memory_limit() -> int:
    """Bytes of memory this process may hope for: the machine's, or its control group's if that is less."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    for name in ("memory.max", "memory/memory.limit_in_bytes"):
        with suppress(OSError, ValueError):
            total = min(total, int((Path("/sys/fs/cgroup") / name).read_text(encoding="ascii")))
    return total


def check_size(wanted: int, name: str, what: str) -> None:
    """Raise DataError where `what` would need more bytes than there can be."""
    if wanted > memory_limit():
        text = f"{what} needs {wanted / 2**30:.1f} GiB, more than the {memory_limit() / 2**30:.1f} GiB here"
        raise DataError(text, where=name)


def blocks(path: Path | str, name: str | None = None, *, as_it_comes: bool = False) -> Iterator[bytes]:
    """The content of a file ("-": standard input) in pieces of some MiB, decompressed if it is gzip.

    `name` is how errors call it; as_it_comes: standard input is not waited for until a piece is full.
    Raises DataError for whatever the file system or gzip objects to.
    """
    name = name or display(path)
    raw = _raw_blocks(path, name, as_it_comes)
    first = next(raw, b"")
    if len(first) == 1:  # too short to be told from gzip
        first += next(raw, b"")
    if first[:2] != _GZIP:
        if first:
            yield first
        yield from raw
        return
    yield from _inflated(first, raw, name)


def _raw_blocks(path: Path | str, name: str, as_it_comes: bool) -> Iterator[bytes]:
    try:
        if str(path) == STDIN:
            stdin: Any = sys.stdin.buffer
            read = getattr(stdin, "read1", stdin.read) if as_it_comes else stdin.read
            while data := read(BLOCK):
                yield data
            return
        with Path(path).open("rb") as file:
            while data := file.read(BLOCK):
                yield data
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"cannot be read: {reason[:1].lower()}{reason[1:]}", where=name) from error


def _inflated(first: bytes, raw: Iterator[bytes], name: str) -> Iterator[bytes]:
    """Decompress one or more gzip members; zeros after the last one are padding."""
    member = zlib.decompressobj(31)
    data = first
    try:
        while True:
            out = member.decompress(data, _INFLATED)
            if out:
                yield out
            if member.eof:
                data = member.unused_data.lstrip(b"\0") or next(raw, b"").lstrip(b"\0")
                if not data:
                    if not any(rest.strip(b"\0") for rest in raw):
                        return
                    raise DataError("gzip data followed by something else", where=name)
                member = zlib.decompressobj(31)
                continue
            data = member.unconsumed_tail
            if not data and len(out) < _INFLATED:
                data = next(raw, b"")
                if not data:
                    raise DataError("gzip data ends too soon; the file is truncated", where=name)
    except zlib.error as error:
        raise DataError(f"broken gzip data ({error})", where=name) from error


def joined(pieces: Iterator[bytes], name: str) -> bytes:
    """All pieces as one; raises DataError as soon as they exceed the memory (gzip bombs)."""
    parts, size = [], 0
    for piece in pieces:
        size += len(piece)
        if size > memory_limit() // 2:
            raise DataError(f"holds more than {size / 2**30:.1f} GiB, too much for this machine", where=name)
        parts.append(piece)
    return b"".join(parts)


def read_bytes(path: Path | str, name: str | None = None) -> bytes:
    """The whole content of a file ("-": standard input), decompressed if it is gzip. Raises DataError."""
    name = name or display(path)
    return joined(blocks(path, name), name)
