"""One PNG or JPEG image as an array of bytes, through Pillow; and arrays of images in the form asked for.

Grey is Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601). Transparent pixels lie on white. The orientation that
a camera notes in a JPEG is followed.
"""

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from dlkit.errors import DataError

PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
JPEG_MAGIC = b"\xff\xd8\xff"
SUFFIXES = (".png", ".jpg", ".jpeg")
MOST_PIXELS = 1 << 26
"""Pixels of one image; a file of some kB can claim more than a machine holds."""

Color = Literal["auto", "grey", "rgb"]
_SIDEWAYS = range(5, 9)
_ORIENTATION = 0x0112
_GREY_MODES = {"1", "L", "LA", "La", "I", "F", "I;16", "I;16B", "I;16L", "I;16N"}


@dataclass(frozen=True)
class Form:
    """What images are made into."""

    color: Color = "auto"
    resize: tuple[int, int] | None = None
    """(height, width) to which every image is brought."""
    size: tuple[int, int] | None = None
    """(height, width) that images must have, where they are not resized; None: the size of most of them."""


class Look(NamedTuple):
    """What the first bytes of an image file say."""

    size: tuple[int, int]
    """(height, width) as it will be seen."""
    colored: bool


def looks_like_image(head: bytes) -> bool:
    """Does a file that begins so say that it is PNG or JPEG?"""
    return head.startswith((PNG_MAGIC, JPEG_MAGIC))


def look(source: Path | bytes, name: str) -> Look:
    """Size and colour of an image, without decoding it. Raises DataError."""
    with _opened(source, name) as image:
        return Look(_seen_size(image), _colored(image))


def decode(source: Path | bytes, name: str, form: Form) -> np.ndarray:
    """(height, width) or (height, width, 3) uint8, as `form` says. Raises DataError."""
    with _opened(source, name) as image:
        from PIL import Image, ImageOps

        grey = form.color == "grey" or (form.color == "auto" and not _colored(image))
        if form.resize is None and form.size is not None:
            check_image_size(_seen_size(image), form.size, name)
        upright = ImageOps.exif_transpose(image) if image.format == "JPEG" else image
        pixels = _eight_bits(upright, grey)
        if form.resize is not None and pixels.size[::-1] != form.resize:
            pixels = pixels.resize(form.resize[::-1], Image.Resampling.BILINEAR)
        return np.array(pixels, np.uint8)


def check_image_size(found: tuple[int, int], wanted: tuple[int, int], name: str) -> None:
    """Raise DataError where an image is not of the size that is wanted; both (height, width)."""
    if found != wanted:
        text = f"an image of {found[0]}×{found[1]} pixels (height × width), not {wanted[0]}×{wanted[1]}"
        raise DataError(text, where=name, hint="data.resize brings images to one size")


@contextmanager
def _opened(source: Path | bytes, name: str) -> Iterator[Any]:
    """The image, its header read. Whatever Pillow raises in the meantime becomes a DataError."""
    from PIL import Image

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of doubtful metadata, which is not used
            file: Any = io.BytesIO(source) if isinstance(source, bytes) else source
            with Image.open(file, formats=("PNG", "JPEG")) as image:
                width, height = image.size
                if width * height > MOST_PIXELS:
                    raise DataError(f"claims {width:,}×{height:,} pixels; too many", where=name)
                yield image
    except DataError:
        raise
    except Image.UnidentifiedImageError as error:
        raise DataError("not a PNG or JPEG image", where=name) from error
    except Exception as error:  # Pillow has no one kind of error for a damaged file
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise DataError(
            f"not a readable image ({reason[:80] or type(error).__name__})", where=name
        ) from error


def _seen_size(image: Any) -> tuple[int, int]:
    """(height, width), the camera's orientation followed."""
    width, height = image.size
    return (width, height) if _orientation(image) in _SIDEWAYS else (height, width)


def _orientation(image: Any) -> int:
    value = image.getexif().get(_ORIENTATION, 1) if image.format == "JPEG" else 1
    return value if isinstance(value, int) else 1


def _colored(image: Any) -> bool:
    if image.mode == "P" and image.palette is not None:
        channels = len(image.palette.mode)
        colors = np.frombuffer(bytes(image.palette.palette), np.uint8)
        triples = colors[: len(colors) // channels * channels].reshape(-1, channels)[:, :3]
        return bool((triples != triples[:, :1]).any())
    return image.mode not in _GREY_MODES


def _eight_bits(image: Any, grey: bool) -> Any:
    """The image in mode L or RGB."""
    from PIL import Image

    if image.mode.startswith("I"):  # 16-bit grey: the upper byte (Pillow's own conversion may cut instead)
        values = np.clip(np.asarray(image).astype(np.int64), 0, 65535) >> 8
        image = Image.fromarray(values.astype(np.uint8))
    if image.mode in {"RGBA", "LA", "PA"} or "transparency" in image.info:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, (255, 255, 255, 255)), image)
    return image.convert("L" if grey else "RGB")


# -- arrays of images that come from other files ---------------------------------------------------------
def formed(x: np.ndarray, form: Form, name: str) -> np.ndarray:
    """Images (n, h, w) or (n, h, w, c) in colour or grey, and resized, as `form` says.

    Raises DataError for arrays that are no images, and for sizes of images that are not 8-bit.
    """
    if form.color == "auto" and form.resize is None:
        return x
    if x.ndim not in {3, 4} or (x.ndim == 4 and x.shape[3] not in {1, 3}):
        shape = "×".join(map(str, x.shape[1:]))
        text = f"color and resize are for images of height × width (× 1 or 3), not for rows of {shape}"
        raise DataError(text, where=name)
    if form.resize is not None and x.shape[1:3] != form.resize:
        x = _resized(x, form.resize, name)
    channels = 1 if x.ndim == 3 else x.shape[3]
    if form.color == "grey" and channels == 3:
        return _grey(x)
    if form.color == "rgb" and channels == 1:
        return np.repeat(x.reshape(*x.shape[:3], 1), 3, axis=3)
    return x


def _grey(x: np.ndarray) -> np.ndarray:
    if x.dtype != np.uint8:
        return x @ np.array([0.299, 0.587, 0.114], x.dtype if x.dtype.kind == "f" else np.float32)
    out = np.empty(x.shape[:3], np.uint8)
    weights = np.array([19595, 38470, 7471], np.uint32)  # Pillow's, so that a PNG and an array agree
    for rows, grey in zip(x, out, strict=True):
        grey[...] = (rows @ weights + 0x8000) >> 16
    return out


def _resized(x: np.ndarray, size: tuple[int, int], name: str) -> np.ndarray:
    from PIL import Image

    if x.dtype != np.uint8:
        raise DataError(f"resize is for 8-bit images, not for {x.dtype}", where=name)
    out = np.empty((len(x), *size, *x.shape[3:]), np.uint8)
    for k, image in enumerate(x):
        flat = image[..., 0] if image.ndim == 3 and image.shape[2] == 1 else image
        small = np.asarray(Image.fromarray(flat).resize(size[::-1], Image.Resampling.BILINEAR))
        out[k] = small.reshape(out.shape[1:])
    return out
