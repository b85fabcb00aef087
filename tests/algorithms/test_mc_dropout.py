"""Predictive moments, entropies and likelihoods against closed forms and plain loops."""

import math

import numpy as np
import pytest

from dlkit.algorithms import mc_dropout


def test_spread_is_the_law_of_total_variance():
    rng = np.random.default_rng(0)
    mu, variance = rng.normal(size=(50, 7, 2)), rng.uniform(0.1, 2, size=(50, 7, 2))
    spread = mc_dropout.regression_spread(mu, variance)
    draws = rng.normal(mu, np.sqrt(variance), size=(4000, 50, 7, 2)).reshape(-1, 7, 2)
    np.testing.assert_allclose(spread.mean, mu.mean(0))
    np.testing.assert_allclose(spread.total, draws.std(0), rtol=0.02)
    np.testing.assert_allclose(spread.total**2, spread.epistemic**2 + spread.aleatoric**2)


def test_one_draw_has_no_epistemic_part():
    spread = mc_dropout.regression_spread(np.ones((1, 3, 1)), np.full((1, 3, 1), 4.0))
    assert (spread.epistemic == 0).all()
    assert (spread.total == 2).all()


def test_entropy_and_information():
    certain = np.array([[[1.0, 0.0]], [[1.0, 0.0]]])
    ambiguous = np.array([[[0.5, 0.5]], [[0.5, 0.5]]])
    unfamiliar = np.array([[[1.0, 0.0]], [[0.0, 1.0]]])
    for draws, total, information in (
        (certain, 0, 0),
        (ambiguous, math.log(2), 0),
        (unfamiliar, math.log(2), math.log(2)),
    ):
        _, h, mi = mc_dropout.class_spread(draws)
        assert h[0] == pytest.approx(total)
        assert mi[0] == pytest.approx(information)


def test_log_likelihood_is_the_mixtures():
    rng = np.random.default_rng(1)
    y, mu, variance = rng.normal(size=(5, 2)), rng.normal(size=(9, 5, 2)), rng.uniform(0.2, 3, size=(9, 5, 2))
    density = np.exp(-((y - mu) ** 2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    np.testing.assert_allclose(mc_dropout.log_likelihood(y, mu, variance), np.log(density.prod(-1).mean(0)))


def test_log_likelihood_far_away_stays_finite():
    got = mc_dropout.log_likelihood(np.array([[1e4]]), np.zeros((3, 1, 1)), np.ones((3, 1, 1)))
    assert got[0] == pytest.approx(-0.5 * 1e8 - 0.5 * math.log(2 * math.pi))


@pytest.mark.parametrize("sd", [0.01, 1.0, 300.0])
def test_fitted_noise_is_the_most_likely_one(sd):
    rng = np.random.default_rng(2)
    mu = np.repeat(rng.normal(size=(1, 400, 1)), 3, axis=0)
    y = mu[0] + rng.normal(0, sd, size=(400, 1))
    fitted = mc_dropout.fit_noise(y, mu)
    closed_form = ((y - mu[0]) ** 2).mean(0)  # the draws have no spread
    np.testing.assert_allclose(fitted, closed_form, rtol=1e-5)

    def score(v: float) -> float:
        return mc_dropout.log_likelihood(y, mu, np.array([v])).mean()

    assert score(fitted[0]) >= max(score(fitted[0] * 0.97), score(fitted[0] * 1.03))


def test_fitted_noise_is_smaller_when_draws_explain_part_of_the_error():
    rng = np.random.default_rng(3)
    truth = rng.normal(size=(4000, 1))
    mu = truth + rng.normal(0, 0.5, size=(200, 4000, 1))
    y = truth + rng.normal(0, 0.7, size=(4000, 1))
    fitted = mc_dropout.fit_noise(y, mu)
    assert fitted[0] == pytest.approx(0.7**2 - 0.5**2, rel=0.12)
