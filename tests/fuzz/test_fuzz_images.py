"""Spoilt images in folders, CIFAR-10 and HDF5 files through `train-cnn --dry-run` and `predict`.

Garbage is what Pillow itself, h5py and a count of bytes do not read. It must end with code 1 and name its
file; what is accepted has as many rows as they count; --on-bad-row skip leaves one image out and counts it.
"""

import io
import re
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.fuzz.mutations import spoilt_bytes
from tests.fuzz.program import run, share

MODEL = ["--set", "model=[{conv: {filters: 2}}, global_pool]", "--set", "batch=8", "--seed", "3", "-q"]
SIDE = 6
COUNT = 8


def encoded(array: np.ndarray, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    Image.fromarray(array).save(out, kind, **options)
    return out.getvalue()


def image(k: int, *channels: int) -> np.ndarray:
    return np.random.default_rng(k).integers(0, 256, (SIDE, SIDE, *channels), np.uint8)


PALETTE = Image.fromarray(image(5) % 4, "P")
PALETTE.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 9, 9])
_out = io.BytesIO()
PALETTE.save(_out, "PNG", transparency=1)
GOOD = {
    "grey.png": encoded(image(1), "PNG"),
    "colour.png": encoded(image(2, 3), "PNG"),
    "clear.png": encoded(image(3, 4), "PNG"),
    "palette.png": _out.getvalue(),
    "photo.jpg": encoded(image(4, 3), "JPEG"),
}


def hdf5(**options: object) -> bytes:
    out = io.BytesIO()
    with h5py.File(out, "w") as file:
        x = np.random.default_rng(1).integers(0, 256, (COUNT, SIDE, SIDE), np.uint8)
        file.create_dataset("x", data=x, **options)
        file["y"] = np.arange(COUNT) % 2
    return out.getvalue()


HDF5 = {"plain": hdf5(), "packed": hdf5(chunks=(3, SIDE, SIDE), compression="gzip", shuffle=True)}
CIFAR = np.random.default_rng(2).integers(0, 256, (4, 3073), np.uint8)
CIFAR[:, 0] = [0, 1, 1, 0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of COUNT images, one of which the tests spoil: 猫/0.png."""
    folder = tmp_path_factory.mktemp("画像") / "写真"
    for k in range(COUNT):
        path = folder / ("猫" if k % 2 == 0 else "犬") / f"{k}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encoded(image(k, 3), "PNG"))
    return folder


@pytest.fixture(scope="module")
def trained(folder: Path) -> Path:
    """A run that learnt from the folder."""
    directory = folder.parent / "run"
    assert run("train-cnn", folder, "-o", directory, *MODEL, "--epochs", "1").code == 0
    return directory


def readable(data: bytes) -> bool:
    """Is it an image of the right size, as Pillow sees it?"""
    try:
        with Image.open(io.BytesIO(data), formats=("PNG", "JPEG")) as one:
            one.load()
            one.convert("RGB")
            return one.size == (SIDE, SIDE)
    except Exception:  # Pillow has no one kind of error for garbage
        return False


@st.composite
def spoilt_images(draw: st.DrawFn) -> bytes:
    data = draw(spoilt_bytes(GOOD[draw(st.sampled_from(sorted(GOOD)))]))
    return data


@share(0.3)
@given(spoilt_images(), st.booleans())
def test_a_spoilt_image_in_a_folder(folder: Path, data: bytes, skip: bool) -> None:
    path = folder / "猫" / "0.png"
    good = path.read_bytes()
    path.write_bytes(data)
    policy = ["--on-bad-row", "skip"] if skip else []
    try:
        tried = run("train-cnn", folder, "--dry-run", *MODEL[:-1], *policy)
    finally:
        path.write_bytes(good)
    if tried.code:
        assert tried.code == 1 and not tried.stdout and not skip, tried
        assert str(path) in tried.errors[0], tried
        assert not readable(data) or "not a readable image" in tried.errors[0], tried
        return
    told = re.search(r"^data   .* (\d+) · 6×6×3 · 2 classes$", tried.stdout, re.MULTILINE)
    assert told, tried
    assert readable(data) or skip, tried
    assert int(told[1]) == (COUNT if "bad row" not in tried.stderr else COUNT - 1), tried


@share(0.3)
@given(spoilt_images())
def test_a_spoilt_image_to_answer(trained: Path, data: bytes) -> None:
    path = trained.parent / "spoilt.png"
    path.write_bytes(data)
    for arguments, stdin in ((path, b""), ("-", data)):
        answered = run("predict", trained, arguments, stdin=stdin)
        if answered.code:
            assert answered.code == 1 and not answered.stdout, answered
        else:
            assert readable(data), answered
            assert len(answered.stdout.splitlines()) == 2, answered


@share(0.2)
@given(spoilt_bytes(CIFAR.tobytes()))
def test_spoilt_cifar(folder: Path, data: bytes) -> None:
    path = folder.parent / "data_batch_1.bin"
    path.write_bytes(data)
    tried = run("train-cnn", path, "--dry-run", *MODEL[:-1])
    records = np.frombuffer(data, np.uint8)
    whole = records.size > 0 and records.size % 3073 == 0
    labels = records.reshape(-1, 3073)[:, 0] if whole else np.zeros(0, np.uint8)
    if tried.code:
        assert tried.code == 1 and str(path) in tried.errors[0], tried
        assert not whole or labels.max() > 9 or len(set(labels.tolist())) < 2, tried
    else:
        assert whole and labels.max() < 10, tried
        assert f" {len(labels)} · 32×32×3" in tried.stdout, tried


@share(0.4)
@given(st.sampled_from(sorted(HDF5)).flatmap(lambda name: spoilt_bytes(HDF5[name])))
def test_spoilt_hdf5(folder: Path, data: bytes) -> None:
    path = folder.parent / "spoilt.h5"
    path.write_bytes(data)
    tried = run("train-cnn", path, "--dry-run", *MODEL[:-1])
    if tried.code:
        assert tried.code == 1 and not tried.stdout, tried
        assert str(path) in tried.errors[0], tried
        return
    with h5py.File(io.BytesIO(data)) as file:
        assert f" {len(file['x'])} · " in tried.stdout, tried


def test_what_is_spoilt_was_good(folder: Path, trained: Path) -> None:
    for name, data in GOOD.items():
        (folder.parent / name).write_bytes(data)
        assert readable(data), name
        assert run("predict", trained, folder.parent / name).code == 0, name
    for name, data in HDF5.items():
        path = folder.parent / f"{name}.h5"
        path.write_bytes(data)
        assert run("train-cnn", path, "--dry-run", *MODEL[:-1]).code == 0
