"""The two networks of a variational autoencoder, and what its pixels are said to be.

    encoder: x -> (mu, s),  q(z|x) = N(mu, diag exp s);    decoder: z -> y, the parameters of p(x|z)

p(x|z) is Bernoulli with logits y, or Gaussian with means y and one variance for all pixels, fixed or learnt.
"""

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar, Protocol

import numpy as np

from dlkit.algorithms.protocol import LayerRow
from dlkit.autograd import Tape, Variable
from dlkit.errors import UsageError
from dlkit.nn.image_layers import Flatten
from dlkit.nn.init import Init
from dlkit.nn.layer_list import Defaults, build_layers, init_for
from dlkit.nn.layers import Act, Dense, Sequential
from dlkit.nn.module import Module, Passing, shared
from dlkit.nn.parameter import Parameter
from dlkit.nn.summary import layer_table
from dlkit.ops.losses import sigmoid_cross_entropy
from dlkit.ops.shape import reshape
from dlkit.ops.variational import shared_noise

Shape = tuple[int, ...]


class NetworkRecipe(Protocol):
    """The keys of the recipe that say what the networks are."""

    encoder: Any
    decoder: Any
    latent: int
    activation: str
    init: Any
    unfold_memory: int | None
    likelihood: str
    variance: Any


class VAENetwork(Module):
    """Encoder and decoder for rows of one shape, (d,) or (height, width, channels).

    Raises UsageError where a layer of the recipe does not suit.
    """

    kind: ClassVar[str] = "vae"

    def __init__(self, recipe: NetworkRecipe, shape: Shape) -> None:
        defaults = Defaults(recipe.activation, recipe.init, recipe.unfold_memory)
        self.shape = shape
        self.width = math.prod(shape)
        self.latent = recipe.latent
        self.encoder = _encoder(recipe, shape, defaults)
        self.decoder = _decoder(recipe, shape, defaults)
        self.likelihood: Likelihood = Bernoulli()
        if recipe.likelihood == "gaussian":
            learnt = recipe.variance == "learnt"
            s = 0.0 if learnt else math.log(recipe.variance)
            self.log_variance = Parameter((1,), Init("constant", value=s), decays=False) if learnt else None
            self.likelihood = Gaussian(self.log_variance, s)

    def encode(self, tape: Tape, x: Variable) -> Variable:
        """x (n, d) -> (n, 2k): mu and beside it s."""
        if len(self.shape) > 1:
            x = reshape(tape, x, (x.shape[0], *self.shape))
        return self.encoder(tape, x)

    def decode(self, tape: Tape, z: Variable) -> Variable:
        """z (n, k) -> y (n, d)."""
        y = self.decoder(tape, z)
        return y if len(y.shape) == 2 else reshape(tape, y, (y.shape[0], self.width))

    def forward(self, tape: Tape, x: Variable) -> Variable:
        """x (n, d) -> (n, 2k), as `encode`: the codes are what a network without noise gives."""
        return self.encode(tape, x)

    # -- sizes ------------------------------------------------------------------------------------
    def output_shape(self, shape: Shape) -> Shape:
        return (2 * self.latent,)

    def activation_size(self, shape: Shape) -> int:
        inner = self.encoder.activation_size(self.shape) + self.decoder.activation_size((self.latent,))
        return inner + 6 * self.latent + 2 * self.width

    def products(self, shape: Shape) -> int:
        return self.encoder.products(self.shape) + self.decoder.products((self.latent,))

    def scratch(self, shape: Shape, passing: Passing) -> dict[str, int]:
        parts = (self.encoder, self.shape), (self.decoder, (self.latent,))
        return shared(*(network.scratch(s, passing) for network, s in parts))

    def table(self) -> list[LayerRow]:
        """Layers of both, for the layer table."""
        parts = ("encoder", self.encoder, self.shape), ("decoder", self.decoder, (self.latent,))
        return [
            LayerRow(f"{name}.{row.path}", *row[1:])
            for name, network, shape in parts
            for row in layer_table(network, shape)
        ]


def _encoder(recipe: NetworkRecipe, shape: Shape, defaults: Defaults) -> Sequential:
    """The recipe's layers, then a dense layer that gives mu and s."""
    model = build_layers(recipe.encoder, shape, defaults, where="encoder")
    _append_output(model, model.output_shape(shape), 2 * recipe.latent, defaults)
    return model


def _decoder(recipe: NetworkRecipe, shape: Shape, defaults: Defaults) -> Sequential:
    """The recipe's layers; a dense layer for the pixels, unless the list ends with the image itself."""
    model = build_layers(recipe.decoder, (recipe.latent,), defaults, where="decoder")
    out = model.output_shape((recipe.latent,))
    if len(out) == 3 and out == shape:
        bent = getattr(next(reversed(model.layers.values())), "act", Act()).name
        if bent != "identity":
            raise UsageError(
                f"the last layer makes the image itself, and bends it ({bent})",
                where="decoder",
                hint="give it activation: identity",
            )
        return model
    _append_output(model, out, math.prod(shape), defaults)
    return model


def _append_output(model: Sequential, shape: Shape, outputs: int, defaults: Defaults) -> None:
    """A dense layer "<n>.output" without activation."""
    if len(shape) > 1:
        model.append(Flatten())
    linear = Act()
    dense = Dense(math.prod(shape), outputs, linear, init_for(defaults.init, linear))
    model.append(dense, f"{len(model.layers)}.output")


# -- p(x|z) -------------------------------------------------------------------------------------------
class Likelihood(ABC):
    """The distribution of a row's pixels given the decoder's output."""

    @abstractmethod
    def loss(self, tape: Tape, y: Variable, x: Any, weight: float) -> tuple[Variable, Any]:
        """Weighted sum of -log p(x|z) of rows x (n, d), and that of each row (n,), in nats."""

    @abstractmethod
    def mean(self, y: np.ndarray) -> np.ndarray:
        """Expected pixels (n, d), on the host."""


class Bernoulli(Likelihood):
    """x_i = 1 with probability sigmoid(y_i); an x_i between 0 and 1 counts as that share of both."""

    def loss(self, tape: Tape, y: Variable, x: Any, weight: float) -> tuple[Variable, Any]:
        return sigmoid_cross_entropy(tape, y, x, weight)

    def mean(self, y: np.ndarray) -> np.ndarray:
        e = np.exp(-np.abs(y))
        return np.where(y < 0, e, 1) / (1 + e)


class Gaussian(Likelihood):
    """x_i ~ N(y_i, exp s), s one number: a parameter, or a constant."""

    def __init__(self, parameter: Parameter | None, s: float) -> None:
        self.parameter = parameter
        self.s = s

    def loss(self, tape: Tape, y: Variable, x: Any, weight: float) -> tuple[Variable, Any]:
        s = Variable(tape.scalar(self.s)) if self.parameter is None else tape.parameter(self.parameter)
        return shared_noise(tape, y, s, x, weight)

    def mean(self, y: np.ndarray) -> np.ndarray:
        return y
