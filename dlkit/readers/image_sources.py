"""Folders of images, single images and CIFAR-10 files as arrays with labels."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers import cifar, image_folder
from dlkit.readers.arrays import Arrays, How
from dlkit.readers.image_folder import Listing, Pictures
from dlkit.readers.images import decode, formed
from dlkit.readers.label_files import read_labels
from dlkit.readers.opening import display, read_bytes
from dlkit.readers.table import check_usable

_SHOWN = 3


def load(path: Path, how: How, files: list[Path]) -> Arrays | None:
    """All images of a folder or of CIFAR's batches; None for any other path. Raises DataError."""
    if batches := cifar.batches(path):
        return _joined([cifar_file(read_bytes(file), file, how, files) for file in batches], path)
    if not path.is_dir():
        return None
    listing = image_folder.list_images(path)
    if how.labels_missed and how.labels is None and listing.labels is None:
        text = "no labels were found: a folder of images has a sub-folder for each class"
        raise DataError(text, where=str(path), hint="or name a file of labels: data.labels")
    form, faults = image_folder.settle(listing, how.form, how.on_bad_row)
    files.append(path)
    if len(faults.rows) == len(listing.names):
        check_usable(0, len(listing.names), faults.first(), str(path))
    pictures = image_folder.read_images(listing, form, range(len(listing.names)), faults)
    arrays = _arrays(listing, pictures, how)
    check_usable(len(arrays), arrays.total, arrays.first_fault, arrays.name)
    if how.labels is not None and how.need_labels:
        arrays.y = _named_labels(how.labels, arrays)
        files.append(how.labels)
    return arrays


def _named_labels(path: Path, arrays: Arrays) -> np.ndarray:
    """Labels from a file: one for each image of the folder, in the order of names, bad ones counted."""
    y = read_labels(path)
    y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
    if y.ndim not in {1, 2} or len(y) != arrays.total:
        raise DataError(f"{arrays.total:,} images, but {len(y):,} labels", where=arrays.name)
    return y[arrays.positions]


def pieces(path: Path, how: How, most: int) -> Iterator[Arrays] | None:
    """The images of a folder or of CIFAR's batches, a bounded number at a time; None for any other path."""
    if batches := cifar.batches(path):
        return (cifar_file(read_bytes(file), file, how, []) for file in batches)
    return _folder_pieces(path, how, most) if path.is_dir() else None


def _folder_pieces(path: Path, how: How, most: int) -> Iterator[Arrays]:
    listing = image_folder.list_images(path)
    form = how.form
    if form.color == "auto" or not (form.resize or form.size):
        form, _ = image_folder.settle(listing, form, how.on_bad_row)
    for pictures in image_folder.in_pieces(listing, form, how.on_bad_row, most):
        yield _arrays(listing, pictures, how)


def _arrays(listing: Listing, pictures: Pictures, how: How) -> Arrays:
    rows = pictures.rows
    y = None
    if listing.labels is not None and how.need_labels:
        y = np.array([listing.labels[row] for row in rows.tolist()], str)
    names = np.array([listing.names[row] for row in rows.tolist()], object)
    arrays = Arrays(str(listing.folder), pictures.x, y, rows, names=names)
    arrays.total = len(rows) + len(pictures.faults.rows)
    arrays.skipped, arrays.first_fault = len(pictures.faults.rows), pictures.faults.first()
    if listing.others:
        shown = ", ".join(listing.others[:_SHOWN]) + (", …" if len(listing.others) > _SHOWN else "")
        count = len(listing.others)
        files = "file is" if count == 1 else "files are"
        arrays.notes.append(f"{listing.folder}: {count:,} {files} neither PNG nor JPEG and left out: {shown}")
    return arrays


def one_image(data: bytes, name: str, how: How) -> Arrays:
    """One image file as one row. Raises DataError."""
    x = decode(data, name, how.form)[None]
    names = np.array([name], object)
    return Arrays(name, x, None, np.zeros(1, np.int64), total=1, names=names)


def cifar_file(data: bytes, path: Path, how: How, files: list[Path]) -> Arrays:
    """A CIFAR-10 file; labels are class names, or digits where no file has those. Raises DataError."""
    name = display(path)
    x, codes = cifar.parse_cifar(data, name)
    classes, meta = cifar.class_names(path.parent)
    files += [file for file in (path, meta) if file is not None and file not in files and file.is_file()]
    arrays = Arrays(name, formed(x, how.array_form, name), None, np.arange(len(x)), total=len(x))
    if not how.need_labels:
        return arrays
    faults = arrays.faults(how.on_bad_row)
    for row in np.flatnonzero(codes >= cifar.CLASSES).tolist():
        faults.add(row, f"label {codes[row]}, where CIFAR-10 has 0 to {cifar.CLASSES - 1}")
    kept = faults.kept(len(x))
    arrays.skipped, arrays.first_fault = len(faults.rows), faults.first()
    check_usable(len(x) - len(faults.rows), len(x), arrays.first_fault, name)
    if kept is not None:
        arrays.x, arrays.positions, codes = arrays.x[kept], kept, codes[kept]
    arrays.y = np.array(classes, str)[codes]
    return arrays


def _joined(parts: list[Arrays], path: Path) -> Arrays:
    """Batches of one set as one, their rows numbered through."""
    starts = np.cumsum([0, *(part.total for part in parts)])
    whole = Arrays(
        str(path),
        np.concatenate([part.x for part in parts]),
        None if parts[0].y is None else np.concatenate([part.y for part in parts if part.y is not None]),
        np.concatenate([part.positions + start for part, start in zip(parts, starts, strict=False)]),
        total=int(starts[-1]),
        skipped=sum(part.skipped for part in parts),
    )
    whole.first_fault = next((part.first_fault for part in parts if part.first_fault), "")
    return whole
