"""A checkpoint's tree as HDF5 groups and datasets, and back (layout: docs/formats.md).

Nothing is stored in HDF5's heaps, so equal trees give equal bytes.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from dlkit.training.checkpoint.leaves import Gathered

Tree = dict[str, Any]
Group = Any
"""h5py.Group; h5py is imported by the functions that need it."""
Dataset = Any
"""h5py.Dataset."""

CHUNK_BYTES = 1 << 22
DEPTH = 64
LEAVES = {
    (True, 0, ""), (True, 0, "int"), (True, 1, ""),
    (False, 0, ""), (False, 0, "array"), (False, 1, ""), (False, 1, "text"), (False, 2, ""),
}  # fmt: skip
"""What a dataset may be: is it text, its axes (2: or more), its attribute `kind`."""


def write_group(group: Group, tree: Mapping[str, Any], place: str) -> None:
    """Write `tree` into `group`. Raises TypeError naming the place of what cannot be stored."""
    for key, value in tree.items():
        if not isinstance(key, str):
            raise TypeError(f"checkpoint{place}: key {key!r} is not a text")
        here = f"{place}/{key}"
        if isinstance(value, Mapping):
            write_group(group.create_group(_escape(key), track_order=True), value, here)
        else:
            _write_leaf(group, _escape(key), value, here)


def _write_leaf(group: Group, name: str, value: Any, place: str) -> None:
    """One value. Python scalars are 0-d datasets; 0-d arrays carry the attribute `array`."""
    import h5py

    if value is None:
        group.create_dataset(name, data=h5py.Empty("u1"))
    elif isinstance(value, str):
        _write_text(group, name, value)
    elif isinstance(value, bool | float):
        group.create_dataset(name, data=np.bool_(value) if isinstance(value, bool) else np.float64(value))
    elif isinstance(value, int):
        if -(1 << 63) <= value < 1 << 63:
            group.create_dataset(name, data=np.int64(value))
        else:
            group.create_dataset(name, data=fixed_text(str(value))).attrs["kind"] = fixed_text("int")
    elif isinstance(value, np.ndarray | np.generic):
        _write_array(group, name, np.asarray(value), place)
    elif isinstance(value, Gathered):
        _write_gathered(group, name, value, place)
    elif isinstance(value, list | tuple) and all(isinstance(text, str) for text in value):
        _write_texts(group, name, value)
    else:
        raise TypeError(
            f"checkpoint{place}: cannot store {type(value).__name__}; use an array or list of texts"
        )


def _write_array(group: Group, name: str, array: np.ndarray, place: str) -> None:
    _refuse_type(array.dtype, place)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.ndim == 0:
        group.create_dataset(name, data=array).attrs["kind"] = fixed_text("array")
    elif array.size == 0:
        group.create_dataset(name, data=array)
    else:
        group.create_dataset(name, data=array, chunks=_chunks(array), fletcher32=True)


def _write_gathered(group: Group, name: str, value: Gathered, place: str) -> None:
    """The same bytes as of the array made whole."""
    _refuse_type(value.dtype, place)
    chunks = _chunks(value)
    if 0 in value.shape:
        _write_array(group, name, np.asarray(value), place)
        return
    made = group.create_dataset(
        name, value.shape, value.dtype.newbyteorder("<"), chunks=chunks, fletcher32=True
    )
    for first in range(0, value.shape[0], chunks[0]):
        last = min(first + chunks[0], value.shape[0])
        made[first:last] = value.part(first, last)


def _refuse_type(dtype: np.dtype, place: str) -> None:
    if dtype.kind not in "biuf" or dtype.itemsize > 8:
        raise TypeError(f"checkpoint{place}: cannot store an array of {dtype}")


def _chunks(array: np.ndarray | Gathered) -> tuple[int, ...]:
    """Chunk shape of at most CHUNK_BYTES (HDF5 allows 4 GiB), split evenly from the first axis on."""
    shape = list(array.shape)
    for axis, extent in enumerate(shape):
        size = array.dtype.itemsize * int(np.prod(shape, dtype=np.int64))
        if size <= CHUNK_BYTES:
            break
        pieces = min(extent, -(-size // CHUNK_BYTES))
        shape[axis] = -(-extent // pieces)
    return tuple(shape)


def fixed_text(text: str) -> np.ndarray:
    """A text as a 0-d array of HDF5's fixed-length UTF-8: its bytes lie in place, no heap."""
    import h5py

    data = text.encode("utf-8", "surrogatepass")
    return np.array(data, dtype=h5py.string_dtype("utf-8", max(len(data), 1)))


def _write_text(group: Group, name: str, text: str) -> None:
    if "\0" in text:  # HDF5 drops trailing NULs of a fixed-length text
        data = np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8)
        group.create_dataset(name, data=data).attrs["kind"] = fixed_text("text")
    else:
        group.create_dataset(name, data=fixed_text(text))


