"""Stochastic gradient descent for matrix factorisation over blocks of ratings that share no row (Funk 2006).

For a rating r of item i by user u, with the error e = r - mu - b_u - b_i - p_u . q_i before the update:

    b_u <- b_u + lr_bias (e - reg_bias b_u)        p_u <- p_u + lr (e q_i - reg p_u)
    b_i <- b_i + lr_bias (e - reg_bias b_i)        q_i <- q_i + lr (e p_u - reg q_i)

q_i takes p_u as it was before the update, or (sequential) as it is after it. The ratings of a block are taken
one after another. Blocks of one call have no user and no item in common, so they may be worked on at the same
time: the result has the same bits whatever the number of threads (Gemulla et al. 2011).
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel

LANES = 32
"""Threads that share the factors of one block on the GPU: a warp."""


def mf_sgd_reference(
    p: Any, q: Any, bu: Any, bi: Any, users: Any, items: Any, values: Any, first: Any, last: Any,
    mu: float, lr: float, reg: float, lr_bias: float, reg_bias: float, biased: int, sequential: int, loss:
    Any,
) -> None:  # fmt: skip
    """p: (n_users, k), q: (n_items, k), bu: (n_users,), bi: (n_items,), updated; users, items: (n,) int32,
    values: (n,) of the ratings; block b is first[b]:last[b], (blocks,) int64; biased: 0 leaves mu, bu and bi
    out; loss: (blocks, 2) float64 gets the sums of e^2 and |e|."""
    loss[...] = 0
    for b in range(len(first)):
        for n in range(first[b], last[b]):
            u, i = users[n], items[n]
            e = values[n] - p[u] @ q[i]
            if biased:
                e -= mu + bu[u] + bi[i]
                bu[u] += lr_bias * (e - reg_bias * bu[u])
                bi[i] += lr_bias * (e - reg_bias * bi[i])
            before = p[u].copy()
            p[u] += lr * (e * q[i] - reg * p[u])
            q[i] += lr * (e * (p[u] if sequential else before) - reg * q[i])
            loss[b, 0] += float(e) ** 2
            loss[b, 1] += abs(float(e))


def _mf_sgd_cpu(
    p, q, bu, bi, users, items, values, first, last, mu, lr, reg, lr_bias, reg_bias, biased, sequential, loss
):
    real = p.dtype.type
    k = p.shape[1]
    mean, rate, keep = real(mu), real(lr), real(1.0 - lr * reg)
    rate_bias, keep_bias = real(lr_bias), real(1.0 - lr_bias * reg_bias)
    for b in range(first.size):
        squares, absolute = 0.0, 0.0
        for n in range(first[b], last[b]):
            u, i = np.uint32(users[n]), np.uint32(items[n])  # without a sign, no index counts from the end
            dot = real(0)
            for f in range(k):
                dot += p[u, f] * q[i, f]
            e = values[n] - dot
            if biased:
                e -= mean + bu[u] + bi[i]
                bu[u] = keep_bias * bu[u] + rate_bias * e
                bi[i] = keep_bias * bi[i] + rate_bias * e
            step = rate * e
            if sequential:
                for f in range(k):
                    x, y = keep * p[u, f] + step * q[i, f], q[i, f]
                    p[u, f] = x
                    q[i, f] = keep * y + step * x
            else:
                for f in range(k):
                    x, y = p[u, f], q[i, f]
                    p[u, f] = keep * x + step * y
                    q[i, f] = keep * y + step * x
            squares += np.float64(e) * np.float64(e)
            absolute += abs(np.float64(e))
        loss[b, 0] = squares
        loss[b, 1] = absolute


CUDA = r"""
// A warp works on one block, a rating at a time: each lane has every 32nd factor. The lanes add their parts
// of the dot product by an exchange whose order is fixed, so the bits do not depend on timing.
extern "C" __global__ void mf_sgd(real* p, real* q, real* bu, real* bi, const int* users, const int* items,
                                  const real* values, const long long* first, const long long* last, real mu,
                                  real rate, real keep, real rate_bias, real keep_bias, int biased,
                                  int sequential, double* loss, int k) {
  __shared__ real part[32];
  int lane = threadIdx.x;
  int b = blockIdx.x;
  double squares = 0, absolute = 0;
  for (long long n = first[b]; n < last[b]; n++) {
    int u = users[n], i = items[n];
    real* pu = p + (long long)u * k;
    real* qi = q + (long long)i * k;
    real dot = 0;
    for (int f = lane; f < k; f += 32) dot += pu[f] * qi[f];
    part[lane] = dot;
    __syncthreads();
    for (int half = 16; half > 0; half >>= 1) {
      if (lane < half) part[lane] += part[lane + half];
      __syncthreads();
    }
    real e = values[n] - part[0];
    if (biased) e -= mu + bu[u] + bi[i];
    __syncthreads();
    if (lane == 0) {
      if (biased) {
        bu[u] = keep_bias * bu[u] + rate_bias * e;
        bi[i] = keep_bias * bi[i] + rate_bias * e;
      }
      squares += (double)e * e;
      absolute += e < 0 ? -(double)e : (double)e;
    }
    real step = rate * e;
    for (int f = lane; f < k; f += 32) {
      real x = pu[f], y = qi[f];
      real moved = keep * x + step * y;
      pu[f] = moved;
      qi[f] = keep * y + step * (sequential ? moved : x);
    }
    __syncthreads();
  }
  if (lane == 0) {
    loss[2 * b] = squares;
    loss[2 * b + 1] = absolute;
  }
}
"""


def _mf_sgd_gpu(
    launch: Any, p: Any, q: Any, bu: Any, bi: Any, users: Any, items: Any, values: Any, first: Any, last: Any,
    mu: float, lr: float, reg: float, lr_bias: float, reg_bias: float, biased: int, sequential: int, loss:
    Any,
) -> None:  # fmt: skip
    launch(
        "mf_sgd", (first.size,), p, q, bu, bi, users, items, values, first, last, mu, lr, 1 - lr * reg,
        lr_bias, 1 - lr_bias * reg_bias, biased, sequential, loss, p.shape[1], block=LANES,
    )  # fmt: skip


def _check(
    p: Any, q: Any, bu: Any, bi: Any, users: Any, items: Any, values: Any, first: Any, last: Any, *rest: Any
) -> None:
    rows, k = checks.matrix("mf_sgd", "p", p)
    columns, _ = checks.matrix("mf_sgd", "q", q)
    checks.shaped("mf_sgd", "q", q, (columns, k), p.dtype)
    checks.shaped("mf_sgd", "bu", bu, (rows,), p.dtype)
    checks.shaped("mf_sgd", "bi", bi, (columns,), p.dtype)
    n = values.shape[0]
    checks.shaped("mf_sgd", "users", users, (n,), np.int32)
    checks.shaped("mf_sgd", "items", items, (n,), np.int32)
    checks.shaped("mf_sgd", "values", values, (n,), p.dtype)
    checks.shaped("mf_sgd", "first", first, first.shape[:1], np.int64)
    checks.shaped("mf_sgd", "last", last, first.shape, np.int64)
    checks.shaped("mf_sgd", "loss", rest[-1], (first.shape[0], 2), np.float64)


mf_sgd = kernel(
    "mf_sgd", mf_sgd_reference, cpu=_mf_sgd_cpu, cuda=CUDA, gpu=_mf_sgd_gpu, check=_check,
    updates="p q bu bi loss",
)  # fmt: skip
