"""Device memory of the stand-in: NumPy storage with guards around it, counted as CuPy's pool counts.

What is not yet written is NaN (or -1, or True), so that reading it shows. What a kernel writes beyond an
array lands in the guard and is found after the launch.
"""

import ctypes
import itertools
import math
import weakref
from typing import Any

import numpy as np
from cuda_on_cpu.module import KernelError, sanitizing

GUARD = 512
ALIGNMENT = 512
POISON = 0xFF
DEVICE_BYTES = 16 * 10**9
"""What the device pretends to have."""


class OutOfMemoryError(MemoryError):
    """CuPy's, with its message."""

    def __init__(self, size: int, total: int, limit: int):
        super().__init__(
            f"Out of memory allocating {size:,} bytes (allocated so far: {total:,} bytes, "
            f"limit set to: {limit:,} bytes)."
        )


class MemoryPool:
    """Counts live bytes; what was taken from the device is kept until `free_all_blocks`."""

    def __init__(self) -> None:
        self._used = self._total = self._limit = 0

    def used_bytes(self) -> int:
        return self._used

    def total_bytes(self) -> int:
        return self._total

    def free_bytes(self) -> int:
        return self._total - self._used

    def get_limit(self) -> int:
        return self._limit

    def set_limit(self, size: int | None = None, fraction: float | None = None) -> None:
        if (size is None) == (fraction is None):
            raise ValueError("size and fraction cannot be specified at one time")
        self._limit = size if size is not None else int((fraction or 0) * DEVICE_BYTES)

    def free_all_blocks(self, stream: Any = None) -> None:
        self._total = self._used

    def n_free_blocks(self) -> int:
        return int(self._total > self._used)

    def take(self, owner: np.ndarray, size: int) -> None:
        """Count `size` bytes (rounded up as CuPy does) for as long as `owner` lives."""
        size = math.ceil(size / ALIGNMENT) * ALIGNMENT
        allowed = min(self._limit or DEVICE_BYTES, DEVICE_BYTES)
        if self._used + size > allowed:
            raise OutOfMemoryError(size, self._used, allowed)
        self._used += size
        self._total = max(self._total, self._used)
        weakref.finalize(owner, self._give_back, size).atexit = False

    def _give_back(self, size: int) -> None:
        self._used -= size


class PinnedMemoryPool:
    """Page-locked host memory; nothing to count."""

    def free_all_blocks(self) -> None:
        """Nothing is kept."""

    def n_free_blocks(self) -> int:
        return 0


pool = MemoryPool()
pinned_pool = PinnedMemoryPool()
_guarded: "weakref.WeakValueDictionary[int, np.ndarray]" = weakref.WeakValueDictionary()
_sizes: dict[int, tuple[int, int]] = {}
_pinned: "weakref.WeakValueDictionary[int, np.ndarray]" = weakref.WeakValueDictionary()


def owner_of(array: np.ndarray) -> np.ndarray:
    """The array that owns the memory `array` is a view of."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def allocate(shape: Any, dtype: Any, order: str = "C") -> np.ndarray:
    """Poisoned device memory between two guards."""
    kind = np.dtype(dtype)
    sizes = (shape,) if isinstance(shape, int | np.integer) else tuple(shape)
    size = math.prod(sizes) * kind.itemsize
    storage = np.empty(size + 2 * GUARD + ALIGNMENT, np.uint8)
    pool.take(storage, size)
    storage.fill(POISON)
    start = GUARD + -(storage.ctypes.data + GUARD) % ALIGNMENT
    key = id(storage)
    _guarded[key] = storage
    _sizes[key] = (start, size)
    weakref.finalize(storage, _sizes.pop, key, None).atexit = False
    if sanitizing():
        _poison_guards(storage, start, size)
    array = storage[start : start + size].view(kind).reshape(sizes, order=order)
    if kind.kind == "b":
        array[...] = True  # a byte of 0xFF is no bool
    return array


def adopt(array: np.ndarray) -> np.ndarray:
    """Count the result of a NumPy function as device memory (it has no guards)."""
    if array.base is None and id(array) not in _guarded:
        pool.take(array, array.nbytes)
    return array


def check_guards(array: np.ndarray, kernel: str, i: int) -> None:
    """Raise KernelError if something wrote outside the allocation that `array` belongs to."""
    owner = owner_of(array)
    if sanitizing() or _guarded.get(id(owner)) is not owner:
        return
    start, size = _sizes[id(owner)]
    for side, part in (("before", owner[:start]), ("behind", owner[start + size :])):
        if not (part == POISON).all():
            part.fill(POISON)
            raise KernelError(f"{kernel}, argument {i}: something was written {side} the array")


def _poison_guards(storage: np.ndarray, start: int, size: int) -> None:
    poison = ctypes.CDLL(None).__asan_poison_memory_region
    begin, end = storage.ctypes.data, storage.ctypes.data + storage.nbytes
    behind = begin + start + size
    poison(ctypes.c_void_p(begin), ctypes.c_size_t(start))
    poison(ctypes.c_void_p(behind), ctypes.c_size_t(end - behind))
    weakref.finalize(storage, _unpoison, begin, storage.nbytes).atexit = False


def _unpoison(begin: int, size: int) -> None:
    ctypes.CDLL(None).__asan_unpoison_memory_region(ctypes.c_void_p(begin), ctypes.c_size_t(size))


def pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
    """Page-locked host memory: copies from and to it run behind the host's back."""
    array = np.empty(shape, dtype, order)
    array.view(np.uint8).fill(POISON) if array.size and array.flags.c_contiguous else None
    _pinned[id(array)] = array
    return array


def is_pinned(array: np.ndarray) -> bool:
    """Does the array, or what it is a view of, lie in page-locked memory?"""
    chain = itertools.chain([array], (owner_of(array),))
    return any(_pinned.get(id(a)) is a for a in chain)
