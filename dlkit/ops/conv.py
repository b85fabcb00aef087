"""Convolutions of images (n, h, w, c), with bias and activation in the same pass."""

import math
from typing import Any

import numpy as np

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.activation import IDENTITY, PRELU
from dlkit.kernels.batch_norm import column_sums
from dlkit.kernels.dense import activation_gradient, bias_activation
from dlkit.kernels.pool import extreme_pool, extreme_pool_backward
from dlkit.ops.activations import prelu
from dlkit.ops.pool import max_pool
from dlkit.ops.unfolding import Unfolding
from dlkit.ops.window import Pair, Window

MEMORY = {"cpu": 1 << 22, "gpu": 1 << 26}
"""Bytes of unfolded images at a time, where nothing else is said.

More pieces mean more calls between which threads wait for each other: with two threads LeNet's step took
14.3 ms in pieces of 1 MiB, 13.3 in pieces of 4 MiB and 13.5 in one piece.
"""


class Conv(Op):
    """y = act(x * W + b), * the cross-correlation that the field calls convolution.

    x (n, h, w, c), W (kh, kw, c / groups, f), b (f,), y (n, oh, ow, f).
    """

    @staticmethod
    def forward(
        ctx: OpContext, x: Array, w: Array, b: Array, *, window: Window, groups: int, kind: int, slope: Array,
        memory: int,
    ) -> Array:  # fmt: skip
        x = ctx.contiguous(x)
        oh, ow = window.out(x.shape[1:3])
        work = Unfolding(ctx, x.shape, (oh, ow), w, window, groups, memory)
        y = ctx.empty((x.shape[0] * oh * ow, w.shape[3]), x.dtype)
        for part in work.chunks():
            z = y[part.lo : part.hi]
            work.correlate(x, part, z)
            bias_activation(z, b, slope, kind)
        ctx.save(x, work, y, kind, slope)
        return y.reshape(x.shape[0], oh, ow, w.shape[3])

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, work, y, kind, slope = ctx.saved
        dy = ctx.contiguous(dy).reshape(y.shape)
        dw, db = ctx.grad_out(1), ctx.grad_out(2)
        dx = ctx.grad_out(0) if ctx.needs[0] else None
        if dx is not None:
            dx.fill(0)
        if not len(y):
            dw.fill(0)
            db.fill(0)
        for part in work.chunks():
            dz = _pre_activation(ctx, y, dy, part.lo, part.hi, kind, slope, db)
            if ctx.needs[1]:
                work.weight_gradient(x, dz, part, dw)
            if dx is not None:
                work.spread(dz, part, dx)
        return dx, dw if ctx.needs[1] else None, db


