"""Images side by side in one picture, as PNG."""

import io

import numpy as np

from dlkit.errors import DataError

SMALL = 32
"""Images with a shorter side than this are enlarged, so that a tile can be looked at."""
BACKGROUND = 255


def tiled(
    images: np.ndarray, columns: int, *, gap: int = 2, zoom: int | None = None, background: int = BACKGROUND
) -> np.ndarray:
    """One picture of many images, row by row, `gap` pixels apart.

    images: (n, height, width, colours) uint8, 1 (grey) or 3 colours. zoom: every pixel becomes zoom x zoom;
    None: 1, or more for images below 32 pixels. Returns (H, W) or (H, W, 3) uint8; cells without an image and
    gaps are `background`.
    Raises ValueError for no image, or for another number of colours.
    """
    if images.ndim != 4 or 0 in images.shape or images.shape[3] not in (1, 3):
        raise ValueError(f"tiles: expected images (n, height, width, 1 or 3), got shape {images.shape}")
    n, h, w, colours = images.shape
    if zoom is None:
        zoom = max(-(-SMALL // max(min(h, w), max(h, w) // 4)), 1)
    images = images.repeat(zoom, axis=1).repeat(zoom, axis=2) if zoom > 1 else images
    h, w = h * zoom, w * zoom
    columns = min(columns, n)
    rows = -(-n // columns)
    page = np.full((rows * (h + gap) + gap, columns * (w + gap) + gap, colours), background, np.uint8)
    for k, image in enumerate(images):
        top, left = k // columns * (h + gap) + gap, k % columns * (w + gap) + gap
        page[top : top + h, left : left + w] = image
    return page[..., 0] if colours == 1 else page


def png(page: np.ndarray) -> bytes:
    """A picture (height, width) or (height, width, 3) uint8 as a PNG file: equal pictures, equal bytes.

    Raises DataError where Pillow refuses the size.
    """
    from PIL import Image

    out = io.BytesIO()
    try:
        Image.fromarray(np.ascontiguousarray(page)).save(out, "PNG", optimize=False)
    except (ValueError, OSError, SystemError) as error:
        raise DataError(f"a picture of {page.shape[1]} x {page.shape[0]} pixels: {error}") from error
    return out.getvalue()


def as_bytes(values: np.ndarray, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """Numbers as uint8, low as 0 and high as 255; what lies outside is cut off, NaN is 0."""
    scaled = (np.asarray(values, np.float64) - low) * (255 / ((high - low) or 1.0))
    return np.clip(np.rint(np.nan_to_num(scaled)), 0, 255).astype(np.uint8)
