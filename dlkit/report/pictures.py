"""Pictures inside the page: as they are where they fit, smaller and in fewer colours where they do not."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from PIL import Image

STEPS = ((1600, 0), (1600, 128), (1000, 128), (700, 128), (450, 64), (300, 64), (200, 64))
"""Longest sides in pixels and numbers of colours (0: all) that are tried one after the other."""
MOST_PIXELS = 60_000_000
"""A picture with more is not opened."""


class Source(NamedTuple):
    """A picture that is wanted: its name among those of its run, and its bytes or where they are."""

    name: str
    content: bytes | Path


class Picture(NamedTuple):
    """A picture as it is shown: PNG bytes and what was done to it."""

    png: bytes
    size: tuple[int, int]
    note: str

    @property
    def source(self) -> str:
        """As the value of an img's src."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


Fitted = dict[str, Picture | str]
"""Of a run: each picture by its name, or why it is left out."""


def fitting(wanted: Sequence[Sequence[Source]], room: int) -> list[Fitted]:
    """For each run its pictures, at most `room` bytes in the page for all.

    All are made smaller together until they fit; at the smallest size the last ones of each run go.
    """
    made: list[Fitted] = []
    for side, colours in STEPS:
        made = [{one.name: _opened(one, side, colours) for one in some} for some in wanted]
        if sum(map(_cost, made)) <= room:
            return made
    share = room // max(len(wanted), 1)
    for some in made:
        for name in reversed(list(some)):
            if _cost(some) <= share:
                break
            if isinstance(some[name], Picture):
                some[name] = "no room left in the file"
    return made


def _cost(some: Fitted) -> int:
    return sum(len(one.png) * 4 // 3 + 500 for one in some.values() if isinstance(one, Picture))


def _opened(source: Source, side: int, colours: int) -> Picture | str:
    from PIL import Image

    try:
        content = source.content if isinstance(source.content, bytes) else source.content.read_bytes()
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            if image.width * image.height > MOST_PIXELS:
                return f"{image.width} x {image.height} pixels are too many"
            return _scaled(image, content, side, colours)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        return f"cannot be read as PNG ({type(error).__name__})"


def _scaled(image: "Image.Image", content: bytes, side: int, colours: int) -> Picture:
    from PIL import Image

    before = image.size
    image.load()
    large = max(before) > side
    if not large and not (colours and len(content) > 8_000):
        return Picture(content, before, "")
    kind = "L" if image.mode in ("1", "L") else "RGBA" if image.has_transparency_data else "RGB"
    small = image.convert(kind)
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    notes = [f"from {before[0]} × {before[1]} to {small.width} × {small.height} pixels"] if large else []
    if colours and kind != "L":
        small = small.quantize(colours, method=Image.Quantize.FASTOCTREE)
        notes.append(f"in {colours} colours")
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    if not large and out.tell() >= len(content):
        return Picture(content, before, "")
    return Picture(out.getvalue(), small.size, f"made smaller, {', '.join(notes)}" if notes else "")
