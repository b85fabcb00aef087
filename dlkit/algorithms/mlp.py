"""train-mlp: a network of dense layers that learns classes or numbers from the rows of a table.

    z^0 = x,   z^l = f(z^(l-1) W^l + b^l),   output = z^(L-1) W^L + b^L

The recipe lists the hidden layers; the output layer follows from the data. What an epoch does is in
supervised.py, what can be asked of the result in asked.py; docs/train-mlp.md has the mathematics.
"""

import math
from collections.abc import Iterable
from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from dlkit.algorithms.band import Band, BandSpec
from dlkit.algorithms.protocol import Tree
from dlkit.algorithms.supervised import Supervised
from dlkit.nn.init import HeSpec, InitSpec
from dlkit.nn.layer_list import ActivationName, BatchNormSpec, DenseSpec, LayerList, expanded, network
from dlkit.nn.module import Module
from dlkit.nn.optimizers import AdamSpec, OptimizerSpec
from dlkit.readers.spec import DataSpec
from dlkit.recipe.schema import TrainingRecipe

Batch = Annotated[int, Field(ge=1)] | Literal["full"]


class MLPRecipe(TrainingRecipe):
    """The recipe of train-mlp."""

    command: Literal["train-mlp"] = Field("train-mlp", description="Command that this recipe is for.")
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
    activation: ActivationName = Field("relu", description="Activation of dense layers that name none.")
    init: InitSpec = Field(HeSpec(), description="Initial weights of dense layers that name none.")
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
        1, ge=1, description="Dropout passes behind the mc_ figures of the final test; 1: none."
    )
    band: BandSpec | None = Field(None, description="Picture of a one-dimensional regression; null: none.")

    @model_validator(mode="after")
    def _rows_to_normalise_over(self) -> "MLPRecipe":
        if self.batch == 1 and any(isinstance(layer, BatchNormSpec) for layer in expanded(self.model)):
            raise ValueError("batch: batch_norm needs 2 rows or more")
        return self


class TrainMLP(Supervised):
    """Dense layers, then the output layer."""

    band: Band | None = None

    command = "train-mlp"
    Recipe = MLPRecipe
    EXAMPLES: ClassVar[str] = """\
  dlkit train-mlp data/digits.csv                         last column is the label
  dlkit train-mlp recipes/mlp-digits.yaml --lr 0.003 -o runs/try
  dlkit train-mlp recipes/mlp-mnist.yaml --set model.0.dense=1024 --seed 2
  dlkit train-mlp runs/train-mlp-digits/recipe.yaml --resume --epochs 50 -o runs/train-mlp-digits"""

    def shape_of(self, row: tuple[int, ...]) -> tuple[int, ...]:
        """A row of numbers, whatever its shape: an image is its pixels."""
        return (math.prod(row),)

    def network(self, input_shape: tuple[int, ...], outputs: int) -> Module:
        recipe = self.recipe
        return network(recipe.model, input_shape, outputs, activation=recipe.activation, init=recipe.init)

    def build(self) -> None:
        super().build()
        if self.recipe.band:
            self.band = Band(self.recipe.band, self)

    def end_epoch(self, epoch: int) -> dict[str, float]:
        row = super().end_epoch(epoch)
        if self.band:
            self.band.after_epoch(epoch)
        return row

    def state(self) -> Tree:
        return super().state() | ({"band": self.band.state()} if self.band else {})

    def load(self, state: Tree) -> None:
        super().load(state)
        if self.band and "band" in state:
            self.band.load(state["band"])

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        return self.band.artifacts() if self.band else ()


ALGORITHM = TrainMLP
