"""A recipe with everything in it, and short ways to try texts on it."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from dlkit.errors import RecipeError
from dlkit.recipe.document import parse_document
from dlkit.recipe.resolve import resolve
from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.recipe.tagged import Keyed, Named

LAYERS = Keyed("sample layer")
SampleLayer = Annotated[Spec, LAYERS]


@LAYERS.add("dense", aka=("linear",))
class SampleDense(Spec):
    """Units."""

    SHORTHAND: ClassVar[str | None] = "units"
    units: int = Field(gt=0, description="Outputs.")
    activation: Literal["relu", "tanh"] | None = Field(None, description="null: the recipe's own.")


@LAYERS.add("dropout")
class SampleDropout(Spec):
    """A default for its shorthand."""

    SHORTHAND: ClassVar[str | None] = "p"
    p: float = Field(0.5, ge=0, lt=1, description="Share.")


@LAYERS.add("batch_norm")
class SampleNorm(Spec):
    """Nothing to say."""


@LAYERS.add("repeat")
class SampleRepeat(Spec):
    """Nests its own family."""

    times: int = Field(ge=1, description="How often.")
    layers: list[SampleLayer] = Field(min_length=1, description="What.")


MORE_LAYERS = LAYERS.extended("sample image layer")


@MORE_LAYERS.add("pool")
class SamplePool(Spec):
    """A kind of the child family only."""

    SHORTHAND: ClassVar[str | None] = "size"
    size: int = Field(2, ge=1, description="Pixels.")


OPTIMIZERS = Named("sample optimizer", default="adam")


@OPTIMIZERS.add()
class SampleAdam(Spec):
    """The default."""

    name: Literal["adam"] = Field("adam", description="Adam.")
    lr: float = Field(
        1e-3, gt=0, description="Learning rate.", json_schema_extra={"aka": ["learning_rate"], "flag": "--lr"}
    )
    beta1: float = Field(0.9, ge=0, lt=1, description="Decay.")


@OPTIMIZERS.add()
class SampleSgd(Spec):
    """Two names."""

    name: Literal["sgd", "momentum"] = Field("sgd", description="Steepest descent.")
    lr: float = Field(0.1, gt=0, description="Learning rate.", json_schema_extra={"flag": "--lr"})


class SampleData(Spec):
    """Has what is required."""

    train: str = Field(description="Training file.")
    valid: str | int | float | None = Field(
        None, description="File, rows or share.", json_schema_extra={"aka": ["dev"]}
    )
    test: str | None = Field(None, description="File.")
    ignore: list[str] = Field([], description="Columns.")

    @model_validator(mode="after")
    def _different(self) -> "SampleData":
        if self.test is not None and self.test == self.train:
            raise ValueError("test: the same file as train")
        return self


class SampleRecipe(TrainingRecipe):
    """Everything."""

    command: Literal["train-sample"] = Field("train-sample", description="This command.")
    data: SampleData = Field(description="Files.")
    model: list[SampleLayer] = Field(
        default_factory=lambda: [SampleDense(units=8, activation="tanh")], description="Layers."
    )
    image: list[Annotated[Spec, MORE_LAYERS]] = Field([], description="Layers of the child family.")
    optimizer: Annotated[Spec, OPTIMIZERS] = Field(SampleSgd(name="momentum"), description="How.")
    second: Annotated[Spec, OPTIMIZERS] | None = Field(None, description="Another one.")
    dim: int = Field(100, ge=1, description="Length of a vector.", json_schema_extra={"aka": ["size"]})
    batch: Annotated[int, Field(ge=1)] | Literal["full"] = Field(32, description="Rows of a step.")
    label: str | None = Field(None, description="Column.")
    title: str = Field("a title", description="A field that is called as JSON schema's own words are.")
    shuffle: bool = Field(True, description="Other order each epoch.")
    weights: dict[str, float] = Field({}, description="By class.")


MINIMAL = "data: {train: a.csv}\n"


def read(text: str, *sets: str, **flags: Any) -> SampleRecipe:
    """Resolve a text called r.yaml; flags with __ for the dots."""
    paths = {name.replace("__", "."): value for name, value in flags.items()}
    labels = {path: f"--{path.split('.')[-1]}" for path in paths}
    return resolve(SampleRecipe, parse_document(text, "r.yaml"), sets, paths, labels=labels)


def faults(text: str, *sets: str, **flags: Any) -> list[str]:
    """What is wrong with it; empty where nothing is."""
    try:
        read(text, *sets, **flags)
    except RecipeError as error:
        return [str(problem) for problem in error.problems]
    return []
