"""Products with packed factors: as NumPy's for every layout, and bits that depend on nothing but a row."""

import numpy as np
import pytest

from dlkit.autograd import OpContext, Tape
from dlkit.backend import open_backend
from dlkit.backend.amx import have_tiles
from dlkit.backend.threads import ProductTeam, Team, hold_blas_at_one_thread
from dlkit.ops import products
from dlkit.ops.products import ConstantFactors, Split, lying, multiply, pack, times, worth_splitting

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


# -- in three parts ------------------------------------------------------------------------------------
def learning(team: Team | None = None) -> OpContext:
    """What an op of a training step sees."""
    team = team or Team(1, 1)
    nothing = np.zeros(0, np.float32)
    return OpContext(
        Tape(open_backend(), nothing, product=team.product, share=team.share, parts=team.parts), ()
    )


tiles_only = pytest.mark.skipif(not have_tiles(), reason="this processor has no tiles for bfloat16")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("side", ["left", "right"])
def test_a_product_in_parts_is_that_of_numpy(layout: str, side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the tiles where there are any, else by the references."""
    monkeypatch.setattr(products, "have_tiles", lambda: True)
    monkeypatch.setattr(products, "MOST_USED", 0)
    one = LAYOUTS[layout]
    shape = (65, one.shape[0]) if side == "right" else (one.shape[1], 75)
    other = RNG.standard_normal(shape, dtype=np.float32)
    a, b = (other, one) if side == "right" else (one, other)
    ctx = learning()
    assert isinstance(pack(ctx, b, "b", rows=len(a)), Split)
    out = multiply(ctx, a, b, np.full((len(a), b.shape[1]), np.nan, np.float32), "b")
    np.testing.assert_allclose(out, exact(a, b), rtol=1e-5, atol=1e-4)


@tiles_only
@pytest.mark.parametrize("size", [(300, 64, 96), (257, 2000, 70)], ids=str)
def test_parts_lose_no_more_than_float32_does(size: tuple[int, int, int]) -> None:
    """Positive numbers too, whose roundings do not cancel out."""
    m, k, n = size
    for shift in (0.0, 3.0):
        a, b = (RNG.standard_normal(s, dtype=np.float32) + np.float32(shift) for s in ((m, k), (k, n)))
        out = multiply(learning(), a, b, np.empty((m, n), np.float32), "b")
        assert out.tobytes() != (a @ b).tobytes(), "NumPy's own product"
        error = np.abs(out - exact(a, b)).max()
        assert error < 1.5 * np.abs(a @ b - exact(a, b)).max()


@tiles_only
def test_rows_in_parts_have_the_same_bits_with_every_number_of_threads() -> None:
    a, b = RNG.standard_normal((390, 530), dtype=np.float32), RNG.standard_normal((530, 99), dtype=np.float32)
    made = []
    for team in (Team(1, 1), ProductTeam(2, 2), ProductTeam(1, 3), ProductTeam(3, 3)):
        with team:
            out = np.full((390, 99), np.nan, np.float32)
            made.append(multiply(learning(team), a, b, out, "b").tobytes())
    assert made[1:] == made[:-1]


@tiles_only
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 3.4e38])
def test_what_is_not_finite_is_not_lost_in_its_parts(number: float) -> None:
    a, b = np.zeros((256, 40), np.float32), np.ones((40, 48), np.float32)
    a[3, 5] = number
    with np.errstate(invalid="ignore"):
        out = multiply(learning(), a, b, np.empty((256, 48), np.float32), "b")
        tall = b.T.repeat(6, 0)
        swapped = multiply(learning(), tall, a.T, np.empty((288, 256), np.float32), "b")
    assert np.isfinite(out[3]).all() == np.isfinite(number) and not np.delete(out, 3, 0).any()
    assert np.isfinite(swapped[:, 3]).all() == np.isfinite(number)


def test_what_is_not_worth_it_is_not_split(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(products, "have_tiles", lambda: True)
    backend, b = open_backend(), np.zeros((64, 64), np.float32)
    assert worth_splitting(backend, b, 256) and worth_splitting(backend, b, 64, 4)
    assert not worth_splitting(backend, b, 255) and not worth_splitting(backend, b, 16, 100)
    assert not worth_splitting(backend, b.astype(np.float64), 256)
    assert not worth_splitting(backend, b[:, :31], 256)
    monkeypatch.setattr(products, "have_tiles", lambda: False)
    assert not worth_splitting(backend, b, 256)


@pytest.mark.parametrize("rows", [0, 1, 33, 255, 256, 768, 8001])
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_tasks_cover_every_entry_once(rows: int, parts: int) -> None:
    panels = 7
    seen = np.zeros((rows, panels), int)
    tasks = products._tasks(rows, panels, parts)
    for lo, hi, first, last in tasks.tolist():
        seen[lo:hi, first:last] += 1
    assert len(tasks) == parts and (seen == 1).all()


def test_answers_are_not_split_so_that_a_row_has_its_bits_in_every_company(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(products, "have_tiles", lambda: True)
    backend, team = open_backend(), Team(1, 1)
    ctx = OpContext(Tape(backend, product=ConstantFactors(backend, team)), ())
    a, b = RNG.standard_normal((300, 80), dtype=np.float32), RNG.standard_normal((80, 96), dtype=np.float32)
    many = multiply(ctx, a, b, np.empty((300, 96), np.float32), "b")
    few = multiply(ctx, a[:40], b, np.empty((40, 96), np.float32), "b")
    assert many[:40].tobytes() == few.tobytes()
    assert not isinstance(pack(ctx, b, "b", rows=300), Split)
    assert isinstance(pack(learning(), b, "b", rows=300), Split)
