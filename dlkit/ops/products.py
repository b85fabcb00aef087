"""Matrix products with a packed factor (dlkit.kernels.panels), for whoever multiplies with it many times.

Where the processor has tiles for bfloat16, float32 numbers are multiplied in three parts each
(dlkit.kernels.split_panels): as exact, and twice as fast. On a GPU, and for matrices too small to gain by
it, the factor stays as it is and the product is the backend's own.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from dlkit.autograd import Array, OpContext
from dlkit.backend import Backend
from dlkit.backend.amx import have_tiles
from dlkit.backend.threads import Team
from dlkit.kernels.panels import pack_panels, panel_product, work_numbers
from dlkit.kernels.split_panels import (
    ALIGNED,
    NUMBERS,
    WIDTH,
    chunks_of,
    split_panels,
    split_product,
    work_bytes,
)

SMALLEST = 4096
"""Numbers of a factor below which its packing is not worth the calls."""


FEWEST, MOST_USED = 32, 256
"""Rows of the other factor below which tiles stay half empty; rows in all from which splitting pays."""
LARGEST = 8 << 20
"""Numbers of a factor above which it is not split: its parts take half as much again, beside itself."""


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


def pack(ctx: OpContext, b: Array, name: str, *, rows: int = 1, times: int = 1) -> "Packed | Split | None":
    """B (k, n) packed, in work space of this name: valid inside this call of forward or backward. None: use
    `OpContext.matmul`. It is to be multiplied so many times with so many rows."""
    if not _worth_it(ctx.backend, b):
        return None
    if _learns(ctx) and worth_splitting(ctx.backend, b, rows, times):
        return _split(ctx, b, name)
    shape = _panels(b)
    made = Packed(ctx.scratch(name, shape, b.dtype), ctx.tape.count(shape[0]))
    flat, down, across = lying(b)
    ctx.run(pack_panels, made.panels, made.place, flat, b.shape[1], down, across)
    return made


def times(ctx: OpContext, a: Array, b: "Packed | Split", out: Array) -> Array:
    """out (m, n) = A B, out C-contiguous."""
    if isinstance(b, Split):
        return _times_split(ctx, a, b, out)
    flat, down, across = lying(a)
    work = ctx.scratch("packed rows", (ctx.tape.parts, work_numbers(*a.shape)), a.dtype)
    ctx.run(panel_product, b.panels, b.place, flat, down, across, 0, work, out)
    return out


# -- in three parts ------------------------------------------------------------------------------------
class Split(NamedTuple):
    """B (k, n) in panels of columns, each number in three parts."""

    panels: Array
    """(P, chunks, NUMBERS) uint16."""
    k: int


def worth_splitting(backend: Backend, b: Array, rows: int, times: int = 1) -> bool:
    """Whether B (k, n) is better multiplied with so many rows, so many times, in three parts."""
    if b.dtype != np.float32 or rows < FEWEST or rows * times < MOST_USED:
        return False
    return splits(backend, *b.shape)


def splits(backend: Backend, k: int, n: int) -> bool:
    """Whether a factor (k, n) of float32 is ever split there."""
    return backend.name == "cpu" and have_tiles() and min(k, n) >= WIDTH and k * n <= LARGEST


def _learns(ctx: OpContext) -> bool:
    """Whether this is a training step. What is asked of a trained model is not split, for that depends on the
    number of rows: an answer has the same bits in every company."""
    return ctx.tape.gradient is not None


def multiply(ctx: OpContext, a: Array, b: Array, out: Array, name: str) -> Array:
    """out (m, n) = A B, out C-contiguous; in three parts where that pays, B's in work space of this name."""
    if not (_learns(ctx) and worth_splitting(ctx.backend, b, len(a))):
        return ctx.matmul(a, b, out=out)
    return _times_split(ctx, a, _split(ctx, b, name), out)


def _split(ctx: OpContext, b: Array, name: str) -> Split:
    k, n = b.shape
    shape = -(-n // WIDTH), chunks_of(k), NUMBERS
    raw = ctx.scratch(name, (2 * shape[0] * shape[1] * NUMBERS + ALIGNED,), np.uint8)
    first = -raw.ctypes.data % ALIGNED
    panels = raw[first : first + raw.size - ALIGNED].view(np.uint16).reshape(shape)
    flat, down, across = lying(b)
    ctx.run(split_panels, panels, ctx.tape.count(shape[0]), flat, k, n, down, across)
    return Split(panels, k)


def _times_split(ctx: OpContext, a: Array, b: Split, out: Array) -> Array:
    parts = ctx.tape.parts
    flat, down, across = lying(a)
    work = ctx.scratch("split rows", (parts, work_bytes(*a.shape)), np.uint8)
    tasks = _tasks(len(a), len(b.panels), parts)
    ctx.run(split_product, b.panels, tasks, flat, b.k, down, across, work, out)
    return out


@lru_cache(maxsize=256)
def _tasks(rows: int, panels: int, parts: int) -> Any:
    """(parts, 4) int64: the rows and panels of each part; by panels where the rows are few, for each part
    splits its own rows."""
    whole = [(0, rows, 0, panels)] * parts
    axis, count, step = (0, rows, WIDTH) if rows >= 4 * WIDTH * parts else (2, panels, 1)
    tasks = np.array(whole, np.int64)
    ends = [min(-(-count * w // (parts * step)) * step, count) for w in range(parts + 1)]
    tasks[:, axis], tasks[:, axis + 1] = ends[:-1], ends[1:]
    return tasks


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
