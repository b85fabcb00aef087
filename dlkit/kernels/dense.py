"""The two elementwise halves of a dense layer y = f(x W + b), around the matrix products.

Each is one pass over the memory. prelu is not fused: its slope a may become 0 or negative, and then y no
longer tells the sign of the pre-activation, which the gradient needs (IDENTITY, then `activation.activate`).
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.activation import LEAKY_RELU, PRELU, RELU, SIGMOID, TANH, activate_reference
from dlkit.kernels.exponential import exponential, exponential_minus_one
from dlkit.kernels.registry import kernel


# -- forward: z <- f(z + b) ---------------------------------------------------------------------
def bias_activation_reference(z: Any, b: Any, a: Any, kind: int) -> None:
    """z: (n, m), updated in place; b: (m,); a: (1,) leaky relu's slope (>= 0); kind: activation.RELU, ..."""
    z += b
    activate_reference(z.copy(), a, kind, z)


def _bias_activation_cpu(z, b, a, kind):
    slope, zero, one, two = a[0], a.dtype.type(0), a.dtype.type(1), a.dtype.type(2)
    for i in range(z.shape[0]):
        row = z[i]
        if kind == RELU:
            for j in range(b.size):
                u = row[j] + b[j]
                row[j] = zero if u < zero else u
        elif kind == LEAKY_RELU:
            for j in range(b.size):
                u = row[j] + b[j]
                row[j] = slope * u if u < zero else u
        elif kind == SIGMOID:
            for j in range(b.size):
                row[j] = one / (one + exponential(-(row[j] + b[j])))
        elif kind == TANH:
            for j in range(b.size):
                u = row[j] + b[j]
                t = exponential_minus_one(-two * abs(u))
                t = t / (t + two)
                row[j] = t if u < zero else -t
        else:
            for j in range(b.size):
                row[j] += b[j]


# -- gradient: dz = dy f', db = column sums of dz -----------------------------------------------
def activation_gradient_reference(y: Any, dy: Any, a: Any, kind: int, dz: Any, db: Any) -> None:
    """y: (n, m) output of the layer; dz = dy f'(z), with f' told from y; db: (m,) sums of dz over rows."""
    if kind == RELU:
        dz[...] = dy * (y > 0)
    elif kind == LEAKY_RELU:
        dz[...] = dy * np.where(y > 0, 1, a)
    elif kind == SIGMOID:
        dz[...] = dy * y * (1 - y)
    elif kind == TANH:
        dz[...] = dy * (1 - y * y)
    else:
        dz[...] = dy
    db[...] = dz.sum(0)


def _activation_gradient_cpu(y, dy, a, kind, dz, db):
    slope, zero, one = a[0], a.dtype.type(0), a.dtype.type(1)
    for j in range(db.size):
        db[j] = zero
    for i in range(y.shape[0]):
        v, dv, du = y[i], dy[i], dz[i]
        if kind == RELU:
            for j in range(db.size):
                d = dv[j] if v[j] > zero else zero * dv[j]
                du[j] = d
                db[j] += d
        elif kind == LEAKY_RELU:
            for j in range(db.size):
                d = dv[j] if v[j] > zero else slope * dv[j]
                du[j] = d
                db[j] += d
        elif kind == SIGMOID:
            for j in range(db.size):
                d = dv[j] * v[j] * (one - v[j])
                du[j] = d
                db[j] += d
        elif kind == TANH:
            for j in range(db.size):
                d = dv[j] * (one - v[j] * v[j])
                du[j] = d
                db[j] += d
        else:
            for j in range(db.size):
                du[j] = dv[j]
                db[j] += dv[j]


# -- CUDA -------------------------------------------------------------------------------------
CUDA = r"""
extern "C" __global__ void bias_activation(real* z, const real* b, const real* a, int kind, int m,
                                           long long size) {
  GRID_STRIDE(i, size) {
    real u = z[i] + b[i % m];
    switch (kind) {
      case 1: z[i] = u < 0 ? (real)0 : u; break;
      case 2: z[i] = u < 0 ? a[0] * u : u; break;
      case 3: z[i] = (real)1 / ((real)1 + real_exp(-u)); break;
      case 4: z[i] = real_tanh(u); break;
      default: z[i] = u;
    }
  }
}

// A block takes 32 columns: thread (x, y) rows y, y + 8, ...; then a column's 8 sums in order.
extern "C" __global__ void activation_gradient(const real* y, const real* dy, const real* a, int kind,
                                               real* dz, real* db, int n, int m) {
  __shared__ real part[8][32];
  int j = blockIdx.x * 32 + threadIdx.x;
  real sum = 0;
  if (j < m) for (int i = threadIdx.y; i < n; i += 8) {
    long long k = (long long)i * m + j;
    real v = y[k], d = dy[k];
    switch (kind) {
      case 1: d = v > 0 ? d : (real)0 * d; break;
      case 2: d = v > 0 ? d : a[0] * d; break;
      case 3: d = d * v * ((real)1 - v); break;
      case 4: d = d * ((real)1 - v * v); break;
    }
    dz[k] = d;
    sum += d;
  }
  part[threadIdx.y][threadIdx.x] = sum;
  __syncthreads();
  if (threadIdx.y == 0 && j < m) {
    for (int r = 1; r < 8; r++) sum += part[r][threadIdx.x];
    db[j] = sum;
  }
}
"""


def _bias_activation_gpu(launch: Any, z: Any, b: Any, a: Any, kind: int) -> None:
    launch("bias_activation", z.size, z, b, a, kind, b.size, z.size)


def _activation_gradient_gpu(launch: Any, y: Any, dy: Any, a: Any, kind: int, dz: Any, db: Any) -> None:
    n, m = y.shape
    launch("activation_gradient", (-(-m // 32),), y, dy, a, kind, dz, db, n, m, block=(32, 8))


def _check_bias_activation(z: Any, b: Any, a: Any, kind: int) -> None:
    _, m = checks.matrix("bias_activation", "z", z)
    checks.shaped("bias_activation", "b", b, (m,), z.dtype)
    checks.shaped("bias_activation", "a", a, (1,), z.dtype)
    _refuse_prelu("bias_activation", kind)


def _check_activation_gradient(y: Any, dy: Any, a: Any, kind: int, dz: Any, db: Any) -> None:
    _, m = checks.matrix("activation_gradient", "y", y)
    checks.alike("activation_gradient", y, dy, dz)
    checks.shaped("activation_gradient", "db", db, (m,), y.dtype)
    checks.shaped("activation_gradient", "a", a, (1,), y.dtype)
    _refuse_prelu("activation_gradient", kind)


def _refuse_prelu(name: str, kind: int) -> None:
    if kind == PRELU:
        raise ValueError(f"{name}: prelu is not fused: use IDENTITY, then activation.activate")


bias_activation = kernel(
    "bias_activation", bias_activation_reference, cpu=_bias_activation_cpu, cuda=CUDA,
    gpu=_bias_activation_gpu, check=_check_bias_activation, updates="z", rows="z",
)  # fmt: skip
activation_gradient = kernel(
    "activation_gradient", activation_gradient_reference, cpu=_activation_gradient_cpu, cuda=CUDA,
    gpu=_activation_gradient_gpu, check=_check_activation_gradient, updates="dz db",
    rows="y dy dz", sums="db",
)  # fmt: skip
