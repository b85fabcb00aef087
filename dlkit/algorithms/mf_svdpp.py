"""SVD++: what a user has rated tells something, whatever the ratings (Koren 2008, eq. 15).

r^_ui = mu + b_u + b_i + q_i . ( p_u + |N(u)|^(-1/2) sum_{j in N(u)} y_j )
"""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.mf_data import RatingData
from dlkit.algorithms.mf_descent import (
    BiasRate,
    BiasRegularisation,
    DescentModel,
    LearningRate,
    Regularisation,
)
from dlkit.algorithms.mf_model import MODELS, Factors, Rank, Shape, Solution, Step, biased_ridge, errors_of
from dlkit.algorithms.mf_rated import Rated
from dlkit.kernels.mf_svdpp import implicit_sums, svdpp_users
from dlkit.recipe.schema import Spec

RATINGS_A_STEP = 250_000


@MODELS.add(aka=("svdpp", "svdplusplus", "svd-plus-plus"))
class SVDPlusPlusSpec(Spec):
    """SVD++."""

    name: Literal["svd++"] = Field("svd++", description="SVD with implicit feedback, user by user.")
    factors: Rank = 20
    lr: LearningRate = 0.007
    reg: Regularisation = 0.02
    lr_bias: BiasRate = None
    reg_bias: BiasRegularisation = None
    init_mean: float = Field(0.0, description="Mean of the first factors (normal).")
    init_sd: float = Field(0.1, ge=0, description="Standard deviation of the first factors.")


class SVDPlusPlus(DescentModel):
    """User after user, in an order drawn anew in each epoch; kernels/mf_svdpp.py says why it is fast."""

    parallel = False

    def shapes(self) -> dict[str, Shape]:
        k = self.spec.factors
        rows, columns = (self.users, k), (self.items, k)
        return {"p": rows, "q": columns, "y": columns, "bu": (self.users,), "bi": (self.items,)}

    def prepare(self, data: RatingData) -> None:
        self.mu = data.mean
        self.train = data.train
        self.values = np.asarray(data.train.values, self.context.backend.dtype)
        self.ratings = len(self.values)
        self.loss = np.zeros(2)

    @property
    def steps(self) -> int:
        return max(self.ratings // RATINGS_A_STEP, 1)

    # -- training -------------------------------------------------------------------------------
    def step(self, epoch: int, number: int) -> Step:
        order = self.context.streams.get("shuffle", epoch).permutation(self.users)
        mine = np.array_split(order, self.steps)[number - 1]
        if number == 1:
            self.loss[...] = 0
        spec, found, loss = self.spec, self.parameters, np.empty(2)
        svdpp_users(
            found["p"], found["q"], found["y"], found["bu"], found["bi"], np.ascontiguousarray(mine),
            self.train.ends, self.train.columns, self.values, self.mu, spec.lr, spec.reg,
            *self.bias_rates, loss,
        )  # fmt: skip
        self.loss += loss
        done = int(self.train.counts[mine].sum())
        return Step(done, float(loss[0]) / max(done, 1))

    def figures(self) -> dict[str, float]:
        return errors_of(self.loss, self.ratings)

    def sums(self) -> dict[str, Any]:
        return {"loss": self.loss}

    def load_sums(self, sums: dict[str, Any]) -> None:
        self.loss = sums["loss"].copy()

    # -- answers --------------------------------------------------------------------------------
    def factors(self, train: Rated) -> Factors:
        found = self.parameters
        p = np.empty_like(found["p"])
        implicit_sums(found["y"], train.ends, train.columns, p)
        p += found["p"]
        return Factors(self.mu, p, found["q"], found["bu"], found["bi"])

    def fold_in(self, items: np.ndarray, values: np.ndarray, factors: Factors) -> Solution:
        """z_u from the y_j; then ridge regression of what remains on (1, q_i)."""
        z = self.parameters["y"][items].sum(axis=0, dtype=np.float64) / max(len(items), 1) ** 0.5
        q = factors.q[items].astype(np.float64)
        rest = values - factors.mu - factors.bi[items] - q @ z
        bias, p = biased_ridge(q, rest, self.spec.reg, self.bias_rates[1])
        return Solution(bias, z + p)
