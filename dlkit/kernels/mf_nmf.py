"""Non-negative factors by multiplicative updates over the ratings that are there (Luo et al. 2014, eq. 8 and
9).

With r^ = p_u . q_i, n_u the number of u's ratings and * and / element by element:

    p_u <- p_u * (sum_i r_ui q_i) / (sum_i r^_ui q_i + n_u reg p_u)

and the same for q_i with the roles exchanged. Every row is computed from the factors as they were, so rows do
not wait for each other.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def nmf_rows_reference(
    own: Any, other: Any, ends: Any, columns: Any, values: Any, reg: float, out: Any, errors: Any
) -> None:
    """own, out: (m, k) factors of some rows; other: (columns, k); ends: (m + 1,) int64, row r has
    ends[r]:ends[r + 1] of columns, (n,) int32, and values, (n,); a row without a rating is copied;
    errors: (m, 2) float64 gets each row's sums of e^2 and |e|, e = r - r^."""
    for row in range(len(own)):
        mine = slice(ends[row], ends[row + 1])
        q, r = other[columns[mine]], values[mine]
        estimate = q @ own[row]
        above = r @ q
        below = estimate @ q + (ends[row + 1] - ends[row]) * own.dtype.type(reg) * own[row]
        out[row] = own[row] * np.divide(above, below, out=np.ones_like(above), where=below > 0)
        e = (r - estimate).astype(np.float64)
        errors[row] = (e**2).sum(), np.abs(e).sum()


def _nmf_rows_cpu(own, other, ends, columns, values, reg, out, errors):
    real = own.dtype.type
    k = own.shape[1]
    above, below = np.empty(k, own.dtype), np.empty(k, own.dtype)
    for row in range(own.shape[0]):
        weight = real(ends[row + 1] - ends[row]) * real(reg)
        for f in range(k):
            above[f] = real(0)
            below[f] = weight * own[row, f]
        squares, absolute = 0.0, 0.0
        for n in range(ends[row], ends[row + 1]):
            c = np.uint32(columns[n])  # without a sign, no index counts from the end
            r = values[n]
            estimate = real(0)
            for f in range(k):
                estimate += own[row, f] * other[c, f]
            for f in range(k):
                above[f] += r * other[c, f]
                below[f] += estimate * other[c, f]
            e = np.float64(r - estimate)
            squares += e * e
            absolute += abs(e)
        for f in range(k):
            x = own[row, f]
            out[row, f] = x * above[f] / below[f] if below[f] > real(0) else x
        errors[row, 0] = squares
        errors[row, 1] = absolute


CUDA = r"""
// A warp works on one row; each lane has every 32nd factor. The row's sums are in shared memory.
extern "C" __global__ void nmf_rows(const real* own, const real* other, const long long* ends,
                                    const int* columns, const real* values, real reg, real* out,
                                    double* errors, int k, long long rows) {
  extern __shared__ real room[];
  real* above = room;
  real* below = above + k;
  real* part = below + k;
  int lane = threadIdx.x;
  for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
    const real* p = own + row * k;
    real weight = (real)(ends[row + 1] - ends[row]) * reg;
    for (int f = lane; f < k; f += 32) {
      above[f] = 0;
      below[f] = weight * p[f];
    }
    double squares = 0, absolute = 0;
    for (long long n = ends[row]; n < ends[row + 1]; n++) {
      const real* q = other + (long long)columns[n] * k;
      real r = values[n];
      real dot = 0;
      for (int f = lane; f < k; f += 32) dot += p[f] * q[f];
      part[lane] = dot;
      __syncthreads();
      for (int half = 16; half > 0; half >>= 1) {
        if (lane < half) part[lane] += part[lane + half];
        __syncthreads();
      }
      real estimate = part[0];
      __syncthreads();
      for (int f = lane; f < k; f += 32) {
        above[f] += r * q[f];
        below[f] += estimate * q[f];
      }
      double e = (double)(r - estimate);
      squares += e * e;
      absolute += e < 0 ? -e : e;
    }
    for (int f = lane; f < k; f += 32) out[row * k + f] = below[f] > 0 ? p[f] * above[f] / below[f] : p[f];
    if (lane == 0) {
      errors[2 * row] = squares;
      errors[2 * row + 1] = absolute;
    }
  }
}
"""


def _nmf_rows_gpu(
    launch: Any, own: Any, other: Any, ends: Any, columns: Any, values: Any, reg: float, out: Any, errors: Any
) -> None:
    rows, k = own.shape
    launch(
        "nmf_rows", (min(rows, 65535),), own, other, ends, columns, values, reg, out, errors, k, rows,
        block=32, shared_mem=(2 * k + 32) * own.dtype.itemsize,
    )  # fmt: skip


def _check(
    own: Any, other: Any, ends: Any, columns: Any, values: Any, reg: float, out: Any, errors: Any
) -> None:
    rows, k = checks.matrix("nmf_rows", "own", own)
    checks.shaped("nmf_rows", "other", other, (other.shape[0], k), own.dtype)
    checks.shaped("nmf_rows", "ends", ends, (rows + 1,), np.int64)
    checks.shaped("nmf_rows", "columns", columns, values.shape, np.int32)
    checks.shaped("nmf_rows", "values", values, values.shape[:1], own.dtype)
    checks.shaped("nmf_rows", "out", out, (rows, k), own.dtype)
    checks.shaped("nmf_rows", "errors", errors, (rows, 2), np.float64)


nmf_rows = kernel(
    "nmf_rows", nmf_rows_reference, cpu=_nmf_rows_cpu, cuda=CUDA, gpu=_nmf_rows_gpu, check=_check,
    updates="out errors",
)  # fmt: skip
