"""The recipe's list of layers, and how it becomes modules.

    model: [{dense: 512}, {dropout: 0.5}, batch_norm, {repeat: {times: 2, layers: [{dense: 128}]}}]

A command that knows more layers extends the family: ``LAYERS.extended()``.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field

from dlkit.errors import UsageError
from dlkit.nn.image_layers import Flatten
from dlkit.nn.init import INIT_FAMILY, Init, InitSpec
from dlkit.nn.layers import (
    Act,
    Activation,
    BatchNorm,
    Dense,
    Dropout,
    GaussianDropout,
    LayerNorm,
    Sequential,
)
from dlkit.nn.module import Module
from dlkit.recipe.schema import Spec
from dlkit.recipe.tagged import FAMILIES, Keyed

ActivationName = Literal["identity", "relu", "leaky_relu", "prelu", "sigmoid", "tanh"]
SLOPES = {"leaky_relu": 0.01, "prelu": 0.25}
"""Negative slopes where the recipe names none; prelu's is the first value (He et al. 2015)."""

SLOPE: Any = Field(
    None, ge=0, description="Negative slope of leaky_relu (0.01), or the first value of prelu's (0.25)."
)
"""Not below 0: where leaky_relu is fused with a dense layer, its gradient goes by the sign of the output."""

LAYERS = Keyed("layer")
LayerSpec = Annotated[Spec, LAYERS]


@dataclass(frozen=True)
class Defaults:
    """What the recipe says once for all layers."""

    activation: str = "relu"
    init: Any = "he_normal"
    unfold_memory: int | None = None
    """Most bytes of unfolded images that a shard holds at a time; None: the convolutions' own choice."""


def act(name: str, slope: float | None = None) -> Act:
    """An activation by name with its slope, or the usual one."""
    return Act(name, SLOPES.get(name, 0.0) if slope is None else slope)


def init_for(spec: Any, activation: Act) -> Init:
    """The initialiser of a layer with this activation; spec: an InitSpec or its name."""
    read: Any = spec if isinstance(spec, Spec) else INIT_FAMILY.read(spec)
    return read.init(activation.slope)


class LayerBase(Spec):
    """A layer of the list."""

    FLATTENS: ClassVar[bool] = False
    """Takes a plain row of numbers: an image before it is flattened."""

    def inside(self) -> "list[Spec]":
        """The layers that this one is made of, as the recipe lists them."""
        return []

    def build(self, shape: tuple[int, ...], defaults: Defaults) -> Module:
        """The module for one row's input shape. Raises ValueError where the shape does not suit."""
        raise NotImplementedError


@LAYERS.add("dense", aka=("linear", "fc", "fully_connected"))
class DenseSpec(LayerBase):
    """A fully connected layer."""

    SHORTHAND: ClassVar[str | None] = "units"
    FLATTENS: ClassVar[bool] = True

    units: int = Field(ge=1, description="Outputs.", json_schema_extra={"aka": ["size", "neurons", "n"]})
    activation: ActivationName | None = Field(None, description="null: the recipe's own `activation`.")
    slope: float | None = SLOPE
    init: InitSpec | None = Field(None, description="Initial weights; null: the recipe's own `init`.")
    drop_connect: float = Field(0.0, ge=0, lt=1, description="Probability that a weight is left out.")

    def build(self, shape: tuple[int, ...], defaults: Defaults) -> Module:
        activation = act(self.activation or defaults.activation, self.slope)
        init = init_for(self.init or defaults.init, activation)
        return Dense(shape[-1], self.units, activation, init, drop_connect=self.drop_connect)


@LAYERS.add("activation")
class ActivationSpec(LayerBase):
    """An activation by itself, as after a normalisation."""

    SHORTHAND: ClassVar[str | None] = "name"

    name: ActivationName = Field(description="Which one.")
    slope: float | None = SLOPE

    def build(self, shape: tuple[int, ...], defaults: Defaults) -> Module:
        return Activation(act(self.name, self.slope))


@LAYERS.add("dropout")
class DropoutSpec(LayerBase):
    """Dropout."""

    SHORTHAND: ClassVar[str | None] = "p"

    p: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Probability that a number is zeroed.",
        json_schema_extra={"aka": ["rate"]},
    )

    def build(self, shape: tuple[int, ...], defaults: Defaults) -> Module:
        return Dropout(self.p)


@LAYERS.add("gaussian_dropout")
class GaussianDropoutSpec(LayerBase):
    """Gaussian dropout."""

    SHORTHAND: ClassVar[str | None] = "p"

    p: float = Field(
        0.5,
        ge=0,
        lt=1,
        description="Noise of variance p/(1 - p), that of dropout.",
        json_schema_extra={"aka": ["rate"]},
    )

    def build(self, shape: tuple[int, ...], defaults: Defaults) -> Module:
        return GaussianDropout(self.p)


