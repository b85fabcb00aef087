"""A file of any format, as a table or as arrays; the format is told from the content."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers import hdf5, image_sources
from dlkit.readers.arrays import Arrays, How, checked
from dlkit.readers.formats import binary_format, plain_hdf5
from dlkit.readers.hdf5 import Hdf5, open_hdf5, split_name
from dlkit.readers.idx import parse_idx
from dlkit.readers.image_folder import PIECE_BYTES
from dlkit.readers.images import formed
from dlkit.readers.label_files import read_labels
from dlkit.readers.npy import Npz, parse_npy
from dlkit.readers.opening import STDIN_NAME, display, read_bytes
from dlkit.readers.paths import labels_beside
from dlkit.readers.table import Table, read_table

_PAIRS = {
    "train": [("x_train", "y_train"), ("X_train", "y_train"), ("train_images", "train_labels")],
    "valid": [("x_valid", "y_valid"), ("x_val", "y_val"), ("X_valid", "y_valid")],
    "test": [("x_test", "y_test"), ("X_test", "y_test"), ("test_images", "test_labels")],
}
_PLAIN = [("x", "y"), ("X", "y"), ("images", "labels"), ("data", "target"), ("features", "labels")]


def load(path: Path, how: How, files: list[Path]) -> Table | Arrays:
    """Read a data file or folder; every file (or folder) read is added to `files`. Raises DataError."""
    name = display(path)
    whole = image_sources.load(path, how, files)
    if whole is not None:
        return whole
    if as_file := plain_hdf5(path):
        files.append(as_file)
        with open_hdf5(as_file, name.removesuffix(f":{split_name(path)[1]}")) as file:
            return next(_hdf5_pieces(file, path, how, files, most=None))
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
    if kind == "image":
        return image_sources.one_image(data, name, how)
    if kind == "cifar":
        return image_sources.cifar_file(data, path, how, files)
    if kind == "hdf5":
        with open_hdf5(data, name) as file:
            return next(_hdf5_pieces(file, path, how, files, most=None))
    if kind == "npz":
        npz = Npz(data, name)
        x_key, y_key = _npz_keys(npz, how.role)
        x = npz.array(x_key)
        if y_key in npz.keys and (how.need_labels or how.labels is None):
            y = npz.array(y_key)
    else:
        x = parse_npy(data, name) if kind == "npy" else parse_idx(data, name)
    if how.need_labels and y is None and not how.label_is_column:
        beside = how.labels or (None if name == STDIN_NAME else labels_beside(path))
        if beside is not None:
            y = read_labels(beside)
            files.append(beside)
    total = len(x) if x.ndim else 1
    arrays = Arrays(name, formed(x, how.array_form, name), y, np.arange(total), kind == "idx", total=total)
    return checked(arrays, how)


def _hdf5_pieces(
    file: Hdf5, path: Path, how: How, files: list[Path], most: int | None
) -> Iterator[Table | Arrays]:
    """The rows that a role or a name means, whole (most: None) or in pieces of bounded size."""
    name = display(path)
    x_key, y_key = hdf5.pick(file, [*_PAIRS[how.role], *_PLAIN], split_name(path)[1])
    data, labels = file.array(x_key), None
    if how.need_labels and not how.label_is_column:
        if how.labels is not None:
            labels = read_labels(how.labels)
            files.append(how.labels)
        elif y_key is not None:
            labels = file.array(y_key).read()
        if labels is not None and data.shape[:1] != labels.shape[:1]:
            rows, found = data.shape[:1] or (1,), labels.shape[:1] or (1,)
            raise DataError(f"{rows[0]:,} rows, but {found[0]:,} labels", where=name)
    total = data.shape[0] if data.shape else 1
    step = total if most is None else max(min(most, PIECE_BYTES // max(data.row_bytes, 1)), 1)
    for start in range(0, total, step):
        piece: slice = slice(start, min(start + step, total)) if data.shape else slice(None)
        x = formed(data.read(piece), how.array_form, name)
        y = None if labels is None else labels[piece]
        positions = np.arange(start, min(start + step, total))
        yield checked(Arrays(name, x, y, positions, total=len(positions), start=start), how)


def pieces(path: Path, how: How, most: int) -> Iterator[Table | Arrays] | None:
    """Rows of a source that need not be in memory as a whole, at most `most` at a time; None for others."""
    found = image_sources.pieces(path, how, most)
    if found is not None:
        return found
    as_file = plain_hdf5(path)
    return None if as_file is None else _opened_pieces(as_file, path, how, most)


def _opened_pieces(as_file: Path, path: Path, how: How, most: int) -> Iterator[Table | Arrays]:
    with open_hdf5(as_file, display(as_file)) as file:
        yield from _hdf5_pieces(file, path, how, [], most)


def _npz_keys(npz: Npz, role: str) -> tuple[str, str]:
    for x_key, y_key in [*_PAIRS[role], *_PLAIN]:
        if x_key in npz.keys:
            return x_key, y_key
    if len(npz.keys) == 1:
        return npz.keys[0], ""
    raise DataError(f"no array named x (there are {', '.join(npz.keys[:12])})", where=npz.name)