class ConvPool(Op):
    """y = act(max over p x q of x * W + b) = max act(x * W + b): no activation here ever falls.

    Bias and activation then work on the maxima alone, and what is pooled exists for a few images at a time
    only. Shapes as for Conv; y (n, oh div p, ow div q, f).
    """

    @staticmethod
    def forward(
        ctx: OpContext, x: Array, w: Array, b: Array, *, window: Window, pool: Pair, groups: int, kind: int,
        slope: Array, memory: int,
    ) -> Array:  # fmt: skip
        x = ctx.contiguous(x)
        oh, ow = window.out(x.shape[1:3])
        f = w.shape[3]
        work = Unfolding(ctx, x.shape, (oh, ow), w, window, groups, memory, whole=True)
        y = ctx.empty((x.shape[0], oh // pool[0], ow // pool[1], f), x.dtype)
        place = ctx.empty(y.shape, np.uint16)
        box = (*pool, *pool, 0, 0)
        for part in work.chunks():
            z = ctx.scratch("pre-activation", (part.hi - part.lo, f), x.dtype)
            work.correlate(x, part, z)
            best = y[part.images(oh)]
            extreme_pool(z.reshape(-1, oh, ow, f), 1, *box, best, place[part.images(oh)])
            bias_activation(best.reshape(-1, f), b, slope, kind)
        ctx.save(x, work, y, place, (oh, ow), box, kind, slope)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, work, y, place, (oh, ow), box, kind, slope = ctx.saved
        f = y.shape[3]
        dw, db = ctx.grad_out(1), ctx.grad_out(2)
        d = ctx.empty(y.shape, y.dtype)
        activation_gradient(
            y.reshape(-1, f), ctx.contiguous(dy).reshape(-1, f), slope, kind, d.reshape(-1, f), db
        )
        dx = ctx.grad_out(0) if ctx.needs[0] else None
        if dx is not None:
            dx.fill(0)
        if not len(y):
            dw.fill(0)
        for part in work.chunks():
            images = part.images(oh)
            dz = ctx.scratch("pre-activation", (part.hi - part.lo, f), y.dtype)
            extreme_pool_backward(d[images], place[images], *box, dz.reshape(-1, oh, ow, f))
            if ctx.needs[1]:
                work.weight_gradient(x, dz, part, dw)
            if dx is not None:
                work.spread(dz, part, dx)
        return dx, dw if ctx.needs[1] else None, db


class ConvTranspose(Op):
    """y = act(x *^T W + b): the adjoint of the convolution with W, from y's shape to x's.

    x (n, h, w, c), W (kh, kw, f / groups, c), b (f,), y (n, H, W, f) with Window.spread's H and W.
    """

    @staticmethod
    def forward(
        ctx: OpContext, x: Array, w: Array, b: Array, *, window: Window, extra: Pair, groups: int, kind: int,
        slope: Array, memory: int,
    ) -> Array:  # fmt: skip
        x = ctx.contiguous(x)
        size = window.spread(x.shape[1:3], extra)
        y = ctx.empty((x.shape[0], *size, b.shape[0]), x.dtype)
        y.fill(0)
        work = Unfolding(ctx, y.shape, x.shape[1:3], w, window, groups, memory)
        x2 = x.reshape(-1, x.shape[3])
        for part in work.chunks():
            work.spread(x2[part.lo : part.hi], part, y)
        bias_activation(y.reshape(-1, b.shape[0]), b, slope, kind)
        ctx.save(x2, work, y, kind, slope)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, work, y, kind, slope = ctx.saved
        dy = ctx.contiguous(dy)
        dw, db = ctx.grad_out(1), ctx.grad_out(2)
        dx = ctx.grad_out(0) if ctx.needs[0] else None
        if not len(x):
            dw.fill(0)
        pixels = (-1, y.shape[3])
        dz = _pre_activation(ctx, y.reshape(pixels), dy.reshape(pixels), 0, None, kind, slope, db)
        dz = dz.reshape(y.shape)
        for part in work.chunks():
            if ctx.needs[1]:
                work.weight_gradient(dz, x[part.lo : part.hi], part, dw)
            if dx is not None:
                work.correlate(dz, part, dx.reshape(x.shape)[part.lo : part.hi])
        return dx, dw if ctx.needs[1] else None, db


def _pre_activation(
    ctx: OpContext, y: Array, dy: Array, lo: int, hi: int | None, kind: int, slope: Array, db: Array
) -> Array:
    """dz of rows lo .. hi; their column sums are db's first or are added to it."""
    y, dy = y[lo:hi], dy[lo:hi]
    sums = db if lo == 0 else ctx.scratch("bias", db.shape, db.dtype)
    if kind == IDENTITY:
        dz = dy
        column_sums(dz, sums)
    else:
        dz = ctx.scratch("pre-activation", y.shape, y.dtype)
        activation_gradient(y, dy, slope, kind, dz, sums)
    if lo:
        db += sums
    return dz


def conv(
    tape: Tape,
    x: Variable,
    w: Variable,
    b: Variable | None,
    window: Window,
    *,
    groups: int = 1,
    kind: int = IDENTITY,
    slope: float | Variable = 0.0,
    memory: int | None = None,
    pool: Pair | None = None,
) -> Variable:
    """act(x * W + b). x: (n, h, w, c), w: (kh, kw, c / groups, f), b: (f,) or None; kind, slope: as for
    `dense`; group g takes the g-th part of the channels to the g-th part of the filters; memory: most bytes
    of unfolded images at a time (None: MEMORY), a sum over more pieces may have other last bits; pool:
    (p, q), the result's maxima over windows of p x q side by side, found on the way where the memory holds an
    unfolded image.

    Raises ValueError when x has other channels or is smaller than the window.
    """
    _check(x, w.shape[2] * groups, w.shape[3], groups, "conv")
    memory = MEMORY[tape.backend.name] if memory is None else memory
    static = {"window": window, "groups": groups, "memory": memory}
    if pool is None:
        return _activated(tape, Conv, x, w, b, w.shape[3], kind, slope, **static)
    oh, ow = window.out((x.shape[1], x.shape[2]))
    image = oh * ow * math.prod(w.shape[:3]) * w.data.itemsize
    if isinstance(slope, Variable) or image > memory:  # prelu may fall: it cannot come after the maximum
        plain = _activated(tape, Conv, x, w, b, w.shape[3], kind, slope, **static)
        return max_pool(tape, plain, Window(pool, pool))
    return _activated(tape, ConvPool, x, w, b, w.shape[3], kind, slope, pool=pool, **static)


def conv_transpose(
    tape: Tape,
    x: Variable,
    w: Variable,
    b: Variable | None,
    window: Window,
    *,
    extra: Pair = (0, 0),
    groups: int = 1,
    kind: int = IDENTITY,
    slope: float | Variable = 0.0,
    memory: int | None = None,
) -> Variable:
    """act(x *^T W + b). x: (n, h, w, c), w: (kh, kw, f / groups, c), b: (f,) or None; the result is
    (n, *window.spread((h, w), extra), f). Otherwise as `conv`."""
    _check(x, w.shape[3], w.shape[2] * groups, groups, "conv_transpose")
    memory = MEMORY[tape.backend.name] if memory is None else memory
    static = {"window": window, "extra": extra, "groups": groups, "memory": memory}
    return _activated(tape, ConvTranspose, x, w, b, w.shape[2] * groups, kind, slope, **static)


def _check(x: Variable, channels: int, filters: int, groups: int, name: str) -> None:
    if len(x.shape) != 4 or x.shape[3] != channels:
        raise ValueError(f"{name}: expected images of {channels} channels, actual shape {x.shape}")
    if channels % groups or filters % groups:
        raise ValueError(f"{name}: {groups} groups do not divide {channels} channels and {filters} filters")


def _activated(
    tape: Tape, op: type[Op], x: Variable, w: Variable, b: Variable | None, filters: int, kind: int,
    slope: float | Variable, **static: Any,
) -> Variable:  # fmt: skip
    if b is None:
        b = Variable(tape.constant_vector(filters, 0.0))
    if isinstance(slope, Variable):
        plain = tape.apply(op, x, w, b, kind=IDENTITY, slope=tape.scalar(0.0), **static)
        return prelu(tape, plain, slope)
    if kind == PRELU:
        raise ValueError("PRELU needs its slope as a variable")
    return tape.apply(op, x, w, b, kind=kind, slope=tape.scalar(slope), **static)
