"""The biases alone: r^_ui = mu + b_u + b_i, by alternating least squares (Koren 2010, section 2.1).

    b_i <- sum_u (r_ui - mu - b_u) / (reg_item + n_i),     b_u <- sum_i (r_ui - mu - b_i) / (reg_user + n_u)

What any other model has to beat.
"""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.mf_data import RatingData
from dlkit.algorithms.mf_model import MODELS, Factors, RatingModel, Shape, Solution, Step, errors_of
from dlkit.algorithms.mf_rated import Rated
from dlkit.recipe.schema import Spec

AT_ONCE = 1 << 20


@MODELS.add(aka=("bias", "biases", "baseline-only"))
class BaselineSpec(Spec):
    """Biases without factors."""

    name: Literal["baseline"] = Field("baseline", description="Mean and biases alone.")
    reg_user: float = Field(15.0, ge=0, description="Ratings at the mean that each user is given beforehand.")
    reg_item: float = Field(10.0, ge=0, description="Ratings at the mean that each item is given beforehand.")


class Baseline(RatingModel):
    """Sums over ratings."""

    parallel = False

    def shapes(self) -> dict[str, Shape]:
        return {"bu": (self.users,), "bi": (self.items,)}

    def draw(self, name: str, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        return np.zeros(shape, self.context.backend.dtype)

    def prepare(self, data: RatingData) -> None:
        self.mu, self.train = data.mean, data.train
        self.errors = np.zeros(2)

    def step(self, epoch: int, number: int) -> Step:
        bu, bi = (self.parameters[name].astype(np.float64) for name in ("bu", "bi"))
        for side, moved, fixed, reg in ((1, bi, bu, self.spec.reg_item), (0, bu, bi, self.spec.reg_user)):
            total, count = np.zeros(len(moved)), np.zeros(len(moved))
            for pairs, values in self._ratings():
                rest = values - self.mu - fixed[pairs[1 - side]]
                total += np.bincount(pairs[side], rest, len(moved))
                count += np.bincount(pairs[side], minlength=len(moved))
            moved[...] = np.divide(total, reg + count, out=np.zeros(len(moved)), where=count > 0)
        self.errors[...] = 0
        for (users, items), values in self._ratings():
            e = values - self.mu - bu[users] - bi[items]
            self.errors += (e**2).sum(), np.abs(e).sum()
        real = self.context.backend.dtype
        self.parameters = {"bu": bu.astype(real), "bi": bi.astype(real)}
        return Step(len(self.train), float(self.errors[0]) / len(self.train))

    def _ratings(self) -> Any:
        """((users, items), values) of some ratings at a time."""
        users = self.train.rows()
        for start in range(0, len(users), AT_ONCE):
            part = slice(start, start + AT_ONCE)
            yield (users[part], self.train.columns[part]), self.train.some(part).astype(np.float64)

    def figures(self) -> dict[str, float]:
        """After the update: nothing is learnt a rating at a time."""
        return errors_of(self.errors, len(self.train))

    def sums(self) -> dict[str, Any]:
        return {"errors": self.errors}

    def load_sums(self, sums: dict[str, Any]) -> None:
        self.errors = sums["errors"].copy()

    # -- answers --------------------------------------------------------------------------------
    def factors(self, train: Rated) -> Factors:
        empty = self.context.backend.empty
        found = self.parameters
        return Factors(self.mu, empty((self.users, 0)), empty((self.items, 0)), found["bu"], found["bi"])

    def fold_in(self, items: np.ndarray, values: np.ndarray, factors: Factors) -> Solution:
        """The equation of b_u."""
        rest = float((values - factors.mu - factors.bi[items]).sum())
        return Solution(rest / (self.spec.reg_user + len(items)), np.empty(0))
