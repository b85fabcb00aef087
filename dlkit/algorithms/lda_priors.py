"""The priors of lda: their likelihood and Minka's fixed points for alpha and beta.

All of it needs no more than how often each count occurs. With H_k(n) documents that have n tokens of topic k,

    sum_d [Psi(n_dk + a) - Psi(a)] = sum_n H_k(n) [Psi(n + a) - Psi(a)].
"""

import math
from dataclasses import dataclass

import numpy as np

SMALLEST = 1e-5
"""Alpha of a topic that no document has: above 0, for it may be wanted later."""
STEPS = 20
"""Steps of a fixed point at the end of an epoch; the next epoch goes on."""


def digamma(x: np.ndarray) -> np.ndarray:
    """Psi(x) for x > 0: Psi(x) = Psi(x + 1) - 1/x up to 8, then the asymptotic series (error < 1e-12)."""
    x = np.array(x, np.float64)
    shift = np.zeros_like(x)
    for _ in range(8):
        small = x < 8
        shift[small] -= 1 / x[small]
        x[small] += 1
    r = 1 / (x * x)
    series = r * (1 / 12 - r * (1 / 120 - r * (1 / 252 - r * (1 / 240 - r * (1 / 132 - r * 691 / 32760)))))
    return shift + np.log(x) - 0.5 / x - series


@dataclass
class Histogram:
    """How often each count occurs, by group: `times[i]` times the count `values[i]` in `groups[i]`."""

    values: np.ndarray
    """(n,) int64, above 0."""
    times: np.ndarray
    groups: np.ndarray

    @classmethod
    def of(cls, counts: np.ndarray, groups: np.ndarray | None = None) -> "Histogram":
        """counts: integers, zeros left out; groups: of each, from 0; None: all are one."""
        counts = counts.ravel().astype(np.int64)
        groups = np.zeros(len(counts), np.int64) if groups is None else groups.ravel().astype(np.int64)
        there = counts > 0
        counts, groups = counts[there], groups[there]
        span = int(counts.max(initial=0)) + 1
        keys, times = np.unique(groups * span + counts, return_counts=True)
        return cls(keys % span, times, keys // span)

    def rises(self, a: np.ndarray) -> np.ndarray:
        """(groups,) sum of Psi(n + a) - Psi(a) over the counts n of each group; a: (groups,)."""
        mine = a[self.groups]
        return np.bincount(
            self.groups, self.times * (digamma(self.values + mine) - digamma(mine)), minlength=len(a)
        )

    def log_gammas(self, a: np.ndarray) -> float:
        """Sum of ln Gamma(n + a) - ln Gamma(a) over all counts n; a: (groups,)."""
        base = [math.lgamma(one) for one in a.tolist()]
        rows = zip(self.values.tolist(), self.times.tolist(), self.groups.tolist(), strict=True)
        known = a.tolist()
        return math.fsum(times * (math.lgamma(n + known[g]) - base[g]) for n, times, g in rows)


@dataclass
class Counts:
    """Histograms of one state of the sampler."""

    topics_of_documents: Histogram
    """n_dk, a group for each topic."""
    documents: Histogram
    """n_d."""
    words_of_topics: Histogram
    """n_wk."""
    topics: Histogram
    """n_k."""
    vocabulary: int
    tokens: int

    def log_likelihood(self, alpha: np.ndarray, beta: float) -> float:
        """log p(w, z | alpha, beta) a token, in nats (Griffiths & Steyvers 2004, eq. 2 and 3).

        prod_d B(n_d. + alpha) / B(alpha) x prod_k B(n_.k + beta) / B(beta)
        """
        total, everywhere = np.array([alpha.sum()]), np.array([self.vocabulary * beta])
        value = self.topics_of_documents.log_gammas(alpha) - self.documents.log_gammas(total)
        value += self.words_of_topics.log_gammas(np.array([beta])) - self.topics.log_gammas(everywhere)
        return value / max(self.tokens, 1)

    def fitted_alpha(self, alpha: np.ndarray, symmetric: bool) -> np.ndarray:
        """Minka (2000), eq. 55: alpha_k <- alpha_k sum_d [Psi(n_dk + alpha_k) - Psi(alpha_k)] / sum_d
        [Psi(n_d + A) - Psi(A)], A = sum alpha; symmetric: with the mean over k above.
        """
        for _ in range(STEPS):
            whole = self.documents.rises(np.array([alpha.sum()]))[0]
            if not whole > 0:
                break
            above = self.topics_of_documents.rises(alpha)
            above = np.full_like(above, above.mean()) if symmetric else above
            alpha = np.maximum(alpha * above / whole, SMALLEST)
        return alpha

    def fitted_beta(self, beta: float) -> float:
        """The same for the symmetric prior of the topics' words."""
        for _ in range(STEPS):
            whole = self.vocabulary * self.topics.rises(np.array([self.vocabulary * beta]))[0]
            if not whole > 0:
                break
            beta = max(beta * self.words_of_topics.rises(np.array([beta]))[0] / whole, SMALLEST)
        return float(beta)
