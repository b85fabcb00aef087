"""Layer normalisation (Ba, Kiros & Hinton 2016, equation 4): rows to mean 0, variance 1, then gain and bias.

Forward:  h = (x - mean) rstd over the m entries of a row, rstd = 1 / sqrt(var + eps);  y = gamma h + beta.
Backward, with d = dy gamma:  dx = rstd (d - mean(d) - h mean(d h));  dgamma = sum dy h;  dbeta = sum dy.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.block_trees import TREES
from dlkit.kernels.registry import kernel


# -- forward ------------------------------------------------------------------------------------
def layer_norm_reference(x: Any, gamma: Any, beta: Any, eps: float, y: Any, mean: Any, rstd: Any) -> None:
    """x, y: (n, m), m >= 1; gamma, beta: (m,); mean, rstd: (n,), kept for the backward pass."""
    mean[...] = x.mean(1)
    rstd[...] = 1 / np.sqrt(x.var(1) + eps)
    y[...] = (x - mean[:, None]) * rstd[:, None] * gamma + beta


def _layer_norm_cpu(x, gamma, beta, eps, y, mean, rstd):
    real = x.dtype.type
    share, e, zero, one = real(1 / gamma.size), real(eps), real(0), real(1)
    for i in range(x.shape[0]):
        u, v = x[i], y[i]
        total = zero
        for j in range(u.size):
            total += u[j]
        mu = total * share
        total = zero
        for j in range(u.size):
            d = u[j] - mu
            total += d * d
        r = one / np.sqrt(total * share + e)
        for j in range(u.size):
            v[j] = (u[j] - mu) * r * gamma[j] + beta[j]
        mean[i] = mu
        rstd[i] = r


# -- backward -----------------------------------------------------------------------------------
def layer_norm_backward_reference(
    x: Any, dy: Any, gamma: Any, mean: Any, rstd: Any, dx: Any, dgamma: Any, dbeta: Any
) -> None:
    """x, dy, dx: (n, m); gamma, dgamma, dbeta: (m,); mean, rstd: (n,) of the forward pass."""
    h = (x - mean[:, None]) * rstd[:, None]
    d = dy * gamma
    dx[...] = rstd[:, None] * (d - d.mean(1, keepdims=True) - h * (d * h).mean(1, keepdims=True))
    dgamma[...] = (dy * h).sum(0)
    dbeta[...] = dy.sum(0)


def _layer_norm_backward_cpu(x, dy, gamma, mean, rstd, dx, dgamma, dbeta):
    real = x.dtype.type
    share, zero = real(1 / gamma.size), real(0)
    for j in range(gamma.size):
        dgamma[j] = zero
        dbeta[j] = zero
    for i in range(x.shape[0]):
        u, dv, du, mu, r = x[i], dy[i], dx[i], mean[i], rstd[i]
        a, b = zero, zero
        for j in range(u.size):
            h = (u[j] - mu) * r
            d = dv[j] * gamma[j]
            a += d
            b += d * h
        a *= share
        b *= share
        for j in range(u.size):
            h = (u[j] - mu) * r
            du[j] = r * (dv[j] * gamma[j] - a - h * b)
            dgamma[j] += dv[j] * h
            dbeta[j] += dv[j]


# -- CUDA -------------------------------------------------------------------------------------
_KERNELS = r"""
// One block a row.
extern "C" __global__ void layer_norm(const real* x, const real* gamma, const real* beta, real eps, real* y,
                                      real* mean, real* rstd, int m) {
  __shared__ real part[128];
  long long start = (long long)blockIdx.x * m;
  real sum = 0;
  for (int j = threadIdx.x; j < m; j += blockDim.x) sum += x[start + j];
  real mu = tree_sum(sum, part) / m;
  sum = 0;
  for (int j = threadIdx.x; j < m; j += blockDim.x) {
    real d = x[start + j] - mu;
    sum += d * d;
  }
  real r = (real)1 / real_sqrt(tree_sum(sum, part) / m + eps);
  for (int j = threadIdx.x; j < m; j += blockDim.x)
    y[start + j] = (x[start + j] - mu) * r * gamma[j] + beta[j];
  if (threadIdx.x == 0) {
    mean[blockIdx.x] = mu;
    rstd[blockIdx.x] = r;
  }
}

