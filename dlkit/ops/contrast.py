"""Local contrast normalisation (Jarrett, Kavukcuoglu, Ranzato & LeCun 2009, section 2.1).

Its gradient is exact: through the local mean, the local deviation and the deviation's mean over the image.
"""

from typing import Any

import numpy as np

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.contrast import centre, centre_backward, divide, divide_backward, window_mean

EPS = 1e-4
"""Smallest divisor: an image of one colour comes out as 0."""


class LocalContrast(Op):
    """v = x - S x; y = v / max(sigma, mean of sigma over the image, eps), sigma = sqrt(S v^2).

    S is the mean over a window of all channels with weights g along both axes. x, y (n, h, w, c).
    """

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, g: Array, divisive: bool, eps: float) -> Array:
        xp = ctx.xp
        x = ctx.contiguous(x)
        maps = x.shape[:3]
        mean = ctx.empty(maps, x.dtype)
        xp.mean(x, axis=3, out=mean)
        v, q = ctx.empty(x.shape, x.dtype), ctx.empty(maps, x.dtype)
        centre(x, _smoothed(ctx, mean, g), v, q)
        if not divisive:
            ctx.save(g, None, v)
            return v
        sigma = _smoothed(ctx, q, g)
        xp.sqrt(sigma, out=sigma)
        least = xp.maximum(_image_mean(ctx, sigma), eps)
        d = xp.maximum(sigma, least, out=ctx.empty(maps, x.dtype))
        y = ctx.empty(x.shape, x.dtype)
        divide(v, d, y)
        ctx.save(g, (y, d, sigma, least > eps), v)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        xp = ctx.xp
        g, divided, v = ctx.saved
        dy = ctx.contiguous(dy)
        dv, dm = ctx.grad_out(0), ctx.empty(v.shape[:3], v.dtype)
        if divided is None:
            dv[...] = dy
            xp.sum(dy, axis=3, out=dm)
        else:
            y, d, sigma, by_mean = divided
            dd = ctx.empty(dm.shape, v.dtype)
            divide_backward(y, dy, d, dv, dd)
            own = (sigma == d) & (sigma > 0)  # d is the pixel's own sigma, else the image's mean of it or eps
            shared = _image_mean(ctx, xp.where(own, 0, dd)) * by_mean
            dsigma = xp.where(own, dd, 0) + shared
            positive = sigma > 0  # sqrt has no slope at 0, where v is 0 as well: 0 is taken
            dd[...] = xp.where(positive, dsigma / xp.where(positive, 2 * sigma, 1), 0)
            centre_backward(v, _smoothed(ctx, dd, g, adjoint=1), dv, dm)
        share = _smoothed(ctx, dm, g, adjoint=1)
        share /= v.shape[3]
        dv -= share[..., None]
        return (dv,)


def _smoothed(ctx: OpContext, m: Array, g: Array, adjoint: int = 0) -> Array:
    out = ctx.empty(m.shape, m.dtype)
    window_mean(m, g, adjoint, ctx.scratch("window", m.shape, m.dtype), out)
    return out


def _image_mean(ctx: OpContext, m: Array) -> Array:
    """(n, 1, 1) means over (h, w)."""
    return ctx.xp.mean(m, axis=(1, 2), keepdims=True)


def window_weights(size: int, kind: str, sigma: float | None = None) -> np.ndarray:
    """(size,) float64 of sum 1: "gaussian" (default sigma: size / 4) or "box"; size is odd.

    Raises ValueError for an even size: it has no middle.
    """
    if size < 1 or size % 2 == 0:
        raise ValueError(f"local contrast: expected an odd window size, actual {size}")
    offset = np.arange(size) - size // 2
    g = np.exp(-0.5 * (offset / (size / 4 if sigma is None else sigma)) ** 2) if kind == "gaussian" else None
    weights = np.ones(size) if g is None else g
    return weights / weights.sum()


def local_contrast(
    tape: Tape, x: Variable, weights: np.ndarray, *, divisive: bool = True, eps: float = EPS
) -> Variable:
    """Subtractive and, if `divisive`, divisive normalisation of x (n, h, w, c).

    weights: (k,) of the window along each axis (`window_weights`). At the border the weights of the pixels
    inside are divided by their sum.
    """
    return tape.apply(LocalContrast, x, g=tape.backend.asarray(weights), divisive=divisive, eps=eps)
