"""What the models that learn by stochastic gradient descent have in common: rates and first factors."""

from typing import Annotated

import numpy as np
from pydantic import Field

from dlkit.algorithms.mf_model import RatingModel, Shape, drawn_normal

LearningRate = Annotated[
    float,
    Field(
        gt=0,
        description="Learning rate, of the gradient without its factor of 2.",
        json_schema_extra={"flag": "--lr", "aka": ["learning_rate", "lr_all"]},
    ),
]
Regularisation = Annotated[
    float,
    Field(
        ge=0,
        description="Regularisation; 0: none.",
        json_schema_extra={"flag": "--reg", "aka": ["regularization", "lambda", "reg_all"]},
    ),
]
BiasRate = Annotated[float | None, Field(gt=0, description="Learning rate of the biases; null: lr.")]
BiasRegularisation = Annotated[
    float | None, Field(ge=0, description="Regularisation of the biases; null: reg.")
]


class DescentModel(RatingModel):
    """Factors that begin as noise, biases that begin at 0 and may have rates of their own."""

    def draw(self, name: str, shape: Shape, rng: np.random.Generator) -> np.ndarray:
        dtype = self.context.backend.dtype
        if name.startswith("b"):
            return np.zeros(shape, dtype)
        return drawn_normal(shape, self.spec.init_mean, self.spec.init_sd, dtype, rng)

    @property
    def bias_rates(self) -> tuple[float, float]:
        """(learning rate, regularisation) of the biases."""
        spec = self.spec
        return spec.lr_bias or spec.lr, spec.reg if spec.reg_bias is None else spec.reg_bias
