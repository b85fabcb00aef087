"""Convolutional layers of images (height, width, channels)."""

import math
from collections.abc import Sequence
from typing import ClassVar

from dlkit.autograd import Tape, Variable
from dlkit.kernels.activation import IDENTITY
from dlkit.nn.image_layers import Pool, image_shape
from dlkit.nn.init import ZEROS, Init
from dlkit.nn.layers import Act
from dlkit.nn.module import Module, Passing
from dlkit.nn.parameter import Parameter
from dlkit.ops.conv import MEMORY, conv, conv_transpose
from dlkit.ops.unfolding import chunk_lines, lane_room
from dlkit.ops.window import Pair, Window

Shape = tuple[int, ...]


class _Filters(Module):
    """What a convolution and a transposed one share: weights, bias, activation, bounded memory."""

    kind: ClassVar[str] = "filters"

    def __init__(
        self, shape: Shape, outputs: int, fan: tuple[int, int], window: Window, act: Act, init: Init, *,
        groups: int, bias: bool, unfold_memory: int | None,
    ) -> None:  # fmt: skip
        self.window = window
        self.act = act
        self.groups = groups
        self.unfold_memory = unfold_memory
        self.weight = Parameter(shape, init, fan=fan)
        self.bias = Parameter((outputs,), ZEROS, decays=False) if bias else None
        self.slope = act.parameter()

    def _bias(self, tape: Tape) -> Variable | None:
        return None if self.bias is None else tape.parameter(self.bias)

    def _slope(self, tape: Tape) -> float | Variable:
        return self.act.slope if self.slope is None else tape.parameter(self.slope)

    def _channels(self, shape: Shape, channels: int) -> Pair:
        h, w, c = image_shape(self.kind, shape)
        if c != channels:
            raise ValueError(f"{self.kind}: expected {channels} channels, the image here is {h}×{w}×{c}")
        return h, w

    def _scratch(self, small: Pair, output: Shape, passing: Passing) -> dict[str, int]:
        """small: (h, w) of the images that are not unfolded; output: a row of the layer's own."""
        rows, itemsize, lanes, device = passing
        lines, line, weights = rows * small[0], small[1] * math.prod(self.weight.shape[:3]), self.weight.size
        memory = MEMORY[device] if self.unfold_memory is None else self.unfold_memory
        bent = 0 if self.act.kind == IDENTITY else rows * math.prod(output)
        if device == "cpu":
            room = lane_room(lines, line, memory // itemsize, lanes, itemsize)
            need = {"unfolded": lanes * (room + weights), "sums": (lanes - 1) * weights}
        else:
            need = {"unfolded": chunk_lines(lines, line, memory // itemsize) * line, "weights": weights}
        return {name: size * itemsize for name, size in {**need, "pre-activation": bent}.items()}


class Conv(_Filters):
    """act(x * W + b), x (h, w, c), W (kh, kw, c / groups, filters): (oh, ow, filters).

    unfold_memory: most bytes of unfolded images that a shard holds at a time; None: dlkit.ops.conv.MEMORY.
    Raises ValueError where groups do not divide channels and filters.
    """

    kind: ClassVar[str] = "conv"

    def __init__(
        self,
        channels: int,
        filters: int,
        window: Window,
        act: Act = Act(),  # noqa: B008
        init: Init = Init("he_normal"),  # noqa: B008
        *,
        groups: int = 1,
        bias: bool = True,
        unfold_memory: int | None = None,
    ) -> None:
        _divide("conv", channels, filters, groups)
        self.channels = channels
        each, shared = channels // groups, filters // groups
        fan = (window.cells * each, window.cells * shared)
        super().__init__(
            (*window.size, each, filters), filters, fan, window, act, init,
            groups=groups, bias=bias, unfold_memory=unfold_memory,
        )  # fmt: skip

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return self._pooled(tape, x, None)

    def _pooled(self, tape: Tape, x: Variable, pool: Pair | None) -> Variable:
        return conv(
            tape, x, tape.parameter(self.weight), self._bias(tape), self.window, groups=self.groups,
            kind=self.act.kind, slope=self._slope(tape), memory=self.unfold_memory, pool=pool,
        )  # fmt: skip

    def with_next(self, tape: Tape, x: Variable, after: Sequence[Module]) -> tuple[Variable, int] | None:
        pool = after[0].side_by_side if isinstance(after[0], Pool) else None
        return None if pool is None else (self._pooled(tape, x, pool), 1)

    def output_shape(self, shape: Shape) -> Shape:
        return (*_fitting("conv", self.window, self._channels(shape, self.channels)), self.weight.shape[3])

    def products(self, shape: Shape) -> int:
        oh, ow, _ = self.output_shape(shape)
        return oh * ow * self.weight.size

    def joint_size(self, shape: Shape, after: Module) -> int | None:
        """With a pooling: what is pooled is scratch; maxima stay, and their gradient twice."""
        if self.slope is not None or not isinstance(after, Pool) or after.side_by_side is None:
            return None
        pooled = self.output_shape(shape)
        return after.activation_size(pooled) + math.prod(after.output_shape(pooled))

    def scratch(self, shape: Shape, passing: Passing) -> dict[str, int]:
        output = self.output_shape(shape)
        return self._scratch((output[0], output[1]), output, passing)


class ConvTranspose(_Filters):
    """act(x *^T W + b), x (h, w, c), W (kh, kw, filters / groups, c): (H, W, filters) as Window.spread says.

    extra: pixels more at the bottom and on the right, below the stride. Otherwise as Conv.
    """

    kind: ClassVar[str] = "conv_transpose"

    def __init__(
        self,
        channels: int,
        filters: int,
        window: Window,
        act: Act = Act(),  # noqa: B008
        init: Init = Init("he_normal"),  # noqa: B008
        *,
        extra: Pair = (0, 0),
        groups: int = 1,
        bias: bool = True,
        unfold_memory: int | None = None,
    ) -> None:
        _divide("conv_transpose", channels, filters, groups)
        if extra[0] >= window.stride[0] or extra[1] >= window.stride[1]:
            raise ValueError(f"conv_transpose: extra {extra[0]}×{extra[1]} is not below the stride "
                             f"{window.stride[0]}×{window.stride[1]}")  # fmt: skip
        self.channels = channels
        self.extra = extra
        each, shared = channels // groups, filters // groups
        seen = max(round(window.cells / math.prod(window.stride)), 1)  # of the window, by an output pixel
        super().__init__(
            (*window.size, shared, channels), filters, (seen * each, window.cells * shared), window, act,
            init, groups=groups, bias=bias, unfold_memory=unfold_memory,
        )  # fmt: skip

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return conv_transpose(
            tape, x, tape.parameter(self.weight), self._bias(tape), self.window, extra=self.extra,
            groups=self.groups, kind=self.act.kind, slope=self._slope(tape), memory=self.unfold_memory,
        )  # fmt: skip

    def output_shape(self, shape: Shape) -> Shape:
        h, w = self._channels(shape, self.channels)
        try:
            size = self.window.spread((h, w), self.extra)
        except ValueError as error:
            raise ValueError(f"conv_transpose: {error}") from None
        return (*size, self.weight.shape[2] * self.groups)

    def products(self, shape: Shape) -> int:
        return shape[0] * shape[1] * self.weight.size

    def scratch(self, shape: Shape, passing: Passing) -> dict[str, int]:
        return self._scratch((shape[0], shape[1]), self.output_shape(shape), passing)


def _divide(kind: str, channels: int, filters: int, groups: int) -> None:
    if channels % groups or filters % groups:
        raise ValueError(f"{kind}: {groups} groups do not divide {channels} channels and {filters} filters")


def _fitting(kind: str, window: Window, image: Pair) -> Pair:
    try:
        return window.out(image)
    except ValueError as error:
        raise ValueError(f"{kind}: {error}") from None
