"""Products with packed factors: as NumPy's for every layout, and bits that depend on nothing but a row."""

import numpy as np
import pytest

from dlkit.autograd import OpContext, Tape
from dlkit.backend import open_backend
from dlkit.backend.threads import ProductTeam, Team, hold_blas_at_one_thread
from dlkit.ops.products import ConstantFactors, lying, pack, times

hold_blas_at_one_thread()
RNG = np.random.default_rng(3)
WIDE = RNG.standard_normal((140, 200), dtype=np.float32)
TALL = np.asfortranarray(RNG.standard_normal((70, 90), dtype=np.float32))
LAYOUTS = {
    "rows": WIDE,
    "part of rows": WIDE[:, 40:130],
    "every other": WIDE[::2, ::2],
    "turned": TALL.T,
    "columns": TALL,
    "backwards": WIDE[::-1],
}


def exact(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return a.astype(np.float64) @ b.astype(np.float64)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_matrix_is_found_where_it_lies(layout: str) -> None:
    a = LAYOUTS[layout]
    flat, down, across = lying(a)
    i, j = np.indices(a.shape)
    np.testing.assert_array_equal(flat[i * down + j * across], a)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_product_is_that_of_numpy(layout: str, side: str) -> None:
    ctx = OpContext(Tape(open_backend()), ())
    one = LAYOUTS[layout]
    shape = (33, one.shape[0]) if side == "right" else (one.shape[1], 75)
    other = RNG.standard_normal(shape, dtype=np.float32)
    a, b = (other, one) if side == "right" else (one, other)
    packed = pack(ctx, b, "b")
    assert packed is not None
    out = np.full((len(a), b.shape[1]), np.nan, np.float32)
    times(ctx, a, packed, out)
    np.testing.assert_allclose(out, exact(a, b), rtol=1e-5, atol=1e-4)


def test_small_factors_are_left_as_they_are() -> None:
    ctx = OpContext(Tape(open_backend()), ())
    assert pack(ctx, np.zeros((4, 4), np.float32), "b") is None
    assert pack(ctx, np.zeros((4096, 1), np.float32), "b") is None


def test_a_row_has_the_same_bits_in_every_company_and_with_every_number_of_threads() -> None:
    a, b = RNG.standard_normal((41, 600), dtype=np.float32), RNG.standard_normal((600, 333), dtype=np.float32)
    made = []
    for team in (Team(1, 1), ProductTeam(2, 2), ProductTeam(1, 3)):
        with team:
            product = ConstantFactors(open_backend(), team)
            made.append(product(a, b, out=np.empty((41, 333), np.float32)))
            for row in (0, 17, 40):
                alone = product(a[row : row + 1], b, out=np.empty((1, 333), np.float32))
                assert alone.tobytes() == made[0][row].tobytes()
    assert made[0].tobytes() == made[1].tobytes() == made[2].tobytes()
    np.testing.assert_allclose(made[0], exact(a, b), atol=2e-4)


def test_a_factor_is_packed_once_until_it_is_said_to_have_changed() -> None:
    product = ConstantFactors(open_backend(), Team(1, 1))
    a, b = RNG.standard_normal((3, 80), dtype=np.float32), RNG.standard_normal((80, 64), dtype=np.float32)
    out = np.empty((3, 64), np.float32)
    before, turned = product(a, b, out).copy(), product(a[:, :64], b.T, np.empty((3, 80), np.float32))
    np.testing.assert_allclose(turned, exact(a[:, :64], b.T), atol=2e-5)
    b *= 2
    assert (product(a, b, out) == before).all()
    product.clear()
    np.testing.assert_allclose(product(a, b, out), 2 * before, rtol=1e-6)
