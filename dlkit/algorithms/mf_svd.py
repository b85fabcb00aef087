"""Factors by stochastic gradient descent: Funk's SVD, plain, regularised, with biases (Funk 2006; Koren
2009).

minimise  sum_{(u, i) rated} ( (r_ui - mu - b_u - b_i - p_u . q_i)^2 + reg (|p_u|^2 + |q_i|^2) + reg_bias
(b_u^2 + b_i^2) )
"""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.mf_blocks import Blocks, groups_for
from dlkit.algorithms.mf_data import RatingData
from dlkit.algorithms.mf_descent import (
    BiasRate,
    BiasRegularisation,
    DescentModel,
    LearningRate,
    Regularisation,
)
from dlkit.algorithms.mf_model import (
    MODELS,
    Factors,
    Rank,
    Shape,
    Solution,
    Step,
    biased_ridge,
    errors_of,
    ridge,
)
from dlkit.algorithms.mf_rated import Rated
from dlkit.backend.memory import give_back_memory
from dlkit.kernels.mf_sgd import mf_sgd
from dlkit.recipe.schema import Spec
from dlkit.training.checkpoint.leaves import Gathered

WORTH_SHARING = 1 << 15
"""Ratings of a step, about a millisecond, below which calling threads together costs what they save."""


@MODELS.add(aka=("funk", "funk-svd", "funksvd", "biased-svd"))
class SVDSpec(Spec):
    """Funk's SVD."""

    name: Literal["svd"] = Field("svd", description="Funk-SVD by stochastic gradient descent.")
    factors: Rank = 100
    biases: bool = Field(True, description="Add mu + b_u + b_i; false: the product of the factors alone.")
    lr: LearningRate = 0.005
    reg: Regularisation = 0.02
    lr_bias: BiasRate = None
    reg_bias: BiasRegularisation = None
    init_mean: float = Field(0.0, description="Mean of the first factors (normal).")
    init_sd: float = Field(0.05, ge=0, description="Standard deviation of the first factors.")
    update: Literal["together", "user_first"] = Field(
        "together",
        description="q takes p as it was before the step (together) or as it is after it (user_first).",
    )
    blocks: Annotated[int, Field(ge=1, le=4096)] | Literal["auto"] = Field(
        "auto",
        description="Groups of users and of items: so many blocks are worked on at once. The result depends "
        "on it; auto goes by the number of ratings.",
    )


