"""Multiplicative noise: dropout, DropConnect, Gaussian dropout.

Noise is drawn on the host from the tape's generator, so that CPU and GPU see the same masks, and only while
`tape.noise` is on: in training, and in Monte Carlo prediction with batch normalisation frozen.
"""

from typing import Any

import numpy as np

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.dropout import dropout_mask

LEVELS = 1 << 16


def quantised(p: float) -> tuple[int, float]:
    """(threshold, scale) for 16 random bits: dropped where bits < threshold, else multiplied by scale.

    p is rounded to a multiple of 1/65536, and the scale is 1/(1 - that), so that the mean is kept exactly.
    """
    if not 0 <= p < 1:
        raise ValueError(f"dropout: expected 0 <= p < 1, actual {p}")
    threshold = min(round(p * LEVELS), LEVELS - 1)
    return threshold, LEVELS / (LEVELS - threshold)


def random_bits(rng: np.random.Generator, n: int) -> np.ndarray:
    """n uint16 words straight from the generator, four to each 64-bit draw."""
    raw = np.asarray(rng.bit_generator.random_raw(-(-n // 4)), dtype="<u8")
    return raw.view("<u2")[:n]


class Dropout(Op):
    """y = x * mask / keep, the mask 1 with probability keep = 1 - p."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, p: float) -> Array:
        threshold, scale = quantised(p)
        bits = ctx.backend.asarray(random_bits(ctx.rng, x.size)).reshape(x.shape)
        y = ctx.empty(x.shape, x.dtype)
        dropout_mask(ctx.contiguous(x), bits, threshold, scale, y)
        ctx.save(bits, threshold, scale)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        bits, threshold, scale = ctx.saved
        dx = ctx.grad_out(0)
        dropout_mask(ctx.contiguous(dy), bits, threshold, scale, dx)
        return (dx,)


class GaussianDropout(Op):
    """y = x (1 + e), e ~ N(0, p / (1 - p)): mean and variance of dropout's factor."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, p: float) -> Array:
        if not 0 <= p < 1:
            raise ValueError(f"gaussian dropout: expected 0 <= p < 1, actual {p}")
        factor = ctx.rng.standard_normal(x.shape, dtype=x.dtype)
        factor *= (p / (1 - p)) ** 0.5
        factor += 1
        factor = ctx.backend.asarray(factor)
        ctx.save(factor)
        return ctx.xp.multiply(x, factor, out=ctx.empty(x.shape, x.dtype))

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return (ctx.xp.multiply(dy, ctx.saved[0], out=ctx.grad_out(0)),)


def dropout(tape: Tape, x: Variable, p: float) -> Variable:
    """Each number is 0 with probability p, else divided by 1 - p (Srivastava et al. 2014).

    Gives x itself where noise is off.
    """
    return tape.apply(Dropout, x, p=p) if tape.noise and p > 0 else x


def drop_connect(tape: Tape, w: Variable, p: float) -> Variable:
    """Dropout of the weights themselves (Wan et al. 2013), one mask for all rows of a shard."""
    return dropout(tape, w, p)


def gaussian_dropout(tape: Tape, x: Variable, p: float) -> Variable:
    """Each number of x times N(1, p/(1 - p)) (Srivastava et al. 2014, section 10); x where noise is off."""
    return tape.apply(GaussianDropout, x, p=p) if tape.noise and p > 0 else x
