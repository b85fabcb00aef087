"""The recipe of gan: the two networks, the game they play, and what is looked at meanwhile."""

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from dlkit.algorithms.gan_collapse import WatchSpec
from dlkit.algorithms.gan_grids import GridSpec
from dlkit.nn.image_list import ImageLayerList
from dlkit.nn.init import HeSpec, InitSpec
from dlkit.nn.layer_list import ActivationName, ActivationSpec, BatchNormSpec, DenseSpec
from dlkit.nn.optimizers import AdamSpec, OptimizerSpec, SgldSpec
from dlkit.nn.schedules import PlateauSpec
from dlkit.readers.spec import DataSpec
from dlkit.recipe.schema import ByteSize, TrainingRecipe

Batch = Annotated[int, Field(ge=2)] | Literal["full"]


def _normalised(units: int) -> list[Any]:
    """A dense layer whose results are normalised before they are bent."""
    return [DenseSpec(units=units, activation="identity"), BatchNormSpec(), ActivationSpec(name="leaky_relu")]


class GANRecipe(TrainingRecipe):
    """The recipe of gan."""

    command: Literal["gan"] = Field("gan", description="Command that this recipe is for.")
    data: DataSpec = Field(description="Images to imitate, and how to read them; labels are not learnt from.")
    latent: int = Field(
        100, ge=1, description="Numbers in z.", json_schema_extra={"aka": ["latent_dim", "z_dim"]}
    )
    prior: Literal["normal", "uniform"] = Field(
        "normal", description="Distribution of z: N(0, 1), or uniform between -1 and 1."
    )
    generator: ImageLayerList = Field(
        [DenseSpec(units=128), *_normalised(256), *_normalised(512), *_normalised(1024)],
        description="Layers of G; a dense layer with tanh that makes the image follows, "
        "unless the list ends with the image itself.",
        json_schema_extra={"aka": ["G"]},
    )
    discriminator: ImageLayerList = Field(
        [DenseSpec(units=512), DenseSpec(units=256)],
        description="Layers of D; a dense layer with one output follows.",
        json_schema_extra={"aka": ["D"]},
    )
    activation: ActivationName = Field("leaky_relu", description="Activation of layers that name none.")
    slope: float = Field(0.2, ge=0, description="Negative slope of leaky_relu in layers that name none.")
    init: InitSpec = Field(HeSpec(), description="Initial weights of layers that name none.")
    loss: Literal["non_saturating", "minimax", "least_squares"] = Field(
        "non_saturating", description="The game: what D and G minimise."
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="D's target for real rows is 1 - this (Salimans et al. 2016)."
    )
    discriminator_steps: int = Field(
        1, ge=1, description="Steps of D, each with rows of its own, to one step of G.",
        json_schema_extra={"aka": ["n_critic", "k"]},
    )  # fmt: skip
    fakes: Literal["fresh", "once"] = Field(
        "fresh",
        description="fresh: D's step and G's step each make their own; once: G steps first, and D is shown "
        "what G made in that step.",
    )
    optimizer: OptimizerSpec = Field(AdamSpec(lr=2e-4, beta1=0.5), description="How G's weights are updated.")
    discriminator_optimizer: OptimizerSpec | None = Field(
        None, description="How D's weights are updated; null: as G's."
    )
    epochs: int = Field(
        50, ge=1, description="Passes over the real images.", json_schema_extra={"aka": ["iterations"]}
    )
    batch: Batch = Field(
        64,
        description="Real rows of a step, and as many fakes: a number from 2, or full.",
        json_schema_extra={"aka": ["batch_size", "minibatch"]},
    )
    unfold_memory: ByteSize | None = Field(
        None, description="Most bytes of unfolded images that a shard holds; null: the convolutions' choice."
    )
    grid: GridSpec = Field(GridSpec(), description="Pictures of samples while the networks learn.")
    watch: WatchSpec = Field(WatchSpec(), description="How mode collapse is looked for.")

    @field_validator("data")
    @classmethod
    def _one_range(cls, data: DataSpec) -> DataSpec:
        if data.scale not in ("auto", "image"):
            raise ValueError(f"scale: {data.scale} is not for images that are to be made; auto or image")
        return data

    @model_validator(mode="after")
    def _together(self) -> "GANRecipe":
        if self.fakes == "once" and self.discriminator_steps > 1:
            raise ValueError("fakes: once needs discriminator_steps: 1")
        for spec in (self.optimizer, self.discriminator_optimizer):
            if isinstance(spec, SgldSpec):
                raise ValueError("optimizer: sgld draws from a posterior; a GAN has none")
            if isinstance(getattr(spec, "schedule", None), PlateauSpec):
                raise ValueError("optimizer: plateau waits for a validation loss; a GAN has none")
        return self
