"""Batch and layer normalisation over the last axis; all leading axes are rows."""

import math
from typing import Any

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels import batch_norm as kernels
from dlkit.kernels.activation import IDENTITY
from dlkit.kernels.layer_norm import layer_norm as layer_norm_kernel
from dlkit.kernels.layer_norm import layer_norm_backward
from dlkit.kernels.normalise import normalise, normalise_backward
from dlkit.ops.activations import activation


class BatchNorm(Op):
    """y = gain (x - mean) / sqrt(var + eps) + bias, statistics over the rows of all shards."""

    @staticmethod
    def forward(
        ctx: OpContext,
        x: Array,
        gain: Array,
        bias: Array,
        *,
        running: tuple[Array, Array],
        momentum: float,
        eps: float,
    ) -> Array:
        x2 = ctx.contiguous(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])
        if ctx.training:
            n = _whole_batch(ctx, x)
            mean, var = _statistics(ctx, x2, n)
            if ctx.tape.shard == 0:
                _follow(running, mean, var, n, momentum)
        else:
            n = 0
            mean, var = running
        rstd = ctx.empty(var.shape, var.dtype)
        rstd[...] = 1 / ctx.xp.sqrt(var + eps)
        y = ctx.empty(x2.shape, x2.dtype)
        ctx.run(kernels.batch_norm, x2, mean, rstd, gain, bias, y)
        ctx.save(x2, mean, rstd, gain, n)
        return y.reshape(x.shape)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, mean, rstd, gain, n = ctx.saved
        dy = ctx.contiguous(dy).reshape(x.shape)
        d = ctx.empty((2, *gain.shape), x.dtype)  # the shard's own gradients of gain and bias
        ctx.run(kernels.batch_norm_sums, x, dy, mean, rstd, d[0], d[1])
        dx = None
        if ctx.needs[0]:
            dx = ctx.grad_out(0)
            total = ctx.all_sum(d) if n else d
            share = 1 / n if n else 0.0  # running statistics do not depend on x
            ctx.run(
                kernels.batch_norm_backward,
                x,
                dy,
                mean,
                rstd,
                gain,
                total[0],
                total[1],
                share,
                dx.reshape(x.shape),
            )
        return dx, d[0], d[1]


def _whole_batch(ctx: OpContext, x: Array) -> int:
    """Rows over all shards, N."""
    if ctx.rows is None:
        if ctx.tape.all_sum is not None:
            raise ValueError("batch normalisation over shards: the tape was begun without rows")
        return max(math.prod(x.shape[:-1]), 1)
    return max(ctx.rows * math.prod(x.shape[1:-1]), 1)


def _statistics(ctx: OpContext, x: Array, n: int) -> tuple[Array, Array]:
    """Mean and variance (m,) of the whole batch; two passes, so that no digits cancel."""
    mean = ctx.empty(x.shape[1:], x.dtype)
    var = ctx.empty(x.shape[1:], x.dtype)
    ctx.run(kernels.column_sums, x, mean)
    mean[...] = ctx.all_sum(mean)
    mean /= n
    ctx.run(kernels.column_squares, x, mean, var)
    var[...] = ctx.all_sum(var)
    var /= n
    return mean, var


def _follow(running: tuple[Array, Array], mean: Array, var: Array, n: int, momentum: float) -> None:
    """running <- (1 - momentum) running + momentum new; the variance is the unbiased one, n/(n - 1) var.

    One row says nothing about the variance: it leaves the running one alone.
    """
    running_mean, running_var = running
    running_mean += momentum * (mean - running_mean)
    if n > 1:
        running_var += momentum * (var * (n / (n - 1)) - running_var)


class NormaliseColumns(Op):
    """y = f(gain (x - mean) / sqrt(var + eps) + bias) in one kernel, where the rows are all there are."""

    @staticmethod
    def forward(
        ctx: OpContext, x: Array, gain: Array, bias: Array, *, running: tuple[Array, Array], momentum: float,
        eps: float, kind: int, slope: Array,
    ) -> Array:  # fmt: skip
        x = ctx.contiguous(x)
        columns, y = ctx.tape.count(x.shape[1]), ctx.empty(x.shape, x.dtype)
        mean, rstd = ctx.empty(gain.shape, x.dtype), ctx.empty(gain.shape, x.dtype)
        ctx.run(
            normalise, x, columns, gain, bias, *running, momentum, eps, slope, kind, mean, rstd, y
        )  # fmt: skip
        ctx.save(x, y, columns, mean, rstd, gain, slope, kind)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, y, *saved = ctx.saved
        dx, dgain, dbias = (ctx.grad_out(i) for i in range(3))
        ctx.run(normalise_backward, x, y, ctx.contiguous(dy), *saved, dgain, dbias, dx)
        return dx, dgain, dbias


class LayerNorm(Op):
    """y = gain (x - mean) / sqrt(var + eps) + bias, statistics over the numbers of a row."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, gain: Array, bias: Array, *, eps: float) -> Array:
        x2 = ctx.contiguous(x).reshape(math.prod(x.shape[:-1]), x.shape[-1])
        y = ctx.empty(x2.shape, x.dtype)
        mean, rstd = ctx.empty(x2.shape[:1], x.dtype), ctx.empty(x2.shape[:1], x.dtype)
        layer_norm_kernel(x2, gain, bias, eps, y, mean, rstd)
        ctx.save(x2, gain, mean, rstd)
        return y.reshape(x.shape)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, gain, mean, rstd = ctx.saved
        dx = ctx.grad_out(0)
        dgain, dbias = ctx.grad_out(1), ctx.grad_out(2)
        dy = ctx.contiguous(dy).reshape(x.shape)
        layer_norm_backward(x, dy, gain, mean, rstd, dx.reshape(x.shape), dgain, dbias)
        return dx, dgain, dbias


def batch_norm(
    tape: Tape,
    x: Variable,
    gain: Variable,
    bias: Variable,
    running: tuple[Array, Array],
    *,
    momentum: float = 0.1,
    eps: float = 1e-5,
    kind: int = IDENTITY,
    slope: float = 0.0,
) -> Variable:
    """Batch normalisation (Ioffe & Szegedy 2015) of x (..., m) over all leading axes.

    gain, bias: (m,); running: mean and variance (m,). Where `tape.training` is on, the statistics are those
    of the whole batch, summed over shards, and shard 0 moves the running ones, in place; elsewhere the
    running ones are used.
    """
    static: dict[str, Any] = {"running": running, "momentum": momentum, "eps": eps}
    if by_columns(tape, x.shape):
        return tape.apply(NormaliseColumns, x, gain, bias, kind=kind, slope=tape.scalar(slope), **static)
    return activation(tape, tape.apply(BatchNorm, x, gain, bias, **static), kind, slope)


def by_columns(tape: Tape, shape: tuple[int, ...]) -> bool:
    """Whether `batch_norm` takes such rows by columns, in one kernel."""
    alone = tape.training and tape.all_sum is None and tape.backend.name == "cpu"
    return alone and len(shape) == 2 and 1 <= shape[0] <= shape[1]


def layer_norm(tape: Tape, x: Variable, gain: Variable, bias: Variable, *, eps: float = 1e-5) -> Variable:
    """Layer normalisation (Ba et al. 2016) of the rows of x (..., m); gain, bias: (m,)."""
    return tape.apply(LayerNorm, x, gain, bias, eps=eps)
