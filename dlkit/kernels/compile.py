"""Python loops compiled by numba, on first use and cached on disk: the CPU side of kernels, and other loops.

Numba costs a third of a second to import and a kernel up to a second to compile the first time, so nothing
here runs before a kernel is called. A kernel may call plain functions of this package (an exponential); they
are compiled along and inlined.
"""

import threading
from collections.abc import Callable
from hashlib import sha256
from importlib import import_module
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any, TypeVar

# Reassociation and reciprocals let loops vectorise; no nnan and no ninf: a NaN must come out as a NaN.
FAST = {"contract", "reassoc", "nsz", "arcp"}
# What a kernel calls keeps its order of operations: range reductions live on it.
EXACT = {"contract"}

F = TypeVar("F", bound=Callable[..., Any])

_VARIANTS, _ELSEWHERE = "dlkit_variants", "dlkit_elsewhere"
_AS_KERNEL, _INLINED, _BORROWS = "dlkit_as_kernel", "dlkit_inlined", "dlkit_borrows"
_AS_WRITTEN = "dlkit_as_written"
_lock = threading.RLock()
_known: set[FunctionType] = set()
_loops: dict[Callable[..., Any], Callable[..., Any]] = {}


def variants(*, float32: Callable[..., Any], float64: Callable[..., Any]) -> Callable[[F], F]:
    """Decorate f(x): compiled code calls one of these two instead, by the type of x (scalar or array)."""

    def mark(fn: F) -> F:
        setattr(fn, _VARIANTS, (float32, float64))
        return fn

    return mark


def elsewhere(module: str) -> Callable[[F], F]:
    """Decorate a function without a body: compiled code calls its namesake in a module that needs numba."""

    def mark(fn: F) -> F:
        setattr(fn, _ELSEWHERE, module)
        return fn

    return mark


def as_kernel(fn: F) -> F:
    """Decorate a loop that kernels share: compiled code may order its sums as it orders a kernel's own."""
    setattr(fn, _AS_KERNEL, True)
    return fn


def as_written(fn: F) -> F:
    """Decorate a function that kernels and other loops call: its sums are compiled as they stand for both.
    Otherwise it is compiled once for all, as the first of them to be called in a process would have it.
    """
    setattr(fn, _AS_WRITTEN, True)
    return fn


def inlined(fn: F) -> F:
    """Decorate a function of inner loops that is too long for the compiler to inline of itself."""
    setattr(fn, _INLINED, True)
    return fn


def borrows(fn: F) -> F:
    """Decorate a short function of inner loops that makes no array and hands none on: who holds those that it
    is given is not counted. Counting is atomic, and takes longer than a look into a table.
    """
    setattr(fn, _BORROWS, True)
    return fn


def compile_cpu(fn: Callable[..., None]) -> Callable[..., None]:
    """`fn` compiled lazily for the types it is called with: no GIL, no bounds checks, IEEE division."""
    with _lock:
        return _jitted(fn, FAST, EXACT)


def compiled(fn: Callable[..., Any]) -> Callable[..., Any]:
    """A loop that is no kernel (over the bytes of a file): as `compile_cpu`, with its sums as they stand."""
    with _lock:
        if fn not in _loops:
            _loops[fn] = _jitted(fn, set(), set())
        return _loops[fn]


def _jitted(fn: Callable[..., Any], fastmath: set[str], inner: set[str]) -> Callable[..., Any]:
    """inner: what numba may do to the sums of the functions that `fn` calls."""
    import numba

    _make_known(fn, inner)
    mine = named(fn)
    options: dict[str, Any] = {"nogil": True, "fastmath": fastmath, "error_model": "numpy"}
    try:
        return numba.njit(cache=True, **options)(mine)
    except RuntimeError:  # nowhere to write a cache: compile anew in every process
        return numba.njit(**options)(mine)


def named(fn: Any) -> FunctionType:
    """A copy of `fn` whose name tells all it was made of.

    Numba's cache is named after the function and watches its own file only; after a change of a function or
    constant that comes from another file the old code must not be found.
    """
    digest = sha256()
    _describe(fn, digest.update)
    copy = _with_foreign(fn)
    copy.__qualname__ = f"{fn.__name__}_{digest.hexdigest()[:12]}"
    copy.__module__ = fn.__module__
    return copy


def _with_foreign(fn: Any) -> FunctionType:
    """A copy of `fn` that calls the namesakes of what is elsewhere."""
    foreign = {f.__name__: getattr(_module(f), f.__name__) for f in _called(fn) if hasattr(f, _ELSEWHERE)}
    return FunctionType(fn.__code__, fn.__globals__ | foreign, fn.__name__, fn.__defaults__, fn.__closure__)


def _describe(fn: Any, update: Callable[[bytes], None]) -> None:
    """Feed the code of `fn`, the constants it names and, in turn, the functions it calls."""
    code = fn.__code__
    for mark in (_BORROWS, _AS_WRITTEN):
        if hasattr(fn, mark):
            update(mark.encode())
    update(repr((code.co_code, code.co_consts, code.co_names)).encode())
    for name in code.co_names:
        if isinstance(fn.__globals__.get(name), int | float):
            update(repr((name, fn.__globals__[name])).encode())
    for called in _called(fn):
        if hasattr(called, _ELSEWHERE):
            update(Path(str(_module(called).__file__)).read_bytes())
        for one in (called, *getattr(called, _VARIANTS, ())):
            _describe(one, update)


def _called(fn: Any) -> list[FunctionType]:
    """The package's plain functions that `fn` calls, in order."""
    found = (fn.__globals__.get(name) for name in fn.__code__.co_names)
    return [f for f in found if isinstance(f, FunctionType) and f.__module__.startswith("dlkit.")]


def _module(fn: Any) -> ModuleType:
    """Where the function that compiled code calls instead is."""
    return import_module(getattr(fn, _ELSEWHERE))


def _make_known(fn: Any, fastmath: set[str]) -> None:
    """Tell numba about them."""
    for called in _called(fn):
        if called not in _known and not hasattr(called, _ELSEWHERE):
            _known.add(called)
            _overload(called, fastmath)


def _overload(fn: FunctionType, fastmath: set[str]) -> None:
    import numba
    from numba.extending import overload

    pair = getattr(fn, _VARIANTS, None)
    if pair is None:
        _make_known(fn, fastmath)
        own = FAST if hasattr(fn, _AS_KERNEL) else set() if hasattr(fn, _AS_WRITTEN) else fastmath
        options: Any = {"fastmath": own, "error_model": "numpy", "forceinline": hasattr(fn, _INLINED)}
        if hasattr(fn, _BORROWS):
            options["_nrt"] = False
        whole = _with_foreign(fn)

        @overload(fn, strict=False, jit_options=options)
        def same(*args):  # type: ignore[no-untyped-def]
            return whole

        return
    single, double = pair
    _make_known(single, fastmath)
    _make_known(double, fastmath)

    # No annotations here: numba compares the signature with that of the variants.
    @overload(fn, strict=False, jit_options={"fastmath": fastmath, "error_model": "numpy"})
    def choose(x):  # type: ignore[no-untyped-def]
        return single if getattr(x, "dtype", x) == numba.float32 else double
