"""SVD++ (Koren 2008, eq. 15): a user is also what he has rated, whatever the ratings.

    r^ = mu + b_u + b_i + q_i . (p_u + z_u),        z_u = |N(u)|^(-1/2) sum_{j in N(u)} y_j

Stochastic gradient descent, user by user, with e the error before the update:

    b_u, b_i as in SVD          p_u <- p_u + lr (e q_i - reg p_u)
                                q_i <- q_i + lr (e (p_u + z_u) - reg q_i)
    for every j in N(u):        y_j <- y_j + lr (e |N(u)|^(-1/2) q_i - reg y_j)

Written so, every rating of u moves all |N(u)| vectors y_j. But it moves them all by the same rule: with
d = 1 - lr reg, after any number of ratings of u

    y_j = d^n y_j(before) + a,   a <- d a + lr e |N(u)|^(-1/2) q_i,   so that   z_u <- d z_u + lr e q_i.

So z_u is carried along like a factor and the y_j are written once a user: the same numbers for |N(u)| times
less work.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def svdpp_users_reference(
    p: Any, q: Any, y: Any, bu: Any, bi: Any, order: Any, ends: Any, items: Any, values: Any,
    mu: float, lr: float, reg: float, lr_bias: float, reg_bias: float, loss: Any,
) -> None:  # fmt: skip
    """p: (n_users, k), q, y: (n_items, k), bu: (n_users,), bi: (n_items,), updated; order: (m,) int64 users
    to
    go through; user u has the ratings ends[u]:ends[u + 1] of items, (n,) int32, and values, (n,);
    loss: (2,) float64 gets the sums of e^2 and |e|."""
    loss[...] = 0
    for u in order:
        mine = slice(ends[u], ends[u + 1])
        rated = items[mine]
        for i, r in zip(rated, values[mine], strict=True):
            root = len(rated) ** -0.5
            z = root * y[rated].sum(axis=0)
            e = r - (mu + bu[u] + bi[i] + q[i] @ (p[u] + z))
            bu[u] += lr_bias * (e - reg_bias * bu[u])
            bi[i] += lr_bias * (e - reg_bias * bi[i])
            x, v = p[u].copy(), q[i].copy()
            p[u] += lr * (e * v - reg * x)
            q[i] += lr * (e * (x + z) - reg * v)
            y[rated] += lr * (e * root * v - reg * y[rated])
            loss[0] += float(e) ** 2
            loss[1] += abs(float(e))


def _svdpp_users_cpu(p, q, y, bu, bi, order, ends, items, values, mu, lr, reg, lr_bias, reg_bias, loss):
    real = p.dtype.type
    k = p.shape[1]
    mean, rate, keep = real(mu), real(lr), real(1.0 - lr * reg)
    rate_bias, keep_bias = real(lr_bias), real(1.0 - lr_bias * reg_bias)
    x, z, a = np.empty(k, p.dtype), np.empty(k, p.dtype), np.empty(k, p.dtype)
    squares, absolute = 0.0, 0.0
    for m in range(order.size):
        u = np.uint64(order[m])  # without a sign, no index counts from the end
        begin, end = ends[u], ends[u + np.uint64(1)]
        if begin == end:
            continue
        root = real(1.0 / np.sqrt(end - begin))
        for f in range(k):
            x[f], z[f], a[f] = p[u, f], real(0), real(0)
        for n in range(begin, end):
            j = np.uint32(items[n])
            for f in range(k):
                z[f] += y[j, f]
        for f in range(k):
            z[f] *= root
        shrunk, bias = real(1), bu[u]
        for n in range(begin, end):
            i = np.uint32(items[n])
            dot = real(0)
            for f in range(k):
                dot += q[i, f] * (x[f] + z[f])
            e = values[n] - (mean + bias + bi[i] + dot)
            bias = keep_bias * bias + rate_bias * e
            bi[i] = keep_bias * bi[i] + rate_bias * e
            step = rate * e
            shared = step * root
            for f in range(k):
                v, s, w = q[i, f], z[f], x[f]
                x[f] = keep * w + step * v
                q[i, f] = keep * v + step * (w + s)
                z[f] = keep * s + step * v
                a[f] = keep * a[f] + shared * v
            shrunk *= keep
            squares += np.float64(e) * np.float64(e)
            absolute += abs(np.float64(e))
        bu[u] = bias
        for f in range(k):
            p[u, f] = x[f]
        for n in range(begin, end):
            j = np.uint32(items[n])
            for f in range(k):
                y[j, f] = shrunk * y[j, f] + a[f]
    loss[0] = squares
    loss[1] = absolute


def _check(
    p: Any, q: Any, y: Any, bu: Any, bi: Any, order: Any, ends: Any, items: Any, values: Any, *rest: Any
) -> None:
    rows, k = checks.matrix("svdpp_users", "p", p)
    columns = q.shape[0]
    checks.shaped("svdpp_users", "q", q, (columns, k), p.dtype)
    checks.shaped("svdpp_users", "y", y, (columns, k), p.dtype)
    checks.shaped("svdpp_users", "bu", bu, (rows,), p.dtype)
    checks.shaped("svdpp_users", "bi", bi, (columns,), p.dtype)
    checks.shaped("svdpp_users", "order", order, (order.shape[0],), np.int64)
    checks.shaped("svdpp_users", "ends", ends, (rows + 1,), np.int64)
    checks.shaped("svdpp_users", "items", items, values.shape, np.int32)
    checks.shaped("svdpp_users", "values", values, (values.shape[0],), p.dtype)
    checks.shaped("svdpp_users", "loss", rest[-1], (2,), np.float64)
    checks.index("svdpp_users", "order", order, rows)


svdpp_users = kernel(
    "svdpp_users", svdpp_users_reference, cpu=_svdpp_users_cpu, check=_check, updates="p q y bu bi loss"
)


def implicit_sums_reference(y: Any, ends: Any, items: Any, z: Any) -> None:
    """z_u = |N(u)|^(-1/2) sum_{j in N(u)} y_j. y: (n_items, k); ends: (n_users + 1,) int64; items: (n,)
    int32;
    z: (n_users, k), 0 for who has rated nothing."""
    for u in range(len(z)):
        rated = items[ends[u] : ends[u + 1]]
        z[u] = y[rated].sum(axis=0) / max(len(rated), 1) ** 0.5


def _implicit_sums_cpu(y, ends, items, z):
    real = y.dtype.type
    k = y.shape[1]
    for u in range(z.shape[0]):
        for f in range(k):
            z[u, f] = real(0)
        for n in range(ends[u], ends[u + 1]):
            j = np.uint32(items[n])
            for f in range(k):
                z[u, f] += y[j, f]
        root = real(1.0 / np.sqrt(max(ends[u + 1] - ends[u], 1)))
        for f in range(k):
            z[u, f] *= root


def _check_sums(y: Any, ends: Any, items: Any, z: Any) -> None:
    rows, k = checks.matrix("implicit_sums", "z", z)
    checks.shaped("implicit_sums", "y", y, (y.shape[0], k), z.dtype)
    checks.shaped("implicit_sums", "ends", ends, (rows + 1,), np.int64)
    checks.shaped("implicit_sums", "items", items, items.shape[:1], np.int32)


implicit_sums = kernel(
    "implicit_sums", implicit_sums_reference, cpu=_implicit_sums_cpu, check=_check_sums, updates="z"
)
