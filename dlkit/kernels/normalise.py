"""Batch normalisation and the activation after it, where a column fits in the cache: few rows, many columns.

y = f(gamma h + beta), h = (x - mean) rstd, as in batch_norm.py, whose kernels are for sums over many rows and
over shards. Here the rows are all there are, and a few columns at a time go through all steps. The work is
shared out by columns: `columns` names those to be done.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.activation import LEAKY_RELU, PRELU, RELU, SIGMOID, TANH
from dlkit.kernels.dense import activation_gradient_reference, bias_activation_reference
from dlkit.kernels.exponential import exponential, exponential_minus_one
from dlkit.kernels.registry import kernel

STRIP = 64
"""Columns at a time."""


# -- forward ------------------------------------------------------------------------------------
def normalise_reference(
    x: Any, columns: Any, gamma: Any, beta: Any, running_mean: Any, running_var: Any, momentum: float,
    eps: float, a: Any, kind: int, mean: Any, rstd: Any, y: Any,
) -> None:  # fmt: skip
    """x, y: (n, m); columns: (k,) int64, neighbours, the columns that are done; all vectors: (k,) of these.

    mean, rstd: written, the statistics; running_mean, running_var: moved by `momentum` towards them, the
    variance as the unbiased one; one row leaves it alone. kind, a: activation and slope, as for
    `bias_activation`.
    """
    part, n = x[:, columns], len(x)
    mean[...] = part.mean(0)
    var = part.var(0)
    rstd[...] = 1 / np.sqrt(var + eps)
    running_mean += momentum * (mean - running_mean)
    if n > 1:
        running_var += momentum * (var * (n / (n - 1)) - running_var)
    z = (part - mean) * rstd * gamma
    bias_activation_reference(z, beta, a, kind)
    y[:, columns] = z


def _normalise_cpu(
    x, columns, gamma, beta, running_mean, running_var, momentum, eps, a, kind, mean, rstd, y
):  # fmt: skip
    n, real, zero, one, two = x.shape[0], a.dtype.type, a.dtype.type(0), a.dtype.type(1), a.dtype.type(2)
    slope, share, rate, small = a[0], one / real(n), real(momentum), real(eps)
    unbiased = real(n / (n - 1)) if n > 1 else zero
    for start in range(0, columns.size, STRIP):
        width = min(STRIP, columns.size - start)
        first, m, r = columns[start], mean[start : start + width], rstd[start : start + width]
        g, b = gamma[start : start + width], beta[start : start + width]
        for j in range(width):
            m[j] = zero
            r[j] = zero
        for i in range(n):
            u = x[i, first : first + width]
            for j in range(width):
                m[j] += u[j]
        for j in range(width):
            m[j] *= share
        for i in range(n):
            u = x[i, first : first + width]
            for j in range(width):
                r[j] += (u[j] - m[j]) * (u[j] - m[j])
        moved_mean, moved_var = running_mean[start : start + width], running_var[start : start + width]
        for j in range(width):
            var = r[j] * share
            r[j] = one / np.sqrt(var + small)
            moved_mean[j] += rate * (m[j] - moved_mean[j])
            moved_var[j] += rate * (var * unbiased - moved_var[j]) if n > 1 else zero
        for i in range(n):
            u, v = x[i, first : first + width], y[i, first : first + width]
            for j in range(width):
                v[j] = (u[j] - m[j]) * (r[j] * g[j]) + b[j]
            if kind == RELU:
                for j in range(width):
                    v[j] = zero if v[j] < zero else v[j]
            elif kind == LEAKY_RELU:
                for j in range(width):
                    v[j] = slope * v[j] if v[j] < zero else v[j]
            elif kind == SIGMOID:
                for j in range(width):
                    v[j] = one / (one + exponential(-v[j]))
            elif kind == TANH:
                for j in range(width):
                    t = exponential_minus_one(-two * abs(v[j]))
                    t = t / (t + two)
                    v[j] = t if v[j] < zero else -t


# -- backward -----------------------------------------------------------------------------------
def normalise_backward_reference(
    x: Any, y: Any, dy: Any, columns: Any, mean: Any, rstd: Any, gamma: Any, a: Any, kind: int, dgamma: Any,
    dbeta: Any, dx: Any,
) -> None:  # fmt: skip
    """dgamma, dbeta: (k,); x, y, dy, dx: (n, m); the other arguments as for `normalise`."""
    h = (x[:, columns] - mean) * rstd
    dz = np.empty_like(h)
    activation_gradient_reference(y[:, columns], dy[:, columns], a, kind, dz, dbeta)
    dgamma[...] = (dz * h).sum(0)
    dx[:, columns] = gamma * rstd * (dz - (dbeta + h * dgamma) / len(x))


def _normalise_backward_cpu(x, y, dy, columns, mean, rstd, gamma, a, kind, dgamma, dbeta, dx):
    n, zero, one, slope = x.shape[0], a.dtype.type(0), a.dtype.type(1), a[0]
    share = one / a.dtype.type(n)
    for start in range(0, columns.size, STRIP):
        width = min(STRIP, columns.size - start)
        first, m, r = columns[start], mean[start : start + width], rstd[start : start + width]
        g, dg, db = gamma[start : start + width], dgamma[start : start + width], dbeta[start : start + width]
        for j in range(width):
            dg[j] = zero
            db[j] = zero
        for i in range(n):
            u, v = x[i, first : first + width], y[i, first : first + width]
            dv, du = dy[i, first : first + width], dx[i, first : first + width]
            if kind == RELU:
                for j in range(width):
                    du[j] = dv[j] if v[j] > zero else zero * dv[j]
            elif kind == LEAKY_RELU:
                for j in range(width):
                    du[j] = dv[j] if v[j] > zero else slope * dv[j]
            elif kind == SIGMOID:
                for j in range(width):
                    du[j] = dv[j] * v[j] * (one - v[j])
            elif kind == TANH:
                for j in range(width):
                    du[j] = dv[j] * (one - v[j] * v[j])
            else:
                for j in range(width):
                    du[j] = dv[j]
            for j in range(width):
                db[j] += du[j]
                dg[j] += du[j] * (u[j] - m[j])
        for j in range(width):
            dg[j] *= r[j]
        for i in range(n):
            u, du = x[i, first : first + width], dx[i, first : first + width]
            for j in range(width):
                h = (u[j] - m[j]) * r[j]
                du[j] = g[j] * r[j] * (du[j] - (db[j] + h * dg[j]) * share)


def _check(
    name: str, matrices: tuple[Any, ...], columns: Any, vectors: tuple[Any, ...], a: Any, kind: int
) -> None:
    checks.matrix(name, "x", matrices[0])
    checks.alike(name, *matrices)
    checks.shaped(name, "columns", columns, columns.shape, np.int64)
    for v in vectors:
        checks.shaped(name, "a column vector", v, columns.shape, matrices[0].dtype)
    checks.shaped(name, "a", a, (1,), matrices[0].dtype)
    if not len(matrices[0]):
        raise ValueError(f"{name}: no rows to take the mean of")
    if kind == PRELU:
        raise ValueError(f"{name}: prelu is not fused")


normalise = kernel(
    "normalise", normalise_reference, cpu=_normalise_cpu, updates="running_mean running_var mean rstd y",
    rows="columns gamma beta running_mean running_var mean rstd",
    check=lambda x, columns, gamma, beta, mu, var, momentum, eps, a, kind, mean, rstd, y: _check(
        "normalise", (x, y), columns, (gamma, beta, mu, var, mean, rstd), a, kind
    ),
)  # fmt: skip
normalise_backward = kernel(
    "normalise_backward", normalise_backward_reference, cpu=_normalise_backward_cpu,
    updates="dgamma dbeta dx", rows="columns mean rstd gamma dgamma dbeta",
    check=lambda x, y, dy, columns, mean, rstd, gamma, a, kind, dgamma, dbeta, dx: _check(
        "normalise_backward", (x, y, dy, dx), columns, (mean, rstd, gamma, dgamma, dbeta), a, kind
    ),
)  # fmt: skip
