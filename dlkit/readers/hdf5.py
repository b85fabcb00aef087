"""Arrays in an HDF5 file: ``file.h5`` with datasets x and y, or ``file.h5:/group/images`` for one of them.

Only plain datasets of numbers (labels: or texts) in the file itself are read: what points to other files
(external links, external storage, virtual datasets) is refused, and so is what would not fit into memory.
Texts lie on a heap in which libhdf5 loses its way for ever when it is damaged: they are read
by a process of their own, for a limited time.
"""

import io
import json
import math
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.opening import check_size, memory_limit

HDF5_MAGIC = b"\x89HDF\r\n\x1a\n"
SUFFIXES = (".h5", ".hdf5", ".hdf")
_INSIDE = re.compile(r"(?P<file>.+\.(?:h5|hdf5|hdf)):(?P<dataset>/?.+)", re.IGNORECASE | re.DOTALL)
_MOST_LISTED = 12
_SECONDS, _TEXTS_A_SECOND = 8, 50_000
_READ_TEXTS = """
import io, json, sys
import h5py
name, key = sys.argv[1:]
with h5py.File(name or io.BytesIO(sys.stdin.buffer.read()), "r") as file:
    json.dump(file[key].asstr("utf-8", "strict")[()].ravel().tolist(), sys.stdout)
"""

T = TypeVar("T")


def split_name(path: Path) -> tuple[Path, str | None]:
    """``data.h5:/train/x`` as (data.h5, /train/x); any other path as (path, None)."""
    match = None if path.exists() else _INSIDE.fullmatch(str(path))
    return (Path(match["file"]), match["dataset"]) if match else (path, None)


class Hdf5:
    """An HDF5 file that is open for reading."""

    def __init__(self, file: Any, source: Path | bytes, name: str) -> None:
        self._file = file
        self._source = source
        self.name = name

    @property
    def keys(self) -> list[str]:
        """Names of the datasets, those in groups with slashes."""
        found: list[str] = []

        def visit(key: str | bytes, item: Any) -> None:
            if isinstance(key, str) and hasattr(item, "shape"):  # bytes: a name that is not UTF-8
                found.append(key)

        self._safely(lambda: self._file.visititems(visit), self.name)
        return found

    def array(self, key: str) -> "Dataset":
        """A dataset by its path. Raises DataError where there is none, or where it is no plain array."""
        where = f"{self.name}:/{key.lstrip('/')}"
        return self._safely(lambda: self._dataset(key, where), where)

    def _dataset(self, key: str, where: str) -> "Dataset":
        import h5py

        group, parts = self._file, key.strip("/").split("/")
        for k, part in enumerate(parts):
            known = isinstance(group, h5py.Group) and part not in {"", ".", ".."}
            link = group.get(part, getlink=True) if known else None
            if link is None:
                shown = ", ".join(self.keys[:_MOST_LISTED])
                raise DataError("no such dataset", where=where, hint=f"there are {shown}" if shown else None)
            if isinstance(link, h5py.ExternalLink):
                raise DataError("a link to another file; it is not followed", where=where)
            group = group[part]
            if k == len(parts) - 1 and not isinstance(group, h5py.Dataset):
                raise DataError("a group, not a dataset", where=where)
        return Dataset(group, self._source, where)

    def _safely(self, read: Callable[[], T], where: str) -> T:
        return safely(read, where)


