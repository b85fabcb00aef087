"""Batch normalisation (Ioffe & Szegedy 2015, algorithm 1) in pieces, between which shards add their sums.

Forward over the N rows of all shards:  mean = sum x / N;  var = sum (x - mean)^2 / N;
rstd = 1 / sqrt(var + eps);  y = gamma (x - mean) rstd + beta.
Backward, with h = (x - mean) rstd:  dbeta = sum dy;  dgamma = sum dy h;
dx = gamma rstd (dy - (dbeta + h dgamma) / N), where the sums in dx are those of all shards.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


# -- column sums ------------------------------------------------------------------------------
def column_sums_reference(x: Any, out: Any) -> None:
    """x: (n, m); out: (m,) sums over the rows."""
    out[...] = x.sum(0)


def _column_sums_cpu(x, out):
    for j in range(out.size):
        out[j] = x.dtype.type(0)
    n = x.shape[0]
    for i in range(0, n - 3, 4):  # four rows at a time: out is read and written a quarter as often
        a, b, c, d = x[i], x[i + 1], x[i + 2], x[i + 3]
        for j in range(out.size):
            out[j] += (a[j] + b[j]) + (c[j] + d[j])
    for i in range(n - n % 4, n):
        a = x[i]
        for j in range(out.size):
            out[j] += a[j]


def column_squares_reference(x: Any, mean: Any, out: Any) -> None:
    """x: (n, m); mean: (m,); out: (m,) sums over the rows of (x - mean)^2."""
    out[...] = ((x - mean) ** 2).sum(0)


def _column_squares_cpu(x, mean, out):
    for j in range(out.size):
        out[j] = x.dtype.type(0)
    n = x.shape[0]
    for i in range(0, n - 1, 2):
        a, b = x[i], x[i + 1]
        for j in range(out.size):
            u, v = a[j] - mean[j], b[j] - mean[j]
            out[j] += u * u + v * v
    if n % 2:
        a = x[n - 1]
        for j in range(out.size):
            u = a[j] - mean[j]
            out[j] += u * u


# -- forward ------------------------------------------------------------------------------------
def batch_norm_reference(x: Any, mean: Any, rstd: Any, gamma: Any, beta: Any, y: Any) -> None:
    """y = gamma (x - mean) rstd + beta. x, y: (n, m); mean, rstd, gamma, beta: (m,)."""
    y[...] = (x - mean) * rstd * gamma + beta


def _batch_norm_cpu(x, mean, rstd, gamma, beta, y):
    for i in range(x.shape[0]):
        u, v = x[i], y[i]
        for j in range(mean.size):
            v[j] = (u[j] - mean[j]) * (rstd[j] * gamma[j]) + beta[j]


# -- backward -----------------------------------------------------------------------------------
def batch_norm_sums_reference(x: Any, dy: Any, mean: Any, rstd: Any, dgamma: Any, dbeta: Any) -> None:
    """dgamma: (m,) sums of dy h; dbeta: (m,) sums of dy; x, dy: (n, m)."""
    dgamma[...] = (dy * (x - mean) * rstd).sum(0)
    dbeta[...] = dy.sum(0)


def _batch_norm_sums_cpu(x, dy, mean, rstd, dgamma, dbeta):
    zero = x.dtype.type(0)
    for j in range(mean.size):
        dgamma[j] = zero
        dbeta[j] = zero
    for i in range(x.shape[0]):
        u, dv = x[i], dy[i]
        for j in range(mean.size):
            dgamma[j] += dv[j] * (u[j] - mean[j])
            dbeta[j] += dv[j]
    for j in range(mean.size):
        dgamma[j] *= rstd[j]


def batch_norm_backward_reference(
    x: Any, dy: Any, mean: Any, rstd: Any, gamma: Any, dgamma: Any, dbeta: Any, scale: float, dx: Any
) -> None:
    """dx = gamma rstd (dy - (dbeta + h dgamma) scale); dgamma, dbeta: (m,) summed over all shards;
    scale: 1 / N of all shards; x, dy, dx: (n, m)."""
    h = (x - mean) * rstd
    dx[...] = gamma * rstd * (dy - (dbeta + h * dgamma) * scale)


def _batch_norm_backward_cpu(x, dy, mean, rstd, gamma, dgamma, dbeta, scale, dx):
    s = x.dtype.type(scale)
    for i in range(x.shape[0]):
        u, dv, du = x[i], dy[i], dx[i]
        for j in range(mean.size):
            h = (u[j] - mean[j]) * rstd[j]
            du[j] = gamma[j] * rstd[j] * (dv[j] - (dbeta[j] + h * dgamma[j]) * s)


# -- CUDA -------------------------------------------------------------------------------------
CUDA = r"""
// Column sums: a block takes 32 columns, thread (x, y) rows y, y + 8, ...; then a column's 8 sums in order.
__device__ __forceinline__ real column(real sum, real (*part)[32]) {
  part[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0) for (int r = 1; r < 8; r++) sum += part[r][threadIdx.x];
  __syncthreads();
  return sum;
}

extern "C" __global__ void column_sums(const real* x, real* out, int n, int m) {
  __shared__ real part[8][32];
  int j = blockIdx.x * 32 + threadIdx.x;
  real sum = 0;
  if (j < m) for (int i = threadIdx.y; i < n; i += 8) sum += x[(long long)i * m + j];
  sum = column(sum, part);
  if (threadIdx.y == 0 && j < m) out[j] = sum;
}

