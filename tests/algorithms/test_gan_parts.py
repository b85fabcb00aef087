"""Known answers: the value of the game at its optimum, distances of Gaussians, what counts as collapse."""

import math

import numpy as np
import pytest

from dlkit.algorithms.gan_asked import between
from dlkit.algorithms.gan_collapse import Watch, WatchSpec, divergence, k_means, mean_distance
from dlkit.algorithms.gan_grids import Grids, GridSpec, as_bytes
from dlkit.algorithms.gan_judged import frechet_distance, gaussian_distance
from dlkit.algorithms.gan_losses import LOSSES
from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams

CPU = open_backend("cpu", dtype="float64")


def d_loss(name: str, outputs: np.ndarray) -> float:
    """L_D of outputs (2n, 1), real rows first."""
    tape, n = Tape(CPU), len(outputs) // 2
    targets = np.repeat([1.0, 0.0], n)[:, None]
    return float(LOSSES[name].discriminator(tape, tape.constant(outputs), targets, 1 / n)[0].data)


def g_loss(name: str, outputs: np.ndarray) -> float:
    tape, loss = Tape(CPU), LOSSES[name]
    targets = np.full(outputs.shape, loss.goal)
    return float(loss.generator(tape, tape.constant(outputs), targets, 1 / len(outputs))[0].data)


# -- the game --------------------------------------------------------------------------------------------
def test_value_at_the_optimum() -> None:
    """D = 1/2 everywhere: V = -log 4 (Goodfellow et al. 2014, theorem 1)."""
    undecided = np.zeros((10, 1))
    for name in ("non_saturating", "minimax"):
        assert -2 * d_loss(name, undecided) == pytest.approx(-math.log(4), rel=1e-12)
    assert g_loss("minimax", undecided) == pytest.approx(-math.log(2), rel=1e-12)
    assert g_loss("non_saturating", undecided) == pytest.approx(math.log(2), rel=1e-12)
    assert d_loss("least_squares", undecided + 0.5) == pytest.approx(0.25, rel=1e-12)


def test_best_discriminator_of_known_densities() -> None:
    """With D = p / (p + q), V = 2 JSD(p, q) - log 4 (the same, eq. 5)."""
    p, q = np.array([0.5, 0.25, 0.25]), np.array([0.25, 0.25, 0.5])
    draws = [np.repeat(np.arange(3), (4 * w).astype(int)) for w in (p, q)]
    best = np.log(p / q)[:, None]  # the output whose sigmoid is p / (p + q)
    value = -2 * d_loss("minimax", np.concatenate([best[draws[0]], best[draws[1]]]))
    middle = (p + q) / 2
    jsd = (divergence(p, middle, 0.1) + divergence(q, middle, 0.1)) / 2
    assert value == pytest.approx(2 * jsd - math.log(4), rel=1e-12)


def test_where_the_losses_saturate() -> None:
    """Where D is sure of the fakes, the minimax gradient vanishes and the non-saturating one does not."""
    slopes = {}
    for name in ("non_saturating", "minimax"):
        up, down = (g_loss(name, np.full((1, 1), -8.0 + e)) for e in (1e-5, -1e-5))
        slopes[name] = (up - down) / 2e-5
    assert abs(slopes["minimax"]) < 1e-3
    assert slopes["non_saturating"] == pytest.approx(-1, abs=1e-3)


# -- Fréchet distance ------------------------------------------------------------------------------------
def test_distance_of_gaussians_in_closed_form() -> None:
    m, c = np.zeros(3), np.diag([1.0, 4.0, 9.0])
    assert gaussian_distance(m, c, m, c) == pytest.approx(0, abs=1e-12)
    assert gaussian_distance(m, c, np.array([3.0, 0.0, 4.0]), c) == pytest.approx(25)
    # commuting covariances: the sum of squared differences of the standard deviations
    other = np.diag([4.0, 16.0, 1.0])
    assert gaussian_distance(m, c, m, other) == pytest.approx((1 - 2) ** 2 + (2 - 4) ** 2 + (3 - 1) ** 2)


def test_distance_of_gaussians_that_do_not_commute() -> None:
    """Symmetric, and the same after a common rotation; against the root of C1 C2 by its eigenvalues."""
    rng = np.random.default_rng(4)
    a, b, turn = rng.normal(size=(3, 3)), rng.normal(size=(3, 3)), np.linalg.qr(rng.normal(size=(3, 3)))[0]
    c1, c2, m1, m2 = a @ a.T, b @ b.T, rng.normal(size=3), rng.normal(size=3)
    overlap = np.sqrt(np.linalg.eigvals(c1 @ c2).real).sum()
    expected = ((m1 - m2) ** 2).sum() + np.trace(c1 + c2) - 2 * overlap
    assert gaussian_distance(m1, c1, m2, c2) == pytest.approx(expected)
    assert gaussian_distance(m2, c2, m1, c1) == pytest.approx(expected)
    assert gaussian_distance(turn @ m1, turn @ c1 @ turn.T, turn @ m2, turn @ c2 @ turn.T) == pytest.approx(
        expected
    )


