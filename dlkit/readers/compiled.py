"""Loops over the bytes of a file, compiled by numba on first use and cached on disk."""

import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any

_lock = threading.Lock()
_made: dict[Callable[..., Any], Callable[..., Any]] = {}
_known: set[FunctionType] = set()


def compiled(fn: Any) -> Callable[..., Any]:
    """`fn` as machine code: no GIL, no bounds checks. Plain functions of its own file that it calls go along.

    (Numba's cache watches that file alone, so functions of other files would be found stale.)
    """
    with _lock:
        if fn not in _made:
            import numba

            _make_known(fn)
            try:
                _made[fn] = numba.njit(nogil=True, cache=True)(fn)
            except RuntimeError:  # nowhere to write a cache: compile anew in every process
                _made[fn] = numba.njit(nogil=True)(fn)
        return _made[fn]


def _make_known(fn: Any) -> None:
    from numba.extending import register_jitable

    for name in fn.__code__.co_names:
        called = fn.__globals__.get(name)
        own = isinstance(called, FunctionType) and called.__module__ == fn.__module__
        if own and called not in _known:
            _known.add(called)
            _make_known(called)
            register_jitable(called)
