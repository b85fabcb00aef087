"""Gradient steps over one flat buffer: sgd, momentum, Nesterov, AdaGrad, RMSProp (Adam: adam.py).

All take the summed gradient g and add weight_decay p to it; p and the state are updated in place.
Elementwise: threads may share one step by calling them on slices.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.adam import TINY
from dlkit.kernels.registry import kernel


# -- sgd: p <- p - lr g (Robbins & Monro 1951) ----------------------------------------------------
def sgd_reference(p: Any, g: Any, lr: float, weight_decay: float) -> None:
    """p, g: (n,)."""
    p -= lr * (g + weight_decay * p)


def _sgd_cpu(p, g, lr, weight_decay):
    step, decay = p.dtype.type(lr), p.dtype.type(weight_decay)
    for i in range(p.size):
        p[i] -= step * (g[i] + decay * p[i])


# -- momentum (Polyak 1964), Nesterov (Sutskever et al. 2013, section 2.1) --------------------------
def momentum_reference(
    p: Any, g: Any, v: Any, lr: float, momentum: float, nesterov: int, weight_decay: float
) -> None:
    """v <- momentum v + g;  p <- p - lr v, or, looking ahead, p <- p - lr (g + momentum v). p, g, v: (n,)."""
    g = g + weight_decay * p
    v *= momentum
    v += g
    p -= lr * (g + momentum * v if nesterov else v)


def _momentum_cpu(p, g, v, lr, momentum, nesterov, weight_decay):
    real = p.dtype.type
    step, mu, decay = real(lr), real(momentum), real(weight_decay)
    tiny, zero = real(TINY), real(0)
    for i in range(p.size):
        d = g[i] + decay * p[i]
        vi = mu * v[i] + d
        v[i] = zero if abs(vi) < tiny else vi  # subnormal numbers are many times slower
        p[i] -= step * (d + mu * v[i] if nesterov else v[i])


# -- AdaGrad (Duchi, Hazan & Singer 2011) -----------------------------------------------------------
def adagrad_reference(p: Any, g: Any, s: Any, lr: float, eps: float, weight_decay: float) -> None:
    """s <- s + g^2;  p <- p - lr g / (sqrt(s) + eps). p, g, s: (n,)."""
    g = g + weight_decay * p
    s += g * g
    p -= lr * g / (np.sqrt(s) + eps)


def _adagrad_cpu(p, g, s, lr, eps, weight_decay):
    real = p.dtype.type
    step, e, decay = real(lr), real(eps), real(weight_decay)
    for i in range(p.size):
        d = g[i] + decay * p[i]
        s[i] += d * d
        p[i] -= step * d / (np.sqrt(s[i]) + e)


# -- RMSProp (Tieleman & Hinton 2012, lecture 6.5) --------------------------------------------------
def rmsprop_reference(p: Any, g: Any, s: Any, lr: float, rho: float, eps: float, weight_decay: float) -> None:
    """s <- rho s + (1 - rho) g^2;  p <- p - lr g / (sqrt(s) + eps). p, g, s: (n,)."""
    g = g + weight_decay * p
    s += (1 - rho) * (g * g - s)
    p -= lr * g / (np.sqrt(s) + eps)


def _rmsprop_cpu(p, g, s, lr, rho, eps, weight_decay):
    real = p.dtype.type
    step, keep, rest, e, decay = real(lr), real(rho), real(1 - rho), real(eps), real(weight_decay)
    tiny, zero = real(TINY), real(0)
    for i in range(p.size):
        d = g[i] + decay * p[i]
        si = keep * s[i] + rest * d * d
        s[i] = zero if si < tiny else si
        p[i] -= step * d / (np.sqrt(s[i]) + e)


CUDA = r"""
extern "C" __global__ void sgd(real* p, const real* g, real lr, real decay, long long n) {
  GRID_STRIDE(i, n) p[i] -= lr * (g[i] + decay * p[i]);
}

extern "C" __global__ void momentum(real* p, const real* g, real* v, real lr, real mu, int nesterov,
                                    real decay, long long n) {
  GRID_STRIDE(i, n) {
    real d = g[i] + decay * p[i];
    real vi = mu * v[i] + d;
    v[i] = vi;
    p[i] -= lr * (nesterov ? d + mu * vi : vi);
  }
}

extern "C" __global__ void adagrad(real* p, const real* g, real* s, real lr, real eps, real decay,
                                   long long n) {
  GRID_STRIDE(i, n) {
    real d = g[i] + decay * p[i];
    real si = s[i] + d * d;
    s[i] = si;
    p[i] -= lr * d / (real_sqrt(si) + eps);
  }
}

extern "C" __global__ void rmsprop(real* p, const real* g, real* s, real lr, real rho, real rest, real eps,
                                   real decay, long long n) {
  GRID_STRIDE(i, n) {
    real d = g[i] + decay * p[i];
    real si = rho * s[i] + rest * d * d;
    s[i] = si;
    p[i] -= lr * d / (real_sqrt(si) + eps);
  }
}
"""


def _sgd_gpu(launch: Any, p: Any, g: Any, lr: float, weight_decay: float) -> None:
    launch("sgd", p.size, p, g, lr, weight_decay, p.size)


def _momentum_gpu(
    launch: Any, p: Any, g: Any, v: Any, lr: float, momentum: float, nesterov: int, weight_decay: float
) -> None:
    launch("momentum", p.size, p, g, v, lr, momentum, nesterov, weight_decay, p.size)


def _adagrad_gpu(launch: Any, p: Any, g: Any, s: Any, lr: float, eps: float, weight_decay: float) -> None:
    launch("adagrad", p.size, p, g, s, lr, eps, weight_decay, p.size)


def _rmsprop_gpu(
    launch: Any, p: Any, g: Any, s: Any, lr: float, rho: float, eps: float, weight_decay: float
) -> None:
    launch("rmsprop", p.size, p, g, s, lr, rho, 1 - rho, eps, weight_decay, p.size)


sgd = kernel(
    "sgd", sgd_reference, cpu=_sgd_cpu, cuda=CUDA, gpu=_sgd_gpu, updates="p", rows="p g",
    check=lambda p, g, *_: checks.flat("sgd", p, g),
)  # fmt: skip
momentum = kernel(
    "momentum", momentum_reference, cpu=_momentum_cpu, cuda=CUDA, gpu=_momentum_gpu, updates="p v",
    rows="p g v",
    check=lambda p, g, v, *_: checks.flat("momentum", p, g, v),
)  # fmt: skip
adagrad = kernel(
    "adagrad", adagrad_reference, cpu=_adagrad_cpu, cuda=CUDA, gpu=_adagrad_gpu, updates="p s", rows="p g s",
    check=lambda p, g, s, *_: checks.flat("adagrad", p, g, s),
)  # fmt: skip
rmsprop = kernel(
    "rmsprop", rmsprop_reference, cpu=_rmsprop_cpu, cuda=CUDA, gpu=_rmsprop_gpu, updates="p s", rows="p g s",
    check=lambda p, g, s, *_: checks.flat("rmsprop", p, g, s),
)  # fmt: skip
