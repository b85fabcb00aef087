"""Implicit feedback by alternating least squares (Hu, Koren & Volinsky 2008).

What a user does (plays, buys, clicks r_ui times) says how sure it is that he likes the item, c_ui = 1 +
alpha r_ui;
what he never touched he likes less, but that is hardly sure at all (c = 1):

    minimise  sum over all u, i of c_ui (f_ui - p_u . q_i)^2 + reg ( sum |p_u|^2 + sum |q_i|^2 ),  f_ui = 1
    if r_ui > 0 else 0
"""

from itertools import pairwise
from typing import Any, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.mf_data import RatingData
from dlkit.algorithms.mf_model import (
    MODELS,
    PREDICTED_AT_ONCE,
    Factors,
    RatingModel,
    Shape,
    Solution,
    Step,
    drawn_normal,
)
from dlkit.algorithms.mf_rated import Rated
from dlkit.algorithms.mf_rows import Rows, Sides
from dlkit.errors import UsageError
from dlkit.kernels.mf_als import als_cg, als_solve
from dlkit.recipe.schema import Spec

WORK_A_STEP = 1 << 30
"""Multiplications of a step, about: half a second."""


@MODELS.add(aka=("implicit", "ials", "wrmf"))
class ALSSpec(Spec):
    """Alternating least squares for implicit feedback."""

    name: Literal["als"] = Field("als", description="Implicit feedback: alternating least squares.")
    factors: int = Field(
        64,
        ge=1,
        le=4096,
        description="Factors of a user and of an item.",
        json_schema_extra={"flag": "--factors", "aka": ["n_factors", "rank", "dim", "k"]},
    )
    alpha: float = Field(
        10.0, gt=0, description="How much surer one unit of a rating makes: confidence 1 + alpha r."
    )
    reg: float = Field(
        0.1,
        ge=0,
        description="Regularisation.",
        json_schema_extra={"flag": "--reg", "aka": ["regularization", "lambda"]},
    )
    solver: Literal["cg", "cholesky"] = Field(
        "cg", description="A few conjugate gradient steps from the factors so far, or exactly (Cholesky)."
    )
    cg_steps: int = Field(3, ge=1, description="Steps of conjugate gradients.")
    init_sd: float = Field(0.1, gt=0, description="Standard deviation of the first factors.")


class ALS(RatingModel):
    """All users, then all items, some rows a step; rows are shared out over threads and ranks."""

    explicit = False

    def shapes(self) -> dict[str, Shape]:
        return {"p": (self.users, self.spec.factors), "q": (self.items, self.spec.factors)}

    def draw(self, name: str, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        return drawn_normal(shape, 0.0, self.spec.init_sd, self.context.backend.dtype, rng)

    def prepare(self, data: RatingData) -> None:
        if self.spec.solver == "cholesky" and self.context.backend.name == "gpu":
            raise UsageError("solver: cholesky has no GPU version", where="model", hint="solver: cg")
        self.sides = Sides(data.train, self.items, self.context)
        self.plan = [
            (side, begin, end)
            for side in (self.sides.by_user, self.sides.by_item)
            for begin, end in self._pieces(side)
        ]
        self.ratings = len(data.train)

    def _pieces(self, side: Rows) -> list[tuple[int, int]]:
        """Rows of each step of one side."""
        k = self.spec.factors
        passes = self.spec.cg_steps + 1 if self.spec.solver == "cg" else k
        work = (int(side.host_ends[-1]) + side.count * k) * k * passes
        cuts = side.cut(0, side.count, min(max(work // WORK_A_STEP, 1), side.count))
        return list(pairwise(cuts))

    @property
    def steps(self) -> int:
        return len(self.plan)

    def step(self, epoch: int, number: int) -> Step:
        side, begin, end = self.plan[number - 1]
        users = side is self.sides.by_user
        x, y = self.parameters["p" if users else "q"], self.parameters["q" if users else "p"]
        spec, xp = self.spec, self.context.backend.xp
        gram = y.T @ y + xp.eye(spec.factors, dtype=y.dtype) * y.dtype.type(spec.reg)

        def work(rows: slice, ends: Any, columns: Any, values: Any) -> None:
            if spec.solver == "cg":
                als_cg(x[rows], y, gram, ends, columns, values, spec.alpha, spec.cg_steps)
            else:
                als_solve(x[rows], y, gram, ends, columns, values, spec.alpha)

        side.each(work, x, begin=begin, end=end)
        done = int(side.host_ends[end] - side.host_ends[begin])
        return Step(done, None)

    def figures(self) -> dict[str, float]:
        """The objective, over users times items. All pairs: tr(P'P Q'Q); those with a rating are put
        right."""
        found, side = self.parameters, self.sides.by_user
        host = self.context.backend.to_host
        p, q = (host(found[name]).astype(np.float64) for name in ("p", "q"))
        total = float(((p.T @ p) * (q.T @ q)).sum())
        total += self.spec.reg * float((p**2).sum() + (q**2).sum())
        columns, values, rows = host(side.columns), host(side.values), np.diff(side.host_ends)
        owner = np.repeat(np.arange(self.users, dtype=np.int32), rows)
        factors = self.factors(Rated(side.host_ends, columns, values, np.empty(0, np.float32)))
        for start in range(0, len(values), PREDICTED_AT_ONCE):
            part = slice(start, start + PREDICTED_AT_ONCE)
            s = factors.predict(owner[part], columns[part], self.context).astype(np.float64)
            r = values[part].astype(np.float64)
            total += float(((1 + self.spec.alpha * np.abs(r)) * ((r > 0) - s) ** 2 - s**2).sum())
        return {"loss": total / (self.users * self.items)}

    def sums(self) -> dict[str, Any]:
        return {}

    def load_sums(self, sums: dict[str, Any]) -> None:
        """There are none: the loss is that of the factors at the end of the epoch."""

    # -- answers --------------------------------------------------------------------------------
    def factors(self, train: Rated) -> Factors:
        zeros = self.context.backend.zeros
        return Factors(0.0, self.parameters["p"], self.parameters["q"], zeros(self.users), zeros(self.items))

    def fold_in(self, items: np.ndarray, values: np.ndarray, factors: Factors) -> Solution:
        """The row's own equation, solved exactly."""
        q = factors.q.astype(np.float64)
        gram = q.T @ q + self.spec.reg * np.eye(q.shape[1])
        x = np.zeros((1, q.shape[1]))
        ends = np.array([0, len(items)])
        als_solve(x, q, gram, ends, items.astype(np.int32), np.asarray(values, np.float64), self.spec.alpha)
        return Solution(0.0, x[0])