class Dataset:
    """A dataset whose header has been looked at; rows are read when asked for."""

    def __init__(self, dataset: Any, source: Path | bytes, where: str) -> None:
        self._dataset = dataset
        self._source = source
        self.where = where
        if dataset.is_virtual or dataset.external:
            raise DataError("its numbers lie in other files; they are not followed", where=where)
        if dataset.shape is None:
            raise DataError("an empty dataset", where=where)
        self.shape: tuple[int, ...] = tuple(int(size) for size in dataset.shape)
        self.text = dataset.dtype.kind in "SO" and _is_text(dataset)
        if not self.text and (dataset.dtype.kind not in "buif" or dataset.dtype.itemsize > 8):
            raise DataError(f"elements of type {dataset.dtype} are not supported", where=where)
        if math.prod(self.shape) == 0:
            raise DataError("an array without data", where=where)
        chunk = math.prod(dataset.chunks or (1,)) * dataset.dtype.itemsize
        if chunk > memory_limit() // 4:
            raise DataError(f"chunks of {chunk / 2**30:.1f} GiB are too large", where=where)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row."""
        return math.prod(self.shape[1:]) * self._dataset.dtype.itemsize

    def read(self, rows: slice = slice(None)) -> np.ndarray:
        """Some rows, or all: numbers in native byte order, text as str. Raises DataError."""
        count = len(range(*rows.indices(self.shape[0]))) if self.shape else 1
        check_size(2 * count * self.row_bytes, self.where, "the array")

        def read() -> np.ndarray:
            if self.text:
                return self._texts()[rows]
            array = np.asarray(self._dataset[rows] if self.shape else self._dataset[()])
            return np.ascontiguousarray(array.astype(array.dtype.newbyteorder("="), copy=False))

        return safely(read, self.where)

    def _texts(self) -> np.ndarray:
        """All texts. Raises DataError where they cannot be read, or not in a time that is long enough."""
        seconds = _SECONDS + math.prod(self.shape) // _TEXTS_A_SECOND
        name, data = (str(self._source), b"") if isinstance(self._source, Path) else ("", self._source)
        command = [sys.executable, "-c", _READ_TEXTS, name, self._dataset.name]
        try:
            done = subprocess.run(command, input=data, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired as error:
            text = f"its texts could not be read in {seconds} s; the file seems damaged"
            raise DataError(text, where=self.where) from error
        if done.returncode:
            reason = done.stderr.decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise DataError(f"its texts cannot be read ({reason[:100]})", where=self.where)
        return np.array(json.loads(done.stdout), str).reshape(self.shape)


def _is_text(dataset: Any) -> bool:
    import h5py

    return h5py.check_string_dtype(dataset.dtype) is not None


def safely(read: Callable[[], T], where: str) -> T:
    """Read; whatever h5py raises becomes a DataError."""
    try:
        return read()
    except DataError:
        raise
    except Exception as error:  # h5py has no one kind of error for a damaged file
        reason = " ".join(str(error).split())
        raise DataError(f"broken HDF5 data ({reason[:100]})", where=where) from error


@contextmanager
def open_hdf5(source: Path | bytes, name: str) -> Iterator[Hdf5]:
    """The file, or its bytes where they come from a pipe or gzip. Raises DataError."""
    import h5py

    def opened() -> Any:
        return h5py.File(io.BytesIO(source) if isinstance(source, bytes) else source, "r")

    if isinstance(source, Path) and not source.is_file():
        raise DataError("no such file", where=name)
    file = safely(opened, name)
    try:
        yield Hdf5(file, source, name)
    finally:
        file.close()


def pick(file: Hdf5, pairs: Sequence[tuple[str, str]], inside: str | None) -> tuple[str, str | None]:
    """Keys of rows and labels: of the first of `pairs` that is there, or `inside` and what belongs to it.

    The labels of /train/images are /train/labels, of /x_test /y_test. Raises DataError.
    """
    keys = file.keys
    if inside is not None:
        wanted = inside.strip("/")
        group, _, last = wanted.rpartition("/")
        partners = [f"{group}/{y}".lstrip("/") for x, y in pairs if x == last]
        return wanted, next((key for key in partners if key in keys), None)
    for x, y in pairs:
        if x in keys:
            return x, y if y in keys else None
    if len(keys) == 1:
        return keys[0], None
    shown = ", ".join(keys[:_MOST_LISTED]) or "none"
    text = f"no dataset named x (there are {shown})"
    raise DataError(text, where=file.name, hint=f"name one: {file.name}:/NAME")
