"""Sigmoid with cross-entropy: independent yes/no targets, loss and gradient in one pass.

With s = 1 / (1 + e^-z):  loss = -t ln s - (1 - t) ln(1 - s) = max(z, 0) - z t + ln(1 + e^-|z|), which neither
overflows nor loses digits;  d loss / d z = s - t.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.block_trees import TREES
from dlkit.kernels.exponential import exponential, log_one_plus
from dlkit.kernels.registry import kernel


def sigmoid_cross_entropy_reference(z: Any, t: Any, weight: float, dz: Any, loss: Any) -> None:
    """z: (n, k) logits; t: (n, k) targets in [0, 1]; dz: (n, k) weight times the gradient;
    loss: (n,) sums over the k outputs of a row, not weighted."""
    e = np.exp(-np.abs(z))
    loss[...] = (np.maximum(z, 0) - z * t + np.log1p(e)).sum(1)
    dz[...] = weight * (np.where(z < 0, e, 1) / (1 + e) - t)


def _sigmoid_cross_entropy_cpu(z, t, weight, dz, loss):
    zero, one, w = z.dtype.type(0), z.dtype.type(1), z.dtype.type(weight)
    for i in range(z.shape[0]):
        row, target, out = z[i], t[i], dz[i]
        total = zero
        for j in range(row.size):
            u = row[j]
            e = exponential(-abs(u))
            total += (zero if u < zero else u) - u * target[j] + log_one_plus(e)
            out[j] = w * ((e if u < zero else one) / (one + e) - target[j])
        loss[i] = total


_KERNELS = r"""
// One block a row; the row's loss by a tree.
extern "C" __global__ void sigmoid_cross_entropy(const real* z, const real* t, real weight, real* dz,
                                                 real* loss, int k) {
  __shared__ real part[128];
  long long start = (long long)blockIdx.x * k;
  real sum = 0;
  for (int j = threadIdx.x; j < k; j += blockDim.x) {
    real u = z[start + j], target = t[start + j];
    real e = real_exp(-real_abs(u));
    sum += (u < 0 ? (real)0 : u) - u * target + real_log1p(e);
    dz[start + j] = weight * ((u < 0 ? e : (real)1) / ((real)1 + e) - target);
  }
  sum = tree_sum(sum, part);
  if (threadIdx.x == 0) loss[blockIdx.x] = sum;
}
"""
CUDA = TREES + _KERNELS


def _sigmoid_cross_entropy_gpu(launch: Any, z: Any, t: Any, weight: float, dz: Any, loss: Any) -> None:
    n, k = z.shape
    launch("sigmoid_cross_entropy", (n,), z, t, weight, dz, loss, k, block=128)


def _check(z: Any, t: Any, weight: float, dz: Any, loss: Any) -> None:
    n, _ = checks.matrix("sigmoid_cross_entropy", "z", z)
    checks.alike("sigmoid_cross_entropy", z, t, dz)
    checks.shaped("sigmoid_cross_entropy", "loss", loss, (n,), z.dtype)


sigmoid_cross_entropy = kernel(
    "sigmoid_cross_entropy", sigmoid_cross_entropy_reference, cpu=_sigmoid_cross_entropy_cpu, cuda=CUDA,
    gpu=_sigmoid_cross_entropy_gpu, check=_check, updates="dz loss",
)  # fmt: skip