class SVD(DescentModel):
    """Blocks without a common row, in parallel; see mf_blocks.py for the schedule and kernels/mf_sgd.py for
    a step."""

    def shapes(self) -> dict[str, Shape]:
        k = self.spec.factors
        return {"p": (self.users, k), "q": (self.items, k)} | (
            {"bu": (self.users,), "bi": (self.items,)} if self.spec.biases else {}
        )

    blocks: Blocks | None = None
    """Of the training ratings, after `prepare`: the rows of the parameters then lie in their order."""

    @property
    def parameters(self) -> dict[str, Any]:
        """By the numbers of users and items: copies, where they lie in another order."""
        return {
            name: array[self._place[name]] if self.blocks else array for name, array in self._held.items()
        }

    @parameters.setter
    def parameters(self, found: dict[str, Any]) -> None:
        self._held = {name: array[self._row[name]] if self.blocks else array for name, array in found.items()}

    def kept_parameters(self) -> dict[str, Any]:
        if not self.blocks:
            return super().kept_parameters()
        host = self.context.backend.to_host
        return {name: Gathered(array, self._place[name], host) for name, array in self._held.items()}

    def end_training(self) -> None:
        """The ratings of the blocks take two thirds of the memory."""
        if not self.blocks:
            return
        self.blocks = None
        give_back_memory()
        for name, array in self._held.items():
            self._held[name] = array[self._place[name]]
        give_back_memory()

    def prepare(self, data: RatingData) -> None:
        self.mu = data.mean if self.spec.biases else 0.0
        backend, found = self.context.backend, self.parameters
        ratings = len(data.train)
        blocks = Blocks(data.train, self.items, self.groups(ratings), self.context.streams)
        self._row: dict[str, Any] = {}
        self._place: dict[str, Any] = {}
        for names, rows in ((("p", "bu"), blocks.user_rows), (("q", "bi"), blocks.item_rows)):
            row, place = backend.asarray(rows), backend.asarray(np.argsort(rows))
            self._row |= dict.fromkeys(names, row)
            self._place |= dict.fromkeys(names, place)
        self.blocks = blocks
        self.parameters = found
        del found
        give_back_memory()
        blocks.fill(data.train, backend)
        self.loss = backend.zeros((self.steps, self.steps, 2), np.float64)
        self.ratings = len(data.train)
        self._biases = None if self.spec.biases else (backend.zeros(self.users), backend.zeros(self.items))

    def groups(self, ratings: int) -> int:
        """Groups of users and of items."""
        if self.spec.blocks != "auto":
            return int(self.spec.blocks)
        return groups_for(ratings, self.users, self.items)

    @property
    def steps(self) -> int:
        assert self.blocks is not None, "prepare comes first"
        return self.blocks.groups

    def shards(self, threads: int, ratings: int) -> int:
        groups = self.groups(ratings)
        return min(threads, groups) if ratings // groups >= WORTH_SHARING else 1

    # -- training -------------------------------------------------------------------------------
    def step(self, epoch: int, number: int) -> Step:
        context = self.context
        assert self.blocks is not None
        first, last, columns = self.blocks.step(epoch, number)
        loss = self.loss[number - 1]
        mine = np.arange(context.comm.rank, self.steps, context.comm.size)
        parts = np.array_split(mine, context.team.shards) if context.backend.name == "cpu" else [mine]
        if context.backend.name == "cpu":
            context.team.map(lambda shard: self._descend(first, last, loss, parts[shard]))
        else:
            self._descend(first, last, loss, mine)
        if context.comm.size > 1:
            self._exchange(columns, loss, mine)
        done = int((last - first).sum())
        seen = float(loss[:, 0].sum()) / max(done, 1) if context.backend.name == "cpu" else None
        return Step(done, seen)

    def _descend(self, first: np.ndarray, last: np.ndarray, loss: Any, groups: np.ndarray) -> None:
        """Work on the blocks of some groups of users; their losses go to those rows of `loss`."""
        if not len(groups):
            return
        spec, backend, blocks = self.spec, self.context.backend, self.blocks
        assert blocks is not None
        bu, bi = self._bias_arrays()
        sums = backend.empty((len(groups), 2), np.float64)
        mf_sgd(
            self._held["p"], self._held["q"], bu, bi, blocks.users, blocks.items, blocks.values,
            backend.asarray(first[groups]), backend.asarray(last[groups]), self.mu, spec.lr, spec.reg,
            *self.bias_rates, int(spec.biases),
            int(spec.update == "user_first"), sums,
        )  # fmt: skip
        loss[backend.asarray(groups)] = sums

    def _bias_arrays(self) -> tuple[Any, Any]:
        if self._biases is not None:
            return self._biases
        return self._held["bu"], self._held["bi"]

    def _exchange(self, columns: np.ndarray, loss: Any, mine: np.ndarray) -> None:
        """Give the other ranks the rows that this one has moved, and take theirs: copies, so the bits
        stay."""
        comm, backend, blocks = self.context.comm, self.context.backend, self.blocks
        assert blocks is not None
        for names, ends, groups in (
            (("p", "bu"), blocks.user_ends, np.arange(self.steps)),
            (("q", "bi"), blocks.item_ends, columns),
        ):
            rows = [_rows(ends, groups[rank :: comm.size]) for rank in range(comm.size)]
            everywhere = backend.asarray(np.concatenate(rows))
            for name in names:
                if name in self._held:
                    array = self._held[name]
                    moved = backend.to_host(array[backend.asarray(rows[comm.rank])])
                    array[everywhere] = backend.asarray(comm.gather_rows(moved))
        others = np.setdiff1d(np.arange(self.steps), mine)
        loss[backend.asarray(others)] = 0
        comm.all_sum(loss)

    def figures(self) -> dict[str, float]:
        return errors_of(self.context.backend.to_host(self.loss).sum((0, 1)), self.ratings)

    def sums(self) -> dict[str, Any]:
        return {"loss": self.context.backend.to_host(self.loss)}

    def load_sums(self, sums: dict[str, Any]) -> None:
        self.loss = self.context.backend.asarray(sums["loss"], np.float64)

    # -- answers --------------------------------------------------------------------------------
    def factors(self, train: Rated) -> Factors:
        found = self.parameters
        zeros = self.context.backend.zeros
        bu = found["bu"] if "bu" in found else zeros(self.users)
        bi = found["bi"] if "bi" in found else zeros(self.items)
        cold = None if self.spec.biases else float(train.values.mean(dtype=np.float64))
        return Factors(self.mu, found["p"], found["q"], bu, bi, cold)

    def fold_in(self, items: np.ndarray, values: np.ndarray, factors: Factors) -> Solution:
        """Ridge regression of the ratings, less what is known of the items, on (1, q_i): the training loss's
        minimum over b_u and p_u."""
        rest = values - factors.mu - factors.bi[items]
        spec = self.spec
        x = factors.q[items].astype(np.float64)
        if not spec.biases:
            return Solution(0.0, ridge(x, rest, spec.reg * len(items)))
        return Solution(*biased_ridge(x, rest, spec.reg, self.bias_rates[1]))


def _rows(ends: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Places of all rows of some groups."""
    return np.concatenate([np.arange(ends[g], ends[g + 1]) for g in groups] or [np.empty(0, np.int64)])
