"""The layers of images for a recipe's list, beside those of layer_list.py, and whole networks by name.

model:
  - conv: {filters: 20, size: 5, pad: same}
  - max_pool: 2
  - residual: {layers: [{conv: {filters: 32, size: 3, stride: 2, pad: same}}]}
  - global_pool
"""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, Field, model_validator

from dlkit.nn import image_layers as layers
from dlkit.nn.conv_layers import Conv, ConvTranspose
from dlkit.nn.image_layers import image_shape
from dlkit.nn.init import InitSpec
from dlkit.nn.layer_list import (
    LAYERS,
    SLOPE,
    ActivationName,
    BatchNormSpec,
    Defaults,
    LayerBase,
    LayerSpec,
    act,
    build_layers,
    every_layer,
    init_for,
    not_too_many,
)
from dlkit.nn.layers import Act, BatchNorm, Sequential
from dlkit.nn.module import Module
from dlkit.nn.residual import Residual
from dlkit.ops.contrast import EPS
from dlkit.ops.window import Pad, Pair, Window
from dlkit.recipe.schema import Spec

IMAGE_LAYERS = LAYERS.extended()
ImageLayerSpec = Annotated[Spec, IMAGE_LAYERS]
Shape = tuple[int, ...]

Count = Annotated[int, Field(ge=1)]
Room = Annotated[int, Field(ge=0)]
Sides = Count | Annotated[list[Count], Field(min_length=2, max_length=2)]
"""A number of pixels for both axes, or [down, across]."""
Border = Literal["same", "valid"] | Room | Annotated[list[Room], Field(min_length=2, max_length=2)]

PAD: Any = Field(
    "valid",
    description="Zeros around the image: same, valid (none), a number of pixels, or [down, across].",
    json_schema_extra={"aka": ["padding"]},
)
STRIDE: Any = Field(
    1, description="Step of the window: pixels, or [down, across].", json_schema_extra={"aka": ["strides"]}
)


def pair(value: int | list[int]) -> Pair:
    """(down, across)."""
    return (value, value) if isinstance(value, int) else (value[0], value[1])


def window(size: Any, stride: Any, pad: Any) -> Window:
    """The recipe's words as a window."""
    edge: Pad = pad if pad in ("same", "valid") else pair(pad)
    return Window(pair(size), pair(stride), edge)


class _FilterSpec(LayerBase):
    """Fields of both kinds of convolution."""

    filters: Count = Field(
        description="Filters: channels of the result.", json_schema_extra={"aka": ["channels", "units"]}
    )
    size: Sides = Field(
        3,
        description="Window: pixels, or [down, across].",
        json_schema_extra={"aka": ["kernel", "kernel_size"]},
    )
    stride: Sides = STRIDE
    pad: Border = PAD
    groups: Count = Field(1, description="Parts that the channels fall into, each with filters of its own.")
    activation: ActivationName | None = Field(None, description="null: the recipe's own `activation`.")
    slope: float | None = SLOPE
    init: InitSpec | None = Field(None, description="Initial weights; null: the recipe's own `init`.")
    bias: bool = Field(
        True, description="Add a learnt number to each channel; superfluous before batch_norm."
    )

    def _more(self, defaults: Defaults) -> dict[str, Any]:
        activation = act(self.activation or defaults.activation, self.slope)
        return {
            "act": activation,
            "init": init_for(self.init or defaults.init, activation),
            "groups": self.groups,
            "bias": self.bias,
            "unfold_memory": defaults.unfold_memory,
        }


@IMAGE_LAYERS.add("conv", aka=("conv2d", "convolution"))
class ConvSpec(_FilterSpec):
    """A convolution."""

    SHORTHAND: ClassVar[str | None] = "filters"

    def build(self, shape: Shape, defaults: Defaults) -> Module:
        channels = image_shape("conv", shape)[2]
        box = window(self.size, self.stride, self.pad)
        return Conv(channels, self.filters, box, **self._more(defaults))


@IMAGE_LAYERS.add("conv_transpose", aka=("deconv", "transposed_conv", "conv2d_transpose"))
class ConvTransposeSpec(_FilterSpec):
    """A transposed convolution: same gives size × stride, else (size - 1) stride + window - 2 pad + extra."""

    SHORTHAND: ClassVar[str | None] = "filters"

    extra: Room = Field(
        0,
        description="Pixels more at the bottom and on the right, below the stride.",
        json_schema_extra={"aka": ["output_padding"]},
    )

    @model_validator(mode="after")
    def _extra_below_stride(self) -> "ConvTransposeSpec":
        if self.extra and (self.pad == "same" or self.extra >= min(pair(self.stride))):
            raise ValueError("extra: must be less than the stride, and 0 where pad is same")
        return self

    def build(self, shape: Shape, defaults: Defaults) -> Module:
        channels = image_shape("conv_transpose", shape)[2]
        box = window(self.size, self.stride, self.pad)
        return ConvTranspose(
            channels, self.filters, box, extra=(self.extra, self.extra), **self._more(defaults)
        )


class _PoolSpec(LayerBase):
    """Fields of the poolings."""

    SHORTHAND: ClassVar[str | None] = "size"

    size: Sides = Field(2, description="Window: pixels, or [down, across].")
    stride: Sides | None = Field(
        None, description="Step of the window; null: its size.", json_schema_extra={"aka": ["strides"]}
    )
    pad: Border = PAD

    def build(self, shape: Shape, defaults: Defaults) -> Module:
        stride = self.size if self.stride is None else self.stride
        return layers.Pool(IMAGE_LAYERS.kind_of(self), window(self.size, stride, self.pad))


