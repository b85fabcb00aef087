"""Losses: one number on the tape, and the loss of every row beside it.

`weight` multiplies the sum over the rows: 1/(rows of the whole batch) makes the losses and gradients of the
shards add up to those of the batch's mean. No rows give the loss 0. Row losses are not weighted.
"""

from typing import Any

import numpy as np

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.sigmoid import sigmoid_cross_entropy as sigmoid_kernel
from dlkit.kernels.softmax import softmax_cross_entropy as softmax_kernel


def weighted(ctx: OpContext, rows: Array, weight: float) -> Array:
    """The row losses' weighted sum, ()."""
    total = ctx.empty((), rows.dtype)
    rows.sum(out=total)
    total *= weight
    return total


def kept_gradient(ctx: OpContext, dy: Array, i: int, gradient: Array) -> Array:
    """The gradient kept by forward, times what arrives (nearly always the seed 1)."""
    return gradient if ctx.is_seed(dy) else ctx.xp.multiply(gradient, dy, out=ctx.grad_out(i))


class SoftmaxCrossEntropy(Op):
    """Row loss -log softmax(z)[label]; its gradient is softmax(z) - onehot(label)."""

    @staticmethod
    def forward(
        ctx: OpContext, z: Array, *, labels: Array, weight: float, rows: Array, correct: Array
    ) -> Array:
        z = ctx.contiguous(z)
        dz = ctx.empty(z.shape, z.dtype)
        softmax_kernel(z, labels, weight, dz, rows, correct)
        ctx.save(dz)
        return weighted(ctx, rows, weight)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return (kept_gradient(ctx, dy, 0, ctx.saved[0]),)


class SigmoidCrossEntropy(Op):
    """Row loss sum_k [max(z, 0) - z t + log(1 + exp(-|z|))]; its gradient is sigmoid(z) - t."""

    @staticmethod
    def forward(ctx: OpContext, z: Array, *, targets: Array, weight: float, rows: Array) -> Array:
        z = ctx.contiguous(z)
        dz = ctx.empty(z.shape, z.dtype)
        sigmoid_kernel(z, targets, weight, dz, rows)
        ctx.save(dz)
        return weighted(ctx, rows, weight)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return (kept_gradient(ctx, dy, 0, ctx.saved[0]),)


class SquaredError(Op):
    """Row loss 1/2 sum_k (y - t)^2; its gradient is y - t."""

    @staticmethod
    def forward(ctx: OpContext, y: Array, *, targets: Array, weight: float, rows: Array) -> Array:
        xp = ctx.xp
        e = xp.subtract(y, targets, out=ctx.empty(y.shape, y.dtype))
        squares = xp.multiply(e, e, out=ctx.empty(y.shape, y.dtype))
        squares.sum(axis=1, out=rows)
        rows *= 0.5
        e *= weight
        ctx.save(e)
        return weighted(ctx, rows, weight)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return (kept_gradient(ctx, dy, 0, ctx.saved[0]),)


class GaussianNll(Op):
    """Row loss 1/2 sum_k [s + (t - m)^2 exp(-s)] of f = (m, s), the learnt mean and log variance."""

    @staticmethod
    def forward(ctx: OpContext, f: Array, *, targets: Array, weight: float, rows: Array) -> Array:
        xp = ctx.xp
        k = f.shape[1] // 2
        m, s = f[:, :k], f[:, k:]
        df = ctx.empty(f.shape, f.dtype)
        dm, ds = df[:, :k], df[:, k:]
        precision = xp.negative(s, out=ctx.empty(s.shape, f.dtype))
        xp.exp(precision, out=precision)
        e = xp.subtract(m, targets, out=ctx.empty(m.shape, f.dtype))
        xp.multiply(e, precision, out=dm)  # dm = (m - t) exp(-s)
        e *= dm
        xp.subtract(1, e, out=ds)
        ds *= 0.5  # ds = (1 - (t - m)^2 exp(-s)) / 2
        e += s
        e.sum(axis=1, out=rows)
        rows *= 0.5
        df *= weight
        ctx.save(df)
        return weighted(ctx, rows, weight)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return (kept_gradient(ctx, dy, 0, ctx.saved[0]),)


def softmax_cross_entropy(
    tape: Tape, logits: Variable, labels: Array, weight: float
) -> tuple[Variable, Array, Array]:
    """Weighted sum of -log softmax(logits)[label]. logits: (n, k), labels: (n,) int64 in 0..k-1.

    Returns (loss, row losses (n,), whether the largest logit is the label's (n,) uint8).
    """
    rows = tape.empty((logits.shape[0],))
    correct = tape.empty((logits.shape[0],), np.uint8)
    loss = tape.apply(SoftmaxCrossEntropy, logits, labels=labels, weight=weight, rows=rows, correct=correct)
    return loss, rows, correct


def sigmoid_cross_entropy(
    tape: Tape, logits: Variable, targets: Array, weight: float
) -> tuple[Variable, Array]:
    """Weighted sum of the binary cross-entropies of sigmoid(logits). logits, targets in [0, 1]: (n, k).

    Returns (loss, row losses (n,): the sums over k).
    """
    rows = tape.empty((logits.shape[0],))
    _check_targets(logits.shape, targets)
    return tape.apply(SigmoidCrossEntropy, logits, targets=targets, weight=weight, rows=rows), rows


def squared_error(tape: Tape, y: Variable, targets: Array, weight: float) -> tuple[Variable, Array]:
    """Weighted sum of (y - target)^2 / 2. y, targets: (n, k). Returns (loss, row losses (n,))."""
    rows = tape.empty((y.shape[0],))
    _check_targets(y.shape, targets)
    return tape.apply(SquaredError, y, targets=targets, weight=weight, rows=rows), rows


def gaussian_nll(tape: Tape, f: Variable, targets: Array, weight: float) -> tuple[Variable, Array]:
    """Weighted sum of -log N(target; m, exp(s)) without its constant k log(2 pi)/2. targets: (n, k).

    f: (n, 2k), the means m and beside them the log variances s: the noise depends on the input
    (Kendall & Gal 2017, eq. 8). Returns (loss, row losses (n,)).
    """
    rows = tape.empty((f.shape[0],))
    _check_targets((f.shape[0], f.shape[1] // 2), targets)
    return tape.apply(GaussianNll, f, targets=targets, weight=weight, rows=rows), rows


def _check_targets(shape: tuple[int, ...], targets: Array) -> None:
    if tuple(targets.shape) != tuple(shape):  # broadcasting would sum the wrong thing without a word
        raise ValueError(f"loss: expected targets of shape {tuple(shape)}, actual {targets.shape}")
