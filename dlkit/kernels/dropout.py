"""Dropout's mask (Srivastava et al. 2014, section 4), inverted: kept entries are scaled, evaluation is as is.

Sixteen random bits an element decide: y = x scale where bits >= threshold, else 0. For a drop probability q
the threshold is q 2^16 and the scale 1 / (1 - q). The same call on the gradient is the backward pass.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def dropout_mask_reference(x: Any, bits: Any, threshold: int, scale: float, y: Any) -> None:
    """x, y: any shape; bits: the same shape, uint16; threshold: 0 (keep all) to 65536 (drop all)."""
    y[...] = np.where(bits >= threshold, x * x.dtype.type(scale), 0)


def _dropout_mask_cpu(x, bits, threshold, scale, y):
    u, r, v = x.ravel(), bits.ravel(), y.ravel()
    zero, s, limit = x.dtype.type(0), x.dtype.type(scale), np.int32(threshold)
    for i in range(u.size):
        v[i] = s * u[i] if np.int32(r[i]) >= limit else zero


CUDA = r"""
extern "C" __global__ void dropout_mask(const real* x, const unsigned short* bits, int threshold, real scale,
                                        real* y, long long n) {
  GRID_STRIDE(i, n) y[i] = (int)bits[i] >= threshold ? x[i] * scale : (real)0;
}
"""


def _dropout_mask_gpu(launch: Any, x: Any, bits: Any, threshold: int, scale: float, y: Any) -> None:
    launch("dropout_mask", x.size, x, bits, threshold, scale, y, x.size)


def _check(x: Any, bits: Any, threshold: int, scale: float, y: Any) -> None:
    checks.alike("dropout_mask", x, y)
    checks.shaped("dropout_mask", "bits", bits, x.shape, np.uint16)
    if not 0 <= threshold <= 65536:
        raise ValueError(f"dropout_mask: threshold: expected 0 to 65536, got {threshold}")


dropout_mask = kernel(
    "dropout_mask", dropout_mask_reference, cpu=_dropout_mask_cpu, cuda=CUDA, gpu=_dropout_mask_gpu,
    check=_check, updates="y",
)  # fmt: skip
