"""A run's pictures inside the page: as they are where they fit, smaller where they do not."""

import base64
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dlkit.report.gathered import Run, is_run
from dlkit.report.thin import evenly

if TYPE_CHECKING:
    from PIL import Image

SIDES = (1600, 1000, 700, 450, 300, 200)
"""Longest sides in pixels that are tried one after the other until all pictures fit."""
OF_A_FOLDER = 12
"""Pictures of one subfolder (through time, of each layer) that are shown; the rest is left out."""
MOST_PIXELS = 60_000_000
"""A picture with more is not opened."""


class Picture(NamedTuple):
    """A picture of a run: its name in the run's folder, PNG bytes and what was done to it."""

    name: str
    png: bytes
    size: tuple[int, int]
    note: str

    @property
    def source(self) -> str:
        """As the value of an img's src."""
        return "data:image/png;base64," + base64.b64encode(self.png).decode("ascii")


def found_in(run: Run) -> tuple[list[str], list[str]]:
    """Names of the pictures in a run's folder: those to show, and why others are left out.

    What the run itself wrote comes first, in the order of environment.json. A member's are the member's.
    """
    listed = [str(name) for name in run.environment.get("artifacts", [])]
    there = list(_below(run.path, run.path))
    names = list(dict.fromkeys([*(name for name in listed if name in there), *there]))
    folders: dict[str, list[str]] = {}
    for name in names:
        folders.setdefault(name.rpartition("/")[0], []).append(name)
    shown, left = set(), []
    for folder, inside in folders.items():
        kept = [inside[at] for at in evenly(len(inside), OF_A_FOLDER)] if folder else inside
        shown |= set(kept)
        if len(kept) < len(inside):
            left.append(f"{folder}/: {len(kept)} of its {len(inside)} pictures are shown")
    return [name for name in names if name in shown], left


def _below(folder: Path, run: Path) -> Iterator[str]:
    for one in sorted(folder.iterdir()):
        if one.name.startswith(".") or one.is_symlink():
            continue
        if one.is_dir():
            if not is_run(one):
                yield from _below(one, run)
        elif one.suffix.lower() == ".png":
            yield one.relative_to(run).as_posix()


def fitting(runs: Sequence[Run], room: int) -> tuple[list[list[Picture]], list[list[str]]]:
    """For each run its pictures, at most `room` bytes in the page for all, and what was left out.

    All are made smaller together until they fit; at the smallest size the last ones of each run go.
    """
    names, left = map(list, zip(*(found_in(run) for run in runs), strict=True)) if runs else ([], [])
    made: list[list[Picture]] = []
    for side in SIDES:
        made, missing = [], []
        for run, some in zip(runs, names, strict=True):
            pictures, broken = _of(run, some, side)
            made.append(pictures)
            missing.append(broken)
        if sum(_cost(one) for some in made for one in some) <= room:
            return made, [a + b for a, b in zip(left, missing, strict=True)]
    share = room // max(len(runs), 1)
    for some, told, more in zip(made, left, missing, strict=True):
        told.extend(more)
        while sum(map(_cost, some)) > share:
            told.append(f"{some.pop().name}: no room left in the file")
    return made, left


def _cost(picture: Picture) -> int:
    return len(picture.source) + 400


def _of(run: Run, names: Sequence[str], side: int) -> tuple[list[Picture], list[str]]:
    from PIL import Image

    pictures, left = [], []
    for name in names:
        path = run.path / name
        try:
            with Image.open(path, formats=["PNG"]) as image:
                if image.width * image.height > MOST_PIXELS:
                    left.append(f"{name}: {image.width} x {image.height} pixels are too many")
                    continue
                pictures.append(_scaled(image, name, path, side))
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            left.append(f"{name}: cannot be read as PNG ({type(error).__name__})")
    return pictures, left


def _scaled(image: "Image.Image", name: str, path: Path, side: int) -> Picture:
    from PIL import Image

    before = image.size
    image.load()
    if max(before) <= side:
        return Picture(name, path.read_bytes(), before, "")
    small = image.convert("RGBA" if image.has_transparency_data else "RGB")
    small.thumbnail((side, side), Image.Resampling.LANCZOS)
    out = io.BytesIO()
    small.save(out, "PNG", optimize=True)
    note = f"made smaller, from {before[0]} × {before[1]} to {small.width} × {small.height} pixels"
    return Picture(name, out.getvalue(), small.size, note)
