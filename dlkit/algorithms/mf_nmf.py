"""Non-negative factors: r^_ui = p_u . q_i with nothing below 0 (Luo et al. 2014, without their biases).

Each epoch is one multiplicative update of all factors from the factors before it, as in Surprise's NMF; the
order of the ratings does not matter.
"""

from typing import Any, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.mf_data import RatingData
from dlkit.algorithms.mf_model import MODELS, Factors, Rank, RatingModel, Shape, Solution, Step, errors_of
from dlkit.algorithms.mf_rated import Rated
from dlkit.algorithms.mf_rows import Sides
from dlkit.errors import DataError
from dlkit.kernels.mf_nmf import nmf_rows
from dlkit.recipe.schema import Spec

FOLD_IN_UPDATES = 200


@MODELS.add(aka=("non-negative", "nnmf"))
class NMFSpec(Spec):
    """Non-negative matrix factorisation."""

    name: Literal["nmf"] = Field("nmf", description="Non-negative factors by multiplicative updates.")
    factors: Rank = 15
    reg: float = Field(
        0.06,
        ge=0,
        description="Regularisation; 0: none.",
        json_schema_extra={"flag": "--reg", "aka": ["regularization", "lambda", "reg_pu", "reg_qi"]},
    )
    init_high: float = Field(1.0, gt=0, description="First factors are uniform between 0 and this.")


class NMF(RatingModel):
    """Users' rows and items' rows, each from what was before; rows are shared out over threads and ranks."""

    def shapes(self) -> dict[str, Shape]:
        return {"p": (self.users, self.spec.factors), "q": (self.items, self.spec.factors)}

    def draw(self, name: str, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        values = rng.random(shape, dtype=self.context.backend.dtype)
        values *= self.context.backend.dtype.type(self.spec.init_high)
        return values

    def prepare(self, data: RatingData) -> None:
        if data.train.values.min() < 0:
            text = f"nmf needs ratings of 0 or more, found {data.train.values.min():g}"
            raise DataError(text, where=data.source)
        self.sides = Sides(data.train, self.items, self.context)
        self.ratings = len(data.train)
        self.errors = np.zeros(2)

    def step(self, epoch: int, number: int) -> Step:
        backend, found = self.context.backend, self.parameters
        p, q = backend.empty(found["p"].shape), backend.empty(found["q"].shape)
        errors = backend.zeros((self.users, 2), np.float64)
        reg = self.spec.reg

        def users(rows: slice, ends: Any, columns: Any, values: Any) -> None:
            nmf_rows(found["p"][rows], found["q"], ends, columns, values, reg, p[rows], errors[rows])

        def items(rows: slice, ends: Any, columns: Any, values: Any) -> None:
            unread = backend.empty((rows.stop - rows.start, 2), np.float64)
            nmf_rows(found["q"][rows], found["p"], ends, columns, values, reg, q[rows], unread)

        self.sides.by_user.each(users, p, errors)
        self.sides.by_item.each(items, q)
        self.errors = backend.to_host(errors.sum(axis=0))
        self.parameters = {"p": p, "q": q}
        return Step(self.ratings, float(self.errors[0]) / self.ratings)

    def figures(self) -> dict[str, float]:
        return errors_of(self.errors, self.ratings)

    def sums(self) -> dict[str, Any]:
        return {"errors": np.asarray(self.errors)}

    def load_sums(self, sums: dict[str, Any]) -> None:
        self.errors = sums["errors"].copy()

    # -- answers --------------------------------------------------------------------------------
    def factors(self, train: Rated) -> Factors:
        zeros, found = self.context.backend.zeros, self.parameters
        cold = float(train.values.mean(dtype=np.float64))
        return Factors(0.0, found["p"], found["q"], zeros(self.users), zeros(self.items), cold)

    def fold_in(self, items: np.ndarray, values: np.ndarray, factors: Factors) -> Solution:
        """The same update of p_u alone, until it hardly moves: the problem is convex."""
        q, r = factors.q[items].astype(np.float64), np.asarray(values, np.float64)
        p = np.full(q.shape[1], 0.5)
        for _ in range(FOLD_IN_UPDATES):
            below = (q @ p) @ q + len(items) * self.spec.reg * p
            p *= np.divide(r @ q, below, out=np.ones_like(p), where=below > 0)
        return Solution(0.0, p)
