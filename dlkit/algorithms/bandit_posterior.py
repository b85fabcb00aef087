"""What a bandit believes of its arms: Beta posteriors of probabilities, Gaussian ones of linear weights.

Beta-Bernoulli           p_a ~ Beta(alpha_a, beta_a):  alpha <- alpha + r,  beta <- beta + 1 - r
linear-Gaussian          r = x . w_a + e,  e ~ N(0, s2),  w_a | s2 ~ N(mu_a, s2 V_a),  s2 ~ IG(a_a, b_a)

The second is Bayesian linear regression with a normal-inverse-gamma prior (Bishop 2006, section 3.3; Riquelme
et al. 2018). Each reward changes V by a matrix of rank 1, so an update costs d^2, not d^3. V is kept as
S S^T, whose rank-1 update is Potter's (Bierman 1977, section II.5): V stays positive definite whatever
rounding does, and a draw of w is mu + sqrt(s2) S z.
"""

from typing import Any

import numpy as np

Tree = dict[str, Any]


class BetaPosterior:
    """K independent Beta posteriors."""

    def __init__(self, arms: int, alpha: float = 1.0, beta: float = 1.0) -> None:
        self.alpha = np.full(arms, alpha, np.float64)
        self.beta = np.full(arms, beta, np.float64)

    def sample(self, rng: np.random.Generator, draws: int = 1) -> np.ndarray:
        """(draws, K) probabilities."""
        return rng.beta(self.alpha, self.beta, (draws, len(self.alpha)))

    def update(self, a: int, r: float) -> None:
        """Reward r of arm a; between 0 and 1 it counts as that share of a success."""
        self.alpha[a] += r
        self.beta[a] += 1 - r

    @property
    def mean(self) -> np.ndarray:
        """(K,) alpha / (alpha + beta)."""
        return self.alpha / (self.alpha + self.beta)

    @property
    def sd(self) -> np.ndarray:
        """(K,) standard deviations."""
        n = self.alpha + self.beta
        return np.sqrt(self.alpha * self.beta / (n * n * (n + 1)))

    def state(self) -> Tree:
        return {"alpha": self.alpha.copy(), "beta": self.beta.copy()}

    def load(self, state: Tree) -> None:
        self.alpha[...], self.beta[...] = state["alpha"], state["beta"]


class LinearPosterior:
    """A normal-inverse-gamma posterior for each of K arms over d weights."""

    def __init__(
        self, arms: int, width: int, *, precision: float, shape: float = 0.0, rate: float = 0.0,
        noise: float | None = 1.0,
    ) -> None:  # fmt: skip
        """precision: of the prior of each weight, in units of 1/s2. shape, rate: a and b of s2's prior.

        noise: the noise variance s2 where it is known; None: learnt.
        """
        self.noise = noise
        self.mu = np.zeros((arms, width))
        self.root = np.tile(np.eye(width) / np.sqrt(precision), (arms, 1, 1))
        """(K, d, d) S with V = S S^T."""
        self.shape = np.full(arms, shape, np.float64)
        self.rate = np.full(arms, rate, np.float64)

    def sample(self, rng: np.random.Generator, draws: int = 1) -> np.ndarray:
        """(draws, K, d) weights."""
        arms, d = self.mu.shape
        z = rng.standard_normal((draws, arms, d))
        s = np.sqrt(self.variance(rng, draws))
        step = np.empty((draws, arms, d))
        for a in range(arms):
            step[:, a] = z[:, a] @ self.root[a].T
        return self.mu + s[..., None] * step

    def variance(self, rng: np.random.Generator, draws: int) -> np.ndarray:
        """(draws, K) noise variances: known, or drawn from their inverse gamma posteriors."""
        if self.noise is not None:
            return np.full((draws, len(self.mu)), self.noise)
        return self.rate / rng.standard_gamma(self.shape, (draws, len(self.mu)))

    def width_of(self, x: np.ndarray) -> np.ndarray:
        """(K,) sqrt(x^T V_a x): how little is known of arm a in the direction of x."""
        return np.sqrt(np.square(x @ self.root).sum(-1))

    def update(self, x: np.ndarray, a: int, r: float) -> None:
        """One more reward: V <- V - V x x^T V / (1 + x^T V x) and what follows for mu, a, b."""
        root = self.root[a]
        u = x @ root  # S^T x
        q = 1.0 / (1.0 + u @ u)
        gain = root @ u * q  # V x / (1 + x^T V x)
        error = r - x @ self.mu[a]
        self.mu[a] += gain * error
        root -= np.outer(gain / (1.0 + np.sqrt(q)), u)
        self.shape[a] += 0.5
        self.rate[a] += 0.5 * error * error * q

    @property
    def covariance(self) -> np.ndarray:
        """(K, d, d) V_a."""
        return self.root @ self.root.transpose(0, 2, 1)

    def state(self) -> Tree:
        return {
            "mu": self.mu.copy(),
            "root": self.root.copy(),
            "shape": self.shape.copy(),
            "rate": self.rate.copy(),
        }

    def load(self, state: Tree) -> None:
        for name in ("mu", "root", "shape", "rate"):
            getattr(self, name)[...] = state[name]