@IMAGE_LAYERS.add("max_pool", aka=("maxpool", "pool", "max_pooling"))
class MaxPoolSpec(_PoolSpec):
    """The largest number of each window."""


@IMAGE_LAYERS.add("min_pool", aka=("minpool",))
class MinPoolSpec(_PoolSpec):
    """The smallest number of each window."""


@IMAGE_LAYERS.add("average_pool", aka=("avg_pool", "mean_pool"))
class AveragePoolSpec(_PoolSpec):
    """The mean of each window."""


@IMAGE_LAYERS.add("global_pool", aka=("global_average_pool", "global_max_pool"))
class GlobalPoolSpec(LayerBase):
    """One number a channel."""

    SHORTHAND: ClassVar[str | None] = "of"

    of: Literal["average", "max"] = Field("average", description="Mean or maximum of the channel.")

    def build(self, shape: Shape, defaults: Defaults) -> Module:
        return layers.GlobalPool(self.of)


@IMAGE_LAYERS.add("local_contrast", aka=("lcn", "contrast"))
class LocalContrastSpec(LayerBase):
    """Local contrast normalisation (Jarrett et al. 2009)."""

    SHORTHAND: ClassVar[str | None] = "size"

    size: Count = Field(9, description="Window in pixels, odd.")
    window: Literal["gaussian", "box"] = Field("gaussian", description="Weights of the window.")
    sigma: float | None = Field(
        None, gt=0, description="Standard deviation of the Gaussian in pixels; null: size / 4."
    )
    divisive: bool = Field(True, description="Divide by the local standard deviation as well.")
    eps: float = Field(EPS, gt=0, description="Smallest divisor.")

    @model_validator(mode="after")
    def _odd(self) -> "LocalContrastSpec":
        if self.size % 2 == 0:
            raise ValueError("size: must be odd, so that the window has a middle")
        return self

    def build(self, shape: Shape, defaults: Defaults) -> Module:
        return layers.LocalContrast(
            self.size, self.window, sigma=self.sigma, divisive=self.divisive, eps=self.eps
        )


@IMAGE_LAYERS.add("upsample", aka=("upsampling", "up_sample"))
class UpsampleSpec(LayerBase):
    """A larger image."""

    SHORTHAND: ClassVar[str | None] = "factor"

    factor: int = Field(2, ge=1, le=64, description="Times as high and as wide.")
    how: Literal["nearest", "bilinear"] = Field("nearest", description="Repeat pixels, or interpolate.")

    def build(self, shape: Shape, defaults: Defaults) -> Module:
        return layers.Upsample(self.factor, self.how)


@IMAGE_LAYERS.add("flatten")
class FlattenSpec(LayerBase):
    """The image as a row of numbers."""

    def build(self, shape: Shape, defaults: Defaults) -> Module:
        return layers.Flatten()


@IMAGE_LAYERS.add("reshape")
class ReshapeSpec(LayerBase):
    """A row of numbers in another shape."""

    SHORTHAND: ClassVar[str | None] = "shape"

    shape: list[Count] = Field(
        min_length=1, max_length=3, description="[height, width, channels], as many numbers as there are."
    )

    def build(self, shape: Shape, defaults: Defaults) -> Module:
        return layers.Reshape(tuple(self.shape))


@IMAGE_LAYERS.add("residual", aka=("resnet_block", "res_block", "block"))
class ResidualSpec(LayerBase):
    """A residual block: activation(layers(x) + shortcut(x))."""

    layers: list[LayerSpec] = Field(min_length=1, description="Layers of the block, in order.")
    shortcut: Literal["auto", "identity", "projection"] = Field(
        "auto",
        description="projection: a 1×1 convolution (and batch_norm, if a layer of the block is one); "
        "auto: only where the shape changes.",
    )
    activation: ActivationName | None = Field(
        None, description="After the sum; null: the recipe's own `activation`."
    )
    slope: float | None = SLOPE

    def inside(self) -> list[Spec]:
        return self.layers

    def build(self, shape: Shape, defaults: Defaults) -> Module:
        inner = build_layers(self.layers, shape, defaults, where="layers")
        out = inner.output_shape(shape)
        projects = self.shortcut == "projection" or (self.shortcut == "auto" and out != shape)
        shortcut = self._projection(shape, out, defaults) if projects else None
        return Residual(inner, shortcut, act(self.activation or defaults.activation, self.slope))

    def _projection(self, shape: Shape, out: Shape, defaults: Defaults) -> Sequential:
        """1×1, with the stride that makes the block's shape of it (eq. 2 of He et al.)."""
        h, w, c = image_shape("residual", shape)
        oh, ow, filters = image_shape("residual", out)
        stride = (max(-(-h // oh), 1), max(-(-w // ow), 1))
        norm = any(isinstance(layer, BatchNormSpec) for layer in every_layer(self.layers))
        linear = Act()
        conv = Conv(
            c, filters, Window((1, 1), stride), linear, init_for(defaults.init, linear), bias=not norm,
            unfold_memory=defaults.unfold_memory,
        )  # fmt: skip
        return Sequential(conv, BatchNorm(filters)) if norm else Sequential(conv)


ImageLayerList = Annotated[list[ImageLayerSpec], AfterValidator(not_too_many)]
