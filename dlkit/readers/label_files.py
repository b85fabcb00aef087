"""Labels in a file of their own: IDX, .npy or HDF5."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.formats import binary_format, plain_hdf5
from dlkit.readers.hdf5 import open_hdf5, split_name
from dlkit.readers.idx import parse_idx
from dlkit.readers.npy import parse_npy
from dlkit.readers.opening import display, read_bytes


def read_labels(path: Path) -> np.ndarray:
    """(n,) or (n, targets) from an IDX, .npy or HDF5 file."""
    name = display(path)
    if as_file := plain_hdf5(path):
        with open_hdf5(as_file, display(as_file)) as file:
            key = split_name(path)[1] or _only_key(file.keys, name)
            y = file.array(key).read()
    else:
        data = read_bytes(path)
        kind = binary_format(path, data[:8])
        parsers: dict[str, Callable[[bytes, str], np.ndarray]] = {"npy": parse_npy, "idx": parse_idx}
        if kind not in parsers:
            raise DataError("labels have to be an IDX, .npy or HDF5 file", where=name)
        y = parsers[kind](data, name)
    if y.ndim == 0:
        raise DataError("a single number, not labels", where=name)
    return y


def _only_key(keys: Sequence[str], name: str) -> str:
    named = [key for key in ("y", "labels", "target") if key in keys] or list(keys)
    if len(named) == 1:
        return named[0]
    raise DataError("which dataset holds the labels?", where=name, hint=f"name it: {name}:/NAME")
