"""Matrix products with a packed factor (dlkit.kernels.panels), for ops that multiply with it many times.

On a GPU, and for matrices too small to gain by it, the factor stays as it is and the product is the
backend's own: `pack` gives None there.
"""

from typing import NamedTuple

import numpy as np

from dlkit.autograd import Array, OpContext
from dlkit.kernels.panels import pack_panels, panel_product, work_numbers

SMALLEST = 4096
"""Numbers of a factor below which its packing is not worth the calls."""


class Packed(NamedTuple):
    """B (k, n) in panels of columns."""

    panels: Array
    place: Array
    columns: int


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


def pack(ctx: OpContext, b: Array, name: str | None = None) -> Packed | None:
    """B (k, n) packed: in work space of this name, valid inside this call of forward or backward, or in a
    buffer of the tape. None: use `OpContext.matmul`."""
    if ctx.backend.name != "cpu" or b.size < SMALLEST or min(b.shape) < 8:
        return None
    from dlkit.backend.tiles import width

    (k, n), w = b.shape, width(b.itemsize)
    shape = (-(-n // w), k, w)
    panels = ctx.empty(shape, b.dtype) if name is None else ctx.scratch(name, shape, b.dtype)
    made = Packed(panels, ctx.tape.count(len(panels)), n)
    flat, down, across = lying(b)
    ctx.run(pack_panels, made.panels, made.place, flat, n, down, across)
    return made


def times(ctx: OpContext, a: Array, b: Packed, out: Array) -> Array:
    """out (m, n) = A B, out C-contiguous."""
    flat, down, across = lying(a)
    work = ctx.scratch("packed rows", (ctx.tape.parts, work_numbers(*a.shape)), a.dtype)
    ctx.run(panel_product, b.panels, b.place, flat, down, across, 0, work, out)
    return out