def test_distance_of_samples() -> None:
    x = np.random.default_rng(5).normal(size=(200, 4))
    assert frechet_distance(x, x) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(x, x + 2) == pytest.approx(16)


# -- collapse --------------------------------------------------------------------------------------------
def ring(n: int, modes: list[int], rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Rows of some of eight small clusters on a circle, and their clusters."""
    of = np.array(modes)[rng.integers(0, len(modes), n)]
    angle = of * np.pi / 4
    return np.stack([np.cos(angle), np.sin(angle)], 1) + 0.02 * rng.normal(size=(n, 2)), of


@pytest.fixture
def watch() -> Watch:
    rng = np.random.default_rng(6)
    rows, of = ring(800, list(range(8)), rng)
    return Watch(WatchSpec(modes=8), rows, of, list("abcdefgh"), rng)


def test_samples_like_the_data_are_not_collapsed(watch: Watch) -> None:
    seen = watch.look(ring(500, list(range(8)), np.random.default_rng(7))[0])
    assert (seen.hit, seen.classes_hit) == (8, 8)
    assert seen.diversity == pytest.approx(1, abs=0.05)
    assert seen.class_kl < 0.02
    assert not watch.collapsed(seen)


def test_three_of_eight_modes_are_a_collapse(watch: Watch) -> None:
    seen = watch.look(ring(500, [0, 1, 2], np.random.default_rng(8))[0])
    assert (seen.hit, seen.classes_hit) == (3, 3)
    assert seen.class_kl == pytest.approx(math.log(8 / 3), rel=0.1)
    assert watch.collapsed(seen)
    told = watch.told(seen)
    assert "3 of 8 modes" in told and "3 of 8 classes" in told
    files = dict(watch.artifacts(ring(500, [0, 1, 2], np.random.default_rng(8))[0]))
    assert files["classes.csv"].count(",1\n") == 3 and files["modes.csv"].count(",0\n") == 5


def test_one_point_is_a_collapse_without_labels() -> None:
    rng = np.random.default_rng(9)
    watch = Watch(WatchSpec(modes=8), ring(400, list(range(8)), rng)[0], None, [], rng)
    seen = watch.look(np.ones((100, 2)))
    assert seen.diversity == pytest.approx(0, abs=1e-6) and seen.hit == 1 and not len(seen.class_shares)
    assert watch.collapsed(seen) and "classes" not in watch.named(seen)


def test_data_of_one_point() -> None:
    watch = Watch(WatchSpec(modes=8), np.ones((5, 2)), None, [], np.random.default_rng(1))
    assert not watch.collapsed(watch.look(np.ones((4, 2))))


def test_k_means_finds_planted_clusters() -> None:
    rng = np.random.default_rng(10)
    centres = k_means(ring(400, list(range(8)), rng)[0].astype(np.float32), 8, rng)
    angles = np.sort(
        np.round(np.degrees(np.arctan2(centres[:, 1], centres[:, 0])) % 360 / 45).astype(int) % 8
    )
    assert angles.tolist() == list(range(8))


def test_mean_distance_by_hand() -> None:
    assert mean_distance(np.array([[0.0], [1.0], [3.0]])) == pytest.approx((1 + 3 + 2) / 3)


def test_a_class_that_no_row_has_keeps_the_divergence_finite() -> None:
    assert divergence(np.array([0.5, 0.5]), np.array([1.0, 0.0]), 0.01) == pytest.approx(
        0.5 * math.log(0.5) + 0.5 * math.log(50)
    )


# -- pictures and latent vectors -------------------------------------------------------------------------
def test_bytes_of_samples() -> None:
    assert as_bytes(np, np.array([-1.0, 0.0, 1.0, 1.2])).tolist() == [0, 128, 255, 255]


def test_grids_thin_out_and_come_back() -> None:
    grids = Grids(GridSpec(every=10, rows=1, columns=2, most=4), (1, 2, 1), CPU)
    for step in range(0, 101):
        if grids.due(step):
            grids.keep(step, np.full((2, 2), step / 100))
    assert grids.steps == [0, 40, 80] and grids.every == 40
    again = Grids(grids.spec, (1, 2, 1), CPU)
    again.load(grids.state())
    assert again.steps == grids.steps and (again.images() == grids.images()).all()
    assert list(dict(again.artifacts())) == [
        "samples/step-00.png", "samples/step-40.png", "samples/step-80.png", "samples/training.gif",
    ]  # fmt: skip
    with pytest.raises(ValueError, match="rule 1"):
        again.load({**grids.state(), "images": np.zeros((3, 9, 1, 2, 1), np.uint8)})


def test_an_arc_keeps_its_length() -> None:
    rng = Streams(1).get("z")
    a, b = rng.standard_normal((2, 3, 50))
    a, b = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (a, b))
    arc = between(a, b, "normal").reshape(3, -1, 50)
    np.testing.assert_allclose(np.linalg.norm(arc, axis=2), 1, rtol=1e-9)
    np.testing.assert_allclose(arc[:, 0], a, atol=1e-12)
    np.testing.assert_allclose(arc[:, -1], b, atol=1e-12)
    line = between(a, b, "uniform").reshape(3, -1, 50)
    np.testing.assert_allclose(line[:, 0] + line[:, -1], a + b)
