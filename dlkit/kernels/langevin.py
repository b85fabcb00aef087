"""Stochastic gradient Langevin dynamics: descent with noise that samples the posterior (Welling & Teh 2011).

Equation 4, where rows g is the gradient of the negative log-likelihood of all rows (g that of the mean loss)
and the prior is Gaussian with precision `weight_decay`:

    p <- p - lr / 2 (rows g + weight_decay p) + sqrt(lr temperature) noise

temperature 1 is the posterior; 0 is plain descent.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def sgld_reference(
    p: Any, g: Any, noise: Any, lr: float, rows: float, weight_decay: float, temperature: float
) -> None:
    """p, g, noise: (n,), noise of independent standard normal draws; rows: size of the training set."""
    p -= lr / 2 * (rows * g + weight_decay * p)
    p += np.sqrt(lr * temperature) * noise


def _sgld_cpu(p, g, noise, lr, rows, weight_decay, temperature):
    real = p.dtype.type
    a, keep, b = real(lr / 2 * rows), real(1 - lr / 2 * weight_decay), real(np.sqrt(lr * temperature))
    for i in range(p.size):
        p[i] = keep * p[i] - a * g[i] + b * noise[i]


CUDA = r"""
extern "C" __global__ void sgld(real* p, const real* g, const real* noise, real a, real keep, real b,
                                long long n) {
  GRID_STRIDE(i, n) p[i] = keep * p[i] - a * g[i] + b * noise[i];
}
"""


def _sgld_gpu(
    launch: Any, p: Any, g: Any, noise: Any, lr: float, rows: float, weight_decay: float, temperature: float
) -> None:
    a, keep, b = lr / 2 * rows, 1 - lr / 2 * weight_decay, (lr * temperature) ** 0.5
    launch("sgld", p.size, p, g, noise, a, keep, b, p.size)


sgld = kernel(
    "sgld", sgld_reference, cpu=_sgld_cpu, cuda=CUDA, gpu=_sgld_gpu, updates="p", rows="p g noise",
    check=lambda p, g, noise, *_: checks.flat("sgld", p, g, noise),
)  # fmt: skip
