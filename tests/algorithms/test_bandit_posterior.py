"""Posteriors against their closed forms."""

import numpy as np
import pytest

from dlkit.algorithms.bandit_posterior import BetaPosterior, LinearPosterior

RATES = {"precision": 0.25, "shape": 6.0, "rate": 5.0}


def rewards(n: int, d: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, d)) * rng.uniform(0.1, 10, d)
    return x, x @ rng.standard_normal(d) + rng.standard_normal(n)


def batch(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean, V and b of a normal-inverse-gamma posterior, all rows at once: ridge regression."""
    a = RATES["precision"] * np.eye(x.shape[1]) + x.T @ x
    mu = np.linalg.solve(a, x.T @ y)
    return mu, np.linalg.inv(a), RATES["rate"] + 0.5 * (y @ y - mu @ a @ mu)


@pytest.mark.parametrize(("n", "d"), [(0, 3), (1, 1), (1, 4), (7, 3), (300, 20)])
def test_rank_one_updates_end_at_the_ridge_solution(n: int, d: int) -> None:
    x, y = rewards(n, d)
    posterior = LinearPosterior(2, d, **RATES, noise=None)
    for row, r in zip(x, y, strict=True):
        posterior.update(row, 1, float(r))
    mu, v, rate = batch(x, y)
    np.testing.assert_allclose(posterior.mu[1], mu, rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(posterior.covariance[1], v, rtol=1e-7, atol=1e-12)
    assert posterior.rate[1] == pytest.approx(rate, rel=1e-9)
    assert posterior.shape[1] == 6 + n / 2
    np.testing.assert_array_equal(posterior.mu[0], 0)  # the other arm has learnt nothing
    np.testing.assert_array_equal(posterior.covariance[0], np.eye(d) / RATES["precision"])
    direction = np.random.default_rng(2).standard_normal(d)
    widths = [np.sqrt(direction @ one @ direction) for one in (np.eye(d) / RATES["precision"], v)]
    np.testing.assert_allclose(posterior.width_of(direction), widths, rtol=1e-8)


def test_covariance_stays_positive_definite_where_its_numbers_span_fifteen_digits() -> None:
    """The plain rank-1 formula V - V x x'V / (1 + x'Vx) ends at a singular matrix here."""
    posterior = LinearPosterior(1, 2, precision=1e-6)
    for k in range(200):
        posterior.update(np.array([1e6, 1e6 + (k % 2)]), 0, 1.0)
    assert (np.linalg.eigvalsh(posterior.covariance[0]) > 0).all()


def test_draws_have_the_posteriors_moments() -> None:
    x, y = rewards(30, 3)
    posterior = LinearPosterior(1, 3, **RATES, noise=None)
    for row, r in zip(x, y, strict=True):
        posterior.update(row, 0, float(r))
    w = posterior.sample(np.random.default_rng(3), 200_000)[:, 0]
    mu, v, rate = batch(x, y)
    marginal = v * rate / (6 + 15 - 1)  # of the Student t that the mixture is
    scale = np.sqrt(np.diag(marginal))
    np.testing.assert_allclose((w.mean(0) - mu) / scale, 0, atol=0.01)
    np.testing.assert_allclose(
        np.cov(w.T) / np.outer(scale, scale), marginal / np.outer(scale, scale), atol=0.02
    )


def test_known_noise_is_not_learnt() -> None:
    posterior = LinearPosterior(2, 1, precision=1.0, noise=4.0)
    posterior.update(np.ones(1), 0, 3.0)
    assert (posterior.variance(np.random.default_rng(1), 5) == 4.0).all()
    assert posterior.mu[0, 0] == pytest.approx(1.5)


def test_beta_posterior_counts() -> None:
    posterior = BetaPosterior(3, 2.0, 5.0)
    for a, r in [(0, 1), (0, 1), (0, 0), (2, 0.25)]:
        posterior.update(a, r)
    np.testing.assert_array_equal(posterior.alpha, [4, 2, 2.25])
    np.testing.assert_array_equal(posterior.beta, [6, 5, 5.75])
    drawn = posterior.sample(np.random.default_rng(1), 100_000)
    np.testing.assert_allclose(drawn.mean(0), posterior.mean, atol=2e-3)
    np.testing.assert_allclose(drawn.std(0), posterior.sd, atol=2e-3)
    assert posterior.mean[0] == pytest.approx(0.4) and posterior.sd[0] == pytest.approx(np.sqrt(0.24 / 11))


def test_state_and_back() -> None:
    rng = np.random.default_rng(4)
    for made, other in (
        (BetaPosterior(2), BetaPosterior(2)),
        (LinearPosterior(2, 3, **RATES), LinearPosterior(2, 3, **RATES)),
    ):
        if isinstance(made, BetaPosterior):
            made.update(1, 1.0)
        else:
            made.update(rng.standard_normal(3), 1, 2.0)
        other.load(made.state())
        for name, value in made.state().items():
            np.testing.assert_array_equal(other.state()[name], value)
