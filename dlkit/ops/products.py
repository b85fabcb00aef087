"""Matrix products with a packed factor (dlkit.kernels.panels), for whoever multiplies with it many times.

On a GPU, and for matrices too small to gain by it, the factor stays as it is and the product is the
backend's own.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from dlkit.autograd import Array, OpContext
from dlkit.backend import Backend
from dlkit.backend.threads import Team
from dlkit.kernels.panels import pack_panels, panel_product, work_numbers

SMALLEST = 4096
"""Numbers of a factor below which its packing is not worth the calls."""


class Packed(NamedTuple):
    """B (k, n) in panels of columns."""

    panels: Array
    """(P, k, width)."""
    place: Array
    """(P,) int64: 0, 1, ..."""


def lying(a: Array) -> tuple[Array, int, int]:
    """The numbers of a matrix as they lie in memory, and how many of them it is from one row and from one
    column to the next."""
    down, across = (step // a.itemsize for step in a.strides)
    if a.flags.c_contiguous:
        return a.reshape(-1), down, across
    if a.flags.f_contiguous:
        return a.T.reshape(-1), down, across
    if down < 0 or across < 0:
        a = np.ascontiguousarray(a)
        return a.reshape(-1), a.shape[1], 1
    reach = (a.shape[0] - 1) * down + (a.shape[1] - 1) * across + 1 if a.size else 0
    return np.lib.stride_tricks.as_strided(a, (reach,), (a.itemsize,)), down, across


def _worth_it(backend: Backend, b: Array) -> bool:
    return backend.name == "cpu" and b.size >= SMALLEST and min(b.shape) >= 8


def _panels(b: Array) -> tuple[int, int, int]:
    """The shape of B's panels."""
    from dlkit.backend.tiles import width

    (k, n), w = b.shape, width(b.itemsize)
    return -(-n // w), k, w


def pack(ctx: OpContext, b: Array, name: str) -> Packed | None:
    """B (k, n) packed, in work space of this name: valid inside this call of forward or backward. None: use
    `OpContext.matmul`."""
    if not _worth_it(ctx.backend, b):
        return None
    shape = _panels(b)
    made = Packed(ctx.scratch(name, shape, b.dtype), ctx.tape.count(shape[0]))
    flat, down, across = lying(b)
    ctx.run(pack_panels, made.panels, made.place, flat, b.shape[1], down, across)
    return made


def times(ctx: OpContext, a: Array, b: Packed, out: Array) -> Array:
    """out (m, n) = A B, out C-contiguous."""
    flat, down, across = lying(a)
    work = ctx.scratch("packed rows", (ctx.tape.parts, work_numbers(*a.shape)), a.dtype)
    ctx.run(panel_product, b.panels, b.place, flat, down, across, 0, work, out)
    return out


class ConstantFactors:
    """product(a, b, out) for tapes on which every b is a parameter that does not change until `clear`: each
    is packed when it is first multiplied with. One of these belongs to one shard."""

    def __init__(self, backend: Backend, team: Team) -> None:
        self.backend = backend
        self._product: Callable[..., Array] = team.product or backend.xp.matmul
        self._share: Callable[..., None] = team.share or call
        self._parts = team.parts
        self._known: dict[tuple[int, ...], Packed | None] = {}
        self._work: Array = backend.empty((self._parts, 0))

    def clear(self) -> None:
        """The parameters have changed."""
        self._known.clear()

    def __call__(self, a: Array, b: Array, out: Array) -> Array:
        if not _worth_it(self.backend, b):
            return self._product(a, b, out=out)
        address, _ = b.__array_interface__["data"]
        key = (address, *b.shape, *b.strides)
        packed = self._known.get(key)
        if packed is None:
            packed = self._known[key] = self._packed(b)
        size = work_numbers(*a.shape)
        if self._work.shape[1] < size:
            self._work = self.backend.empty((self._parts, size))
        flat, down, across = lying(a)
        self._share(panel_product, packed.panels, packed.place, flat, down, across, 0, self._work, out)
        return out

    def _packed(self, b: Array) -> Packed:
        shape = _panels(b)
        made = Packed(np.empty(shape, b.dtype), np.arange(shape[0]))
        flat, down, across = lying(b)
        self._share(pack_panels, made.panels, made.place, flat, b.shape[1], down, across)
        return made


def call(kernel: Callable[..., None], *args: object) -> None:
    """What does the work of `Team.share` where nothing is shared out."""
    kernel(*args)
