"""The CPU side of a kernel: its Python source compiled by numba, on first use and cached on disk.

Numba costs a third of a second to import and a kernel up to a second to compile the first time, so nothing
here runs before a kernel is called. A kernel may call plain functions of this package (an exponential); they
are compiled along and inlined.
"""

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

# Reassociation and reciprocals let loops vectorise; no nnan and no ninf: a NaN must come out as a NaN.
FAST = {"contract", "reassoc", "nsz", "arcp"}
# What a kernel calls keeps its order of operations: range reductions live on it.
EXACT = {"contract"}

F = TypeVar("F", bound=Callable[..., Any])

_VARIANTS = "dlkit_variants"
_lock = threading.RLock()
_known: set[FunctionType] = set()


def variants(*, float32: Callable[..., Any], float64: Callable[..., Any]) -> Callable[[F], F]:
    """Decorate f(x): compiled code calls one of these two instead, by the type of x (scalar or array)."""

    def mark(fn: F) -> F:
        setattr(fn, _VARIANTS, (float32, float64))
        return fn

    return mark


def compile_cpu(fn: Callable[..., None]) -> Callable[..., None]:
    """`fn` compiled lazily for the types it is called with: no GIL, no bounds checks, IEEE division."""
    import numba

    with _lock:
        _make_known(fn)
        options: dict[str, Any] = {"nogil": True, "fastmath": FAST, "error_model": "numpy"}
        try:
            return numba.njit(cache=True, **options)(fn)
        except RuntimeError:  # nowhere to write a cache: compile anew in every process
            return numba.njit(**options)(fn)


def _make_known(fn: Any) -> None:
    """Tell numba about the package's plain functions that `fn` calls."""
    for name in fn.__code__.co_names:
        called = fn.__globals__.get(name)
        if not isinstance(called, FunctionType) or called in _known:
            continue
        if not called.__module__.startswith("dlkit."):
            continue
        _known.add(called)
        _overload(called)


def _overload(fn: FunctionType) -> None:
    import numba
    from numba.extending import overload, register_jitable

    pair = getattr(fn, _VARIANTS, None)
    if pair is None:
        _make_known(fn)
        register_jitable(fastmath=EXACT, error_model="numpy")(fn)
        return
    single, double = pair
    _make_known(single)
    _make_known(double)

    # No annotations here: numba compares the signature with that of the variants.
    @overload(fn, strict=False, jit_options={"fastmath": EXACT, "error_model": "numpy"})
    def choose(x):  # type: ignore[no-untyped-def]
        return single if getattr(x, "dtype", x) == numba.float32 else double
