"""Why a row was said to be of its class, and which features tell a class from the others.

Naive Bayes adds: for two classes a and b

    log P(a|x) / P(b|x) = log P(a) / P(b) + sum_f [log P(x_f|a) - log P(x_f|b)]

so each feature has its share in the log odds, and the shares add up to them.
"""

from typing import NamedTuple

import numpy as np


class Share(NamedTuple):
    """What one feature adds to the log odds of the class that was said, against the next likely one."""

    feature: str
    value: str
    log_odds: float


PRIOR, OTHERS = "(prior)", "(others)"


def shares(
    names: list[str],
    values: list[str],
    parts: np.ndarray,
    prior: np.ndarray,
    said: int,
    against: int,
    top: int,
) -> list[Share]:
    """The prior, the `top` features that weigh most, and all others in one line; their sum is the log odds.

    parts: (F, C) what each feature adds to log P(x|c); prior: (C,) log P(c).
    """
    with np.errstate(invalid="ignore"):  # impossible under both classes: nothing to choose between them
        odds = np.nan_to_num(parts[:, said] - parts[:, against], nan=0.0, posinf=np.inf, neginf=-np.inf)
    order = np.argsort(-np.abs(odds), kind="stable")
    lines = [Share(PRIOR, "", float(prior[said] - prior[against]))]
    lines += [Share(names[f], values[f], float(odds[f])) for f in order[:top].tolist()]
    rest = order[top:]
    if len(rest):
        lines.append(Share(OTHERS, str(len(rest)), float(odds[rest].sum())))
    return lines


class Telling(NamedTuple):
    """A feature that speaks for a class."""

    feature: int
    probability: float
    """P(f|c)."""
    log_odds: float
    """log P(f|c) / P(f|not c)."""


def telling(log_p: np.ndarray, weight: np.ndarray, c: int, top: int) -> list[Telling]:
    """The features that speak most for class c: by P(f|c) log P(f|c) / P(f|not c), what f adds on average.

    log_p: (M, C) log P(f|c); weight: (C,) P(c). P(f|not c) is the mean over the other classes by their P(c).
    """
    p = np.exp(log_p)
    others = np.arange(log_p.shape[1]) != c
    share = weight * others
    share = share / share.sum() if share.sum() > 0 else others / others.sum()
    rest = p @ share
    with np.errstate(divide="ignore", invalid="ignore"):
        odds = log_p[:, c] - np.log(rest)
        gain = np.nan_to_num(np.where(p[:, c] > 0, p[:, c] * odds, 0.0), nan=0.0, posinf=np.finfo(float).max)
    order = np.argsort(-gain, kind="stable")[:top]
    return [Telling(f, float(p[f, c]), float(odds[f])) for f in order.tolist() if odds[f] > 0]
