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
"""Bytes of unfolded images at a time, where nothing else is said."""


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
        y = ctx.empty((x.shape[0], oh, ow, w.shape[3]), x.dtype)
        work.correlate(x, y)
        ctx.run(bias_activation, _pixels(y), b, slope, kind)
        ctx.save(x, work, y, kind, slope)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, work, y, kind, slope = ctx.saved
        dz, db = _pre_activation(ctx, y, dy, kind, slope)
        return *_gradients(ctx, work, x, dz), db


class ConvPool(Op):
    """y = act(max over p x q of x * W + b) = max act(x * W + b): no activation here ever falls.

    Bias and activation then work on the maxima alone, and no gradient asks for what was pooled. Shapes as for
    Conv; y (n, oh div p, ow div q, f).
    """

    @staticmethod
    def forward(
        ctx: OpContext, x: Array, w: Array, b: Array, *, window: Window, pool: Pair, groups: int, kind: int,
        slope: Array, memory: int,
    ) -> Array:  # fmt: skip
        x = ctx.contiguous(x)
        oh, ow = window.out(x.shape[1:3])
        f = w.shape[3]
        work = Unfolding(ctx, x.shape, (oh, ow), w, window, groups, memory)
        z = ctx.scratch("pre-activation", (x.shape[0], oh, ow, f), x.dtype)
        work.correlate(x, z)
        y = ctx.empty((x.shape[0], oh // pool[0], ow // pool[1], f), x.dtype)
        place = ctx.empty(y.shape, np.uint16)
        box = (*pool, *pool, 0, 0)
        ctx.run(extreme_pool, z, 1, *box, y, place)
        ctx.run(bias_activation, _pixels(y), b, slope, kind)
        ctx.save(x, work, y, place, z.shape, box, kind, slope)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, work, y, place, shape, box, kind, slope = ctx.saved
        d = ctx.empty(y.shape, y.dtype)
        dy = ctx.contiguous(dy)
        db = ctx.grad_out(2)
        ctx.run(activation_gradient, _pixels(y), _pixels(dy), slope, kind, _pixels(d), db)
        dz = ctx.scratch("pre-activation", shape, y.dtype)
        ctx.run(extreme_pool_backward, d, place, *box, dz)
        return *_gradients(ctx, work, x, dz), db


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
        work = Unfolding(ctx, y.shape, x.shape[1:3], w, window, groups, memory)
        work.spread(x, y)
        ctx.run(bias_activation, _pixels(y), b, slope, kind)
        ctx.save(x, work, y, kind, slope)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, work, y, kind, slope = ctx.saved
        dz, db = _pre_activation(ctx, y, dy, kind, slope)
        dx = dw = None
        if ctx.needs[1]:
            dw = ctx.grad_out(1)
            work.weight_gradient(dz, x, dw)
        if ctx.needs[0]:
            dx = ctx.grad_out(0)
            work.correlate(dz, dx)
        return dx, dw, db


def _pixels(images: Array) -> Array:
    """(n h w, c): images as rows of channels."""
    return images.reshape(math.prod(images.shape[:3]), images.shape[3])


def _pre_activation(ctx: OpContext, y: Array, dy: Array, kind: int, slope: Array) -> tuple[Array, Array]:
    """dz, valid until the next op, and db, its sums by channel."""
    dy, db = ctx.contiguous(dy), ctx.grad_out(2)
    if kind == IDENTITY:
        ctx.run(column_sums, _pixels(dy), db)
        return dy, db
    dz = ctx.scratch("pre-activation", y.shape, y.dtype)
    ctx.run(activation_gradient, _pixels(y), _pixels(dy), slope, kind, _pixels(dz), db)
    return dz, db


def _gradients(ctx: OpContext, work: Unfolding, x: Array, dz: Array) -> tuple[Array | None, Array | None]:
    """dx and dW of a convolution, as far as they are wanted."""
    dx = dw = None
    if ctx.needs[1]:
        dw = ctx.grad_out(1)
        work.weight_gradient(x, dz, dw)
    if ctx.needs[0]:
        dx = ctx.grad_out(0)
        work.spread(dz, dx)
    return dx, dw


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
    (p, q), the result's maxima over windows of p x q side by side.

    Raises ValueError when x has other channels or is smaller than the window.
    """
    _check(x, w.shape[2] * groups, w.shape[3], groups, "conv")
    memory = MEMORY[tape.backend.name] if memory is None else memory
    static = {"window": window, "groups": groups, "memory": memory}
    if pool is None:
        return _activated(tape, Conv, x, w, b, w.shape[3], kind, slope, **static)
    if isinstance(slope, Variable):  # prelu may fall: it cannot come after the maximum
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
