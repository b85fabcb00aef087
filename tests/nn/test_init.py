"""Every initialiser keeps the variance that it promises."""

import numpy as np
import pytest

from dlkit.nn.init import INIT_FAMILY, INITS, Init

N, M = 300, 200
A = 0.5
# name -> (Init, variance, bounded by)
PROMISED = {
    "lecun_uniform": (Init("lecun_uniform"), 1 / (3 * N), N**-0.5),
    "scaled_normal": (Init("scaled_normal", sigma=3.0), 9 / N, None),
    "glorot_uniform": (Init("glorot_uniform"), 2 / (N + M), (6 / (N + M)) ** 0.5),
    "glorot_normal": (Init("glorot_normal"), 2 / (N + M), None),
    "he_uniform": (Init("he_uniform", a=A), 2 / ((1 + A * A) * N), (6 / ((1 + A * A) * N)) ** 0.5),
    "he_normal": (Init("he_normal", a=A), 2 / ((1 + A * A) * N), None),
    "orthogonal": (Init("orthogonal"), 1 / N, None),
    "zeros": (Init("zeros"), 0.0, 0.0),
    "constant": (Init("constant", value=0.25), 0.0, 0.25),
    "forget_gate": (Init("forget_gate", value=1.0), 3 / 16, 1.0),
}


def test_all_are_tried() -> None:
    assert PROMISED.keys() == INITS.keys()


@pytest.mark.parametrize("name", PROMISED)
def test_variance_is_the_promised_one(name: str) -> None:
    init, variance, bound = PROMISED[name]
    w = init.draw(np.random.default_rng(1), (N, M), N, M)
    assert w.shape == (N, M)
    assert w.dtype == np.float64
    # 60,000 draws: the sample variance of a normal has a relative error of 0.6 %
    assert w.var() == pytest.approx(variance, rel=0.03, abs=1e-12)
    if name not in ("constant", "forget_gate"):
        assert w.mean() == pytest.approx(0, abs=4 * (variance / w.size) ** 0.5 + 1e-12)
    if bound is not None:
        assert np.abs(w).max() == pytest.approx(bound, rel=1e-3, abs=1e-12)


def test_he_normal_of_relu_has_no_slope() -> None:
    w = Init("he_normal").draw(np.random.default_rng(1), (N, M), N, M)
    assert w.var() == pytest.approx(2 / N, rel=0.03)


@pytest.mark.parametrize("shape", [(30, 20), (20, 30), (3, 3, 4, 20)])
def test_orthogonal_columns_or_rows(shape: tuple[int, ...]) -> None:
    w = Init("orthogonal").draw(np.random.default_rng(1), shape, 1, 1).reshape(-1, shape[-1])
    small = w.T @ w if w.shape[0] >= w.shape[1] else w @ w.T
    np.testing.assert_allclose(small, np.eye(len(small)), atol=1e-12)


def test_orthogonal_has_no_preferred_sign() -> None:
    signs = [
        np.diag(Init("orthogonal").draw(np.random.default_rng(s), (4, 4), 4, 4)).mean() for s in range(400)
    ]
    assert abs(np.mean(signs)) < 0.1


@pytest.mark.parametrize(
    ("text", "slope", "expected"),
    [
        ("he_normal", 0.25, Init("he_normal", a=0.25)),
        ({"name": "he_uniform", "a": 0.1}, 0.25, Init("he_uniform", a=0.1)),
        ({"name": "scaled_normal", "sigma": 0.5}, 0.0, Init("scaled_normal", sigma=0.5)),
        ("glorot_uniform", 0.3, Init("glorot_uniform")),
    ],
)
def test_recipe_words(text: object, slope: float, expected: Init) -> None:
    spec = INIT_FAMILY.read(text)
    assert spec.init(slope) == expected  # type: ignore[attr-defined]


def test_deep_relu_net_keeps_its_signal_under_he_and_loses_it_under_glorot() -> None:
    """He et al. 2015: after 30 layers Glorot's variance has fallen by about 2^30."""
    rng = np.random.default_rng(1)
    power = {}
    for name in ("he_normal", "glorot_normal"):
        h = rng.normal(size=(64, 256))
        for _ in range(30):
            h = np.maximum(h @ Init(name).draw(rng, (256, 256), 256, 256), 0)
        power[name] = (h**2).mean()
    assert 0.05 < power["he_normal"] < 20
    assert power["glorot_normal"] < 1e-7
