"""The recipe of active: a learner, which is a recipe of another command, and how its labels are chosen."""

from typing import Annotated, Any, Literal, get_type_hints

from pydantic import Field, create_model, model_validator

from dlkit.algorithms.acquisition import OF_DRAWS, Strategy
from dlkit.algorithms.bayes_nb import BayesNB
from dlkit.algorithms.cnn import TrainCNN
from dlkit.algorithms.mlp import TrainMLP
from dlkit.algorithms.nb_recipe import NBDataSpec
from dlkit.algorithms.protocol import Algorithm
from dlkit.readers.spec import DataSpec
from dlkit.readers.text import Encoding
from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.recipe.tagged import Named

LEARNERS = Named("learner", default="train-mlp")
ALGORITHMS: dict[str, type[Algorithm]] = {one.command: one for one in (TrainMLP, TrainCNN, BayesNB)}
NETWORKS = (TrainMLP.command, TrainCNN.command)
OURS = {
    *TrainingRecipe.model_fields,
    "data",
    "task",
    "noise",
    "mc_samples",
    "band",
    "positive",
    "threshold",
    "start",
}
"""Keys of a learner's own recipe that active decides, or that mean nothing to it."""


def learner_spec(algorithm: type[Algorithm]) -> type[Spec]:
    """The keys of a command's recipe that belong to its model and training, as a spec of the family."""
    recipe = algorithm.Recipe
    hints = get_type_hints(recipe, include_extras=True)
    kept = [name for name in recipe.model_fields if name not in OURS or name == "epochs"]
    fields: dict[str, Any] = {name: (hints[name], recipe.model_fields[name]) for name in kept}
    command = algorithm.command
    fields["name"] = (Literal[command], Field(command, description="Command that learns."))
    order = {"name": fields.pop("name"), **fields}
    title = "".join(part.capitalize() for part in command.split("-")) + "Learner"
    made: type[Spec] = create_model(title, __base__=Spec, __doc__=f"As in a recipe of {command}.", **order)
    LEARNERS.join(command, made)
    return made


for _algorithm in ALGORITHMS.values():
    learner_spec(_algorithm)


class ActiveDataSpec(DataSpec):
    """The pool of rows, the test rows, and how to read them."""

    format: Literal["auto", "table", "text"] = Field(
        "auto", description="bayes-nb: a table, or texts as lines label<TAB>text; auto: by the looks."
    )
    encoding: Encoding = Field("utf-8", description="bayes-nb: encoding of text.")

    @model_validator(mode="after")
    def _no_more_splits(self) -> "ActiveDataSpec":
        if self.valid is not None:
            raise ValueError("valid: labels are too dear to be held out; a round trains all its epochs")
        if self.fold is not None or self.train_rows or self.test_rows:
            raise ValueError("active takes test: a file, a number or a share; runs repeat it")
        if isinstance(self.label, list):
            raise ValueError("label: one column of classes")
        return self


class ActiveRecipe(TrainingRecipe):
    """The recipe of active."""

    command: Literal["active"] = Field("active", description="Command that this recipe is for.")
    data: ActiveDataSpec = Field(description="Pool and test rows, and how to read them.")
    learner: Annotated[Spec, LEARNERS] = Field(
        LEARNERS.read("train-mlp"),
        description="What learns: train-mlp, train-cnn or bayes-nb, with keys of its own recipe.",
        json_schema_extra={"aka": ["model"], "flag": False},
    )
    strategy: Strategy = Field(
        "entropy",
        description="Rows asked about: least confident, smallest margin, highest entropy, mean standard "
        "deviation or mutual information (bald) over dropout passes, or random ones.",
        json_schema_extra={"aka": ["acquisition", "query_strategy"]},
    )
    start: int = Field(
        20, ge=2, description="Labels to begin with: drawn at random, as many of each class as can be.",
        json_schema_extra={"aka": ["initial"]},
    )  # fmt: skip
    query: int = Field(
        10, ge=1, description="Labels asked for after each round.", json_schema_extra={"aka": ["batch_size"]}
    )
    epochs: int = Field(
        20,
        ge=1,
        description="Rounds: train on the labels so far, ask for more.",
        json_schema_extra={"aka": ["rounds"]},
    )
    candidates: int | None = Field(
        None, ge=1, description="Rows of the pool, drawn anew in each round, that are looked at; null: all."
    )
    mc_samples: int = Field(
        20, ge=1, description="Dropout passes of mean_std and bald; others take the network without noise."
    )
    runs: int = Field(
        1, ge=1, le=1000, description="Runs, each with its own first labels and weights.",
        json_schema_extra={"aka": ["seeds", "repetitions"]},
    )  # fmt: skip
    target: float | None = Field(
        None, gt=0, lt=1, description="Test accuracy of which the labels needed are told; null: none."
    )
    ask: bool = Field(
        False,
        description="A person is asked: the rows go to ask.csv in the run directory, and the run goes on "
        "with --resume once its column label is filled in.",
    )
    answers: str | None = Field(
        None, description="With ask: file with columns row and label that is looked into first; null: none."
    )
    classes: list[str] = Field(
        [], description="With ask: every class, where the labels that are known do not show them."
    )

    @model_validator(mode="after")
    def _together(self) -> "ActiveRecipe":
        network = self.learner.name in NETWORKS  # type: ignore[attr-defined]
        if self.folds or self.early_stopping:
            raise ValueError("folds and early_stopping are not for active: runs repeat it, epochs end it")
        if self.candidates is not None and self.candidates < self.query:
            raise ValueError(f"candidates: {self.candidates} rows are looked at to find {self.query}")
        if self.strategy in OF_DRAWS and not network:
            raise ValueError(f"strategy: {self.strategy} compares dropout passes; bayes-nb has none")
        if self.strategy in OF_DRAWS and self.mc_samples < 2:
            raise ValueError(f"mc_samples: {self.strategy} compares passes; 2 or more")
        if self.strategy in OF_DRAWS and self.learner.optimizer.name == "sgld":  # type: ignore[attr-defined]
            raise ValueError(
                f"learner.optimizer: {self.strategy} compares dropout passes, not sgld's samples"
            )
        if not network and (self.device != "cpu" or self.ask):
            raise ValueError("learner: bayes-nb counts on the CPU, from rows whose labels are in the file")
        if self.ask and (self.runs > 1 or self.variants):
            raise ValueError("ask: a person answers one run; set runs to 1, without variants")
        if self.ask and self.data.test is not None and not isinstance(self.data.test, str):
            raise ValueError("data.test: with ask the labels are unknown; name a file of labelled rows")
        if not self.ask and (self.answers or self.classes):
            raise ValueError("answers and classes are for ask")
        self.learner_recipe()
        return self

    def learner_recipe(self) -> TrainingRecipe:
        """The recipe of the learner's own command. Raises ValueError."""
        spec = self.learner
        command = spec.name  # type: ignore[attr-defined]
        made: Any = ALGORITHMS[command].Recipe
        own = {name: getattr(spec, name) for name in type(spec).model_fields if name != "name"}
        shared = ("seed", "device", "shards", "split", "on_bad_row", "tf32", "memory_limit")
        given: dict[str, Any] = {name: getattr(self, name) for name in shared}
        data: Any = self.data
        if command in NETWORKS:
            given |= {"dtype": self.dtype, "task": "classification"}
            data = DataSpec(**{name: getattr(data, name) for name in DataSpec.model_fields})
        else:
            known = set(NBDataSpec.model_fields) & set(type(data).model_fields) - {"unseen", "fold"}
            data = NBDataSpec(**{name: getattr(data, name) for name in known})
        return made(command=command, data=data, **own, **given)