@LAYERS.add("batch_norm", aka=("batchnorm", "bn"))
class BatchNormSpec(LayerBase):
    """Batch normalisation."""

    momentum: float = Field(0.1, gt=0, le=1, description="Share of a new batch in the running statistics.")
    eps: float = Field(1e-5, gt=0, description="Added to the variance.")

    def build(self, shape: tuple[int, ...], defaults: Defaults) -> Module:
        return BatchNorm(shape[-1], momentum=self.momentum, eps=self.eps)


@LAYERS.add("layer_norm", aka=("layernorm", "ln"))
class LayerNormSpec(LayerBase):
    """Layer normalisation."""

    eps: float = Field(1e-5, gt=0, description="Added to the variance.")

    def build(self, shape: tuple[int, ...], defaults: Defaults) -> Module:
        return LayerNorm(shape[-1], eps=self.eps)


@LAYERS.add("repeat")
class RepeatSpec(Spec):
    """Layers several times over."""

    times: int = Field(ge=1, le=10_000, description="How often.")
    layers: list[LayerSpec] = Field(min_length=1, description="What is repeated.")


def expanded(specs: Iterable[Spec]) -> Iterator[LayerBase]:
    """The layers in order, repetitions written out."""
    for spec in specs:
        if isinstance(spec, RepeatSpec):
            for _ in range(spec.times):
                yield from expanded(spec.layers)
        else:
            assert isinstance(spec, LayerBase)
            yield spec


MOST_LAYERS = 10_000
"""Layers that a model may have: repetitions of repetitions are soon more than a lifetime's."""


def every_layer(specs: Iterable[Spec]) -> Iterator[LayerBase]:
    """The layers in order, repetitions written out, and after each the layers that it is made of."""
    for spec in expanded(specs):
        yield spec
        yield from every_layer(spec.inside())


def count_layers(specs: Iterable[Spec]) -> int:
    """How many layers `every_layer` gives, without writing them out."""
    total = 0
    for spec in specs:
        if isinstance(spec, RepeatSpec):
            total += spec.times * count_layers(spec.layers)
        else:
            assert isinstance(spec, LayerBase)
            total += 1 + count_layers(spec.inside())
    return total


def not_too_many(specs: list[LayerSpec]) -> list[LayerSpec]:
    """The list itself. Raises ValueError for more than MOST_LAYERS layers."""
    if count_layers(specs) > MOST_LAYERS:
        raise ValueError(f"more than {MOST_LAYERS:,} layers once the repetitions are written out")
    return specs


LayerList = Annotated[list[LayerSpec], AfterValidator(not_too_many)]


Placed = tuple[str, LayerBase]


def placed(specs: Iterable[Spec], where: str) -> Iterator[Placed]:
    """The layers in order, repetitions written out, each with its place in the recipe: model.3.dense."""
    for k, spec in enumerate(specs):
        place = f"{where}.{k}.{_kind(spec)}"
        if isinstance(spec, RepeatSpec):
            for _ in range(spec.times):
                yield from placed(spec.layers, f"{place}.layers")
        else:
            assert isinstance(spec, LayerBase)
            yield place, spec


def _kind(spec: Spec) -> str:
    """The recipe's word for a layer of any command."""
    families = (family for family in FAMILIES if family.root is LAYERS)
    return next(kind for family in families for kind, cls in family.kinds.items() if type(spec) is cls)


def build_layers(
    specs: Iterable[Spec], shape: tuple[int, ...], defaults: Defaults, *, where: str = "model"
) -> Sequential:
    """Modules for one row's input shape; names count the layers written out: "0.dense", "1.dropout", ...

    An image (h, w, c) is flattened before a dense layer, by a layer of its own. where: the recipe's key that
    holds the list. Raises UsageError, with the layer's place and the shape, where a layer does not suit.
    """
    model = Sequential()
    for place, spec in placed(specs, where):
        if spec.FLATTENS and len(shape) == 3:
            shape = _joined(model, Flatten(), shape)
        try:
            shape = _joined(model, spec.build(shape, defaults), shape)
        except UsageError as error:  # of a layer inside this one
            fault = error.problems[0]
            raise UsageError(fault.text, where=f"{place}.{fault.where}") from error
        except ValueError as error:
            text = str(error).removeprefix(f"{place.rpartition('.')[2]}: ")
            raise UsageError(text, where=place) from error
    return model


def _joined(model: Sequential, layer: Module, shape: tuple[int, ...]) -> tuple[int, ...]:
    """Append the layer; the shape that it gives. Raises ValueError where it gives none."""
    after = layer.output_shape(shape)
    model.append(layer)
    return after


def network(
    specs: Iterable[Spec],
    input_shape: tuple[int, ...],
    outputs: int,
    *,
    activation: str = "relu",
    init: Any = "he_normal",
    unfold_memory: int | None = None,
) -> Sequential:
    """The recipe's layers and, after them, a dense output layer "<n>.output" without activation."""
    model = build_layers(specs, input_shape, Defaults(activation, init, unfold_memory))
    shape = model.output_shape(input_shape)
    if len(shape) == 3:
        shape = _joined(model, Flatten(), shape)
    linear = Act()
    output = Dense(shape[-1], outputs, linear, init_for(init, linear))
    model.append(output, f"{len(model.layers)}.output")
    return model
