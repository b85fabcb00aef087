"""Rows of a table as a batch, chosen, converted and scaled in one pass: a table of images stays in bytes."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def gather_rows_reference(table: Any, index: Any, scale: Any, shift: Any, out: Any) -> None:
    """out[i] = table[index[i]] * scale + shift.

    table: (N, d) uint8 or out's type; index: (n,) int64 in [0, N); scale, shift: both (d,) or both (1,);
    out: (n, d).
    """
    out[...] = table[index].astype(out.dtype) * scale + shift


def _gather_rows_cpu(table, index, scale, shift, out):
    real = out.dtype.type
    for i in range(index.size):
        row, y = table[index[i]], out[i]
        if scale.size == 1:
            a, b = scale[0], shift[0]
            for j in range(y.size):
                y[j] = real(row[j]) * a + b
        else:
            for j in range(y.size):
                y[j] = real(row[j]) * scale[j] + shift[j]


CUDA = r"""
// An index out of range makes its row NaN: it can be seen, and nothing outside the table is read.
template <class T> __device__ __forceinline__ void gather(const T* table, const long long* index,
                                                          const real* scale, const real* shift, real* out,
                                                          long long rows, int d, int each, long long size) {
  GRID_STRIDE(i, size) {
    long long r = index[i / d];
    int j = (int)(i % d);
    int k = each ? j : 0;
    out[i] = r >= 0 && r < rows ? (real)table[r * d + j] * scale[k] + shift[k] : real_nan();
  }
}

extern "C" __global__ void gather_rows_uint8(const unsigned char* table, const long long* index,
                                             const real* scale, const real* shift, real* out, long long rows,
                                             int d, int each, long long size) {
  gather(table, index, scale, shift, out, rows, d, each, size);
}

extern "C" __global__ void gather_rows_real(const real* table, const long long* index, const real* scale,
                                            const real* shift, real* out, long long rows, int d, int each,
                                            long long size) {
  gather(table, index, scale, shift, out, rows, d, each, size);
}
"""


def _gather_rows_gpu(launch: Any, table: Any, index: Any, scale: Any, shift: Any, out: Any) -> None:
    function = "gather_rows_uint8" if table.dtype == np.uint8 else "gather_rows_real"
    n, d = table.shape
    launch(function, out.size, table, index, scale, shift, out, n, d, int(scale.size > 1), out.size)


def _check(table: Any, index: Any, scale: Any, shift: Any, out: Any) -> None:
    n, d = checks.matrix("gather_rows", "out", out)
    if table.dtype not in (np.uint8, out.dtype):
        raise TypeError(f"gather_rows: table: expected uint8 or {out.dtype}, got {table.dtype}")
    checks.shaped("gather_rows", "table", table, (*table.shape[:1], d), table.dtype)
    checks.shaped("gather_rows", "index", index, (n,), np.int64)
    checks.shaped("gather_rows", "scale", scale, (1,) if scale.size == 1 else (d,), out.dtype)
    checks.shaped("gather_rows", "shift", shift, scale.shape, out.dtype)
    checks.index("gather_rows", "index", index, table.shape[0])


gather_rows = kernel(
    "gather_rows", gather_rows_reference, cpu=_gather_rows_cpu, cuda=CUDA, gpu=_gather_rows_gpu, check=_check,
    updates="out",
)  # fmt: skip
