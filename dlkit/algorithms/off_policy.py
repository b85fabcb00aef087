"""What a policy would have earned, from a log of decisions that another one made.

For decisions i with context x_i, action a_i taken with probability p_i, reward r_i, and a policy pi:

    replay   mean of r_i where pi, asked for x_i, takes a_i (a log of equally likely actions, or one thinned
             out to be such)                                                      (Li et al. 2011)
    IPS      1/n sum_i w_i r_i,  w_i = pi(a_i | x_i) / p_i                        (Horvitz & Thompson 1952)
    SNIPS    sum_i w_i r_i / sum_i w_i                                           (Swaminathan & Joachims 2015)

IPS is unbiased where the author of the log might have taken every action that pi takes. SNIPS is not quite,
but its error is smaller where the weights vary, and it stays between the least and the greatest reward. The
effective rows (sum w)^2 / sum w^2 say how many decisions the estimate really rests on.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Estimates(NamedTuple):
    """Sums over decisions of a log."""

    rows: float
    known: float
    """Decisions that the replay keeps."""
    known_reward: float
    weight: float
    weight_squared: float
    weighted: float
    weighted_squared: float
    logged: float
    """Reward of the log's author."""

    @staticmethod
    def terms(reward: float, weight: float, known: bool) -> Sequence[float]:
        """What one decision adds to the sums."""
        earned = weight * reward
        return (1.0, float(known), reward if known else 0.0, weight, weight * weight, earned, earned * earned,
                reward)  # fmt: skip

    @property
    def replay(self) -> float:
        """NaN where no decision agrees."""
        return self.known_reward / self.known if self.known else math.nan

    @property
    def ips(self) -> float:
        return self.weighted / self.rows if self.rows else math.nan

    @property
    def ips_error(self) -> float:
        """Standard error of IPS."""
        if self.rows < 2:
            return math.nan
        variance = max(self.weighted_squared / self.rows - self.ips**2, 0.0)
        return math.sqrt(variance / (self.rows - 1))

    @property
    def snips(self) -> float:
        return self.weighted / self.weight if self.weight else math.nan

    @property
    def effective(self) -> float:
        return self.weight**2 / self.weight_squared if self.weight_squared else 0.0

    def figures(self) -> dict[str, float]:
        """The values by name, without their split."""
        figures = {
            "replay_value": self.replay,
            "replay_rows": self.known,
            "ips_value": self.ips,
            "ips_error": self.ips_error,
            "snips_value": self.snips,
            "effective_rows": self.effective,
            "logged_value": self.logged / self.rows if self.rows else math.nan,
        }
        return {name: value for name, value in figures.items() if not math.isnan(value)}


def judged(
    p: np.ndarray, action: np.ndarray, reward: np.ndarray, probability: np.ndarray, chance: np.ndarray
) -> Estimates:
    """Estimates for a fixed policy of action probabilities p (n, K) on n logged decisions.

    chance: (n, 2) uniform numbers of the replay: they draw the policy's actions, and thin the log out.
    """
    taken = p[np.arange(len(p)), action]
    weight = taken / probability
    drawn = (chance[:, :1] > np.cumsum(p, axis=1)[:, :-1]).sum(1)
    known = (drawn == action) & (chance[:, 1] * probability < probability.min(initial=1.0))
    terms = [
        Estimates.terms(*one) for one in zip(reward.tolist(), weight.tolist(), known.tolist(), strict=True)
    ]
    return Estimates(*(math.fsum(column) for column in zip(*terms, strict=True)))
