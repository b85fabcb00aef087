"""Monte-Carlo dropout: a network with dropout read as draws from a posterior over its weights.

Gal & Ghahramani 2016: T passes with dropout left on give T networks. Their spread is what the model does
not know (epistemic); what is left is noise in the data (aleatoric).

    regression     mean = mean_t mu_t,  epistemic^2 = var_t mu_t,  aleatoric^2 = mean_t s2_t (learnt noise)
                   or 1/tau (constant noise),  total^2 = epistemic^2 + aleatoric^2
    classes        p = mean_t p_t,  predictive entropy H[p],  mutual information H[p] - mean_t H[p_t]
    likelihood     log p(y) = log mean_t N(y; mu_t, s2_t)                              (ibid., eq. 8)
"""

from typing import NamedTuple

import numpy as np


class Spread(NamedTuple):
    """Mean and standard deviations, (n, k) each, in the targets' units."""

    mean: np.ndarray
    epistemic: np.ndarray
    aleatoric: np.ndarray

    @property
    def total(self) -> np.ndarray:
        return np.sqrt(self.epistemic**2 + self.aleatoric**2)


def regression_spread(mu: np.ndarray, variance: np.ndarray) -> Spread:
    """From T draws mu (T, n, k) and noise variances that broadcast to it. T = 1: no epistemic part."""
    mean = mu.mean(0)
    aleatoric = np.sqrt(np.broadcast_to(variance, mu.shape).mean(0))
    return Spread(mean, np.sqrt(np.maximum(mu.var(0), 0.0)), aleatoric)


def entropy(p: np.ndarray) -> np.ndarray:
    """H[p] in nats along the last axis; 0 log 0 = 0."""
    return -(p * np.log(np.where(p > 0, p, 1.0))).sum(-1)


def class_spread(p: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """From T draws p (T, n, k): mean probabilities (n, k), entropy and mutual information (n,) in nats."""
    mean = p.mean(0)
    total = entropy(mean)
    return mean, total, np.maximum(total - entropy(p).mean(0), 0.0)


def log_likelihood(y: np.ndarray, mu: np.ndarray, variance: np.ndarray) -> np.ndarray:
    """log mean_t prod_k N(y_k; mu_tk, variance_tk): (n,) nats for y (n, k), mu (T, n, k)."""
    log_density = -0.5 * (np.log(2 * np.pi * variance) + (y - mu) ** 2 / variance)
    by_draw = np.broadcast_to(log_density, mu.shape).sum(-1)
    top = by_draw.max(0)
    return top + np.log(np.exp(by_draw - top).mean(0))


def fit_noise(y: np.ndarray, mu: np.ndarray, *, rounds: int = 60) -> np.ndarray:
    """The noise variances 1/tau (k,) under which targets y (n, k) are most likely, given draws mu (T, n, k).

    One number a target, found on a log grid that closes in (golden section on log variance); the variance
    lies between 1e-6 and 4 times the mean squared error of the predictive mean.
    """
    error = np.maximum(((y - mu.mean(0)) ** 2).mean(0), np.finfo(float).tiny)
    best = np.empty(y.shape[1])
    inner = (np.sqrt(5) - 1) / 2
    for k in range(y.shape[1]):

        def score(log_variance: float, k: int = k) -> float:
            variance = np.exp(np.array(log_variance))
            return float(log_likelihood(y[:, k : k + 1], mu[:, :, k : k + 1], variance).mean())

        low, high = np.log(error[k]) - 6 * np.log(10), np.log(error[k]) + np.log(4)
        for _ in range(rounds):
            left, right = high - inner * (high - low), low + inner * (high - low)
            if score(left) < score(right):
                low = left
            else:
                high = right
        best[k] = np.exp((low + high) / 2)
    return best
