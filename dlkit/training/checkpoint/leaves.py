"""Leaves of a checkpoint's tree that are not copied as a whole before they are written."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

Tree = dict[str, Any]


@dataclass(frozen=True)
class Gathered:
    """array[rows] as a leaf that is put together piece by piece while it is written: never a whole copy.

    array: any whose rows a device gives by an index; rows: (n,) numbers of its rows; to_host: to NumPy.
    """

    array: Any
    rows: Any
    to_host: Callable[[Any], np.ndarray]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self.rows), *self.array.shape[1:])

    @property
    def dtype(self) -> np.dtype:
        return np.dtype(self.array.dtype)

    def part(self, first: int, last: int) -> np.ndarray:
        """Some of its rows."""
        return self.to_host(self.array[self.rows[first:last]])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        return np.asarray(self.part(0, len(self.rows)), dtype)


def copy_of(tree: Tree) -> Tree:
    """`tree` as it is now. Arrays that are not writeable are not copied: nobody changes them."""
    return {key: _copy_of(value) for key, value in tree.items()}


def _copy_of(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _copy_of(inner) for key, inner in value.items()}
    if isinstance(value, Gathered):
        return np.asarray(value)
    if isinstance(value, np.ndarray) and not value.flags.writeable:
        return value
    return copy.deepcopy(value)
