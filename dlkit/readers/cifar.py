"""CIFAR-10's binary files: records of a label byte and 32×32 red, green and blue planes (Krizhevsky 2009).

Class names stand in batches.meta.txt beside the file. ``cifar-10-batches-bin/train`` means the five training
batches in folder cifar-10-batches-bin, ``.../test`` its test batch.
"""

import re
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.opening import read_bytes

CLASSES = 10
SIDE = 32
RECORD = 1 + 3 * SIDE * SIDE
META = "batches.meta.txt"
_PARTS = {
    "train": re.compile(r"data_batch_\d+\.bin(\.gz)?"),
    "test": re.compile(r"test_batch\.bin(\.gz)?"),
}


def batches(path: Path) -> list[Path]:
    """The files that `folder/train` or `folder/test` stands for, by name; empty where it is no such name."""
    if path.name not in _PARTS or path.exists() or not path.parent.is_dir():
        return []
    wanted = _PARTS[path.name]
    return sorted(one for one in path.parent.iterdir() if wanted.fullmatch(one.name))


def named_so(path: Path) -> bool:
    """Is it a CIFAR file by its name?"""
    return path.name.removesuffix(".gz").endswith(".bin")


def parse_cifar(data: bytes, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (n, 32, 32, 3) uint8 and label bytes (n,). Raises DataError."""
    if not data or len(data) % RECORD:
        text = f"CIFAR-10 has records of {RECORD:,} bytes; {len(data):,} bytes are no whole number of them"
        raise DataError(text, where=name)
    records = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    planes = records[:, 1:].reshape(-1, 3, SIDE, SIDE)
    return np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), records[:, 0].copy()


def class_names(folder: Path) -> tuple[list[str], Path | None]:
    """Names of the classes in their order, and the file they stand in; digits where there is none.

    Raises DataError where the file does not hold a name for each class.
    """
    path = folder / META
    if not path.is_file():
        return [str(k) for k in range(CLASSES)], None
    try:
        text = read_bytes(path).decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError("not UTF-8", where=str(path)) from error
    names = [line.strip() for line in text.splitlines() if line.strip()]
    if len(names) != CLASSES or len(set(names)) != CLASSES:
        raise DataError(
            f"expected {CLASSES} different class names, found {len(names)} lines", where=str(path)
        )
    return names, path
