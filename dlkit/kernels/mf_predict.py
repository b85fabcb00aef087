"""Predicted ratings of pairs: r^ = mu + b_u + b_i + p_u . q_i, what is not known of a pair left out."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def mf_predict_reference(
    p: Any, q: Any, bu: Any, bi: Any, mu: float, users: Any, items: Any, out: Any
) -> None:
    """p: (n_users, k), q: (n_items, k), bu: (n_users,), bi: (n_items,); users, items: (n,) int32, -1 for one
    that
    is not known: its bias and the product are left out; out: (n,)."""
    for n, (u, i) in enumerate(zip(users, items, strict=True)):
        out[n] = mu
        if u >= 0:
            out[n] += bu[u]
        if i >= 0:
            out[n] += bi[i]
        if u >= 0 and i >= 0:
            out[n] += p[u] @ q[i]


def _mf_predict_cpu(p, q, bu, bi, mu, users, items, out):
    real = p.dtype.type
    mean = real(mu)
    k = p.shape[1]
    for n in range(out.size):
        u, i = users[n], items[n]
        r = mean
        if u >= 0:
            r += bu[u]
        if i >= 0:
            r += bi[i]
        if u >= 0 and i >= 0:
            row, column = np.uint32(u), np.uint32(i)  # without a sign, no index counts from the end
            dot = real(0)
            for f in range(k):
                dot += p[row, f] * q[column, f]
            r += dot
        out[n] = r


CUDA = r"""
extern "C" __global__ void mf_predict(const real* p, const real* q, const real* bu, const real* bi, real mu,
                                      const int* users, const int* items, real* out, int k, long long size) {
  GRID_STRIDE(n, size) {
    int u = users[n], i = items[n];
    real r = mu;
    if (u >= 0) r += bu[u];
    if (i >= 0) r += bi[i];
    if (u >= 0 && i >= 0) {
      const real* pu = p + (long long)u * k;
      const real* qi = q + (long long)i * k;
      real dot = 0;
      for (int f = 0; f < k; f++) dot += pu[f] * qi[f];
      r += dot;
    }
    out[n] = r;
  }
}
"""


def _mf_predict_gpu(
    launch: Any, p: Any, q: Any, bu: Any, bi: Any, mu: float, users: Any, items: Any, out: Any
) -> None:
    launch("mf_predict", out.size, p, q, bu, bi, mu, users, items, out, p.shape[1], out.size)


def _check(p: Any, q: Any, bu: Any, bi: Any, mu: float, users: Any, items: Any, out: Any) -> None:
    rows, k = checks.matrix("mf_predict", "p", p)
    checks.shaped("mf_predict", "q", q, (q.shape[0], k), p.dtype)
    checks.shaped("mf_predict", "bu", bu, (rows,), p.dtype)
    checks.shaped("mf_predict", "bi", bi, (q.shape[0],), p.dtype)
    checks.shaped("mf_predict", "users", users, out.shape, np.int32)
    checks.shaped("mf_predict", "items", items, out.shape, np.int32)
    checks.shaped("mf_predict", "out", out, out.shape[:1], p.dtype)


mf_predict = kernel(
    "mf_predict", mf_predict_reference, cpu=_mf_predict_cpu, cuda=CUDA, gpu=_mf_predict_gpu, check=_check,
    updates="out",
)  # fmt: skip
