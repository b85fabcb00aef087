"""The format of a file, told from its first bytes; a name may insist on one."""

from pathlib import Path

from dlkit.readers.cifar import named_so
from dlkit.readers.hdf5 import HDF5_MAGIC, SUFFIXES, split_name
from dlkit.readers.idx import looks_like_idx
from dlkit.readers.images import SUFFIXES as IMAGE_SUFFIXES
from dlkit.readers.images import looks_like_image
from dlkit.readers.npy import NPY_MAGIC, ZIP_MAGIC


def binary_format(path: Path, head: bytes) -> str | None:
    """npy, npz, idx, hdf5, image, cifar or None (text), from the first bytes; a name may insist on one."""
    name = path.name.removesuffix(".gz").lower()
    if head.startswith(NPY_MAGIC) or name.endswith(".npy"):
        return "npy"
    if head.startswith(ZIP_MAGIC) or name.endswith(".npz"):
        return "npz"
    if head.startswith(HDF5_MAGIC) or name.endswith(SUFFIXES):
        return "hdf5"
    if looks_like_image(head) or name.endswith(IMAGE_SUFFIXES):
        return "image"
    if named_so(path):
        return "cifar"
    if looks_like_idx(head) or name.endswith(("-ubyte", ".idx", ".ubyte")):
        return "idx"
    return None


def plain_hdf5(path: Path) -> Path | None:
    """The HDF5 file itself, where `path` names one (or a dataset in one) that can be opened as it is."""
    file, inside = split_name(path)
    if inside is None and not file.name.lower().endswith(SUFFIXES):
        return None
    try:
        with file.open("rb") as stream:
            return file if stream.read(8) == HDF5_MAGIC else None
    except OSError:
        return None  # told by whoever reads it
