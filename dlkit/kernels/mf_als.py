"""Alternating least squares for implicit feedback (Hu, Koren & Volinsky 2008, eq. 4 and 5), a row at a time.

Row u has the columns i with values r_ui; it prefers (1) those with r_ui > 0, with confidence c_ui = 1 +
alpha |r_ui|,
and prefers (0) nothing else, with confidence 1. With Y the factors of all columns, the row's new factors x
solve

    (Y'Y + reg I + sum_i (c_ui - 1) y_i y_i') x = sum_{i preferred} c_ui y_i

Y'Y + reg I is computed once for all rows. The system is solved by Cholesky's method, or a few steps of
conjugate
gradients from the row's present factors, which never form the matrix (Takacs, Pilaszy & Tikk 2011).
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def _system(gram: Any, y: Any, r: Any, alpha: float) -> tuple[Any, Any]:
    """The matrix and the right side of one row; y: (n, k) factors of its columns."""
    more = (alpha * np.abs(r)).astype(y.dtype)
    return gram + (y * more[:, None]).T @ y, y.T @ np.where(r > 0, 1 + more, 0)


def als_solve_reference(
    x: Any, y: Any, gram: Any, ends: Any, columns: Any, values: Any, alpha: float
) -> None:
    """x: (m, k), every row replaced by its solution; y: (columns, k); gram: (k, k) = Y'Y + reg I; ends: (m +
    1,)
    int64, row u has ends[u]:ends[u + 1] of columns, (n,) int32, and values, (n,)."""
    for row in range(len(x)):
        mine = slice(ends[row], ends[row + 1])
        a, b = _system(gram, y[columns[mine]], values[mine], alpha)
        x[row] = np.linalg.solve(a.astype(np.float64), b.astype(np.float64))


def _als_solve_cpu(x, y, gram, ends, columns, values, alpha):
    real = x.dtype.type
    k = x.shape[1]
    a = np.empty((k, k), x.dtype)
    l = np.empty((k, k), np.float64)  # noqa: E741 - the field's name of it
    b = np.empty(k, np.float64)
    for row in range(x.shape[0]):
        for f in range(k):
            b[f] = 0.0
            for g in range(f + 1):
                a[f, g] = gram[f, g]
        for n in range(ends[row], ends[row + 1]):
            c = np.uint32(columns[n])  # without a sign, no index counts from the end
            r = values[n]
            more = real(alpha) * abs(r)
            for f in range(k):
                w = more * y[c, f]
                for g in range(f + 1):
                    a[f, g] += w * y[c, g]
            if r > real(0):
                for f in range(k):
                    b[f] += np.float64((real(1) + more) * y[c, f])
        for f in range(k):
            for g in range(f + 1):
                s = np.float64(a[f, g])
                for h in range(g):
                    s -= l[f, h] * l[g, h]
                l[f, g] = np.sqrt(s) if f == g else s / l[g, g]
        for f in range(k):
            s = b[f]
            for h in range(f):
                s -= l[f, h] * b[h]
            b[f] = s / l[f, f]
        for f in range(k - 1, -1, -1):
            s = b[f]
            for h in range(f + 1, k):
                s -= l[h, f] * b[h]
            b[f] = s / l[f, f]
            x[row, f] = real(b[f])


def _check(name: str) -> Any:
    def check(x: Any, y: Any, gram: Any, ends: Any, columns: Any, values: Any, *rest: Any) -> None:
        rows, k = checks.matrix(name, "x", x)
        checks.shaped(name, "y", y, (y.shape[0], k), x.dtype)
        checks.shaped(name, "gram", gram, (k, k), x.dtype)
        checks.shaped(name, "ends", ends, (rows + 1,), np.int64)
        checks.shaped(name, "columns", columns, values.shape, np.int32)
        checks.shaped(name, "values", values, values.shape[:1], x.dtype)

    return check


als_solve = kernel(
    "als_solve", als_solve_reference, cpu=_als_solve_cpu, check=_check("als_solve"), updates="x"
)


def als_cg_reference(
    x: Any, y: Any, gram: Any, ends: Any, columns: Any, values: Any, alpha: float, steps: int
) -> None:
    """As als_solve, by `steps` steps of conjugate gradients that begin at x."""
    for row in range(len(x)):
        mine = slice(ends[row], ends[row + 1])
        a, b = _system(gram, y[columns[mine]], values[mine], alpha)
        residual = b - a @ x[row]
        direction, square = residual.copy(), residual @ residual
        for _ in range(steps):
            if square < TINY:
                break
            image = a @ direction
            length = square / (direction @ image)
            x[row] += length * direction
            residual -= length * image
            before, square = square, residual @ residual
            direction = residual + square / before * direction


TINY = 1e-20
"""Squared residual from which a row counts as solved."""


def _apply(gram, y, columns, values, begin, end, alpha, v, out):
    """out = (gram + sum (c - 1) y y') v."""
    real = v.dtype.type
    k = v.size
    for f in range(k):
        s = real(0)
        for g in range(k):
            s += gram[f, g] * v[g]
        out[f] = s
    for n in range(begin, end):
        c = np.uint32(columns[n])  # without a sign, no index counts from the end
        dot = real(0)
        for f in range(k):
            dot += y[c, f] * v[f]
        dot *= real(alpha) * abs(values[n])
        for f in range(k):
            out[f] += dot * y[c, f]


def _als_cg_cpu(x, y, gram, ends, columns, values, alpha, steps):
    real = x.dtype.type
    k = x.shape[1]
    residual, direction = np.empty(k, x.dtype), np.empty(k, x.dtype)
    image = np.empty(k, x.dtype)
    for row in range(x.shape[0]):
        begin, end = ends[row], ends[row + 1]
        u = x[row]
        _apply(gram, y, columns, values, begin, end, alpha, u, image)
        for f in range(k):
            residual[f] = -image[f]
        for n in range(begin, end):
            r = values[n]
            if r > real(0):
                c, sure = np.uint32(columns[n]), real(1) + real(alpha) * r
                for f in range(k):
                    residual[f] += sure * y[c, f]
        square = real(0)
        for f in range(k):
            direction[f] = residual[f]
            square += residual[f] * residual[f]
        for _ in range(steps):
            if square < real(TINY):
                break
            _apply(gram, y, columns, values, begin, end, alpha, direction, image)
            down = real(0)
            for f in range(k):
                down += direction[f] * image[f]
            length = square / down
            before, square = square, real(0)
            for f in range(k):
                u[f] += length * direction[f]
                residual[f] -= length * image[f]
                square += residual[f] * residual[f]
            turn = square / before
            for f in range(k):
                direction[f] = residual[f] + turn * direction[f]


CUDA = r"""
// A warp works on one row; each lane has every 32nd factor. Sums over factors go through shared memory in a
// fixed order.
__device__ real warp_sum(real mine, real* part) {
  int lane = threadIdx.x;
  __syncthreads();
  part[lane] = mine;
  __syncthreads();
  for (int half = 16; half > 0; half >>= 1) {
    if (lane < half) part[lane] += part[lane + half];
    __syncthreads();
  }
  return part[0];
}

__device__ void apply(const real* gram, const real* y, const int* columns, const real* values,
                      long long begin, long long end, real alpha, const real* v, real* out, real* part,
                      int k) {
  __syncthreads();
  for (int f = threadIdx.x; f < k; f += 32) {
    real s = 0;
    for (int g = 0; g < k; g++) s += gram[(long long)f * k + g] * v[g];
    out[f] = s;
  }
  for (long long n = begin; n < end; n++) {
    const real* w = y + (long long)columns[n] * k;
    real dot = 0;
    for (int f = threadIdx.x; f < k; f += 32) dot += w[f] * v[f];
    dot = warp_sum(dot, part) * alpha * real_abs(values[n]);
    for (int f = threadIdx.x; f < k; f += 32) out[f] += dot * w[f];
  }
}

extern "C" __global__ void als_cg(real* x, const real* y, const real* gram, const long long* ends,
                                  const int* columns, const real* values, real alpha, int steps, real tiny,
                                  int k, long long rows) {
  extern __shared__ real room[];
  real* u = room;
  real* residual = u + k;
  real* direction = residual + k;
  real* image = direction + k;
  real* part = image + k;
  int lane = threadIdx.x;
  for (long long row = blockIdx.x; row < rows; row += gridDim.x) {
    long long begin = ends[row], end = ends[row + 1];
    for (int f = lane; f < k; f += 32) u[f] = x[row * k + f];
    apply(gram, y, columns, values, begin, end, alpha, u, image, part, k);
    for (int f = lane; f < k; f += 32) residual[f] = -image[f];
    for (long long n = begin; n < end; n++) {
      real r = values[n];
      const real* v = y + (long long)columns[n] * k;
      if (r > 0)
        for (int f = lane; f < k; f += 32) residual[f] += (1 + alpha * r) * v[f];
    }
    real mine = 0;
    for (int f = lane; f < k; f += 32) {
      direction[f] = residual[f];
      mine += residual[f] * residual[f];
    }
    real square = warp_sum(mine, part);
    for (int step = 0; step < steps && square >= tiny; step++) {
      apply(gram, y, columns, values, begin, end, alpha, direction, image, part, k);
      mine = 0;
      for (int f = lane; f < k; f += 32) mine += direction[f] * image[f];
      real length = square / warp_sum(mine, part);
      mine = 0;
      for (int f = lane; f < k; f += 32) {
        u[f] += length * direction[f];
        residual[f] -= length * image[f];
        mine += residual[f] * residual[f];
      }
      real before = square;
      square = warp_sum(mine, part);
      for (int f = lane; f < k; f += 32) direction[f] = residual[f] + square / before * direction[f];
    }
    for (int f = lane; f < k; f += 32) x[row * k + f] = u[f];
  }
}
"""


def _als_cg_gpu(
    launch: Any, x: Any, y: Any, gram: Any, ends: Any, columns: Any, values: Any, alpha: float, steps: int
) -> None:
    rows, k = x.shape
    launch(
        "als_cg", (min(rows, 65535),), x, y, gram, ends, columns, values, alpha, steps, TINY, k, rows,
        block=32, shared_mem=(4 * k + 32) * x.dtype.itemsize,
    )  # fmt: skip


als_cg = kernel(
    "als_cg",
    als_cg_reference,
    cpu=_als_cg_cpu,
    cuda=CUDA,
    gpu=_als_cg_gpu,
    check=_check("als_cg"),
    updates="x",
)
