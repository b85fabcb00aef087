"""train-mlp: a network of dense layers that learns classes or numbers from the rows of a table.

    z^0 = x,   z^l = f(z^(l-1) W^l + b^l),   output = z^(L-1) W^L + b^L

The recipe lists the hidden layers; the output layer follows from the data. What an epoch does is in
supervised.py, what can be asked of the result in asked.py; docs/train-mlp.md has the mathematics.
"""

import math
from collections.abc import Iterable
from typing import ClassVar, Literal

from pydantic import Field

from dlkit.algorithms.band import Band, BandSpec
from dlkit.algorithms.labelled import LabelledRecipe
from dlkit.algorithms.protocol import Tree
from dlkit.algorithms.supervised import Supervised
from dlkit.nn.layer_list import network
from dlkit.nn.module import Module
from dlkit.pictures.exhibits import Left


class MLPRecipe(LabelledRecipe):
    """The recipe of train-mlp."""

    command: Literal["train-mlp"] = Field("train-mlp", description="Command that this recipe is for.")
    band: BandSpec | None = Field(None, description="Picture of a one-dimensional regression; null: none.")


class TrainMLP(Supervised):
    """Dense layers, then the output layer."""

    band: Band | None = None

    command = "train-mlp"
    Recipe = MLPRecipe
    SPLIT = "products"
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left(
            "band.png",
            "Band",
            "The rows, the mean of the answers and its spread over the range of the input.",
        ),
    )
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
