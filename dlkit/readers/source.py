"""A file of any format, as a table or as arrays; the format is told from the content."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import Faults, OnBadRow
from dlkit.readers.idx import looks_like_idx, parse_idx
from dlkit.readers.npy import NPY_MAGIC, ZIP_MAGIC, Npz, parse_npy
from dlkit.readers.opening import STDIN_NAME, check_size, display, read_bytes
from dlkit.readers.paths import labels_beside
from dlkit.readers.table import Header, Rows, Table, check_usable, read_table

_NPZ_KEYS = {
    "train": [("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels")],
    "valid": [("x_valid", "y_valid"), ("x_val", "y_val"), ("X_valid", "y_valid")],
    "test": [("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels")],
}
_NPZ_PLAIN = [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"), ("features", "labels")]


@dataclass
class Arrays:
    """Rows that are arrays of one shape (images, vectors), with labels from elsewhere."""

    name: str
    x: np.ndarray
    """(n, ...) as in the file: integers, booleans or floats."""
    y: np.ndarray | None
    """(n,) or (n, targets): numbers or text."""
    positions: np.ndarray
    """(n,) row number in the file."""
    from_idx: bool = False
    skipped: int = 0
    total: int = 0
    first_fault: str = ""

    def __len__(self) -> int:
        return len(self.x)


@dataclass(frozen=True)
class How:
    """How a file is to be read: what the recipe says about it."""

    header: Header = "auto"
    delimiter: str | None = None
    on_bad_row: OnBadRow = "error"
    as_text: bool = False
    """Some column is wanted as text even if all are numbers."""
    role: str = "train"
    """train, valid or test: which arrays of an .npz file are meant."""
    labels: Path | None = None
    """The labels file, where it is named; else it is looked for beside the file."""
    need_labels: bool = True
    labels_welcome: bool = False
    """Labels are taken where they are found and not missed where they are not."""
    label_is_column: bool = False
    """A two-dimensional array holds the label too: do not look for labels elsewhere."""
    is_header: Callable[[Rows], bool] | None = None
    """Tells whether a table begins with a header; None: by its looks."""


def binary_format(path: Path, head: bytes) -> str | None:
    """npy, npz, idx or None (text), from the first bytes; a name may insist on a format."""
    name = path.name.removesuffix(".gz")
    if head.startswith(NPY_MAGIC) or name.endswith(".npy"):
        return "npy"
    if head.startswith(ZIP_MAGIC) or name.endswith(".npz"):
        return "npz"
    if looks_like_idx(head) or name.endswith(("-ubyte", ".idx", ".ubyte")):
        return "idx"
    return None


def load(path: Path, how: How, files: list[Path]) -> Table | Arrays:
    """Read a data file; every file that was read is added to `files`. Raises DataError."""
    name = display(path)
    data = read_bytes(path)
    if name != STDIN_NAME:
        files.append(path)
    kind = binary_format(path, data[:8])
    if kind is None:
        return read_table(
            data,
            name,
            header=how.header,
            delimiter=how.delimiter,
            on_bad_row=how.on_bad_row,
            as_text=how.as_text,
            is_header=how.is_header,
        )
    return arrays_of(kind, data, path, how, files)


def arrays_of(kind: str, data: bytes, path: Path, how: How, files: list[Path]) -> Table | Arrays:
    """Arrays of a binary file, with labels from the file itself, another file, or a column (a table)."""
    name, y = display(path), None
    if kind == "npz":
        npz = Npz(data, name)
        x_key, y_key = _npz_keys(npz, how.role)
        x = npz.array(x_key)
        if y_key in npz.keys and (how.need_labels or how.labels is None):
            y = npz.array(y_key)
    else:
        x = parse_npy(data, name) if kind == "npy" else parse_idx(data, name)
    if x.dtype.kind == "U":
        raise DataError("features have to be numbers, not text", where=name)
    if how.need_labels and y is None and not how.label_is_column:
        beside = how.labels or (None if name == STDIN_NAME else labels_beside(path))
        if beside is not None:
            y = _labels(beside)
            files.append(beside)
    if x.ndim == 0:
        raise DataError("a single number, not rows", where=name)
    x = x.reshape(len(x), 1) if x.ndim == 1 else x
    if y is not None:
        y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
        if y.ndim not in {1, 2} or len(y) != len(x):
            raise DataError(f"{len(x):,} rows, but {y.shape[0] if y.ndim else 1:,} labels", where=name)
    arrays = Arrays(name, x, y, np.arange(len(x)), from_idx=kind == "idx", total=len(x))
    _leave_out_bad(arrays, how.on_bad_row)
    missed = how.need_labels and not how.labels_welcome
    if x.ndim == 2 and y is None and (how.label_is_column or missed):
        return _as_table(arrays)
    return arrays


def _npz_keys(npz: Npz, role: str) -> tuple[str, str]:
    for x_key, y_key in [*_NPZ_KEYS[role], *_NPZ_PLAIN]:
        if x_key in npz.keys:
            return x_key, y_key
    if len(npz.keys) == 1:
        return npz.keys[0], ""
    raise DataError(f"no array named x (there are {', '.join(npz.keys[:12])})", where=npz.name)


def _labels(path: Path) -> np.ndarray:
    """(n,) or (n, targets) from an IDX or .npy file."""
    data = read_bytes(path)
    kind = binary_format(path, data[:8])
    parsers: dict[str, Callable[[bytes, str], np.ndarray]] = {"npy": parse_npy, "idx": parse_idx}
    if kind not in parsers:
        raise DataError("labels have to be an IDX or .npy file", where=display(path))
    y = parsers[kind](data, display(path))
    if y.ndim == 0:
        raise DataError("a single number, not labels", where=display(path))
    return y


def _leave_out_bad(arrays: Arrays, on_bad_row: OnBadRow) -> None:
    """Rows with NaN or infinity are bad. Raises DataError, or drops them."""
    faults = Faults(arrays.name, None, on_bad_row)
    for what, values in (("value", arrays.x), ("label", arrays.y)):
        if values is not None and values.dtype.kind == "f":
            finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
            for row in np.flatnonzero(~finite).tolist():
                faults.add(row, f"a {what} that is missing or not finite (NaN or infinity)")
    kept = faults.kept(len(arrays))
    arrays.skipped, arrays.first_fault = len(faults.rows), faults.first()
    check_usable(len(arrays) - arrays.skipped, arrays.total, arrays.first_fault, arrays.name)
    if kept is not None:
        arrays.x, arrays.positions = arrays.x[kept], kept
        arrays.y = None if arrays.y is None else arrays.y[kept]


def _as_table(arrays: Arrays) -> Table:
    check_size(8 * arrays.x.size, arrays.name, "the table")
    matrix = arrays.x.astype(np.float64)
    names = [f"column_{i}" for i in range(matrix.shape[1])]
    table = Table(arrays.name, names, False, None, arrays.positions, matrix, total=arrays.total)
    table.skipped, table.first_fault = arrays.skipped, arrays.first_fault
    return table
