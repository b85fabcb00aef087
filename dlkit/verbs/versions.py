"""What ``dlkit --version`` prints, found without importing any of what it names."""

import ctypes
import platform
import sys
from importlib.metadata import PackageNotFoundError, version

from dlkit import __version__


def versions() -> list[str]:
    """``name version`` of dlkit, Python, NumPy and the backends, without importing any of them."""
    return [
        f"dlkit {__version__}",
        f"Python {platform.python_version()}",
        f"NumPy {_installed('numpy')}",
        f"Numba {_installed('numba')}",
        f"CuPy {_installed('cupy-cuda12x', 'cupy-cuda13x', 'cupy-cuda11x', 'cupy')}",
        f"CUDA driver {_driver()}",
    ]


def _installed(*names: str) -> str:
    for name in names:
        try:
            return version(name)
        except PackageNotFoundError:
            continue
    return "not installed"


def _driver() -> str:
    """Newest CUDA version that the driver serves; what is missing otherwise."""
    try:
        library = ctypes.CDLL("nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1")
    except OSError:
        return "not installed"
    number = ctypes.c_int(0)
    if library.cuDriverGetVersion(ctypes.byref(number)) != 0 or number.value == 0:
        return "not usable"
    return f"for CUDA {number.value // 1000}.{number.value % 1000 // 10}"
