"""Pooling and upsampling of images (n, h, w, c)."""

from typing import Any

import numpy as np

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels import pool as kernels
from dlkit.kernels import upsample as blocks
from dlkit.ops.shape import reshape
from dlkit.ops.window import Window


def _pooled(x: Array, window: Window) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape of the result, and the window as the kernels take it."""
    size = window.out(x.shape[1:3])
    return (x.shape[0], *size, x.shape[3]), (*window.size, *window.stride, *window.before(x.shape[1:3]))


class ExtremePool(Op):
    """y = max (sign 1) or min (sign -1) of each window; the gradient goes to the first such pixel."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, window: Window, sign: int) -> Array:
        x = ctx.contiguous(x)
        shape, box = _pooled(x, window)
        y, place = ctx.empty(shape, x.dtype), ctx.empty(shape, np.uint16)
        ctx.run(kernels.extreme_pool, x, sign, *box, y, place)
        ctx.save(place, box)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        place, box = ctx.saved
        dx = ctx.grad_out(0)
        ctx.run(kernels.extreme_pool_backward, ctx.contiguous(dy), place, *box, dx)
        return (dx,)


class MeanPool(Op):
    """y = mean of the window's pixels inside the image."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, window: Window) -> Array:
        x = ctx.contiguous(x)
        shape, box = _pooled(x, window)
        y = ctx.empty(shape, x.dtype)
        ctx.run(kernels.mean_pool, x, *box, y)
        ctx.save(box)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        dx = ctx.grad_out(0)
        ctx.run(kernels.mean_pool_backward, ctx.contiguous(dy), *ctx.saved[0], dx)
        return (dx,)


class Upsample(Op):
    """Every pixel becomes a block of k x k."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, k: int) -> Array:
        n, h, w, c = x.shape
        y = ctx.empty((n, k * h, k * w, c), x.dtype)
        blocks.upsample(ctx.contiguous(x), k, y)
        ctx.save(k)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        dx = ctx.grad_out(0)
        blocks.upsample_backward(ctx.contiguous(dy), ctx.saved[0], dx)
        return (dx,)


class Resample(Op):
    """y = (A ⊗ B) x: rows of the image taken together by A (H, h), its columns by B (W, w)."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, a: Array, b: Array) -> Array:
        ctx.save(a, b)
        return _resampled(ctx, ctx.contiguous(x), a, b)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        a, b = ctx.saved
        return (_resampled(ctx, ctx.contiguous(dy), a.T, b.T),)


def _resampled(ctx: OpContext, x: Array, a: Array, b: Array) -> Array:
    n, h, w, c = x.shape
    tall = ctx.empty((n, a.shape[0], w * c), x.dtype)
    ctx.xp.matmul(a, x.reshape(n, h, w * c), out=tall)
    y = ctx.empty((n * a.shape[0], b.shape[0], c), x.dtype)
    ctx.xp.matmul(b, tall.reshape(n * a.shape[0], w, c), out=y)
    return y.reshape(n, a.shape[0], b.shape[0], c)


def bilinear_weights(k: int, h: int) -> np.ndarray:
    """(k h, h) float64: row i interpolates between the two pixels beside its centre, (i + 1/2) / k - 1/2."""
    centre = np.clip((np.arange(k * h) + 0.5) / k - 0.5, 0, h - 1)
    below = np.minimum(centre.astype(int), max(h - 2, 0))
    weights = np.zeros((k * h, h))
    weights[np.arange(k * h), below] = 1 - (centre - below)
    weights[np.arange(k * h), np.minimum(below + 1, h - 1)] += centre - below
    return weights


def max_pool(tape: Tape, x: Variable, window: Window) -> Variable:
    """The largest number of each window, (n, oh, ow, c). Raises ValueError where no window fits."""
    return tape.apply(ExtremePool, x, window=window, sign=1)


def min_pool(tape: Tape, x: Variable, window: Window) -> Variable:
    """The smallest number of each window."""
    return tape.apply(ExtremePool, x, window=window, sign=-1)


def average_pool(tape: Tape, x: Variable, window: Window) -> Variable:
    """The mean of each window; padding does not count."""
    return tape.apply(MeanPool, x, window=window)


def global_pool(tape: Tape, x: Variable, kind: str) -> Variable:
    """Mean ("average") or largest ("max") number of each channel: (n, c)."""
    n, h, w, c = x.shape
    whole = Window((h, w))
    pooled = average_pool(tape, x, whole) if kind == "average" else max_pool(tape, x, whole)
    return reshape(tape, pooled, (n, c))


def upsample(tape: Tape, x: Variable, k: int, kind: str = "nearest") -> Variable:
    """(n, k h, k w, c): "nearest" repeats every pixel k x k times; "bilinear" interpolates between the
    pixels' centres (Keras' and PyTorch's align_corners=False)."""
    if kind == "nearest":
        return tape.apply(Upsample, x, k=k)
    a, b = (tape.backend.asarray(bilinear_weights(k, size)) for size in x.shape[1:3])
    return tape.apply(Resample, x, a=a, b=b)
