"""The recipe of a network that learns from labelled rows, whatever its layers are."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dlkit.nn.init import HeSpec, InitSpec
from dlkit.nn.layer_list import ActivationName, BatchNormSpec, DenseSpec, LayerList, every_layer
from dlkit.nn.optimizers import AdamSpec, OptimizerSpec
from dlkit.readers.spec import DataSpec
from dlkit.recipe.schema import TrainingRecipe

Batch = Annotated[int, Field(ge=1)] | Literal["full"]


class LabelledRecipe(TrainingRecipe):
    """What train-mlp and train-cnn have in common."""

    data: DataSpec = Field(description="Rows to learn from, and how to read them.")
    task: Literal["auto", "classification", "regression"] = Field(
        "auto", description="What the label is; auto tells from the label column and says so."
    )
    noise: Literal["constant", "learnt"] = Field(
        "constant", description="Regression: the same noise everywhere, or learnt as a second output."
    )
    model: LayerList = Field(
        [DenseSpec(units=256), DenseSpec(units=128)],
        description="Hidden layers in order; the output layer follows from the data.",
        json_schema_extra={"aka": ["layers", "network"]},
    )
    activation: ActivationName = Field("relu", description="Activation of layers that name none.")
    init: InitSpec = Field(HeSpec(), description="Initial weights of layers that name none.")
    start: str | None = Field(
        None,
        description="Weights to begin with: an .npz file as dlkit export writes it, or a run.",
        json_schema_extra={"aka": ["weights", "pretrained", "init_from"]},
    )
    optimizer: OptimizerSpec = Field(AdamSpec(), description="How the weights are updated.")
    epochs: int = Field(
        20, ge=1, description="Passes over the training rows.", json_schema_extra={"aka": ["iterations"]}
    )
    batch: Batch = Field(
        128,
        description="Rows of a gradient step: a number, 1 for online learning, or full.",
        json_schema_extra={"aka": ["batch_size", "minibatch"]},
    )
    mc_samples: int = Field(
        1,
        ge=1,
        description="Draws of the weights behind the mc_ figures of the final test: dropout passes, or kept "
        "samples of sgld; 1: none.",
    )

    @model_validator(mode="after")
    def _rows_to_normalise_over(self) -> "LabelledRecipe":
        if self.batch == 1 and any(isinstance(layer, BatchNormSpec) for layer in every_layer(self.model)):
            raise ValueError("batch: batch_norm needs 2 rows or more")
        return self
