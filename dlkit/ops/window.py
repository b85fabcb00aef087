"""Where a window stands on an image: size, stride and padding, and the shapes that follow."""

from dataclasses import dataclass
from typing import Literal

Pair = tuple[int, int]
Pad = Literal["valid", "same"] | Pair


@dataclass(frozen=True)
class Window:
    """A window of size (kh, kw) that moves by stride (sh, sw) over an image padded all around.

    pad: "valid" no padding; "same" as much as makes ceil(image / stride) windows, the odd pixel at the bottom
    and on the right; (ph, pw) so many pixels on each side.
    """

    size: Pair
    stride: Pair = (1, 1)
    pad: Pad = "valid"

    @property
    def cells(self) -> int:
        return self.size[0] * self.size[1]

    def out(self, image: Pair) -> Pair:
        """Windows on an image (h, w), down and across. Raises ValueError where not one fits."""
        padding = (0, 0) if isinstance(self.pad, str) else self.pad
        if self.pad == "same":
            return -(-image[0] // self.stride[0]), -(-image[1] // self.stride[1])
        room = (image[0] + 2 * padding[0], image[1] + 2 * padding[1])
        if room[0] < self.size[0] or room[1] < self.size[1]:
            padded = f" ({room[0]}×{room[1]} padded)" if any(padding) else ""
            raise ValueError(
                f"a window of {self.size[0]}×{self.size[1]} is larger than the image, "
                f"{image[0]}×{image[1]}{padded}"
            )
        return (
            (room[0] - self.size[0]) // self.stride[0] + 1,
            (room[1] - self.size[1]) // self.stride[1] + 1,
        )

    def before(self, image: Pair) -> Pair:
        """Padding above and on the left of an image (h, w)."""
        if self.pad == "valid":
            return 0, 0
        if self.pad != "same":
            return self.pad
        out = self.out(image)
        return _half(out[0], image[0], self.size[0], self.stride[0]), _half(
            out[1], image[1], self.size[1], self.stride[1]
        )

    def spread(self, small: Pair, extra: Pair = (0, 0)) -> Pair:
        """The image that a transposed convolution makes of `small`: one on which `out` gives `small` again.

        "same": small * stride. Else (small - 1) * stride + size - 2 * padding + extra, where 0 <= extra <
        stride chooses between the images that have as many windows. Raises ValueError where nothing is left.
        """
        if self.pad == "same":
            return small[0] * self.stride[0], small[1] * self.stride[1]
        padding = (0, 0) if isinstance(self.pad, str) else self.pad
        h, w = ((small[k] - 1) * self.stride[k] + self.size[k] - 2 * padding[k] + extra[k] for k in (0, 1))
        if h < 1 or w < 1:
            raise ValueError(f"padding {padding[0]}×{padding[1]} leaves nothing of the image, {h}×{w}")
        return h, w


def _half(out: int, image: int, size: int, stride: int) -> int:
    return max((out - 1) * stride + size - image, 0) // 2
