"""Augmentation: how each training image is moved, mirrored and cropped in a step, drawn on the host.

The draws of a step are those of its whole batch, from a generator of the step alone: they do not depend on
threads, machines, or where a run was interrupted.
"""

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import Field, field_validator, model_validator

from dlkit.recipe.schema import Spec

Size = tuple[int, int]
Pixels = Annotated[int, Field(ge=0, le=1 << 12)]
Pair = Pixels | Annotated[list[Pixels], Field(min_length=2, max_length=2)]

HORIZONTAL, VERTICAL = 1, 2
"""Bits of a move's flip."""


def _pair(value: int | list[int]) -> Size:
    return (value, value) if isinstance(value, int) else (value[0], value[1])


class CropSpec(Spec):
    """A random part of the image, widened by a border first; without noise: the middle."""

    SHORTHAND: ClassVar[str | None] = "size"

    size: Pair | None = Field(
        None, description="Side, or [height, width], of the part in pixels; null: that of the image."
    )
    pad: Pair = Field(0, description="Border in pixels around the image, or [down, across].")

    @field_validator("size")
    @classmethod
    def _some(cls, value: int | list[int] | None) -> int | list[int] | None:
        if value is not None and min(_pair(value)) < 1:
            raise ValueError("a part has 1 pixel or more on each side")
        return value

    @model_validator(mode="after")
    def _does_something(self) -> "CropSpec":
        if self.size is None and _pair(self.pad) == (0, 0):
            raise ValueError("crop: give pad, or a size below that of the image")
        return self


class AugmentSpec(Spec):
    """What is done to an image each time it is learnt from."""

    shift: Pair = Field(
        0, description="Moved by up to so many pixels, or [down, across], all distances alike likely."
    )
    flip: Literal["none", "horizontal", "vertical", "both"] = Field(
        "none", description="Mirrored with probability 1/2 (both: each way by itself)."
    )
    crop: CropSpec | None = Field(None, description="A random part of the image; null: all of it.")
    fill: Literal["zero", "edge"] = Field(
        "zero", description="What lies outside the image: 0 in the file's numbers, or the nearest pixel."
    )

    def output(self, image: Size) -> Size:
        """(height, width) of what the network sees of an image. Raises ValueError for a part too large."""
        size = _pair(self.crop.size) if self.crop and self.crop.size is not None else image
        pad = _pair(self.crop.pad) if self.crop else (0, 0)
        for out, side, border in zip(size, image, pad, strict=True):
            if out > side + 2 * border:
                text = f"a part of {size[0]}×{size[1]} of an image of {image[0]}×{image[1]}"
                raise ValueError(f"{text} with a border of {pad[0]}×{pad[1]}")
        return size

    @property
    def edge(self) -> int:
        """1 where the nearest pixel stands for what lies outside."""
        return int(self.fill == "edge")

    def draw(self, rng: np.random.Generator, n: int, image: Size) -> np.ndarray:
        """(n, 3) int32: top, left and flip of n images of size (height, width)."""
        moves = np.empty((n, 3), np.int32)
        pad = _pair(self.crop.pad) if self.crop else (0, 0)
        for axis, (out, side, shift) in enumerate(
            zip(self.output(image), image, _pair(self.shift), strict=True)
        ):
            moves[:, axis] = rng.integers(-pad[axis], side + pad[axis] - out, n, endpoint=True)
            moves[:, axis] += rng.integers(-shift, shift, n, endpoint=True)
        bits = {"none": 0, "horizontal": HORIZONTAL, "vertical": VERTICAL, "both": HORIZONTAL | VERTICAL}
        moves[:, 2] = rng.integers(0, 4, n) & bits[self.flip]
        return moves

    def still(self, n: int, image: Size) -> np.ndarray:
        """(n, 3) int32: the middle of each image, as it is."""
        middle = [(side - out) // 2 for side, out in zip(image, self.output(image), strict=True)]
        return np.tile(np.array([*middle, 0], np.int32), (n, 1))
