"""IDX arrays, the format of MNIST: two zero bytes, type, number of axes, sizes, data (big endian)."""

import math
import struct

import numpy as np

from dlkit.errors import DataError

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_AXES = 8


def looks_like_idx(data: bytes) -> bool:
    """Does `data` start as an IDX file does?"""
    return len(data) >= 4 and data[:2] == b"\0\0" and data[2] in _TYPES and 1 <= data[3] <= _MOST_AXES


def parse_idx(data: bytes, name: str) -> np.ndarray:
    """The array in `data`, in native byte order; a read-only view of `data` where bytes need no swapping.

    Nothing is allocated for what the header merely claims. Raises DataError.
    """
    if not looks_like_idx(data):
        raise DataError(f"not an IDX file: it starts with {data[:4].hex(' ') or 'nothing'}", where=name)
    dtype, axes = np.dtype(_TYPES[data[2]]), data[3]
    start = 4 + 4 * axes
    if len(data) < start:
        raise DataError("IDX header ends too soon; the file is truncated", where=name)
    shape = struct.unpack(f">{axes}I", data[4:start])
    claimed, found = math.prod(shape) * dtype.itemsize, len(data) - start
    if claimed != found:
        sizes = "×".join(map(str, shape))
        trouble = "the file is truncated" if found < claimed else "something follows the data"
        text = f"IDX header says {sizes} = {claimed:,} bytes, the file has {found:,}; {trouble}"
        raise DataError(text, where=name)
    if claimed == 0:
        raise DataError("IDX file without data", where=name)
    array = np.frombuffer(data, dtype, offset=start).reshape(shape)
    return array.astype(dtype.newbyteorder("="), copy=False)
