"""Arguments for the kernels of matrix factorisation."""

from typing import Any

import numpy as np
from kernels.cases import Args, Rng, cases, normal, positive, unwritten

SIZES = ((0, 3, 4, 1), (1, 1, 1, 1), (40, 7, 9, 5), (300, 13, 11, 33))
"""Ratings, users, items, factors."""


def pairs(rng: Rng, n: int, users: int, items: int) -> tuple[np.ndarray, np.ndarray]:
    return rng.integers(0, users, n, np.int32), rng.integers(0, items, n, np.int32)


def by_row(rng: Rng, n: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    """Where the ratings of each row begin and end, and their columns; some rows have none."""
    counts = np.bincount(rng.integers(0, rows, n), minlength=rows)
    return np.concatenate([[0], np.cumsum(counts)]), rng.integers(0, columns, n, np.int32)


def small(rng: Rng, real: type, *shape: int) -> np.ndarray:
    return (0.3 * rng.standard_normal(shape)).astype(real)


@cases("mf_sgd", size=SIZES, biased=(0, 1), sequential=(0, 1))
def _mf_sgd(rng: Rng, real: type, size: tuple[int, ...], biased: int, sequential: int) -> Args:
    n, users, items, k = size
    u, i = pairs(rng, n, max(users // 3, 1), max(items // 3, 1))
    blocks = min(3, users, items)
    group = np.sort(rng.integers(0, blocks, n, np.int32))  # block b has users and items of its own
    u, i = u + group * (users // blocks), i + group * (items // blocks)
    bounds = np.searchsorted(group, np.arange(blocks + 1)).astype(np.int64)
    factors = (small(rng, real, users, k), small(rng, real, items, k), small(rng, real, users))
    loss = unwritten(np.float64, blocks, 2)
    rates = (3.5, 0.01, 0.02, 0.03, 0.05)
    return (
        *factors, small(rng, real, items), u.astype(np.int32), i.astype(np.int32), 5 * positive(rng, real, n),
        bounds[:-1].copy(), bounds[1:].copy(), *rates, biased, sequential, loss,
    )  # fmt: skip


@cases("svdpp_users", size=SIZES)
def _svdpp_users(rng: Rng, real: type, size: tuple[int, ...]) -> Args:
    n, users, items, k = size
    ends = np.concatenate([[0], np.cumsum(np.full(users, min(n // users, items)))])
    rated = [rng.permutation(items)[: ends[1]] for _ in range(users)]  # an item once a user
    columns = np.concatenate(rated).astype(np.int32)
    matrices = [small(rng, real, rows, k) for rows in (users, items, items)]
    biases = small(rng, real, users), small(rng, real, items)
    values = 5 * positive(rng, real, len(columns))
    order = rng.permutation(users)
    return (
        *matrices,
        *biases,
        order,
        ends,
        columns,
        values,
        3.5,
        0.01,
        0.02,
        0.03,
        0.05,
        unwritten(np.float64, 2),
    )


@cases("implicit_sums", size=SIZES)
def _implicit_sums(rng: Rng, real: type, size: tuple[int, ...]) -> Args:
    n, users, items, k = size
    return normal(rng, real, items, k), *by_row(rng, n, users, items), unwritten(real, users, k)


@cases("mf_predict", size=SIZES)
def _mf_predict(rng: Rng, real: type, size: tuple[int, ...]) -> Args:
    n, users, items, k = size
    u, i = pairs(rng, n, users, items)
    u[::5], i[::7] = -1, -1
    matrices = normal(rng, real, users, k), normal(rng, real, items, k)
    return *matrices, normal(rng, real, users), normal(rng, real, items), 3.5, u, i, unwritten(real, n)


@cases("nmf_rows", size=SIZES)
def _nmf_rows(rng: Rng, real: type, size: tuple[int, ...]) -> Args:
    n, users, items, k = size
    ends, columns = by_row(rng, n, users, items)
    own, other = positive(rng, real, users, k), positive(rng, real, items, k)
    values = 5 * positive(rng, real, n)
    return own, other, ends, columns, values, 0.06, unwritten(real, users, k), unwritten(np.float64, users, 2)


def _als(rng: Rng, real: type, size: tuple[int, ...]) -> tuple[Any, ...]:
    """A well-conditioned problem, so that rounding stays near rounding."""
    n, users, items, k = size
    ends, columns = by_row(rng, n, users, items)
    x, y = small(rng, real, users, k), small(rng, real, items, k)
    gram = (y.T @ y + 5 * np.eye(k)).astype(real)
    values = positive(rng, real, n)
    values[::6] *= -1
    return x, y, gram, ends, columns, values, 0.5


@cases("als_solve", size=SIZES)
def _als_solve(rng: Rng, real: type, size: tuple[int, ...]) -> Args:
    return _als(rng, real, size)


@cases("als_cg", size=SIZES, steps=(1, 3))
def _als_cg(rng: Rng, real: type, size: tuple[int, ...], steps: int) -> Args:
    return *_als(rng, real, size), steps


# -- layout: no factors, ratings moved about --------------------------------------------------------
@cases("order_by_row", size=SIZES)
def _order_by_row(rng: Rng, real: type, size: tuple[int, ...]) -> Args:
    n, users, items, _ = size
    return pairs(rng, n, users, items)[0], np.empty(users + 1, np.int64), np.empty(n, np.int32)


@cases("scatter_by_row", size=SIZES, whole=(0, 1))
def _scatter_by_row(rng: Rng, real: type, size: tuple[int, ...], whole: int) -> Args:
    n, users, items, _ = size
    u, i = pairs(rng, n, users, items)
    x, to = (i, np.empty(n, np.int32)) if whole else (normal(rng, real, n), unwritten(real, n))
    return u, x, np.empty(users + 1, np.int64), to


@cases("mark_latest", size=SIZES)
def _mark_latest(rng: Rng, real: type, size: tuple[int, ...]) -> Args:
    n, users, items, _ = size
    ends, columns = by_row(rng, n, users, items)
    order = np.arange(n, dtype=np.int32)
    return ends, order, columns, np.empty(items, np.int32), np.empty(n, bool)


@cases("mark_repeats", size=SIZES)
def _mark_repeats(rng: Rng, real: type, size: tuple[int, ...]) -> Args:
    n, users, items, _ = size
    ends, columns = by_row(rng, n, users, items)
    order = np.arange(n, dtype=np.int32)
    return ends, order, columns, np.empty(items, np.int32), np.empty(n, np.int32)


@cases("count_blocks", size=SIZES)
def _count_blocks(rng: Rng, real: type, size: tuple[int, ...]) -> Args:
    n, users, items, _ = size
    groups = rng.integers(0, 2, users, np.int32), rng.integers(0, 2, items, np.int32)
    return *by_row(rng, n, users, items), *groups, np.empty((2, 2), np.int64)


@cases("fill_blocks", size=SIZES, of_users=(0, 1))
def _fill_blocks(rng: Rng, real: type, size: tuple[int, ...], of_users: int) -> Args:
    n, users, items, _ = size
    ends, columns = by_row(rng, n, users, items)
    of_user, of_item = rng.integers(0, 2, users, np.int32), rng.integers(0, 2, items, np.int32)
    owner = of_user[np.repeat(np.arange(users), np.diff(ends))]
    counts = np.bincount(2 * owner + of_item[columns], minlength=4)
    begin = (np.cumsum(counts) - counts).reshape(2, 2)
    source, out = normal(rng, real, users if of_users else n), unwritten(real, n)
    return rng.permutation(users), ends, columns, source, of_users, of_user, of_item, begin, out
