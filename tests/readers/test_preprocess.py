"""Scaling and whitening against scikit-learn and against what they promise."""

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.readers.preprocess import Preprocess, TargetScale

RNG = np.random.default_rng(5)
X = RNG.normal(size=(9000, 6)) @ RNG.normal(size=(6, 6)) + np.arange(6)
IMAGES = RNG.integers(0, 256, (500, 12), dtype=np.uint8)


def test_standard_and_range_are_scikit_learns():
    sk = pytest.importorskip("sklearn.preprocessing")
    for kind, peer in (("standard", sk.StandardScaler()), ("range", sk.MinMaxScaler())):
        ours = Preprocess.fit(X, kind).apply(X, np.float64)
        np.testing.assert_allclose(ours, peer.fit_transform(X), atol=1e-10)


@pytest.mark.parametrize("components", [None, 3, 0.9])
def test_pca_is_scikit_learns(components):
    sk = pytest.importorskip("sklearn.decomposition")
    peer = sk.PCA(components, whiten=True, svd_solver="full").fit(X)
    ours = Preprocess.fit(X, "pca", components=components, epsilon=0)
    white = ours.apply(X, np.float64)
    theirs = peer.transform(X)
    assert white.shape == theirs.shape
    # signs of eigenvectors are conventions
    np.testing.assert_allclose(white, theirs * np.sign((white * theirs).sum(axis=0)), atol=1e-8)


def test_zca_whitens_and_stays_closest_to_the_data():
    white = Preprocess.fit(X, "zca", epsilon=0).apply(X, np.float64)
    np.testing.assert_allclose(np.cov(white.T), np.eye(6), atol=1e-8)
    # the symmetric inverse root: cross-covariance with the data is symmetric positive definite
    cross = (X - X.mean(0)).T @ white / (len(X) - 1)
    np.testing.assert_allclose(cross, cross.T, atol=1e-8)
    assert np.linalg.eigvalsh(cross).min() > 0


def test_epsilon_damps_small_variances():
    x = RNG.normal(size=(4000, 2)) * [10.0, 0.01]
    white = Preprocess.fit(x, "pca", epsilon=0.01).apply(x, np.float64)
    assert white[:, 0].std() == pytest.approx(1, abs=1e-3)
    assert white[:, 1].std() == pytest.approx(0.1, abs=0.01)


def test_directions_without_variance_become_zero_and_stay_finite():
    x = np.column_stack([X[:, 0], X[:, 0] * 2, np.full(len(X), 7.0)])
    for kind in ("range", "standard", "pca", "zca"):
        out = Preprocess.fit(x, kind, epsilon=0).apply(x, np.float64)
        assert np.isfinite(out).all()
    assert not Preprocess.fit(x, "standard").apply(x)[:, 2].any()
    white = Preprocess.fit(x, "pca", epsilon=0).apply(x, np.float64)
    assert white.std(axis=0, ddof=1) == pytest.approx([1, 0, 0], abs=1e-9)


def test_one_hot_columns_are_left_alone():
    x = np.column_stack([X[:, :2], RNG.integers(0, 2, len(X))]).astype(float)
    numeric = np.array([True, True, False])
    for kind in ("range", "standard", "zca"):
        out = Preprocess.fit(x, kind, numeric=numeric).apply(x)
        np.testing.assert_array_equal(out[:, 2], x[:, 2])
        assert not np.allclose(out[:, 0], x[:, 0])
    out = Preprocess.fit(x, "pca", numeric=numeric, components=1).apply(x)
    assert out.shape[1] == 2
    np.testing.assert_array_equal(out[:, 1], x[:, 2])


def test_eight_bit_images_are_divided_by_255():
    fitted = Preprocess.fit(IMAGES, "range")
    assert (fitted.scale.tolist(), fitted.shift.tolist(), fitted.is_affine) == ([1 / 255], [0], True)
    np.testing.assert_allclose(fitted.apply(IMAGES), IMAGES / 255, rtol=1e-6)
    white = Preprocess.fit(IMAGES, "zca", epsilon=0).apply(IMAGES, np.float64)
    np.testing.assert_allclose(np.cov(white.T), np.eye(12), atol=1e-8)


@pytest.mark.parametrize("kind", ["none", "range", "standard", "pca", "zca"])
@pytest.mark.parametrize("x", [X, IMAGES], ids=["float", "uint8"])
def test_state_round_trip_and_dtypes(kind, x):
    fitted = Preprocess.fit(x, kind, components=4 if kind == "pca" else None)
    fitted.targets = TargetScale.fit(x[:, :2].astype(float))
    again = Preprocess.from_state(fitted.state())
    for dtype in (np.float32, np.float64):
        out = again.apply(x, dtype)
        assert out.dtype == dtype
        assert out.shape == (len(x), again.width)
        np.testing.assert_array_equal(out, fitted.apply(x, dtype))
    np.testing.assert_array_equal(again.targets.mean, fitted.targets.mean)


def test_targets_there_and_back():
    y = RNG.normal(50, 7, (300, 2))
    scale = TargetScale.fit(y)
    standard = scale.standardise(y)
    assert standard.mean(axis=0) == pytest.approx([0, 0], abs=1e-12)
    assert standard.std(axis=0) == pytest.approx([1, 1])
    np.testing.assert_allclose(scale.restore_mean(standard), y)
    np.testing.assert_allclose(scale.restore_sd(np.ones((1, 2)))[0], y.std(axis=0))
    assert TargetScale.fit(np.full((3, 1), 4.0)).standardise(np.array([[4.0]]))[0, 0] == 0


def test_numbers_beyond_all_measure_are_refused():
    huge = np.array([[1e308], [-1e308], [1.0]])
    for kind in ("range", "standard", "pca", "zca"):
        with pytest.raises(DataError, match="too large"):
            Preprocess.fit(huge, kind, name="x.csv")
    with pytest.raises(DataError, match="too large"):
        TargetScale.fit(huge)
    with pytest.raises(DataError, match="7 components of 6"):
        Preprocess.fit(X, "pca", components=7)
