"""Variational dropout of sequences: one mask for all steps (Gal & Ghahramani 2016)."""

from typing import Any

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.dropout import dropout_mask
from dlkit.ops.noise import quantised, random_bits


class DropoutOverTime(Op):
    """y_t = x_t * mask, x (T, B, n), mask (B, n) of 0 and 1 / keep."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, mask: Array) -> Array:
        ctx.save(mask)
        return ctx.xp.multiply(x, mask, out=ctx.empty(x.shape, x.dtype))

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return (ctx.xp.multiply(dy, ctx.saved[0], out=ctx.grad_out(0)),)


def kept_units(tape: Tape, rows: int, n: int, p: float) -> Array:
    """(rows, n) factors, 0 with probability p, else 1 / (1 - p); None where noise is off."""
    if not tape.noise or p <= 0:
        return None
    threshold, scale = quantised(p)
    bits = tape.backend.asarray(random_bits(tape.rng, rows * n)).reshape(rows, n)
    ones, factors = tape.empty((rows, n)), tape.empty((rows, n))
    ones.fill(1)
    dropout_mask(ones, bits, threshold, scale, factors)
    return factors


def dropout_over_time(tape: Tape, x: Variable, p: float) -> Variable:
    """Dropout of x (T, B, n) that leaves out the same numbers at all steps; x where noise is off."""
    mask = kept_units(tape, x.shape[1], x.shape[2], p)
    return x if mask is None else tape.apply(DropoutOverTime, x, mask=mask)
