"""Gradient checks of the products behind convolutions and of normalising by columns; see gradients.py."""

import numpy as np
from kernels.cases import FUSED, KINDS, Rng
from kernels.cases_convolve import CONVOLUTIONS, Place, shapes, tools
from kernels.gradients import KERNELS, Check, forward, gradient, like


@gradient("spread", "weight_gradient", place=CONVOLUTIONS[1:])
def _convolution(rng: Rng, place: Place) -> Check:
    x, weights, small = (rng.standard_normal(shape) for shape in shapes(place))
    static = tools(place, np.float64, 2, weights.size)

    def loss(x: np.ndarray, weights: np.ndarray) -> float:
        y = np.empty_like(small)
        forward("correlate", x, weights, *static, y)
        return float((small * y).sum())

    dx, dw = like(x, weights)
    KERNELS["spread"](small, weights, *static, dx)
    KERNELS["weight_gradient"](x, small, *static, dw)
    return loss, [x, weights], [dx, dw]


@gradient("normalise_backward", kind=FUSED)
def _normalise(rng: Rng, kind: str) -> Check:
    x, w, a = rng.standard_normal((8, 9)), rng.standard_normal((8, 9)), np.array([0.3])
    gamma, beta, columns = rng.standard_normal(9), rng.standard_normal(9), np.arange(9)
    mean, rstd, y = np.empty(9), np.empty(9), np.empty_like(x)

    def loss(x: np.ndarray, gamma: np.ndarray, beta: np.ndarray) -> float:
        running = (np.zeros(9), np.ones(9))
        forward("normalise", x, columns, gamma, beta, *running, 0.1, 1e-3, a, KINDS[kind], mean, rstd, y)
        return float((w * y).sum())

    loss(x, gamma, beta)
    dx, dgamma, dbeta = like(x, gamma, beta)
    arrays = (x, y.copy(), w, columns, mean.copy(), rstd.copy(), gamma, a, KINDS[kind])
    KERNELS["normalise_backward"](*arrays, dgamma, dbeta, dx)
    return loss, [x, gamma, beta], [dx, dgamma, dbeta]
