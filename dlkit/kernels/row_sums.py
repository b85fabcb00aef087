"""Sums of rows that go to the same row: the gradient of a table of which each example uses a few rows.

Which rows go where is planned on the host (a sort of the indices); the sums are then taken in one order on
every device, without atomic additions.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def sum_rows_reference(x: Any, source: Any, scale: Any, starts: Any, target: Any, out: Any) -> None:
    """out[target[k]] = sum over s in starts[k] .. starts[k + 1] - 1 of scale[s] x[source[s]].

    x: (n, d); source: (S,) int64 in [0, n); scale: (S,); starts: (K + 1,) int64, rising from 0 to S; target:
    (K,) int64 in [0, N), each once; out: (N, d), its other rows are left as they are.
    """
    for k in range(len(target)):
        part = slice(starts[k], starts[k + 1])
        out[target[k]] = (scale[part, None] * x[source[part]]).sum(0)


def _sum_rows_cpu(x, source, scale, starts, target, out):
    zero = x.dtype.type(0)
    for k in range(target.size):
        y = out[target[k]]
        for j in range(y.size):
            y[j] = zero
        for s in range(starts[k], starts[k + 1]):
            row, c = x[source[s]], scale[s]
            for j in range(y.size):
                y[j] += c * row[j]


CUDA = r"""
// A block a row of the result; an index out of range is passed over.
extern "C" __global__ void sum_rows(const real* x, const long long* source, const real* scale,
                                    const long long* starts, const long long* target, real* out, long long n,
                                    long long rows, int d) {
  long long row = target[blockIdx.x];
  if (row < 0 || row >= rows) return;
  for (int j = threadIdx.x; j < d; j += blockDim.x) {
    real sum = 0;
    for (long long s = starts[blockIdx.x]; s < starts[blockIdx.x + 1]; s++)
      if (source[s] >= 0 && source[s] < n) sum += scale[s] * x[source[s] * d + j];
    out[row * d + j] = sum;
  }
}
"""


def _sum_rows_gpu(
    launch: Any, x: Any, source: Any, scale: Any, starts: Any, target: Any, out: Any
) -> None:  # fmt: skip
    n, d = x.shape
    grid = (target.shape[0],)
    launch("sum_rows", grid, x, source, scale, starts, target, out, n, out.shape[0], d, block=128)


def _check(x: Any, source: Any, scale: Any, starts: Any, target: Any, out: Any) -> None:
    n, d = checks.matrix("sum_rows", "x", x)
    checks.matrix("sum_rows", "out", out)
    checks.shaped("sum_rows", "out", out, (out.shape[0], d), x.dtype)
    checks.shaped("sum_rows", "source", source, (source.size,), np.int64)
    checks.shaped("sum_rows", "scale", scale, (source.size,), x.dtype)
    checks.shaped("sum_rows", "target", target, (target.size,), np.int64)
    checks.shaped("sum_rows", "starts", starts, (target.size + 1,), np.int64)
    checks.index("sum_rows", "source", source, n)
    checks.index("sum_rows", "target", target, out.shape[0])
    if isinstance(starts, np.ndarray) and (
        starts[0] != 0 or starts[-1] != source.size or (starts[1:] < starts[:-1]).any()
    ):
        raise ValueError(f"sum_rows: starts: expected to rise from 0 to {source.size}")


sum_rows = kernel(
    "sum_rows", sum_rows_reference, cpu=_sum_rows_cpu, cuda=CUDA, gpu=_sum_rows_gpu, check=_check,
    updates="out",
)  # fmt: skip
