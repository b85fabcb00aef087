"""Matrix products in bands: right for every layout, the same bits whoever does them, nobody left waiting."""

import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from dlkit.backend import blas, lanes
from dlkit.backend.lanes import bands
from dlkit.backend.threads import ProductTeam, Team, hold_blas_at_one_thread

hold_blas_at_one_thread()
SHAPES = [
    (128, 96, 64),
    (7, 300, 210),
    (97, 40, 131),
    (3, 500, 1),
    (1, 1, 1),
    (0, 5, 4),
    (40, 0, 40),
    (300, 64, 300),
]
LAYOUTS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "plain": lambda a: a,
    "transposed": lambda a: np.ascontiguousarray(a.T).T,
    "rows of more": lambda a: np.concatenate([a, a], axis=1)[:, : a.shape[1]],
}


def factors(shape: tuple[int, int, int], dtype: str) -> tuple[np.ndarray, np.ndarray]:
    m, k, n = shape
    rng = np.random.default_rng(m + k + n)
    return rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)


def product(threads: int, parts: int, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    out = np.full((a.shape[0], b.shape[1]), np.nan, a.dtype)
    with ProductTeam(threads, parts) as team:
        assert team.product is not None
        assert team.product(a, b, out) is out
    return out


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("left", LAYOUTS)
@pytest.mark.parametrize("right", LAYOUTS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_product_is_right_for_every_layout(
    monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int], left: str, right: str, dtype: str
) -> None:
    monkeypatch.setattr(lanes, "SMALLEST", 0)
    monkeypatch.setattr(lanes, "NARROWEST", 2)
    a, b = factors(shape, dtype)
    expected = a.astype("float64") @ b.astype("float64")
    found = product(3, 3, LAYOUTS[left](a), LAYOUTS[right](b))
    np.testing.assert_allclose(found, expected, rtol=0, atol=(1e-4 if dtype == "float32" else 1e-12))


@pytest.mark.parametrize("shape", [(128, 784, 512), (784, 128, 512), (16, 1250, 500), (64, 300, 70)])
def test_the_bits_do_not_depend_on_the_threads(shape: tuple[int, int, int]) -> None:
    a, b = factors(shape, "float32")
    results = {threads: product(threads, 3, a, b).tobytes() for threads in (1, 2, 3)}
    assert results[1] == results[2] == results[3]


def test_without_the_librarys_address_the_bits_are_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    a, b = factors((128, 300, 200), "float32")
    native = product(2, 2, a, b)
    monkeypatch.setattr(lanes, "find_gemm", lambda: None)
    assert product(2, 2, a, b).tobytes() == native.tobytes()


def test_the_library_of_numpys_wheels_is_found() -> None:
    """Where NumPy came as a wheel with its OpenBLAS, the fast way must be open, or nobody would notice."""
    from threadpoolctl import threadpool_info

    if not any("scipy_openblas" in info["filepath"] for info in threadpool_info()):
        pytest.skip("this NumPy does not bring the OpenBLAS of the wheels")
    blas.find_gemm.cache_clear()
    alone = blas.find_gemm()
    pytest.importorskip("scipy.linalg")  # loads a second BLAS
    blas.find_gemm.cache_clear()
    assert alone is not None
    assert blas.find_gemm() == alone


@pytest.mark.parametrize(
    ("m", "n", "k", "parts"), [(128, 512, 784, 2), (100, 10, 900, 3), (9, 4000, 70, 4), (33, 33, 999, 1)]
)
def test_bands_cover_the_product_once(m: int, n: int, k: int, parts: int) -> None:
    by_rows, band = bands(m, n, k, parts)
    size = m if by_rows else n
    if band:
        starts = range(0, size, band)
        assert len(starts) <= parts
        assert band % 8 == 0
        assert sum(min(band, size - lo) for lo in starts) == size


def test_small_products_are_left_whole() -> None:
    assert bands(8, 8, 8, 2) == (True, 0)
    assert bands(40, 40, 2000, 2)[1] == 0, "too narrow either way"


def test_products_and_calls_in_any_order_whether_the_workers_sleep_or_not() -> None:
    a, b = factors((96, 80, 72), "float32")
    out, rng = np.empty((96, 72), np.float32), np.random.default_rng(1)
    done: list[int] = []

    def act() -> None:
        with ProductTeam(3, 3) as team:
            assert team.product is not None
            expected = team.product(a, b, np.empty_like(out)).tobytes()
            for k in range(400):
                if rng.random() < 0.5:
                    out[...] = 0
                    assert team.product(a, b, out).tobytes() == expected
                else:
                    assert team.hands.map(lambda s, k=k: (s, k)) == [(s, k) for s in range(3)]
                if rng.random() < 0.02:
                    time.sleep(0.01)  # longer than they look: they sleep
            done.append(1)

    thread = threading.Thread(target=act, daemon=True)
    thread.start()
    thread.join(60)
    assert done, "deadlock, or a wrong product"


def test_a_product_inside_map_is_done_by_its_caller() -> None:
    a, b = factors((128, 100, 64), "float32")
    with ProductTeam(2, 2) as team:
        assert team.product is not None
        expected = team.product(a, b, np.empty((128, 64), np.float32))
        outs = team.hands.map(lambda s: team.product(a, b, np.empty((128, 64), np.float32)))  # type: ignore[misc]
    for out in outs:
        assert out.tobytes() == expected.tobytes()


def test_a_plain_team_cuts_no_products() -> None:
    with Team(2, 2) as team:
        assert team.product is None
        assert team.hands is team
    with ProductTeam(2, 1) as team:
        assert team.product is None
