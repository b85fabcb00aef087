"""Images side by side, each with a line of text below it, as one picture."""

from collections.abc import Sequence

import numpy as np

from dlkit.pictures.tiles import tiled

SIDE = 56
"""Tiles with a shorter side than this are enlarged, so that a caption fits below."""
LINE = 14
_LONGEST = 24


def captioned(images: np.ndarray, captions: Sequence[str], columns: int) -> np.ndarray:
    """One picture (H, W, 3) uint8 of images (n, h, w, 1 or 3) uint8.

    The built-in font has the Latin alphabet: a caption with other letters is left out (its tile's number is
    shown in its place). Raises ValueError for no image.
    """
    from PIL import Image, ImageDraw, ImageFont

    n, h, w, _ = images.shape
    zoom = max(-(-SIDE // min(h, w)), 1) if n else 1
    images = images.repeat(zoom, axis=1).repeat(zoom, axis=2)
    colored = images if images.shape[3] == 3 else images.repeat(3, axis=3)
    font = ImageFont.load_default()
    labels = np.full((n, LINE, w * zoom, 3), 255, np.uint8)
    for k, caption in enumerate(captions):
        plain = caption if all(" " <= c <= "\xff" for c in caption) else f"#{k + 1}"
        line = Image.new("RGB", (w * zoom, LINE), (255, 255, 255))
        ImageDraw.Draw(line).text((1, 1), plain[:_LONGEST], fill=(0, 0, 0), font=font)
        labels[k] = np.asarray(line)
    return tiled(np.concatenate([colored, labels], axis=1), columns, gap=4, zoom=1)