def _write_texts(group: Group, name: str, texts: list[str] | tuple[str, ...]) -> None:
    """A 1-d array of fixed-length UTF-8; where one long text would blow that up, all bytes and their cuts."""
    import h5py

    data = [text.encode("utf-8", "surrogatepass") for text in texts]
    width = max(map(len, data), default=0) or 1
    total = sum(map(len, data))
    if width * len(data) <= 4 * total + 65536 and not any(b"\0" in one for one in data):
        array = np.array(data, dtype=f"S{width}").reshape(len(data))
        group.create_dataset(name, data=array.astype(h5py.string_dtype("utf-8", width)))
        return
    inner = group.create_group(name, track_order=True)
    inner.attrs["kind"] = fixed_text("texts")
    inner.create_dataset("bytes", data=np.frombuffer(b"".join(data), np.uint8))
    inner.create_dataset("ends", data=np.cumsum([len(one) for one in data], dtype=np.int64))


def _escape(key: str) -> str:
    """A key as the name of a link: `%`, `/` and NUL as %25, %2F, %00; "" as %; "." as %2E."""
    if key in ("", "."):
        return "%2E" if key else "%"
    return key.replace("%", "%25").replace("/", "%2F").replace("\0", "%00")


def _unescape(name: str) -> str:
    if name == "%":
        return ""
    return name.replace("%00", "\0").replace("%2F", "/").replace("%2E", ".").replace("%25", "%")


class Reader:
    """Reads groups and leaves, never allocating more than the file holds."""

    def __init__(self, length: int) -> None:
        self.left = length

    def group(self, group: Group, depth: int) -> Tree:
        if depth > DEPTH:
            raise ValueError("groups too deep")
        return {_unescape(name): self.item(item, depth) for name, item in self.links(group)}

    def links(self, group: Group) -> Iterator[tuple[str, Any]]:
        import h5py

        for name in group:
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{name} is a link")
            item = group[name]
            if h5py.h5o.get_info(item.id).rc != 1:  # groups in each other would take for ever to read
                raise ValueError(f"{name} stands in several places")
            yield name, item

    def item(self, item: Any, depth: int) -> Any:
        import h5py

        kind = item.attrs.get("kind", b"")
        kind = kind.decode() if isinstance(kind, bytes) else str(kind)
        if isinstance(item, h5py.Group) and kind in ("", "texts"):
            return self.texts(item) if kind else self.group(item, depth + 1)
        if not isinstance(item, h5py.Dataset):
            raise ValueError(f"{item.name} is no dataset")
        if item.shape is None:
            return None
        self.check(item)
        return self.leaf(item, kind)

    def check(self, item: Dataset) -> None:
        """The declared size against the stored one, and against what is left of the file."""
        from h5py import h5z

        size = item.dtype.itemsize * int(np.prod(item.shape, dtype=object))
        filters = item.id.get_create_plist()
        kinds = {filters.get_filter(i)[0] for i in range(filters.get_nfilters())}
        if item.external or item.is_virtual or kinds - {h5z.FILTER_FLETCHER32}:
            raise ValueError(f"{item.name} is not stored plainly")
        if item.dtype.kind not in "biufS" or item.dtype.hasobject:
            raise ValueError(f"{item.name} has an unexpected type")
        if size > self.left or size > item.id.get_storage_size():
            raise ValueError(f"{item.name} declares {size} bytes that the file does not hold")
        self.left -= size

    def leaf(self, item: Dataset, kind: str) -> Any:
        if (item.dtype.kind == "S", min(item.ndim, 2), kind) not in LEAVES:
            raise ValueError(f"{item.name} is of an unexpected kind")
        value = item[()]
        if item.dtype.kind == "S":
            if item.ndim == 0:
                text = value.decode("utf-8", "surrogatepass")
                return int(text) if kind == "int" else text
            return [one.decode("utf-8", "surrogatepass") for one in value]
        if kind == "text":
            return value.tobytes().decode("utf-8", "surrogatepass")
        if item.ndim == 0:
            return np.asarray(value) if kind == "array" else value.item()
        return value

    def texts(self, group: Group) -> list[str]:
        parts = dict(self.links(group))
        for part in parts.values():
            self.check(part)
        if any(part.ndim != 1 or part.dtype.kind not in "iu" for part in parts.values()):
            raise ValueError(f"{group.name} holds no texts")
        data, ends = parts["bytes"][()].tobytes(), parts["ends"][()].tolist()
        starts = [0, *ends[:-1]]
        if any(end < start for start, end in zip(starts, ends, strict=True)) or (
            ends and ends[-1] != len(data)
        ):
            raise ValueError(f"{group.name} is cut wrongly")
        return [data[a:b].decode("utf-8", "surrogatepass") for a, b in zip(starts, ends, strict=True)]
