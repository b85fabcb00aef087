"""The polynomials against NumPy in extended precision: at most 2 units in the last place."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from dlkit.kernels.compile import compile_cpu
from dlkit.kernels.exponential import exponential, exponential_minus_one, largest, log_one_plus

REALS = [np.float32, np.float64]


def exp_loop(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        y[i] = exponential(x[i])


def expm1_loop(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        y[i] = exponential_minus_one(x[i])


def log1p_loop(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.size):
        y[i] = log_one_plus(x[i])


def largest_loop(x, y):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        y[i] = largest(x[i])


@pytest.fixture(scope="module")
def compiled() -> Callable[[Any], Any]:
    known: dict[Any, Any] = {}
    return lambda fn: known.setdefault(fn, None) or known.setdefault((fn, 1), compile_cpu(fn))


def run(compiled: Any, loop: Any, x: np.ndarray) -> np.ndarray:
    y = np.empty_like(x)
    compiled(loop)(x, y)
    return y


def ulps(y: np.ndarray, exact: np.ndarray) -> float:
    """Largest error in units of the last place of the exact result."""
    return float((np.abs(y - exact) / np.spacing(np.abs(exact).astype(y.dtype))).max())


@pytest.mark.parametrize("real", REALS)
@pytest.mark.parametrize(
    ("loop", "true", "ranges"),
    [
        (exp_loop, np.exp, [(-87, 88.7), (-1, 1), (-1e-6, 1e-6)]),
        (expm1_loop, np.expm1, [(-100, 0), (-1, 0), (-1e-5, 0), (-1e-30, 0)]),
        (log1p_loop, np.log1p, [(0, 1), (0, 1e-3), (0, 1e-30)]),
    ],
)
def test_within_two_units(compiled: Any, loop: Any, true: Any, ranges: Any, real: type) -> None:
    rng = np.random.default_rng(0)
    for low, high in ranges:
        x = rng.uniform(low, high, 200_000).astype(real)
        if loop is exp_loop and real is np.float64 and low == -87:
            x *= 7.9
        assert ulps(run(compiled, loop, x), true(x.astype(np.longdouble))) <= 2


@pytest.mark.parametrize("real", REALS)
def test_ends_of_the_range(compiled: Any, real: type) -> None:
    info = np.finfo(real)
    top, bottom = np.log(np.longdouble(info.max)), np.log(np.longdouble(info.smallest_normal))
    x = np.array([np.nan, np.inf, -np.inf, top * 1.0001, bottom * 1.0001, 0, -0.0, 1e30, -1e30], real)
    np.testing.assert_array_equal(run(compiled, exp_loop, x), [np.nan, np.inf, 0, np.inf, 0, 1, 1, np.inf, 0])
    near = np.array([top * (1 - 4 * info.eps), bottom * (1 - 4 * info.eps)], real)
    assert np.isfinite(run(compiled, exp_loop, near)).all() and (run(compiled, exp_loop, near) > 0).all()
    x = np.array([np.nan, -np.inf, -0.0, 0.0], real)
    np.testing.assert_array_equal(run(compiled, expm1_loop, x), [np.nan, -1, 0, 0])
    assert np.isnan(run(compiled, log1p_loop, x[:1])).all()


@pytest.mark.parametrize("real", REALS)
def test_largest(compiled: Any, real: type) -> None:
    rng = np.random.default_rng(0)
    for width in (1, 2, 7, 8, 33, 1000):
        x = rng.standard_normal((20, width)).astype(real)
        x[0], x[1] = -np.inf, -0.0
        x[2, -1] = np.inf
        y = np.empty(20, real)
        compiled(largest_loop)(x, y)
        np.testing.assert_array_equal(y, x.max(1))
