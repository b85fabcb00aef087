"""The stand-in's ndarray: NumPy inside, CuPy's rules outside, stricter where CuPy is silently wrong.

Refused, as CuPy does: implicit conversion to NumPy, mixing with NumPy arrays, lists where arrays are wanted.
Refused though CuPy goes on: duplicate indices in an assignment, indices out of range, a float that an integer
cannot hold, NumPy functions called on device arrays (they work by dispatch; the backend's module is meant).
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from cupy_stand_in import memory
from cupy_stand_in.counts import counts
from cupy_stand_in.manifest import NAMES, check_call

SUPPORTED = frozenset("?bBhHiIlLqQefdFD")
SCALARS = (bool, int, float, complex, np.generic)


def unwrap(value: Any) -> Any:
    """The NumPy array of a device array; anything else that a device function may take, as it is."""
    if isinstance(value, ndarray):
        return value._host
    if isinstance(value, np.ndarray):
        raise TypeError(f"Unsupported type {type(value)}")
    return value


def wrap(result: Any) -> Any:
    """Device arrays for NumPy's results; CuPy returns 0-d arrays where NumPy returns scalars."""
    if isinstance(result, np.ndarray | np.generic):
        array = np.asarray(result)
        if array.dtype.char not in SUPPORTED:
            raise ValueError(f"Unsupported dtype {array.dtype}")
        made = object.__new__(ndarray)
        made._host = memory.adopt(array)
        return made
    if isinstance(result, tuple | list) and any(isinstance(part, np.ndarray) for part in result):
        return type(result)(map(wrap, result)) if type(result) in (tuple, list) else tuple(map(wrap, result))
    return result


def _index(key: Any, *, reading: bool) -> Any:
    parts = key if isinstance(key, tuple) else (key,)
    for part in parts:
        if isinstance(part, np.ndarray):
            raise TypeError("strict: a NumPy array as an index is copied to the device; send it yourself")
        if reading and isinstance(part, ndarray) and part.dtype == bool:
            counts.sync("boolean mask")  # the size of the result must come to the host
    found = tuple(unwrap(part) for part in parts)
    return found if isinstance(key, tuple) else found[0]


def _refuse_duplicates(key: Any, value: Any) -> None:
    if not isinstance(value, ndarray) or value.size <= 1:
        return
    arrays = [np.asarray(unwrap(k)) for k in (key if isinstance(key, tuple) else (key,))]
    arrays = [a for a in arrays if a.dtype.kind in "iu" and a.ndim]
    if arrays:
        rows = np.stack([a.ravel() for a in np.broadcast_arrays(*arrays)], 1)
        if len(np.unique(rows, axis=0)) != len(rows):
            raise ValueError("strict: which of the values given to one index stays is undefined on a GPU")


def refuse_undefined_cast(array: np.ndarray, dtype: Any) -> None:
    """A float that the integer type cannot hold becomes anything on a GPU."""
    to = np.dtype(dtype)
    if array.dtype.kind == "f" and to.kind in "iu" and array.size:
        limits = np.iinfo(to)
        if not (np.isfinite(array).all() and array.min() >= limits.min and array.max() <= limits.max):
            raise ValueError(f"strict: casting these {array.dtype} to {to} is undefined on a GPU")


