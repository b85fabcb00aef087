"""Which rows to ask about: scores of rows without a label, the highest asked first.

p_t is the class distribution that draw t of the model gives a row; p their mean over T draws (T = 1: the
model itself). Draws come from Monte-Carlo dropout (mc_dropout.py).

    least_confident   1 - max_c p_c                                        (Lewis & Gale 1994)
    margin            -(p_first - p_second)                                (Scheffer et al. 2001)
    entropy           H[p] = -sum_c p_c log p_c                            (Shannon 1948; Settles 2009)
    mean_std          mean_c sd_t(p_tc)                                    (Kampffmeyer et al. 2016)
    bald              H[p] - mean_t H[p_t]: what the answer tells about the weights (Houlsby et al. 2011)
    random            the control

The first three do not tell a row that is ambiguous from one that is unfamiliar; mean_std and bald ask for the
unfamiliar ones alone, and need T > 1 (Gal, Islam & Ghahramani 2017).
"""

from collections.abc import Callable
from typing import Literal, get_args

import numpy as np

from dlkit.algorithms.mc_dropout import class_spread, entropy

Strategy = Literal["least_confident", "margin", "entropy", "mean_std", "bald", "random"]
STRATEGIES: tuple[Strategy, ...] = get_args(Strategy)
OF_DRAWS = frozenset({"mean_std", "bald"})
"""Strategies that compare draws."""


def least_confident(p: np.ndarray) -> np.ndarray:
    """p: (T, n, C) probabilities -> (n,)."""
    return 1.0 - p.mean(0).max(-1)


def margin(p: np.ndarray) -> np.ndarray:
    """p: (T, n, C) -> (n,)."""
    first_two = np.partition(p.mean(0), -2, axis=-1)[:, -2:]
    return first_two[:, 0] - first_two[:, 1]


def predictive_entropy(p: np.ndarray) -> np.ndarray:
    """p: (T, n, C) -> (n,) nats."""
    return entropy(p.mean(0))


def mean_std(p: np.ndarray) -> np.ndarray:
    """p: (T, n, C) -> (n,): standard deviation over draws, mean over classes."""
    return p.std(0).mean(-1)


def bald(p: np.ndarray) -> np.ndarray:
    """p: (T, n, C) -> (n,) nats: mutual information of label and weights."""
    return class_spread(p)[2]


SCORES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "least_confident": least_confident,
    "margin": margin,
    "entropy": predictive_entropy,
    "mean_std": mean_std,
    "bald": bald,
}


def highest(scores: np.ndarray, count: int) -> np.ndarray:
    """(count,) places of the highest scores, highest first; of equal ones the earlier."""
    return np.argsort(-scores, kind="stable")[:count]
