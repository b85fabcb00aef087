"""Launching CUDA source through CuPy: compiled on first use, every argument converted to its declared type.

CuPy hands a Python float over as a double and an int as 64 bits, whatever the kernel declares; the result is
silently wrong. So the launcher reads the declarations in the source and converts or refuses.
"""

import re
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

PREAMBLE = r"""
#define GRID_STRIDE(i, n) \
  for (long long i = blockIdx.x * (long long)blockDim.x + threadIdx.x; i < (n); \
       i += gridDim.x * (long long)blockDim.x)
#ifdef REAL_IS_DOUBLE
typedef double real;
__device__ __forceinline__ real real_exp(real x) { return exp(x); }
__device__ __forceinline__ real real_log(real x) { return log(x); }
__device__ __forceinline__ real real_log1p(real x) { return log1p(x); }
__device__ __forceinline__ real real_tanh(real x) { return tanh(x); }
__device__ __forceinline__ real real_sqrt(real x) { return sqrt(x); }
__device__ __forceinline__ real real_abs(real x) { return fabs(x); }
__device__ __forceinline__ real real_nan() { return nan(""); }
#else
typedef float real;
__device__ __forceinline__ real real_exp(real x) { return expf(x); }
__device__ __forceinline__ real real_log(real x) { return logf(x); }
__device__ __forceinline__ real real_log1p(real x) { return log1pf(x); }
__device__ __forceinline__ real real_tanh(real x) { return tanhf(x); }
__device__ __forceinline__ real real_sqrt(real x) { return sqrtf(x); }
__device__ __forceinline__ real real_abs(real x) { return fabsf(x); }
__device__ __forceinline__ real real_nan() { return nanf(""); }
#endif
"""
"""Put before every CUDA source; float64 is compiled with REAL_IS_DOUBLE defined."""

MAX_BLOCKS = 65535
TYPES = {
    "float": "f4",
    "double": "f8",
    "int": "i4",
    "unsigned int": "u4",
    "long long": "i8",
    "unsigned char": "u1",
    "unsigned short": "u2",
}

_SIGNATURE = re.compile(r'extern\s+"C"\s+__global__\s+void\s+(\w+)\s*\(([^)]*)\)')
_NOT_TYPE = re.compile(r"\b(const|__restrict__)\b")


class Parameter(NamedTuple):
    """One declared argument of a ``__global__`` function."""

    name: str
    dtype: np.dtype
    pointer: bool


def signatures(source: str, real: np.dtype) -> dict[str, list[Parameter]]:
    """The ``__global__`` functions of a CUDA source with their parameters, in order."""
    return {m[1]: [_parameter(text, real) for text in m[2].split(",")] for m in _SIGNATURE.finditer(source)}


def _parameter(text: str, real: np.dtype) -> Parameter:
    *words, name = _NOT_TYPE.sub(" ", text).replace("*", " * ").split()
    kind = " ".join(w for w in words if w != "*")
    return Parameter(name, real if kind == "real" else np.dtype(TYPES[kind]), "*" in words)


def full_source(source: str, real: np.dtype) -> str:
    """What the compiler sees: preamble and source, for one floating type."""
    define = "#define REAL_IS_DOUBLE\n" if real == np.float64 else ""
    return f"{define}{PREAMBLE}{source}"


def cupy_module(source: str) -> Any:
    """Compile lazily through NVRTC (one module for all functions of the source)."""
    import cupy

    return cupy.RawModule(code=source, options=("-std=c++17",))


class Launcher:
    """``launch(function, items or grid, *arguments)`` for the functions of one source and one floating type.

    load: turns full source into a module with ``get_function`` (CuPy's RawModule; tests put another there).
    """

    def __init__(self, source: str, real: np.dtype, load: Callable[[str], Any] = cupy_module) -> None:
        self.real = real
        self._source = full_source(source, real)
        self._signatures = signatures(source, real)
        self._load = load
        self._module: Any = None
        self._functions: dict[str, Any] = {}

    def __call__(
        self, function: str, grid: int | tuple[int, ...], *args: Any, block: int | tuple[int, ...] = 256,
        shared_mem: int = 0,
    ) -> None:  # fmt: skip
        """Queue one launch. grid: the number of items (the kernel strides over what the blocks leave) or a
        tuple of blocks; shared_mem: bytes. Nothing is launched for no items.

        Raises TypeError when an argument is not what the source declares.
        """
        if isinstance(grid, int):
            per_block = block if isinstance(block, int) else int(np.prod(block))
            grid = (min(-(-grid // per_block), MAX_BLOCKS),)
        if 0 in grid:
            return
        declared = self._signatures[function]
        if len(args) != len(declared):
            raise TypeError(f"{function}: takes {len(declared)} arguments, got {len(args)}")
        values = tuple(_convert(function, p, a) for p, a in zip(declared, args, strict=True))
        shape = (block,) if isinstance(block, int) else block
        self._function(function)(grid, shape, values, shared_mem=shared_mem)

    @staticmethod
    def scratch(like: Any, n: int) -> Any:
        """n uninitialised elements where and as `like` is, for a kernel of two stages."""
        return type(like)((n,), like.dtype)

    def _function(self, name: str) -> Any:
        if name not in self._functions:
            if self._module is None:
                self._module = self._load(self._source)
            self._functions[name] = self._module.get_function(name)
        return self._functions[name]


def _convert(function: str, p: Parameter, value: Any) -> Any:
    if not p.pointer:
        if not isinstance(value, int | float | np.generic):
            raise TypeError(f"{function}: {p.name}: expected a number, got {type(value).__name__}")
        return p.dtype.type(value)
    if getattr(value, "dtype", None) != p.dtype or not value.flags.c_contiguous:
        found = getattr(value, "dtype", type(value).__name__)
        raise TypeError(f"{function}: {p.name}: expected a C-contiguous array of {p.dtype}, got {found}")
    return value


_launchers: dict[tuple[str, str], Launcher] = {}
_lock = threading.Lock()


def launcher(source: str, real: np.dtype) -> Launcher:
    """The launcher for a source and floating type (one each, kept)."""
    key = (source, real.char)
    found = _launchers.get(key)
    if found is None:
        with _lock:
            found = _launchers.setdefault(key, Launcher(source, real))
    return found