class ndarray:
    """A device array."""

    __slots__ = ("__weakref__", "_host")
    __array_priority__ = 100
    __hash__ = None  # type: ignore[assignment]
    _host: np.ndarray

    def __init__(self, shape: Any, dtype: Any = float, order: str = "C"):
        if np.dtype(dtype).char not in SUPPORTED:
            raise ValueError(f"Unsupported dtype {np.dtype(dtype)}")
        self._host = memory.allocate(shape, dtype, order)

    def __array__(self, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. "
            "Please use `.get()` to construct a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        scalars = all(isinstance(x, (ndarray, *SCALARS)) for x in inputs)
        if method == "__call__" and ufunc.nin == 2 and scalars and isinstance(inputs[0], np.generic):
            with np.errstate(all="ignore"):  # `np.float32(2) * x` comes here, and CuPy computes it
                return wrap(ufunc(*map(unwrap, inputs)))
        raise TypeError(f"strict: numpy.{ufunc.__name__} on a device array: use the backend's module")

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        raise TypeError(f"strict: numpy.{func.__name__} on a device array: use the backend's module")

    def get(self, stream: Any = None, order: str = "C", out: Any = None, blocking: bool = True) -> np.ndarray:
        from cupy_stand_in.streams import copy_to_host

        return copy_to_host(self._host, stream, order, out, blocking)

    def set(self, arr: np.ndarray, stream: Any = None) -> None:
        from cupy_stand_in.streams import copy_from_host

        if not isinstance(arr, np.ndarray):
            raise TypeError(f"Only numpy.ndarray can be set to cupy.ndarray, not {type(arr)}")
        if arr.dtype != self.dtype or arr.shape != self.shape:
            raise TypeError(f"{arr.dtype}{arr.shape} array cannot be set to {self.dtype}{self.shape} array")
        if not (self._host.flags.c_contiguous or self._host.flags.f_contiguous):
            raise RuntimeError("Cannot set to non-contiguous array")
        copy_from_host(self._host, arr, stream)

    def __getitem__(self, key: Any) -> "ndarray":
        return wrap(self._host[_index(key, reading=True)])

    def __setitem__(self, key: Any, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.ndim:
            raise ValueError("non-scalar numpy.ndarray cannot be used for fill")
        if isinstance(value, list | tuple):
            raise TypeError("strict: assign a device array, not a list")
        _refuse_duplicates(key, value)
        given = value._host if isinstance(value, ndarray) else np.asarray(value)
        refuse_undefined_cast(given, self.dtype)
        with np.errstate(all="ignore"):
            self._host[_index(key, reading=False)] = given

    def astype(
        self, dtype: Any, order: str = "K", casting: Any = None, subok: Any = None, copy: bool = True
    ) -> "ndarray":
        if subok is not None:
            raise TypeError("subok is not supported yet")
        refuse_undefined_cast(self._host, dtype)
        with np.errstate(all="ignore"):
            made = self._host.astype(
                dtype, order=order, copy=copy, **({"casting": casting} if casting else {})
            )
        return self if made is self._host else wrap(made)

    def view(self, dtype: Any = None, type: Any = None) -> "ndarray":
        return wrap(self._host.view() if dtype is None else self._host.view(dtype))

    def scatter_add(self, slices: Any, value: Any) -> None:
        np.add.at(self._host, _index(slices, reading=False), unwrap(value))

    @property
    def data(self) -> Any:
        from types import SimpleNamespace

        return SimpleNamespace(ptr=self._host.ctypes.data)

    @property
    def device(self) -> Any:
        from cupy_stand_in.streams import Device

        return Device(0)

    @property
    def base(self) -> Any:
        return None if self._host.base is None else wrap(self._host.base)

    def __iter__(self) -> Iterator["ndarray"]:
        if not self._host.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    def __len__(self) -> int:
        return len(self._host)

    def __repr__(self) -> str:
        counts.sync("repr")
        return repr(self._host)

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        counts.sync("format")
        return format(self._host[()] if self._host.ndim == 0 else self._host, spec)


HOST_VALUES = ("item", "tolist", "tobytes", "__bool__", "__int__", "__float__", "__complex__")
PLAIN = ("shape", "dtype", "strides", "size", "ndim", "nbytes", "itemsize", "flags")


def _method(name: str) -> Callable[..., Any]:
    def method(self: ndarray, *args: Any, **kwargs: Any) -> Any:
        check_call(f"ndarray.{name}", NAMES["ndarray"][name], args, kwargs)
        if name in HOST_VALUES or name == "nonzero":
            counts.sync(name)
        out = kwargs.pop("out", None)
        with np.errstate(all="ignore"):
            given = {key: unwrap(value) for key, value in kwargs.items()}
            if out is not None:
                given["out"] = unwrap(out)
            result = getattr(self._host, name)(*map(unwrap, args), **given)
        return out if out is not None else wrap(result) if name not in HOST_VALUES else result

    method.__name__ = name
    return method


def _operator(name: str) -> Callable[..., Any]:
    in_place = name.startswith("__i") and name != "__invert__"

    def operator(self: ndarray, *others: Any) -> Any:
        if any(isinstance(other, np.ndarray) for other in others):
            raise TypeError(f"Unsupported type {np.ndarray}")
        if any(not isinstance(other, (ndarray, *SCALARS)) for other in others):
            return NotImplemented
        if in_place and not isinstance(others[0], ndarray) and self.dtype.kind in "iu":
            refuse_undefined_cast(np.asarray(others[0]), self.dtype)
        with np.errstate(all="ignore"):
            result = getattr(self._host, name)(*map(unwrap, others))
        return self if in_place else result if result is NotImplemented else wrap(result)

    operator.__name__ = name
    return operator


def _plain(name: str) -> property:
    return property(lambda self: getattr(self._host, name))


def _derived(name: str) -> property:
    return property(lambda self: wrap(getattr(self._host, name)))


ARITHMETIC = [
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "matmul",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
]
OPERATORS = [f"__{prefix}{name}__" for name in ARITHMETIC for prefix in ("", "r", "i")]
OPERATORS += [
    f"__{name}__" for name in ["eq", "ne", "lt", "le", "gt", "ge", "divmod", "neg", "pos", "abs", "invert"]
]


def _complete() -> None:
    """Give ndarray every further name that CuPy's has and NumPy's can do."""
    for name in OPERATORS:
        if name in NAMES["ndarray"]:
            setattr(ndarray, name, _operator(name))
    for name, (kind, _) in NAMES["ndarray"].items():
        if name in ndarray.__dict__ or not hasattr(np.ndarray, name):
            continue
        if name in PLAIN:
            setattr(ndarray, name, _plain(name))
        elif kind == "property":
            setattr(ndarray, name, _derived(name))
        elif not name.startswith("__") or name in HOST_VALUES:
            setattr(ndarray, name, _method(name))


_complete()
