"""mf: matrix factorisation of ratings: who will like what, from who rated what.

    r^_ui = mu + b_u + b_i + p_u . q_i

The recipe chooses how the factors are found: svd (Funk's, with or without biases and regularisation), svd++,
nmf, als (for implicit feedback), or the biases alone (baseline). Each is in a file of its own, mf_svd.py and
so on; mf_blocks.py says what is done at the same time; what can be asked of the result is in mf_asked.py;
docs/mf.md has the mathematics.
"""

import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from pydantic import Field

from dlkit.algorithms.mf_artifacts import FilesSpec, factor_files
from dlkit.algorithms.mf_asked import AskedRatings
from dlkit.algorithms.mf_data import Pairs, read_rating_data, resolved_spec
from dlkit.algorithms.mf_model import MODELS
from dlkit.algorithms.mf_models import model_for
from dlkit.algorithms.mf_ranking import RankingSpec
from dlkit.algorithms.mf_rated import Rated
from dlkit.algorithms.mf_svd import SVDSpec
from dlkit.algorithms.protocol import Description, NonFinite, Progress, Tree
from dlkit.errors import UsageError
from dlkit.readers.ratings_spec import RatingsSpec
from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.training.metrics import Column
from dlkit.training.rundir import Content


class MFRecipe(TrainingRecipe):
    """The recipe of mf."""

    command: Literal["mf"] = Field("mf", description="Command that this recipe is for.")
    data: RatingsSpec = Field(description="Ratings to learn from, and how to read them.")
    model: Annotated[Spec, MODELS] = Field(
        SVDSpec(), description="What is learnt, and how: svd, svd++, nmf, als or baseline."
    )
    epochs: int = Field(
        20,
        ge=1,
        description="Passes over the training ratings.",
        json_schema_extra={"aka": ["iterations", "n_epochs"]},
    )
    ranking: RankingSpec | None = Field(
        RankingSpec(), description="Figures of the ranked list of each test user; null: none."
    )
    files: FilesSpec = Field(FilesSpec(), description="Files with the factors, besides the checkpoint.")


RANKING = (
    Column("precision_at_k", "fraction", "of the k best-ranked unseen items, how many the user likes", True),
    Column("recall_at_k", "fraction", "of the items the user likes, how many are among the k best", True),
    Column("ndcg_at_k", "fraction", "discounted gain of the k best, of the best possible one's", True),
    Column("map_at_k", "fraction", "mean over users of the average precision at k", True),
    Column("coverage", "fraction", "of all items, how many stand in any user's k best", True),
)


class MF(AskedRatings):
    """Steps through the ratings, figures on ratings held out."""

    command = "mf"
    Recipe = MFRecipe
    UNIT = "ratings"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("train_rmse", "rating", "root of the mean squared error, each before its update"),
        Column("train_mae", "rating", "mean absolute error, each before its update"),
        Column("train_loss", "1", "als: weighted squared error with penalty, over users times items"),
        Column("valid_rmse", "rating", "on the validation ratings, answers clipped to the scale"),
        Column("valid_mae", "rating", "on the validation ratings, answers clipped to the scale"),
        *(Column(f"valid_{c.name}", c.unit, f"als, validation ratings: {c.doc}", True) for c in RANKING),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit mf ratings.csv                                    user,item,rating[,time]
  dlkit mf ratings.dat --test 0.1 --factors 50 -o runs/try
  dlkit mf recipes/mf-ml100k.yaml
  dlkit mf plays.tsv --set model=als --set data.titles=songs.csv
  dlkit recommend runs/try 42 --top 5                     what user 42 may like"""

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        self.data = read_rating_data(recipe.data, context.streams, recipe.on_bad_row, context.base)
        for note in self.data.notes:
            context.log(note)
        self.users, self.items = self.data.users.texts(), self.data.items.texts()
        self.titles = self.data.titles
        self.low, self.high = self.data.low, self.data.high
        self.seen: Rated = self.data.train

    def inputs(self) -> list[Path]:
        return self.data.files

    def resolved_recipe(self) -> Any:
        """The recipe with data paths that hold from the current folder."""
        if not self.data.resolved:
            return self.recipe
        return self.recipe.model_copy(update={"data": resolved_spec(self.recipe.data, self.data.resolved)})

    # -- model ------------------------------------------------------------------------------------
    def worthwhile_shards(self, threads: int) -> int:
        return self._made_model().shards(threads, len(self.data.train))

    def _made_model(self) -> Any:
        model = model_for(self.recipe.model, len(self.users), len(self.items), self.context)
        if not model.parallel and self.context.comm.size > 1:
            text = f"{self.recipe.model.name} goes through the users one by one: several ranks do not help"
            raise UsageError(text, where="model", hint="run it without mpiexec")
        if not model.parallel and self.context.backend.name == "gpu":
            text = (
                f"{self.recipe.model.name} goes through the users one after another: there is no GPU version"
            )
            raise UsageError(text, where="model", hint="leave --gpu out")
        return model

    def build(self) -> None:
        self.model = self._made_model()
        size = self.model.parameter_count * self.context.backend.dtype.itemsize
        what = f"a model of {self.model.parameter_count:,} parameters"
        self.context.backend.refuse_beyond_memory(2 * size, what, "model.factors")
        if not self.context.describes_only:
            self.model.initialise(self.data.train)
            self.model.prepare(self.data)

    def describe(self) -> Description:
        facts = {"scale": f"{self.low:g} to {self.high:g}"}
        model = self.model
        return Description(
            data=self.data.summary() if hasattr(self, "data") else "",
            layers=model.layers(),
            parameters=model.parameter_count,
            facts=facts,
        )

    # -- one epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        steps = self.model.steps
        for number in range(skip + 1, steps + 1):
            ratings, loss = self.model.step(epoch, number)
            if loss is not None and not math.isfinite(loss):
                raise NonFinite(loss, "the error of a rating")
            yield Progress(number, steps, ratings, loss)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        row = {f"train_{name}": value for name, value in self.model.figures().items()}
        for name, value in row.items():
            if not math.isfinite(value):
                raise NonFinite(value, name)
        if self.data.valid is not None:
            row |= self._figures("valid", self.data.valid, ranked=not self.model.explicit)
        return row

    def _figures(self, split: str, pairs: Pairs, *, ranked: bool) -> dict[str, float]:
        """Errors of the predicted ratings, and of the ranked lists where wanted."""
        figures: dict[str, float] = {}
        factors = self.model.factors(self.seen)
        if self.model.explicit:
            figures |= self.errors(factors, *pairs)
        if ranked and self.recipe.ranking is not None:
            figures |= self.ranked(factors, *pairs)
        return {f"{split}_{name}": value for name, value in figures.items()}

    # -- the end ----------------------------------------------------------------------------------
    def end_training(self) -> None:
        self.model.end_training()

    def test(self) -> dict[str, float]:
        if self.data.test is None:
            return {}
        return self._figures("test", self.data.test, ranked=True)

    def artifacts(self) -> Iterable[tuple[str, str | Content]]:
        factors = self.model.factors(self.seen).on_host(self.context)
        return factor_files(self.recipe.files, factors, self.users, self.items, self.titles, self.context.log)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        return {
            "users": self.users,
            "items": self.items,
            "titles": self.titles,
            "scale": np.array([self.low, self.high]),
            "mean": float(self.model.mu),
            "seen": self.seen.arrays,
            "model": self.model.kept_parameters(),
            "sums": self.model.sums(),
        }

    def load(self, state: Tree) -> None:
        self.model.load_parameters(state["model"])
        self.model.load_sums(state["sums"])


ALGORITHM = MF
