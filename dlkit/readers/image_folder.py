"""A folder of PNG and JPEG images: one sub-folder a class, or a flat folder of images without labels.

    pets/cat/1.png, pets/cat/2.jpg, pets/dog/1.png: classes cat and dog

Images are taken in the order of class and name. Names are Unicode; a class is compared in its composed form
(NFC), for some systems write accents and kana marks apart. Hidden files are passed over.
"""

import os
import unicodedata
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import Faults, OnBadRow
from dlkit.readers.images import SUFFIXES, Form, Look, check_image_size, decode, look
from dlkit.readers.opening import check_size

PIECE_BYTES = 64 << 20
"""Most bytes of pixels in memory at a time, where images are read piece by piece."""


@dataclass
class Listing:
    """The images of a folder, before any is opened."""

    folder: Path
    names: list[str] = field(default_factory=list)
    """Paths below the folder, with slashes."""
    labels: list[str] | None = None
    """Class of each image; None in a flat folder."""
    others: list[str] = field(default_factory=list)
    """Files that are no images by their names, as paths below the folder."""

    def path(self, row: int) -> Path:
        return self.folder / self.names[row]

    def place(self, row: int) -> str:
        """How messages call an image."""
        return str(self.path(row))


@dataclass
class Pictures:
    """Images that were read: pixels, and which of the listing they are."""

    x: np.ndarray
    """(n, h, w) or (n, h, w, 3) uint8."""
    rows: np.ndarray
    """(n,) positions in the listing."""
    faults: Faults


def holds_images(folder: Path) -> bool:
    """Is there an image by its name in the folder or below?"""
    return folder.is_dir() and any(name.lower().endswith(SUFFIXES) for name in _files(folder))


def list_images(folder: Path) -> Listing:
    """Names and classes of a folder's images. Raises DataError where there are none, or where both images and
    class folders are.
    """
    flat, classed, others = Listing(folder), Listing(folder, labels=[]), []
    for name in _files(folder):
        if not name.lower().endswith(SUFFIXES):
            others.append(name)
            continue
        _check_name(folder, name)
        label, _, inner = name.partition("/")
        listing = classed if inner else flat
        listing.names.append(name)
        if classed.labels is not None and inner:
            classed.labels.append(unicodedata.normalize("NFC", label))
    if flat.names and classed.names:
        text = f"both images ({flat.names[0]}) and folders of images ({classed.names[0]})"
        raise DataError(text, where=str(folder), hint="a class is a folder; or a folder holds images alone")
    found = classed if classed.names else flat
    if not found.names:
        raise DataError("no PNG or JPEG image in this folder", where=str(folder))
    found.others = others
    return found


def _files(folder: Path, prefix: str = "") -> Iterator[str]:
    """Files below a folder as sorted paths with slashes, hidden ones left out. Raises DataError."""
    try:
        with os.scandir(folder) as found:
            entries = sorted((e for e in found if not e.name.startswith(".")), key=lambda e: e.name)
        # a class may be a link to a folder elsewhere; links further below could lead round in circles
        kinds = [(e.name, e.is_dir(follow_symlinks=not prefix)) for e in entries]
    except OSError as error:
        raise DataError(
            f"cannot be read: {(error.strerror or str(error)).lower()}", where=str(folder)
        ) from error
    for name, is_folder in kinds:
        if is_folder:
            yield from _files(folder / name, f"{prefix}{name}/")
        else:
            yield prefix + name


def _check_name(folder: Path, name: str) -> None:
    try:
        name.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(name).decode("utf-8", "backslashreplace")
        raise DataError("a file name that is not UTF-8", where=f"{folder}/{shown}") from error


def settle(listing: Listing, form: Form, on_bad_row: OnBadRow) -> tuple[Form, Faults]:
    """Size and colour that all images will have, from their headers, and those that do not fit.

    The size is that of most images (of the first, where several are as many); colour is rgb where any is
    coloured. Raises DataError for the first bad image unless bad rows are skipped.
    """
    faults = _faults(listing, on_bad_row)
    looks: dict[int, Look] = {}
    for row in range(len(listing.names)):
        with _noting(faults, row):
            looks[row] = look(listing.path(row), listing.place(row))
    if looks and form.color == "auto":
        form = replace(form, color="rgb" if any(one.colored for one in looks.values()) else "grey")
    if looks and form.resize is None:
        wanted = form.size or Counter(one.size for one in looks.values()).most_common(1)[0][0]
        form = replace(form, size=wanted)
        for row, one in looks.items():
            with _noting(faults, row):
                check_image_size(one.size, wanted, listing.place(row))
    return form, faults


def read_images(listing: Listing, form: Form, rows: range, faults: Faults) -> Pictures:
    """Pixels of some images of a listing, all of one size and colour (see `settle`).

    Raises DataError for a bad image unless `faults` skips them, and for more pixels than memory holds.
    """
    height, width = form.resize or form.size or (0, 0)
    shape = (height, width, 3) if form.color == "rgb" else (height, width)
    check_size(len(rows) * int(np.prod(shape)), str(listing.folder), f"{len(rows):,} images as bytes")
    x = np.empty((len(rows), *shape), np.uint8)
    kept: list[int] = []
    for row in rows:
        if row in faults.rows:
            continue
        with _noting(faults, row):
            x[len(kept)] = decode(listing.path(row), listing.place(row), form)
            kept.append(row)
    return Pictures(x[: len(kept)], np.array(kept, np.int64), faults)


def in_pieces(listing: Listing, form: Form, on_bad_row: OnBadRow, most: int) -> Iterator[Pictures]:
    """The images of a listing, at most `most` and some MiB at a time; size and colour must be in `form`.

    Each piece has the faults of its own rows.
    """
    height, width = form.resize or form.size or (1, 1)
    each = max(height * width * (3 if form.color == "rgb" else 1), 1)
    step = max(min(most, PIECE_BYTES // each), 1)
    for start in range(0, len(listing.names), step):
        rows = range(start, min(start + step, len(listing.names)))
        yield read_images(listing, form, rows, _faults(listing, on_bad_row))


def _faults(listing: Listing, on_bad_row: OnBadRow) -> Faults:
    return Faults(str(listing.folder), None, on_bad_row, names=listing.names)


@contextmanager
def _noting(faults: Faults, row: int) -> Iterator[None]:
    """A bad image inside becomes a fault of its row, or an error at once."""
    try:
        yield
    except DataError as error:
        if faults.on_bad_row == "error":
            raise
        faults.add(row, error.problems[0].text)
