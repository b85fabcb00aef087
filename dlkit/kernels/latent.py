"""A Gaussian latent variable: the reparameterised draw, its gradient, and the divergence from the prior.

With f = (mu, s), s the log variance, and e ~ N(0, I) (Kingma & Welling 2014, section 2.4 and appendix B):

    z = mu + exp(s / 2) e;    KL(N(mu, exp s) || N(0, 1)) = 1/2 sum_k (mu_k^2 + exp(s_k) - s_k - 1)
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.block_trees import TREES
from dlkit.kernels.exponential import exponential
from dlkit.kernels.registry import kernel


# -- the draw -----------------------------------------------------------------------------------------
def reparameterise_reference(f: Any, e: Any, z: Any) -> None:
    """f: (n, 2k) means and log variances; e: (n, k) standard normal numbers; z: (n, k) the draws."""
    k = e.shape[1]
    z[...] = f[:, :k] + np.exp(f[:, k:] / 2) * e


def _reparameterise_cpu(f, e, z):
    k, half = e.shape[1], f.dtype.type(0.5)
    for i in range(e.shape[0]):
        row, noise, out = f[i], e[i], z[i]
        for j in range(k):
            out[j] = row[j] + exponential(half * row[k + j]) * noise[j]


def reparameterise_backward_reference(f: Any, e: Any, dz: Any, df: Any) -> None:
    """dz: (n, k), the gradient of z; df: (n, 2k), that of f: dz and dz e exp(s/2) / 2."""
    k = e.shape[1]
    df[:, :k] = dz
    df[:, k:] = dz * e * np.exp(f[:, k:] / 2) / 2


def _reparameterise_backward_cpu(f, e, dz, df):
    k, half = e.shape[1], f.dtype.type(0.5)
    for i in range(e.shape[0]):
        s, noise, g, dmu, ds = f[i, k:], e[i], dz[i], df[i, :k], df[i, k:]
        for j in range(k):
            dmu[j] = g[j]
        for j in range(k):
            ds[j] = half * g[j] * noise[j] * exponential(half * s[j])


# -- the divergence -------------------------------------------------------------------------------------
def gaussian_kl_reference(f: Any, weight: float, df: Any, rows: Any) -> None:
    """f: (n, 2k); df: (n, 2k) weight times the gradient, (mu, (exp(s) - 1) / 2); rows: (n,) not weighted."""
    k = f.shape[1] // 2
    mu, s = f[:, :k], f[:, k:]
    rows[...] = (mu * mu + np.exp(s) - s - 1).sum(1) / 2
    df[:, :k] = weight * mu
    df[:, k:] = weight * (np.exp(s) - 1) / 2


def _gaussian_kl_cpu(f, weight, df, rows):
    real = f.dtype.type
    k, w, half, one = f.shape[1] // 2, real(weight), real(0.5), real(1)
    for i in range(f.shape[0]):
        row, out = f[i], df[i]
        total = real(0)
        for j in range(k):
            mu, s = row[j], row[k + j]
            v = exponential(s)
            total += mu * mu + (v - s - one)
            out[j] = w * mu
            out[k + j] = half * w * (v - one)
        rows[i] = half * total


_KERNELS = r"""
extern "C" __global__ void reparameterise(const real* f, const real* e, real* z, int k, long long size) {
  GRID_STRIDE(i, size) {
    const real* row = f + i / k * 2 * k;
    int j = (int)(i % k);
    z[i] = row[j] + real_exp((real)0.5 * row[k + j]) * e[i];
  }
}

extern "C" __global__ void reparameterise_backward(const real* f, const real* e, const real* dz, real* df,
                                                   int k, long long size) {
  GRID_STRIDE(i, size) {
    long long start = i / k * 2 * k;
    int j = (int)(i % k);
    df[start + j] = dz[i];
    df[start + k + j] = (real)0.5 * dz[i] * e[i] * real_exp((real)0.5 * f[start + k + j]);
  }
}

// One block a row; the row's sum by a tree.
extern "C" __global__ void gaussian_kl(const real* f, real weight, real* df, real* rows, int k) {
  __shared__ real part[64];
  const real* row = f + (long long)blockIdx.x * 2 * k;
  real* out = df + (long long)blockIdx.x * 2 * k;
  real sum = 0;
  for (int j = threadIdx.x; j < k; j += blockDim.x) {
    real mu = row[j], s = row[k + j];
    real v = real_exp(s);
    sum += mu * mu + (v - s - (real)1);
    out[j] = weight * mu;
    out[k + j] = (real)0.5 * weight * (v - (real)1);
  }
  sum = tree_sum(sum, part);
  if (threadIdx.x == 0) rows[blockIdx.x] = (real)0.5 * sum;
}
"""
CUDA = TREES + _KERNELS


def _reparameterise_gpu(launch: Any, f: Any, e: Any, z: Any) -> None:
    launch("reparameterise", z.size, f, e, z, e.shape[1], z.size)


def _reparameterise_backward_gpu(launch: Any, f: Any, e: Any, dz: Any, df: Any) -> None:
    launch("reparameterise_backward", dz.size, f, e, dz, df, e.shape[1], dz.size)


def _gaussian_kl_gpu(launch: Any, f: Any, weight: float, df: Any, rows: Any) -> None:
    launch("gaussian_kl", (f.shape[0],), f, weight, df, rows, f.shape[1] // 2, block=64)


def _pairs(name: str, f: Any) -> tuple[int, int]:
    """(n, k) of f (n, 2k)."""
    n, width = checks.matrix(name, "f", f)
    if width % 2:
        raise ValueError(f"{name}: f: expected means and as many log variances, got shape {f.shape}")
    return n, width // 2


def _check_reparameterise(f: Any, e: Any, z: Any) -> None:
    shape = _pairs("reparameterise", f)
    checks.shaped("reparameterise", "e", e, shape, f.dtype)
    checks.shaped("reparameterise", "z", z, shape, f.dtype)


def _check_reparameterise_backward(f: Any, e: Any, dz: Any, df: Any) -> None:
    shape = _pairs("reparameterise_backward", f)
    checks.shaped("reparameterise_backward", "e", e, shape, f.dtype)
    checks.shaped("reparameterise_backward", "dz", dz, shape, f.dtype)
    checks.alike("reparameterise_backward", f, df)


def _check_gaussian_kl(f: Any, weight: float, df: Any, rows: Any) -> None:
    n, _ = _pairs("gaussian_kl", f)
    checks.alike("gaussian_kl", f, df)
    checks.shaped("gaussian_kl", "rows", rows, (n,), f.dtype)


reparameterise = kernel(
    "reparameterise", reparameterise_reference, cpu=_reparameterise_cpu, cuda=CUDA, gpu=_reparameterise_gpu,
    check=_check_reparameterise, updates="z",
)  # fmt: skip
reparameterise_backward = kernel(
    "reparameterise_backward", reparameterise_backward_reference, cpu=_reparameterise_backward_cpu, cuda=CUDA,
    gpu=_reparameterise_backward_gpu, check=_check_reparameterise_backward, updates="df",
)  # fmt: skip
gaussian_kl = kernel(
    "gaussian_kl", gaussian_kl_reference, cpu=_gaussian_kl_cpu, cuda=CUDA, gpu=_gaussian_kl_gpu,
    check=_check_gaussian_kl, updates="df rows",
)  # fmt: skip
