"""What kernels demand of their arguments: about a microsecond a call, errors with expected and actual."""

from typing import Any

import numpy as np

FLOATS = ("float32", "float64")


def flat(name: str, *arrays: Any) -> None:
    """All (n,) of one n, one floating type, contiguous."""
    first = arrays[0]
    shape, dtype = first.shape, first.dtype
    if len(shape) != 1:
        raise ValueError(f"{name}: expected one dimension, got shape {shape}")
    _floating(name, dtype)
    for i, a in enumerate(arrays):
        if a.shape != shape or a.dtype != dtype or not a.flags.c_contiguous:
            _refuse(name, i, a, shape, dtype)


def alike(name: str, *arrays: Any) -> None:
    """All of one shape (any), one floating type, contiguous."""
    first = arrays[0]
    shape, dtype = first.shape, first.dtype
    _floating(name, dtype)
    for i, a in enumerate(arrays):
        if a.shape != shape or a.dtype != dtype or not a.flags.c_contiguous:
            _refuse(name, i, a, shape, dtype)


def shaped(name: str, argument: str, a: Any, shape: tuple[int, ...], dtype: Any) -> None:
    """`a` has exactly this shape and type and is contiguous."""
    if a.shape != shape or a.dtype != dtype or not a.flags.c_contiguous:
        _refuse(name, argument, a, shape, dtype)


def matrix(name: str, argument: str, a: Any) -> tuple[int, int]:
    """`a` is (n, m), floating, contiguous; returns (n, m)."""
    if len(a.shape) != 2:
        raise ValueError(f"{name}: {argument}: expected two dimensions, got shape {a.shape}")
    _floating(name, a.dtype)
    if not a.flags.c_contiguous:
        _refuse(name, argument, a, a.shape, a.dtype)
    return a.shape


def dimensions(name: str, argument: str, a: Any, count: int) -> tuple[int, ...]:
    """`a` has this many dimensions, is floating and contiguous; returns its shape."""
    if len(a.shape) != count:
        raise ValueError(f"{name}: {argument}: expected {count} dimensions, got shape {a.shape}")
    _floating(name, a.dtype)
    if not a.flags.c_contiguous:
        _refuse(name, argument, a, a.shape, a.dtype)
    shape: tuple[int, ...] = a.shape
    return shape


def _floating(name: str, dtype: Any) -> None:
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        raise TypeError(f"{name}: expected {' or '.join(FLOATS)}, got {dtype}")


def _refuse(name: str, argument: str | int, a: Any, shape: tuple[int, ...], dtype: Any) -> None:
    place = f"{name}: {argument if isinstance(argument, str) else f'array {argument}'}"
    if a.dtype != dtype:
        raise TypeError(f"{place}: expected {dtype}, got {a.dtype}")
    if a.shape != shape:
        raise ValueError(f"{place}: expected shape {shape}, got {a.shape}")
    raise ValueError(f"{place}: expected a C-contiguous array, got strides {a.strides} for shape {a.shape}")


def index(name: str, argument: str, a: Any, end: int) -> None:
    """Every entry of the int64 array lies in [0, end). On the host only: asking the GPU would wait for it,
    and the CUDA versions guard themselves."""
    if isinstance(a, np.ndarray) and a.size and a.view(np.uint64).max() >= end:
        wrong = a[(a < 0) | (a >= end)][0]
        raise ValueError(f"{name}: {argument}: expected indices in [0, {end}), got {wrong}")


def parts(name: str, a: Any) -> None:
    """`a` is a tuple of at least one array."""
    if not isinstance(a, tuple) or not a:
        raise TypeError(f"{name}: parts: expected a tuple of arrays, got {type(a).__name__}")