extern "C" __global__ void layer_norm_backward(const real* x, const real* dy, const real* gamma,
                                               const real* mean, const real* rstd, real* dx, int m) {
  __shared__ real part[128];
  long long start = (long long)blockIdx.x * m;
  real mu = mean[blockIdx.x], r = rstd[blockIdx.x], a = 0, b = 0;
  for (int j = threadIdx.x; j < m; j += blockDim.x) {
    real d = dy[start + j] * gamma[j];
    a += d;
    b += d * (x[start + j] - mu) * r;
  }
  a = tree_sum(a, part) / m;
  b = tree_sum(b, part) / m;
  for (int j = threadIdx.x; j < m; j += blockDim.x) {
    real h = (x[start + j] - mu) * r;
    dx[start + j] = r * (dy[start + j] * gamma[j] - a - h * b);
  }
}

// A block takes 32 columns: thread (x, y) rows y, y + 8, ...; then a column's 8 sums in order.
extern "C" __global__ void layer_norm_columns(const real* x, const real* dy, const real* mean,
                                              const real* rstd, real* dgamma, real* dbeta, int n, int m) {
  __shared__ real gains[8][32], biases[8][32];
  int j = blockIdx.x * 32 + threadIdx.x;
  real g = 0, b = 0;
  if (j < m) for (int i = threadIdx.y; i < n; i += 8) {
    long long k = (long long)i * m + j;
    g += dy[k] * (x[k] - mean[i]) * rstd[i];
    b += dy[k];
  }
  gains[threadIdx.y][threadIdx.x] = g;
  biases[threadIdx.y][threadIdx.x] = b;
  __syncthreads();
  if (threadIdx.y == 0 && j < m) {
    for (int r = 1; r < 8; r++) {
      g += gains[r][threadIdx.x];
      b += biases[r][threadIdx.x];
    }
    dgamma[j] = g;
    dbeta[j] = b;
  }
}
"""
CUDA = TREES + _KERNELS


def _layer_norm_gpu(
    launch: Any, x: Any, gamma: Any, beta: Any, eps: float, y: Any, mean: Any, rstd: Any
) -> None:
    n, m = x.shape
    launch("layer_norm", (n,), x, gamma, beta, eps, y, mean, rstd, m, block=128)


def _layer_norm_backward_gpu(
    launch: Any, x: Any, dy: Any, gamma: Any, mean: Any, rstd: Any, dx: Any, dgamma: Any, dbeta: Any
) -> None:
    n, m = x.shape
    launch("layer_norm_backward", (n,), x, dy, gamma, mean, rstd, dx, m, block=128)
    args = (x, dy, mean, rstd, dgamma, dbeta, n, m)
    launch("layer_norm_columns", (-(-m // 32),), *args, block=(32, 8))


def _check(name: str, matrices: tuple[Any, ...], columns: tuple[Any, ...], rows: tuple[Any, ...]) -> None:
    x = matrices[0]
    n, m = checks.matrix(name, "x", x)
    if m < 1:
        raise ValueError(f"{name}: expected at least one column, got shape {x.shape}")
    checks.alike(name, *matrices)
    for v in columns:
        checks.shaped(name, "a column vector", v, (m,), x.dtype)
    for v in rows:
        checks.shaped(name, "a row vector", v, (n,), x.dtype)


def _check_forward(x: Any, gamma: Any, beta: Any, eps: float, y: Any, mean: Any, rstd: Any) -> None:
    _check("layer_norm", (x, y), (gamma, beta), (mean, rstd))


def _check_backward(
    x: Any, dy: Any, gamma: Any, mean: Any, rstd: Any, dx: Any, dgamma: Any, dbeta: Any
) -> None:
    _check("layer_norm_backward", (x, dy, dx), (gamma, dgamma, dbeta), (mean, rstd))


layer_norm = kernel(
    "layer_norm", layer_norm_reference, cpu=_layer_norm_cpu, cuda=CUDA, gpu=_layer_norm_gpu,
    check=_check_forward, updates="y mean rstd",
)  # fmt: skip
layer_norm_backward = kernel(
    "layer_norm_backward", layer_norm_backward_reference, cpu=_layer_norm_backward_cpu, cuda=CUDA,
    gpu=_layer_norm_backward_gpu, check=_check_backward, updates="dx dgamma dbeta",
)  # fmt: skip
