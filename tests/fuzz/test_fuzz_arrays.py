"""Spoilt IDX, .npy and .npz files, plain and gzipped, through `train-mlp --dry-run` and `predict`.

Garbage is what gzip and NumPy's own loader (for IDX: a reader of six lines) do not read, arrays with NaN or
infinity, images without as many labels. It must end with code 1; what is accepted has as many rows as they
count.
"""

import gzip
import io
import math
import re
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import spoilt_bytes
from tests.fuzz.program import run, share
from tests.fuzz.trained import SMALL, Trained, train

ROWS = 12
IMAGES = (np.arange(ROWS * 3 * 2).reshape(ROWS, 3, 2) * 37 % 256).astype(np.uint8)
LABELS = (np.arange(ROWS) % 3).astype(np.uint8)
IDX_TYPES = {8: "u1", 9: "i1", 11: ">i2", 12: ">i4", 13: ">f4", 14: ">f8"}


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz(**arrays: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


GOOD = {
    "images-idx3-ubyte": idx(IMAGES),
    "labels-idx1-ubyte": idx(LABELS),
    "x.npy": npy(IMAGES.astype(np.float32) / 255),
    "y.npy": npy(LABELS.astype(np.int64)),
    "xy.npz": npz(x=IMAGES, y=LABELS),
}
LABELS_OF = {"images-idx3-ubyte": "labels-idx1-ubyte", "x.npy": "y.npy", "xy.npz": None}


@st.composite
def spoilt_files(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file's name and content; gzip goes by content, not by name, and is done before or after spoiling."""
    name = draw(st.sampled_from(sorted(GOOD)))
    order = draw(st.sampled_from(["plain", "spoilt in gzip", "spoilt gzip"]))
    if order == "spoilt gzip":
        return name, draw(spoilt_bytes(gzip.compress(GOOD[name], mtime=0)))
    data = draw(spoilt_bytes(GOOD[name]))
    return name, data if order == "plain" else gzip.compress(data, mtime=0)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("配列")
    for name, content in GOOD.items():
        (folder / name).write_bytes(content)
    return train(
        folder, "images-idx3-ubyte", GOOD["images-idx3-ubyte"], *labelled(folder, "images-idx3-ubyte")
    )


def labelled(folder: Path, name: str) -> list[str]:
    labels = LABELS_OF[name]
    return ["--set", f"data.labels={folder / labels}"] if labels else []


def reference(name: str, data: bytes, key: str = "x") -> np.ndarray | None:
    """The array as others read it; None for garbage."""
    try:
        data = gzip.decompress(data) if data[:2] == b"\x1f\x8b" else data
        if name.endswith("ubyte"):
            zero, code, axes = struct.unpack(">HBB", data[:4])
            shape = struct.unpack(f">{axes}I", data[4 : 4 + 4 * axes])
            array = np.frombuffer(data[4 + 4 * axes :], IDX_TYPES[code])
            if zero or array.size != math.prod(shape):
                return None
            array = array.reshape(shape)
        else:
            if name.endswith(".npz"):  # np.load looks at the first bytes, where a zip file may have anything
                data = zipfile.ZipFile(io.BytesIO(data)).read(f"{key}.npy")
            array = np.load(io.BytesIO(data), allow_pickle=False)
    except Exception:  # NumPy and zipfile have no one kind of error for garbage
        return None
    return array if array.dtype.kind == "U" or np.isfinite(array).all() else None


@share(0.5)
@given(spoilt_files())
def test_spoilt_arrays_to_train_on(trained: Trained, spoilt: tuple[str, bytes]) -> None:
    folder, (name, data) = trained.source.parent, spoilt
    source = next(x for x, y in LABELS_OF.items() if name in (x, y))
    (folder / name).write_bytes(data)
    try:
        tried = run("train-mlp", folder / source, "--dry-run", *SMALL, *labelled(folder, source))
        x = reference(source, (folder / source).read_bytes())
        labels = LABELS_OF[source] or source
        y = reference(labels, (folder / labels).read_bytes(), "y")
    finally:
        (folder / name).write_bytes(GOOD[name])
    if tried.code:
        assert tried.code == 1 and not tried.stdout, tried
        assert all(str(folder) in error for error in tried.errors), tried
        return
    assert x is not None and y is not None and len(x) == len(y), tried
    told = re.match(r"data   .* ([\d,]+) · ", tried.stdout)
    assert told and int(told[1].replace(",", "")) == len(x), tried


@share(0.5)
@given(spoilt_files().filter(lambda spoilt: spoilt[0] in LABELS_OF))
def test_spoilt_arrays_to_answer(trained: Trained, spoilt: tuple[str, bytes]) -> None:
    name, data = spoilt
    path = trained.source.parent / f"spoilt-{name}"
    path.write_bytes(data)
    answered = run("predict", trained.directory, path)
    if answered.code:
        assert answered.code == 1 and not answered.stdout, answered
        assert all(str(path) in error for error in answered.errors), answered
        return
    x = reference(name, data)
    assert x is not None and x[0].size == IMAGES[0].size, answered
    assert len(answered.stdout.splitlines()) == 1 + len(x), answered


@pytest.mark.parametrize("name", sorted(LABELS_OF))
def test_what_is_spoilt_was_good(trained: Trained, name: str) -> None:
    path = trained.source.parent / name
    assert run("train-mlp", path, "--dry-run", *SMALL, *labelled(path.parent, name)).code == 0
    assert run("predict", trained.directory, path).code == 0
    assert reference(name, GOOD[name]) is not None
