"""Opening a CUDA device through CuPy, or saying in one line why it cannot be used."""

import os
from typing import Any

import numpy as np

from dlkit.backend import Backend
from dlkit.errors import UserError

TOOLKIT = 'pip install "cupy-cuda12x[ctk]"'


class GPU(Backend):
    """CuPy on one device."""

    name = "gpu"

    def __init__(self, cupy: Any, number: int, dtype: str) -> None:
        super().__init__(cupy, dtype)
        self.device = f"gpu:{number}"

    def asarray(self, a: Any, dtype: Any = None) -> Any:
        if isinstance(a, self.xp.ndarray):
            return self.xp.ascontiguousarray(a, dtype)
        return self.xp.asarray(super().asarray(a, dtype))

    def to_host(self, a: Any) -> np.ndarray:
        return a.get() if isinstance(a, self.xp.ndarray) else np.asarray(a)

    def synchronize(self) -> None:
        self.xp.cuda.get_current_stream().synchronize()

    def peak_memory(self) -> int:
        """Bytes that CuPy's pool has taken from the device; it keeps them, so this is the high-water mark."""
        return int(self.xp.get_default_memory_pool().total_bytes())

    def free_memory(self) -> int | None:
        pool = self.xp.get_default_memory_pool()
        free = int(self.xp.cuda.runtime.memGetInfo()[0]) + int(pool.free_bytes())
        limit = int(pool.get_limit())
        return min(free, limit - int(pool.used_bytes())) if limit else free


def open_gpu(
    number: int | None, local_rank: int = 0, *, dtype: str, memory_limit: int | None, tf32: bool
) -> GPU:
    """Device `number` (None: by local_rank), checked by a small product.

    Raises UserError (one line) where it cannot be used.
    """
    # cuBLAS reads this when its handle is made: at the first product, so set it before any.
    os.environ["CUPY_TF32"] = "1" if tf32 else "0"
    cupy = _import_cupy()
    count = _device_count(cupy)
    number = local_rank % count if number is None else number
    if number >= count:
        there = "gpu:0 only" if count == 1 else f"gpu:0 to gpu:{count - 1}"
        raise UserError(f"there is no gpu:{number}", hint=f"found {there}")
    cupy.cuda.Device(number).use()
    if memory_limit is not None:
        cupy.get_default_memory_pool().set_limit(size=memory_limit)
    _try_product(cupy)
    return GPU(cupy, number, dtype)


def _import_cupy() -> Any:
    try:
        import cupy
    except ImportError as error:
        raise UserError(
            f"the GPU needs CuPy, which is not installed ({_line(error)})", hint='pip install "dlkit[gpu]"'
        ) from error
    except Exception as error:
        raise UserError(f"CuPy does not import: {_line(error)}", hint="reinstall cupy-cuda12x") from error
    return cupy


def _device_count(cupy: Any) -> int:
    runtime = cupy.cuda.runtime
    try:
        count = int(runtime.getDeviceCount())
    except runtime.CUDARuntimeError as error:
        if runtime.driverGetVersion() == 0:
            raise UserError("no NVIDIA driver found", hint="libcuda.so.1 is missing") from error
        # With a driver present, this is how CUDA tells that there is no device (cudaErrorNoDevice).
        raise UserError(f"the NVIDIA driver offers no GPU: {_line(error)}") from error
    if count == 0:
        raise UserError("the NVIDIA driver reports no GPU", hint="is CUDA_VISIBLE_DEVICES empty?")
    return count


def _try_product(cupy: Any) -> None:
    """Runs a kernel and a matrix product: needs NVRTC, its headers and cuBLAS."""
    try:
        a = cupy.ones((2, 2), np.float32)
        float((a @ a).sum())
    except Exception as error:
        if type(error).__name__ == "OutOfMemoryError":
            raise UserError(f"out of memory on the GPU at the start: {_line(error)}") from error
        problem = f"CuPy cannot compute, part of the CUDA toolkit is missing: {_line(error)}"
        raise UserError(problem, hint=TOOLKIT) from error


def _line(error: BaseException) -> str:
    """The first line of what it says."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
