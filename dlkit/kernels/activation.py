"""Activations, elementwise: y = f(x), and the gradient dx = dy f'(x).

identity; relu max(x, 0) (Nair & Hinton 2010); leaky relu (Maas et al. 2013) and prelu (He et al. 2015,
equation 1) x for x > 0 and a x below, where prelu learns a; sigmoid 1 / (1 + e^-x); tanh.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.block_trees import TREES
from dlkit.kernels.exponential import exponential, exponential_minus_one
from dlkit.kernels.registry import kernel

IDENTITY, RELU, LEAKY_RELU, SIGMOID, TANH, PRELU = range(6)


# -- forward ----------------------------------------------------------------------------------
def activate_reference(x: Any, a: Any, kind: int, y: Any) -> None:
    """x, y: any shape; a: (1,) slope below 0 of leaky relu (>= 0) and prelu; kind: one of the above."""
    if kind == RELU:
        y[...] = np.maximum(x, 0)
    elif kind in (LEAKY_RELU, PRELU):
        y[...] = np.where(x < 0, a * x, x)
    elif kind == SIGMOID:
        with np.errstate(over="ignore"):
            y[...] = 1 / (1 + np.exp(-x))
    elif kind == TANH:
        y[...] = np.tanh(x)
    else:
        y[...] = x


def _activate_cpu(x, a, kind, y):
    u, v, slope = x.ravel(), y.ravel(), a[0]
    zero, one, two = a.dtype.type(0), a.dtype.type(1), a.dtype.type(2)
    if kind == RELU:
        for i in range(u.size):
            v[i] = zero if u[i] < zero else u[i]
    elif kind in (LEAKY_RELU, PRELU):
        for i in range(u.size):
            v[i] = slope * u[i] if u[i] < zero else u[i]
    elif kind == SIGMOID:
        for i in range(u.size):
            v[i] = one / (one + exponential(-u[i]))
    elif kind == TANH:  # tanh |x| = -t / (2 + t) with t = e^(-2|x|) - 1: no digits lost near 0
        for i in range(u.size):
            t = exponential_minus_one(-two * abs(u[i]))
            t = t / (t + two)
            v[i] = t if u[i] < zero else -t
    else:
        for i in range(u.size):
            v[i] = u[i]


# -- gradient ---------------------------------------------------------------------------------
def activate_backward_reference(x: Any, y: Any, dy: Any, a: Any, kind: int, dx: Any, da: Any) -> None:
    """x, y: input and output of the forward pass; dx = dy f'(x); da: (1,) gradient of prelu's a, else 0.

    relu's derivative at 0 is taken as 0, the others' as a.
    """
    da[0] = 0
    if kind == RELU:
        dx[...] = dy * (x > 0)
    elif kind in (LEAKY_RELU, PRELU):
        dx[...] = dy * np.where(x > 0, 1, a)
        if kind == PRELU:
            da[0] = np.sum(dy * np.minimum(x, 0))
    elif kind == SIGMOID:
        dx[...] = dy * y * (1 - y)
    elif kind == TANH:
        dx[...] = dy * (1 - y * y)
    else:
        dx[...] = dy


def _activate_backward_cpu(x, y, dy, a, kind, dx, da):
    u, v, dv, du, slope = x.ravel(), y.ravel(), dy.ravel(), dx.ravel(), a[0]
    zero, one = a.dtype.type(0), a.dtype.type(1)
    total = zero
    if kind == RELU:
        for i in range(u.size):
            du[i] = dv[i] if u[i] > zero else zero * dv[i]
    elif kind == LEAKY_RELU:
        for i in range(u.size):
            du[i] = dv[i] if u[i] > zero else slope * dv[i]
    elif kind == PRELU:
        for i in range(u.size):
            du[i] = dv[i] if u[i] > zero else slope * dv[i]
            total += zero if u[i] > zero else dv[i] * u[i]
    elif kind == SIGMOID:
        for i in range(u.size):
            du[i] = dv[i] * v[i] * (one - v[i])
    elif kind == TANH:
        for i in range(u.size):
            du[i] = dv[i] * (one - v[i] * v[i])
    else:
        for i in range(u.size):
            du[i] = dv[i]
    da[0] = total


# -- CUDA -------------------------------------------------------------------------------------
_KERNELS = r"""
extern "C" __global__ void activate(const real* x, const real* a, int kind, real* y, long long n) {
  GRID_STRIDE(i, n) {
    real u = x[i];
    switch (kind) {
      case 1: y[i] = u < 0 ? (real)0 : u; break;
      case 2: case 5: y[i] = u < 0 ? a[0] * u : u; break;
      case 3: y[i] = (real)1 / ((real)1 + real_exp(-u)); break;
      case 4: y[i] = real_tanh(u); break;
      default: y[i] = u;
    }
  }
}

extern "C" __global__ void activate_backward(const real* x, const real* y, const real* dy, const real* a,
                                             int kind, real* dx, long long n) {
  GRID_STRIDE(i, n) {
    real d = dy[i];
    switch (kind) {
      case 1: dx[i] = x[i] > 0 ? d : (real)0 * d; break;
      case 2: case 5: dx[i] = x[i] > 0 ? d : a[0] * d; break;
      case 3: dx[i] = d * y[i] * ((real)1 - y[i]); break;
      case 4: dx[i] = d * ((real)1 - y[i] * y[i]); break;
      default: dx[i] = d;
    }
  }
}

// One block: da = sum of dy min(x, 0), each thread its strided share, then a tree.
extern "C" __global__ void slope_gradient(const real* x, const real* dy, real* da, long long n) {
  __shared__ real part[512];
  int t = threadIdx.x;
  real sum = 0;
  for (long long i = t; i < n; i += blockDim.x) sum += x[i] > 0 ? (real)0 : dy[i] * x[i];
  sum = tree_sum(sum, part);
  if (t == 0) da[0] = sum;
}
"""
CUDA = TREES + _KERNELS


def _activate_gpu(launch: Any, x: Any, a: Any, kind: int, y: Any) -> None:
    launch("activate", x.size, x, a, kind, y, x.size)


def _activate_backward_gpu(launch: Any, x: Any, y: Any, dy: Any, a: Any, kind: int, dx: Any, da: Any) -> None:
    launch("activate_backward", x.size, x, y, dy, a, kind, dx, x.size)
    if kind == PRELU:
        launch("slope_gradient", (1,), x, dy, da, x.size, block=512)
    else:
        da.fill(0)


def _check_activate(x: Any, a: Any, kind: int, y: Any) -> None:
    checks.alike("activate", x, y)
    checks.shaped("activate", "a", a, (1,), x.dtype)


def _check_activate_backward(x: Any, y: Any, dy: Any, a: Any, kind: int, dx: Any, da: Any) -> None:
    checks.alike("activate_backward", x, y, dy, dx)
    checks.shaped("activate_backward", "a", a, (1,), x.dtype)
    checks.shaped("activate_backward", "da", da, (1,), x.dtype)


activate = kernel(
    "activate", activate_reference, cpu=_activate_cpu, cuda=CUDA, gpu=_activate_gpu,
    check=_check_activate, updates="y", rows="x y",
)  # fmt: skip
activate_backward = kernel(
    "activate_backward", activate_backward_reference, cpu=_activate_backward_cpu, cuda=CUDA,
    gpu=_activate_backward_gpu, check=_check_activate_backward, updates="dx da",
    rows="x y dy dx", sums="da",
)  # fmt: skip
