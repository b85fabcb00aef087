"""Checkpoints: a tree of arrays, texts and numbers as an HDF5 file whose bytes depend on the tree alone.

The layout is documented in docs/formats.md. A 512-byte user block before the HDF5 image (HDF5 looks for
its superblock at 0, 512, 1024, ...) holds the length and SHA-256 of the image, so that a damaged file is
found before libhdf5 parses a byte of it. What the file then declares is compared with what it holds
before anything is allocated, because a digest says nothing about who wrote the file.
"""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from dlkit.errors import DataError
from dlkit.training.checkpoint.image import Image, length_and_digest
from dlkit.training.checkpoint.tree import Reader, Tree, fixed_text, write_group
from dlkit.training.rundir import write_atomic

FORMAT = "dlkit checkpoint"
VERSION = 1
BLOCK = 512
LIBVER = ("v110", "v110")
"""HDF5 1.10 reads it (the h5dump of older systems); "latest" would follow the library's version."""
UNCACHED = {"rdcc_nbytes": 0}
"""Every chunk is written or read once and whole."""


@dataclass
class Checkpoint:
    """A loaded file: the tree, the command that wrote it, the layout's version, further root attributes."""

    tree: Tree
    command: str
    version: int = VERSION
    attributes: dict[str, str | int] = field(default_factory=dict)


def save(path: Path, tree: Tree, *, command: str, attributes: Mapping[str, str | int] | None = None) -> None:
    """Write `tree` to `path` atomically. Raises UserError (full disk, read-only), TypeError (not a tree)."""
    write_atomic(path, lambda stream: write(stream, tree, command=command, attributes=attributes))


def write(
    stream: BinaryIO, tree: Tree, *, command: str, attributes: Mapping[str, str | int] | None = None
) -> None:
    """The file, user block and HDF5 image, into an empty stream that is also read; no copy of it is held.

    Raises TypeError naming what cannot be stored, OSError (a full disk).
    """
    import h5py

    stream.write(bytes(BLOCK))
    image = Image(stream, BLOCK)
    try:
        with h5py.File(image, "w", libver=LIBVER, track_order=True, **UNCACHED) as file:
            marks = {"format": FORMAT, "version": VERSION, "command": command, **(attributes or {})}
            for name, value in marks.items():
                file.attrs.create(name, fixed_text(value) if isinstance(value, str) else value)
            write_group(file, tree, "")
    finally:
        if image.failed:
            raise image.failed
    length, digest = length_and_digest(stream, BLOCK)
    stream.seek(0)
    stream.write(_block(length, digest))


def load(path: Path, *, command: str | None = None) -> Checkpoint:
    """Read a checkpoint. Raises DataError, one line, for anything else or one not of `command`."""
    try:
        with path.open("rb") as stream:
            return _load(stream, _verified(stream, path), path, command)
    except OSError as error:
        raise DataError(f"cannot read: {error.strerror or error}", where=str(path)) from error


def _load(stream: BinaryIO, length: int, path: Path, command: str | None) -> Checkpoint:
    """The checkpoint in a file whose digest is right. Raises DataError, OSError (a failing disk)."""
    import h5py

    image = Image(stream, BLOCK)
    try:
        with h5py.File(image, "r", **UNCACHED) as file:
            attributes = {name: _attribute(value) for name, value in file.attrs.items()}
            wrote = attributes.pop("command", None)
            if attributes.pop("format", None) != FORMAT or not isinstance(wrote, str):
                raise DataError("not a dlkit checkpoint", where=str(path))
            version = int(attributes.pop("version", 0))
            _check_version(version, path)
            if command is not None and wrote != command:
                raise DataError(f"a checkpoint of {wrote}, not of {command}", where=str(path))
            tree = Reader(length).group(file, 0)
            return Checkpoint(tree, wrote, version, attributes)
    except (OSError, RuntimeError, ValueError, KeyError, TypeError, OverflowError, MemoryError) as error:
        raise DataError(f"damaged checkpoint: {error}", where=str(path)) from error
    finally:
        if image.failed:
            raise image.failed


# -- user block ---------------------------------------------------------------------------------
def _block(length: int, digest: str) -> bytes:
    text = f"{FORMAT}\nversion {VERSION}\nbytes {length}\nsha256 {digest}\n"
    return text.encode("ascii").ljust(BLOCK, b"\0")


def _verified(stream: BinaryIO, path: Path) -> int:
    """Bytes of the HDF5 image, once its length and digest agree with the user block."""
    where = str(path)
    status = os.fstat(stream.fileno())
    if not stat.S_ISREG(status.st_mode):
        raise DataError("not a file", where=where)
    length, digest = _read_block(stream.read(BLOCK), path)
    if status.st_size != BLOCK + length:
        what = "truncated" if status.st_size < BLOCK + length else "damaged"
        raise DataError(
            f"{what} checkpoint: {status.st_size} bytes where {BLOCK + length} belong", where=where
        )
    if length_and_digest(stream, BLOCK) != (length, digest):
        raise DataError("damaged checkpoint: its SHA-256 is not the one it states", where=where)
    return length


def _read_block(block: bytes, path: Path) -> tuple[int, str]:
    """Length and digest of the image as the user block states them."""
    where = str(path)
    if not block:
        raise DataError("an empty file, not a checkpoint", where=where)
    magic = FORMAT.encode() + b"\n"
    if not block.startswith(magic):
        if magic.startswith(block[: len(magic)]):
            raise DataError(f"truncated checkpoint: only {len(block)} bytes", where=where)
        kind = "an HDF5 file, but " if block.startswith(b"\x89HDF\r\n\x1a\n") else ""
        raise DataError(f"{kind}not a dlkit checkpoint", where=where)
    if len(block) < BLOCK:
        raise DataError(f"truncated checkpoint: only {len(block)} bytes", where=where)
    lines = block.rstrip(b"\0").decode("ascii", "replace").splitlines()[1:]
    said = dict(line.split(" ", 1) for line in lines if " " in line)
    if said.get("version", "").isdecimal():
        _check_version(int(said["version"]), path)
    length, digest = said.get("bytes", ""), said.get("sha256", "")
    expected = [f"version {VERSION}", f"bytes {length}", f"sha256 {digest}"]
    if lines != expected or not (length.isdecimal() and len(length) < 20) or len(digest) != 64:
        raise DataError("damaged checkpoint: its first 512 bytes are not as they were written", where=where)
    return int(length), digest


def _check_version(version: int, path: Path) -> None:
    if version > VERSION:
        problem = f"checkpoint version {version}; this dlkit reads up to {VERSION}"
        raise DataError(problem, where=str(path), hint="it was written by a newer dlkit")
    if version < 1:
        raise DataError(f"damaged checkpoint: version {version}", where=str(path))


def _attribute(value: Any) -> str | int:
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogatepass")
    if isinstance(value, str):
        return value
    if getattr(value, "ndim", None) != 0 or value.dtype.kind not in "biu":
        raise ValueError("an attribute that is neither text nor a whole number")
    return int(value)
