"""The event models of naive Bayes: from counts of features by class to log probabilities.

Counts stand features first, (F, C): column c is class c. alpha is Laplace's (1) or Lidstone's addition: what
is added to each count so that nothing unseen is impossible. Everything is float64.

    multinomial   P(f|c) = (N_fc + alpha) / (N_c + alpha F)             N_fc: times that f stands in class c
    Bernoulli     P(f|c) = (N_fc + alpha) / (N_c + 2 alpha)             N_fc: rows of c with f; N_c: of c
    categorical   P(x_f = k|c) = (N_fkc + alpha) / (N_fc + alpha K_f)   N_fkc: rows of c where x_f is k
    complement    w_fc = -log((N_f - N_fc + alpha) / (N - N_c + alpha F))     Rennie et al. 2003
    Gaussian      p(x_f|c) = normal density of mean mu_fc, variance sigma^2_fc + epsilon
"""

import numpy as np

Array = np.ndarray


def multinomial(counts: Array, alpha: float) -> Array:
    """log P(f|c), (F, C) (McCallum & Nigam 1998, eq. 6, with alpha for 1)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.log(counts.sum(0, dtype=np.float64) + alpha * len(counts))
        logs = _log_counts(counts, alpha)
        logs -= total
        return logs


def _log_counts(counts: Array, alpha: float) -> Array:
    """log(counts + alpha); small whole counts, of which there are very many, are looked up."""
    if counts.dtype.kind != "i":
        return np.log(counts + alpha)
    most = int(counts.max(initial=0))
    limit = min(most, 1 << 12) + 1
    table = np.log(np.arange(limit, dtype=np.float64) + alpha)
    logs = np.empty(counts.shape)
    np.take(table, counts, mode="clip", out=logs)
    if most >= limit:
        large = counts >= limit
        logs[large] = np.log(counts[large] + alpha)
    return logs


def complement(counts: Array, alpha: float, norm: bool) -> Array:
    """Weights w_fc, (F, C), of Rennie, Shih, Teevan & Karger 2003, table 4: of the classes that c is not.

    norm: each class's weights divided by the sum of their absolute values (their step 8).
    """
    others = counts.sum(1, keepdims=True) + alpha - counts
    log_p = np.log(others) - np.log(others.sum(0))
    return log_p / log_p.sum(0) if norm else -log_p


def bernoulli(present: Array, rows: Array, alpha: float) -> tuple[Array, Array]:
    """(log P(f|c), log P(not f|c)), (F, C) each. present, rows: rows with f, and rows; (F, C), (C,) or (F,
    C).
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        total = np.log(rows + 2 * alpha)
        return np.log(present + alpha) - total, np.log(rows - present + alpha) - total


def categorical(counts: Array, alpha: float) -> Array:
    """log P(x_f = k|c), (K, C), of one feature with K values; counts: (K, C)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.log(counts + alpha) - np.log(counts.sum(0) + alpha * len(counts))


def merged_moments(one: tuple[Array, ...], other: tuple[Array, ...]) -> tuple[Array, Array, Array]:
    """Counts, means and sums of squared deviations of two samples together (Chan, Golub & LeVeque 1983)."""
    n, mean, m2 = one
    k, other_mean, other_m2 = other
    total = n + k
    share = np.divide(k, total, out=np.zeros_like(mean), where=total > 0)
    delta = other_mean - mean
    return total, mean + delta * share, m2 + other_m2 + delta * delta * (n * share)


def log_normal(x: Array, mean: Array, variance: Array) -> Array:
    """log of the normal density, all shapes broadcast."""
    return -0.5 * (np.log(2 * np.pi * variance) + (x - mean) ** 2 / variance)


def log_prior(rows: Array) -> Array:
    """log of the share of each class's rows, (C,)."""
    with np.errstate(divide="ignore"):
        return np.log(rows) - np.log(rows.sum())


def posterior(joint: Array, prior: Array) -> tuple[Array, Array]:
    """P(c|x) by Bayes' rule, (n, C), of log P(c) + log P(x|c); and (n,) bool, rows that no class allows.

    Where every class is impossible (alpha 0 and an unseen value) the evidence says nothing: P is the prior.
    """
    impossible = np.asarray((joint == -np.inf).all(1))
    joint = np.where(impossible[:, None], prior, joint)
    e = np.exp(joint - joint.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True), impossible
