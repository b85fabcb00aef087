"""Where NumPy's own matrix product lies in memory, so that compiled code can call it."""

import ctypes
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

_NAMES = (
    ("scipy_cblas_{}gemm64_", True),  # the OpenBLAS in NumPy's wheels
    ("cblas_{}gemm64_", True),
    ("scipy_cblas_{}gemm", False),
    ("cblas_{}gemm", False),
)
"""Names of cblas_?gemm, and whether its sizes have 64 bits."""


class Gemm(NamedTuple):
    """Addresses of cblas_sgemm and cblas_dgemm in the library that NumPy multiplies with."""

    single: int
    double: int
    wide: bool

    def of(self, dtype: np.dtype) -> int:
        return self.single if dtype == np.float32 else self.double

    def words(self) -> np.ndarray:
        """(3,) int64, as compiled code reads it (native.multiply)."""
        return np.array(self, np.int64)


@cache
def find_gemm() -> Gemm | None:
    """The products of the BLAS library that NumPy multiplies with; None where it cannot be told."""
    from threadpoolctl import threadpool_info  # type: ignore[import-untyped]

    paths = {info["filepath"] for info in threadpool_info() if info["user_api"] == "blas"}
    own = {path for path in paths if Path(np.__file__).parent.name in Path(path).parent.name.split(".")}
    paths = own or paths  # SciPy's wheels, which numba loads where they are, bring another
    if len(paths) != 1:
        return None
    try:
        library = ctypes.CDLL(paths.pop())
    except OSError:
        return None
    for name, wide in _NAMES:
        try:
            found = [getattr(library, name.format(kind)) for kind in "sd"]
        except AttributeError:
            continue
        single, double = (ctypes.cast(function, ctypes.c_void_p).value or 0 for function in found)
        return Gemm(single, double, wide)
    return None


@cache
def find_yield() -> int:
    """Address of the C library's sched_yield; 0 where there is none."""
    try:
        return ctypes.cast(ctypes.CDLL(None).sched_yield, ctypes.c_void_p).value or 0
    except (OSError, AttributeError, TypeError):
        return 0
