"""Layers without weights for images (height, width, channels): pooling, contrast, upsampling, shapes."""

import math
from typing import ClassVar

from dlkit.autograd import Tape, Variable
from dlkit.kernels.pool import MOST_CELLS
from dlkit.nn.module import Module
from dlkit.ops import pool
from dlkit.ops.contrast import EPS, local_contrast, window_weights
from dlkit.ops.shape import reshape
from dlkit.ops.window import Pair, Window

Shape = tuple[int, ...]
POOLS = {"max_pool": pool.max_pool, "min_pool": pool.min_pool, "average_pool": pool.average_pool}


def image_shape(kind: str, shape: Shape) -> tuple[int, int, int]:
    """(h, w, c). Raises ValueError for a row that is no image."""
    if len(shape) != 3:
        found = "×".join(map(str, shape))
        raise ValueError(f"{kind}: expected an image (height × width × channels), the shape here is {found}")
    return shape[0], shape[1], shape[2]


class Pool(Module):
    """The largest, smallest or mean number of each window; kind: max_pool, min_pool, average_pool."""

    def __init__(self, kind: str, window: Window) -> None:
        self.kind = kind  # type: ignore[misc]
        self.window = window

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return POOLS[self.kind](tape, x, self.window)

    @property
    def side_by_side(self) -> Pair | None:
        """The window of a maximum over windows side by side; None for any other pooling."""
        size, apart = self.window.size, self.window.size == self.window.stride
        return size if self.kind == "max_pool" and apart and self.window.pad == "valid" else None

    def output_shape(self, shape: Shape) -> Shape:
        h, w, c = image_shape(self.kind, shape)
        (kh, kw), pad = self.window.size, self.window.pad
        if kh * kw > MOST_CELLS:
            raise ValueError(f"{self.kind}: a window of {kh}×{kw} has more than {MOST_CELLS:,} cells")
        if not isinstance(pad, str) and (pad[0] >= kh or pad[1] >= kw):
            raise ValueError(f"{self.kind}: padding {pad[0]}×{pad[1]} is not below the window, {kh}×{kw}")
        try:
            return (*self.window.out((h, w)), c)
        except ValueError as error:
            raise ValueError(f"{self.kind}: {error}") from None

    def activation_size(self, shape: Shape) -> int:
        """The result, its gradient and, of an extreme, its place: half a number."""
        halves = 4 if self.kind == "average_pool" else 5
        return -(-halves * math.prod(self.output_shape(shape)) // 2)


class GlobalPool(Module):
    """Mean or maximum of each channel over the whole image: (c,)."""

    kind: ClassVar[str] = "global_pool"

    def __init__(self, of: str = "average") -> None:
        self.of = of

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return pool.global_pool(tape, x, self.of)

    def output_shape(self, shape: Shape) -> Shape:
        h, w, c = image_shape("global_pool", shape)
        if self.of == "max" and h * w > MOST_CELLS:
            raise ValueError(f"global_pool: the image, {h}×{w}, has more than {MOST_CELLS:,} pixels")
        return (c,)


class LocalContrast(Module):
    """Subtracts the mean of a window from each number and divides by the window's standard deviation."""

    kind: ClassVar[str] = "local_contrast"

    def __init__(
        self, size: int = 9, weights: str = "gaussian", *, sigma: float | None = None, divisive: bool = True,
        eps: float = EPS,
    ) -> None:  # fmt: skip
        self.weights = window_weights(size, weights, sigma)
        self.divisive = divisive
        self.eps = eps

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return local_contrast(tape, x, self.weights, divisive=self.divisive, eps=self.eps)

    def output_shape(self, shape: Shape) -> Shape:
        return image_shape("local_contrast", shape)

    def activation_size(self, shape: Shape) -> int:
        """Two results and a gradient; a pixel's mean, squares, deviation, divisor and their gradients."""
        return 3 * math.prod(shape) + 8 * shape[0] * shape[1]


class Upsample(Module):
    """Every pixel becomes k x k, repeated (nearest) or interpolated (bilinear)."""

    kind: ClassVar[str] = "upsample"

    def __init__(self, factor: int, how: str = "nearest") -> None:
        self.factor = factor
        self.how = how

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return pool.upsample(tape, x, self.factor, self.how)

    def output_shape(self, shape: Shape) -> Shape:
        h, w, c = image_shape("upsample", shape)
        return h * self.factor, w * self.factor, c

    def activation_size(self, shape: Shape) -> int:
        """Between two pixels it goes down first, then across; so does the gradient."""
        between = 2 * self.factor * math.prod(shape) if self.how == "bilinear" else 0
        return super().activation_size(shape) + between


class Flatten(Module):
    """A row of any shape as a plain row of numbers, channels running fastest."""

    kind: ClassVar[str] = "flatten"

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return reshape(tape, x, (x.shape[0], math.prod(x.shape[1:])))

    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)

    def activation_size(self, shape: Shape) -> int:
        return 0


class Reshape(Module):
    """A row of as many numbers in another shape, such as (7, 7, 128)."""

    kind: ClassVar[str] = "reshape"

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return reshape(tape, x, (x.shape[0], *self.shape))

    def output_shape(self, shape: Shape) -> Shape:
        if math.prod(shape) != math.prod(self.shape):
            here, wanted = ("×".join(map(str, s)) for s in (shape, self.shape))
            raise ValueError(
                f"reshape: {wanted} are {math.prod(self.shape):,} numbers, the shape here is {here}"
            )
        return self.shape

    def activation_size(self, shape: Shape) -> int:
        return 0