extern "C" __global__ void column_squares(const real* x, const real* mean, real* out, int n, int m) {
  __shared__ real part[8][32];
  int j = blockIdx.x * 32 + threadIdx.x;
  real sum = 0;
  if (j < m) for (int i = threadIdx.y; i < n; i += 8) {
    real d = x[(long long)i * m + j] - mean[j];
    sum += d * d;
  }
  sum = column(sum, part);
  if (threadIdx.y == 0 && j < m) out[j] = sum;
}

extern "C" __global__ void batch_norm(const real* x, const real* mean, const real* rstd, const real* gamma,
                                      const real* beta, real* y, int m, long long size) {
  GRID_STRIDE(i, size) {
    int j = (int)(i % m);
    y[i] = (x[i] - mean[j]) * (rstd[j] * gamma[j]) + beta[j];
  }
}

extern "C" __global__ void batch_norm_sums(const real* x, const real* dy, const real* mean, const real* rstd,
                                           real* dgamma, real* dbeta, int n, int m) {
  __shared__ real part[8][32];
  int j = blockIdx.x * 32 + threadIdx.x;
  real g = 0, b = 0;
  if (j < m) for (int i = threadIdx.y; i < n; i += 8) {
    long long k = (long long)i * m + j;
    g += dy[k] * (x[k] - mean[j]);
    b += dy[k];
  }
  g = column(g, part);
  b = column(b, part);
  if (threadIdx.y == 0 && j < m) {
    dgamma[j] = g * rstd[j];
    dbeta[j] = b;
  }
}

extern "C" __global__ void batch_norm_backward(const real* x, const real* dy, const real* mean,
                                               const real* rstd, const real* gamma, const real* dgamma,
                                               const real* dbeta, real scale, real* dx, int m,
                                               long long size) {
  GRID_STRIDE(i, size) {
    int j = (int)(i % m);
    real h = (x[i] - mean[j]) * rstd[j];
    dx[i] = gamma[j] * rstd[j] * (dy[i] - (dbeta[j] + h * dgamma[j]) * scale);
  }
}
"""


def _columns(m: int) -> tuple[int]:
    return (-(-m // 32),)


def _column_sums_gpu(launch: Any, x: Any, out: Any) -> None:
    launch("column_sums", _columns(out.size), x, out, *x.shape, block=(32, 8))


def _column_squares_gpu(launch: Any, x: Any, mean: Any, out: Any) -> None:
    launch("column_squares", _columns(out.size), x, mean, out, *x.shape, block=(32, 8))


def _batch_norm_gpu(launch: Any, x: Any, mean: Any, rstd: Any, gamma: Any, beta: Any, y: Any) -> None:
    launch("batch_norm", x.size, x, mean, rstd, gamma, beta, y, mean.size, x.size)


def _batch_norm_sums_gpu(launch: Any, x: Any, dy: Any, mean: Any, rstd: Any, dgamma: Any, dbeta: Any) -> None:
    args = (x, dy, mean, rstd, dgamma, dbeta, *x.shape)
    launch("batch_norm_sums", _columns(mean.size), *args, block=(32, 8))


def _batch_norm_backward_gpu(
    launch: Any, x: Any, dy: Any, mean: Any, rstd: Any, gamma: Any, dgamma: Any, dbeta: Any, scale: float,
    dx: Any,
) -> None:  # fmt: skip
    args = (x, dy, mean, rstd, gamma, dgamma, dbeta, scale, dx, mean.size, x.size)
    launch("batch_norm_backward", x.size, *args)


def _check(name: str, matrices: tuple[Any, ...], vectors: tuple[Any, ...]) -> None:
    _, m = checks.matrix(name, "x", matrices[0])
    checks.alike(name, *matrices)
    for v in vectors:
        checks.shaped(name, "a column vector", v, (m,), matrices[0].dtype)


column_sums = kernel(
    "column_sums", column_sums_reference, cpu=_column_sums_cpu, cuda=CUDA, gpu=_column_sums_gpu,
    updates="out", rows="x", sums="out", check=lambda x, out: _check("column_sums", (x,), (out,)),
)  # fmt: skip
column_squares = kernel(
    "column_squares", column_squares_reference, cpu=_column_squares_cpu, cuda=CUDA,
    gpu=_column_squares_gpu, updates="out", rows="x", sums="out",
    check=lambda x, mean, out: _check("column_squares", (x,), (mean, out)),
)  # fmt: skip
batch_norm = kernel(
    "batch_norm", batch_norm_reference, cpu=_batch_norm_cpu, cuda=CUDA, gpu=_batch_norm_gpu, updates="y",
    rows="x y",
    check=lambda x, *vectors_y: _check("batch_norm", (x, vectors_y[-1]), vectors_y[:-1]),
)  # fmt: skip
batch_norm_sums = kernel(
    "batch_norm_sums", batch_norm_sums_reference, cpu=_batch_norm_sums_cpu, cuda=CUDA,
    gpu=_batch_norm_sums_gpu, updates="dgamma dbeta", rows="x dy", sums="dgamma dbeta",
    check=lambda x, dy, *vectors: _check("batch_norm_sums", (x, dy), vectors),
)  # fmt: skip
batch_norm_backward = kernel(
    "batch_norm_backward", batch_norm_backward_reference, cpu=_batch_norm_backward_cpu, cuda=CUDA,
    gpu=_batch_norm_backward_gpu, updates="dx", rows="x dy dx",
    check=lambda x, dy, *rest: _check("batch_norm_backward", (x, dy, rest[-1]), rest[:-2]),
)  # fmt: skip
