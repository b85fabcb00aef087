"""What a variational autoencoder adds: a draw that gradients pass through, a divergence, a noise level.

`weight` and row losses are as in losses.py.
"""

import math
from typing import Any

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.latent import gaussian_kl as kl_kernel
from dlkit.kernels.latent import reparameterise as draw_kernel
from dlkit.kernels.latent import reparameterise_backward
from dlkit.ops.losses import kept_gradient, weighted

LOG_2PI = math.log(2 * math.pi)


class Reparameterise(Op):
    """z = mu + exp(s/2) e of f = (mu, s): a draw of N(mu, exp s) where e is one of N(0, 1)."""

    @staticmethod
    def forward(ctx: OpContext, f: Array, *, e: Array) -> Array:
        f = ctx.contiguous(f)
        z = ctx.empty(e.shape, f.dtype)
        draw_kernel(f, e, z)
        ctx.save(f, e)
        return z

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        f, e = ctx.saved
        df = ctx.grad_out(0)
        reparameterise_backward(f, e, ctx.contiguous(dy), df)
        return (df,)


class GaussianKL(Op):
    """Row loss KL(N(mu, exp s) || N(0, 1)) = 1/2 sum_k (mu^2 + exp(s) - s - 1) of f = (mu, s)."""

    @staticmethod
    def forward(ctx: OpContext, f: Array, *, weight: float, rows: Array) -> Array:
        f = ctx.contiguous(f)
        df = ctx.empty(f.shape, f.dtype)
        kl_kernel(f, weight, df, rows)
        ctx.save(df)
        return weighted(ctx, rows, weight)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return (kept_gradient(ctx, dy, 0, ctx.saved[0]),)


class SharedNoise(Op):
    """Row loss -log N(t; y, exp(s) I) = 1/2 sum_k [(y - t)^2 exp(-s) + s + log 2 pi], one s (1,) for all."""

    @staticmethod
    def forward(ctx: OpContext, y: Array, s: Array, *, targets: Array, weight: float, rows: Array) -> Array:
        xp = ctx.xp
        precision = xp.exp(-s)
        e = xp.subtract(y, targets, out=ctx.empty(y.shape, y.dtype))
        squares = xp.multiply(e, e, out=ctx.empty(y.shape, y.dtype))
        squares.sum(axis=1, out=rows)
        rows *= precision
        ds = (y.shape[1] - rows).sum(keepdims=True)
        ds *= 0.5 * weight
        rows += (s + LOG_2PI) * y.shape[1]
        rows *= 0.5
        e *= precision * weight
        ctx.save(e, ds)
        return weighted(ctx, rows, weight)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        e, ds = ctx.saved
        return kept_gradient(ctx, dy, 0, e), ds if ctx.is_seed(dy) else ds * dy


def reparameterise(tape: Tape, f: Variable, e: Array) -> Variable:
    """Draws (n, k) of Gaussians. f: (n, 2k), means and beside them log variances; e: (n, k) of N(0, 1)."""
    return tape.apply(Reparameterise, f, e=e)


def gaussian_kl(tape: Tape, f: Variable, weight: float) -> tuple[Variable, Array]:
    """Weighted sum of the divergences of Gaussians f (n, 2k) from N(0, I), in nats.

    Returns (loss, row losses (n,)).
    """
    rows = tape.empty((f.shape[0],))
    return tape.apply(GaussianKL, f, weight=weight, rows=rows), rows


def shared_noise(
    tape: Tape, y: Variable, s: Variable, targets: Array, weight: float
) -> tuple[Variable, Array]:
    """Weighted sum of -log N(target; y, exp(s)), constants included. y, targets: (n, d); s: (1,), for all d.

    Returns (loss, row losses (n,)).
    """
    if tuple(targets.shape) != tuple(y.shape):
        raise ValueError(f"shared noise: expected targets of shape {y.shape}, actual {targets.shape}")
    rows = tape.empty((y.shape[0],))
    return tape.apply(SharedNoise, y, s, targets=targets, weight=weight, rows=rows), rows
