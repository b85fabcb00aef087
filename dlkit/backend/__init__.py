"""The array backend: NumPy on the CPU or CuPy on the GPU, one object, passed explicitly."""

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import numpy as np

from dlkit.backend.memory import amount, available_memory, out_of_memory, resident_peak
from dlkit.errors import UsageError, UserError

__all__ = ["Backend", "open_backend"]

DTYPES = ("float32", "float64")


class Backend:
    """The CPU backend, and the interface of every backend.

    xp: the array module; name: "cpu" or "gpu"; device: "cpu" or "gpu:0"; dtype: of all floating arrays.
    """

    name = "cpu"
    device = "cpu"

    def __init__(self, xp: ModuleType = np, dtype: str = "float32") -> None:
        self.xp: Any = xp
        self.dtype = np.dtype(dtype)

    def asarray(self, a: Any, dtype: Any = None) -> Any:
        """`a` on the device, in C order; no copy where none is needed. Floating host data become `dtype`
        (default: the backend's); integers and booleans keep their own."""
        host = np.asarray(a)
        if dtype is None:
            dtype = self.dtype if host.dtype.kind == "f" else host.dtype
        return np.ascontiguousarray(host, dtype) if host.ndim else host.astype(dtype)

    def to_host(self, a: Any) -> np.ndarray:
        """A NumPy array of `a` (NumPy arrays and scalars pass unchanged). Waits for the device."""
        return np.asarray(a)

    def empty(self, shape: int | tuple[int, ...], dtype: Any = None) -> Any:
        return self.xp.empty(shape, self.dtype if dtype is None else dtype)

    def zeros(self, shape: int | tuple[int, ...], dtype: Any = None) -> Any:
        return self.xp.zeros(shape, self.dtype if dtype is None else dtype)

    def synchronize(self) -> None:
        """Wait until everything asked of the device is done."""

    def peak_memory(self) -> int:
        """Bytes: the process's resident peak on the CPU, the pool's high-water mark on the GPU."""
        return resident_peak()

    def free_memory(self) -> int | None:
        """Bytes that can still be had, None where that is not known."""
        return available_memory()

    def refuse_beyond_memory(self, size: int, what: str, key: str) -> None:
        """Refuse what needs more bytes than are free before anything is allocated: the system would promise
        the memory and kill the process, or swap for hours, when it is used.

        Raises UserError, one line: what, the bytes wanted and free, and the recipe key to lower.
        """
        free = self.free_memory()
        if free is not None and size > free:
            problem = f"{what} needs {amount(size)} on {self.device}, {amount(free)} are free"
            raise UserError(problem, hint=f"lower {key}")

    @contextmanager
    def memory_errors(self, what: str, key: str) -> Iterator[None]:
        """Turn running out of memory inside the block into one line: what was asked for, what is free,
        and the recipe key to lower (`key`, e.g. "batch"). Raises UserError."""
        try:
            yield
        except Exception as error:
            if not (isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError"):
                raise
            raise out_of_memory(what, key, self.device, error, self.free_memory()) from error


def open_backend(
    device: str = "cpu",
    *,
    dtype: str = "float32",
    memory_limit: int | None = None,
    tf32: bool = False,
    local_rank: int = 0,
) -> Backend:
    """The backend for `device`: "cpu", "gpu" (of several processes on a machine each gets the one that its
    local_rank counts to, beginning anew after the last) or "gpu:N".

    memory_limit: bytes that the GPU's memory pool may take. tf32: let matrix products round their float32
    inputs to 10 bits of mantissa. Both concern the GPU only.
    Raises UsageError for a device or dtype that does not exist, UserError (one line) for an unusable GPU.
    """
    if dtype not in DTYPES:
        raise UsageError(f"dtype: expected {' or '.join(DTYPES)}, got {dtype!r}")
    if device == "cpu":
        return Backend(np, dtype)
    kind, _, number = device.partition(":")
    if kind != "gpu" or (":" in device and not number.isdecimal()):
        raise UsageError(f"device: expected cpu, gpu or gpu:N, got {device!r}")
    from dlkit.backend.gpu import open_gpu

    chosen = int(number) if number else None
    return open_gpu(chosen, local_rank, dtype=dtype, memory_limit=memory_limit, tf32=tf32)
