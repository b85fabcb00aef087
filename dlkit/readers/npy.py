"""NumPy's .npy and .npz files, read without pickle and without trusting the sizes they claim."""

import io
import math
import re
import zipfile
import zlib

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.opening import check_size

NPY_MAGIC = b"\x93NUMPY"
ZIP_MAGIC = b"PK\x03\x04"
_HEADER = re.compile(
    r"\{[ \n]*'descr':[ \n]*'([<>|=]?[a-zA-Z]\d*)',[ \n]*'fortran_order':[ \n]*(True|False),"
    r"[ \n]*'shape':[ \n]*\(([\d ,]{0,1000})\)[ \n]*,?[ \n]*\}[ \n]*",
    re.ASCII,
)
_MOST_HEADER = 65536


def parse_npy(data: bytes, name: str) -> np.ndarray:
    """The array in an .npy file: bool, integer, float16/32/64 or text. Raises DataError.

    The result is in native byte order; where possible it is a read-only view of `data`.
    """
    dtype, shape, fortran, start = _npy_header(data, name)
    claimed, found = math.prod(shape) * dtype.itemsize, len(data) - start
    if claimed != found:
        text = f"the header says {_by(shape)} {dtype} = {claimed:,} bytes, the file has {found:,}"
        raise DataError(text, where=name)
    if claimed == 0:
        raise DataError(f"an array without data ({_by(shape)})", where=name)
    flat = np.frombuffer(data, dtype, offset=start)
    if dtype.kind == "U":
        codes = np.frombuffer(data, dtype.byteorder.replace("|", "=") + "u4", offset=start)
        if np.any((codes > 0x10FFFF) | ((codes >= 0xD800) & (codes < 0xE000))):
            raise DataError("text with impossible characters", where=name)
    array = flat.reshape(shape, order="F" if fortran else "C")
    return np.ascontiguousarray(array.astype(dtype.newbyteorder("="), copy=False))


def _npy_header(data: bytes, name: str) -> tuple[np.dtype, tuple[int, ...], bool, int]:
    """Type, shape, Fortran order and offset of the data."""
    if not data.startswith(NPY_MAGIC) or len(data) < 12:
        raise DataError("not an .npy file", where=name)
    if data[6] not in (1, 2, 3) or data[7] != 0:
        raise DataError(f"an .npy file of version {data[6]}.{data[7]}; 1.0 to 3.0 are read", where=name)
    width = 2 if data[6] == 1 else 4
    start = 8 + width + int.from_bytes(data[8 : 8 + width], "little")
    if start > min(len(data), _MOST_HEADER):
        raise DataError("the .npy header is cut off or absurdly long", where=name)
    header = data[8 + width : start].decode("latin-1")
    match = _HEADER.fullmatch(header)
    if match is None:
        raise DataError("not a plain array of numbers or text (objects and records are refused)", where=name)
    try:
        dtype = np.dtype(match[1])
    except (TypeError, ValueError) as error:
        raise DataError(f"unknown element type {match[1]}", where=name) from error
    if dtype.kind == "O":
        raise DataError("an array of Python objects; it would need pickle, which is never loaded", where=name)
    if dtype.kind not in "buifU" or dtype.itemsize == 0 or (dtype.kind != "U" and dtype.itemsize > 8):
        raise DataError(f"elements of type {dtype} are not supported", where=name)
    shape = tuple(int(size) for size in match[3].replace(",", " ").split())
    if len(shape) > 32 or max(shape, default=0) >= 2**62:
        raise DataError(f"impossible shape {_by(shape)[:80]}", where=name)
    return dtype, shape, match[2] == "True", start


def _by(shape: tuple[int, ...]) -> str:
    return "×".join(map(str, shape)) or "one number"


class Npz:
    """An .npz file in memory; arrays are unpacked one by one, when asked for."""

    def __init__(self, data: bytes, name: str) -> None:
        """Raises DataError where `data` is no zip file of .npy members."""
        self.name = name
        try:
            self._zip = zipfile.ZipFile(io.BytesIO(data))
            members = [info.filename for info in self._zip.infolist()]
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, EOFError) as error:
            raise DataError(f"broken .npz file ({error})", where=name) from error
        if not members or not all(member.endswith(".npy") for member in members):
            raise DataError("a zip file, but not an .npz file of arrays", where=name)
        self.keys = [member.removesuffix(".npy") for member in members]

    def array(self, key: str) -> np.ndarray:
        """The array named `key`. Raises DataError, also where it would not fit into memory."""
        where = f"{self.name}[{key}]"
        try:
            info = self._zip.getinfo(key + ".npy")
            check_size(2 * info.file_size, where, "the unpacked array")
            with self._zip.open(info) as member:
                head = member.read(_MOST_HEADER)
                dtype, shape, _, start = _npy_header(head, where)
                claimed = start + math.prod(shape) * dtype.itemsize
                if claimed != info.file_size:
                    text = f"the header says {claimed:,} bytes, the zip entry {info.file_size:,}"
                    raise DataError(text, where=where)
                data = head + member.read()
        except (zipfile.BadZipFile, zlib.error, OSError, ValueError, NotImplementedError) as error:
            raise DataError(f"broken .npz entry ({error})", where=where) from error
        except (RuntimeError, EOFError, KeyError, MemoryError) as error:
            raise DataError(f"cannot unpack the entry ({error})", where=where) from error
        return parse_npy(data, where)
