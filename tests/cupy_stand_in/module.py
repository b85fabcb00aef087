"""The stand-in as modules named cupy and cupyx; `install()` puts them where `import cupy` finds them."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from cupy_stand_in import memory, streams
from cupy_stand_in.counts import counts
from cupy_stand_in.cuda import StandIn, build_cuda, module_of
from cupy_stand_in.device_array import ndarray, refuse_undefined_cast, unwrap, wrap
from cupy_stand_in.manifest import NAMES, VERSION, check_call
from cupy_stand_in.raw import RawKernel, RawModule

TAKES_SEQUENCE = frozenset(
    [
        "concatenate",
        "concat",
        "stack",
        "vstack",
        "hstack",
        "dstack",
        "column_stack",
        "broadcast_arrays",
        "einsum",
        "meshgrid",
        "lexsort",
        "ix_",
    ]
)
ON_HOST = frozenset(
    [
        "dtype",
        "result_type",
        "can_cast",
        "promote_types",
        "finfo",
        "iinfo",
        "issubdtype",
        "broadcast_shapes",
        "isscalar",
        "common_type",
        "min_scalar_type",
        "typename",
    ]
)
"""Computed by NumPy in CuPy as well: they see types and shapes only."""
WAITS = frozenset(
    [
        "nonzero",
        "flatnonzero",
        "argwhere",
        "unique",
        "extract",
        "bincount",
        "union1d",
        "intersect1d",
        "trim_zeros",
    ]
)
"""The size of the result depends on values, which must come to the host."""
REPLACED = frozenset(
    ["array", "asarray", "asanyarray", "ascontiguousarray", "empty", "empty_like", "asnumpy", "copyto"]
)
ALLOCATE = frozenset(
    ["zeros", "ones", "full", "zeros_like", "ones_like", "full_like", "eye", "identity", "arange", "linspace"]
)


def _function(
    name: str, compute: Callable[..., Any], entry: tuple[str, list[str] | None]
) -> Callable[..., Any]:
    sequence = name in TAKES_SEQUENCE

    def take(value: Any) -> Any:
        if isinstance(value, list | tuple) and any(isinstance(v, ndarray | np.ndarray) for v in value):
            if not sequence:
                raise TypeError(f"Unsupported type {type(value)}")
            return [unwrap(v) for v in value]
        if entry[0] == "ufunc" and isinstance(value, list | tuple):
            raise TypeError(f"Unsupported type {type(value)}")
        return unwrap(value)

    def call(*args: Any, **kwargs: Any) -> Any:
        check_call(name, entry, args, kwargs)
        if name in WAITS:
            counts.sync(name)
        out = kwargs.get("out")
        if out is not None and not isinstance(out, ndarray):
            raise TypeError("return arrays must be of cupy.ndarray")
        with np.errstate(all="ignore"):
            result = compute(*map(take, args), **{key: take(value) for key, value in kwargs.items()})
        if out is not None:
            return out
        return wrap(_guarded(result) if name in ALLOCATE else result)

    call.__name__ = name
    return call


def _guarded(array: np.ndarray) -> np.ndarray:
    made = memory.allocate(array.shape, array.dtype)
    made[...] = array
    return made


def _array(obj: Any, dtype: Any = None, copy: Any = True, order: str = "K", **rest: Any) -> ndarray:
    """From the host: a copy through the bus. From the device: a copy or the same array."""
    rest.pop("blocking", None)
    if isinstance(obj, ndarray):
        host = np.array(obj._host, dtype, copy=copy or None, order=order, **rest)  # type: ignore[call-overload]
        refuse_undefined_cast(obj._host, host.dtype)
        return obj if host is obj._host else wrap(host)
    if isinstance(obj, list | tuple) and any(isinstance(part, ndarray) for part in obj):
        raise TypeError("strict: stack() device arrays instead of listing them")
    source = np.asarray(obj)
    host = np.array(source, dtype, order=order, **rest)
    refuse_undefined_cast(source, host.dtype)
    made = _empty(host.shape, host.dtype, "F" if host.flags.fnc else "C")
    streams.copy_from_host(
        made._host, obj if isinstance(obj, np.ndarray) and host.dtype == obj.dtype else host, None
    )
    return made


def _asarray(
    a: Any, dtype: Any = None, order: Any = None, *, copy: Any = None, blocking: bool = False
) -> ndarray:
    return _array(a, dtype, copy=bool(copy), order=order or "K")


def _ascontiguousarray(a: Any, dtype: Any = None) -> ndarray:
    if isinstance(a, ndarray) and a._host.flags.c_contiguous and (dtype is None or a.dtype == dtype):
        return a
    return (
        wrap(np.ascontiguousarray(a._host, dtype)) if isinstance(a, ndarray) else _array(a, dtype, order="C")
    )


def _empty(shape: Any, dtype: Any = float, order: str = "C") -> ndarray:
    return ndarray(shape, dtype, order)


def _empty_like(
    prototype: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
) -> ndarray:
    return ndarray(prototype.shape if shape is None else shape, dtype or prototype.dtype)


def _asnumpy(
    a: Any, stream: Any = None, order: str = "C", out: Any = None, *, blocking: bool = True
) -> np.ndarray:
    return a.get(stream, order, out, blocking) if isinstance(a, ndarray) else np.asarray(a)


def _copyto(dst: ndarray, src: Any, casting: Any = "same_kind", where: Any = None) -> None:
    condition = {} if where is None else {"where": unwrap(where)}
    np.copyto(unwrap(dst), unwrap(src), casting=casting, **condition)


def _numpy_names(module: StandIn, source: Any) -> None:
    """Every name that both CuPy and NumPy have."""
    for name, entry in NAMES[module.__name__].items():
        found = getattr(source, name, None)
        if found is None or name in REPLACED:
            continue
        if entry[0] in ("class", "value") or name in ON_HOST:
            setattr(module, name, found)
        else:
            setattr(module, name, _function(name, found, entry))


def _build_cupy() -> StandIn:
    cupy = StandIn("cupy", "Stand-in for CuPy: NumPy storage, CuPy's rules.")
    _numpy_names(cupy, np)
    cupy.__version__ = VERSION  # type: ignore[attr-defined]
    own = {
        "ndarray": ndarray, "array": _array, "asarray": _asarray, "asanyarray": _asarray, "empty": _empty,
        "ascontiguousarray": _ascontiguousarray, "empty_like": _empty_like, "asnumpy": _asnumpy,
        "copyto": _copyto, "RawModule": RawModule, "RawKernel": RawKernel,
        "get_default_memory_pool": lambda: memory.pool,
        "get_default_pinned_memory_pool": lambda: memory.pinned_pool,
        "get_array_module": lambda *args: cupy if any(isinstance(a, ndarray) for a in args) else np,
    }  # fmt: skip
    for name, thing in own.items():
        setattr(cupy, name, thing)
    linalg = StandIn("cupy.linalg")
    _numpy_names(linalg, np.linalg)
    cupy.linalg = linalg  # type: ignore[attr-defined]
    cupy.cuda = build_cuda()  # type: ignore[attr-defined]
    return cupy


def _scatter_add(a: ndarray, slices: Any, value: Any) -> None:
    a.scatter_add(slices, value)


def _like(a: Any, dtype: Any, shape: Any) -> tuple[Any, Any]:
    return (a.shape if shape is None else shape), (a.dtype if dtype is None else dtype)


def _build_cupyx() -> StandIn:
    def zeros_pinned(shape: Any, dtype: Any = float, order: str = "C") -> np.ndarray:
        made = memory.pinned(shape, dtype, order)
        made.fill(0)
        return made

    def empty_like_pinned(
        a: Any, dtype: Any = None, order: str = "K", subok: Any = None, shape: Any = None
    ) -> Any:
        return memory.pinned(*_like(a, dtype, shape))

    def rsqrt(x: ndarray) -> ndarray:
        with np.errstate(all="ignore"):
            return wrap(1 / np.sqrt(x._host))

    return module_of(
        "cupyx", scatter_add=_scatter_add, rsqrt=rsqrt, empty_pinned=memory.pinned, zeros_pinned=zeros_pinned,
        empty_like_pinned=empty_like_pinned,
    )  # fmt: skip


cupy = _build_cupy()
cupyx = _build_cupyx()
MODULES = {
    "cupy": cupy, "cupyx": cupyx, "cupy.linalg": cupy.linalg, "cupy.cuda": cupy.cuda,
    "cupy.cuda.runtime": cupy.cuda.runtime, "cupy.cuda.nvrtc": cupy.cuda.nvrtc,
    "cupy.cuda.compiler": cupy.cuda.compiler, "cupy.cuda.memory": cupy.cuda.memory,
}  # fmt: skip


_launchers: dict[Any, Any] = {}
"""dlkit's loaded kernels while the stand-in is there: a real device must not find them afterwards."""


@contextlib.contextmanager
def installed() -> Iterator[StandIn]:
    """`import cupy` inside the block finds the stand-in, with its counts at nothing."""
    from dlkit.kernels import launch

    saved = {name: sys.modules.get(name) for name in MODULES}
    real_launchers, launch._launchers = launch._launchers, _launchers
    sys.modules.update(MODULES)
    counts.reset()
    try:
        yield cupy
    finally:
        memory.pool.set_limit(size=0)
        launch._launchers = real_launchers
        for name, module in saved.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module


def install() -> None:
    """Put the stand-in into this process for good."""
    sys.modules.update(MODULES)
