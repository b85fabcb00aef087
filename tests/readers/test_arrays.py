"""IDX, .npy and .npz: what is read, and that no header is believed."""

import io
import struct
import zipfile

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.readers.idx import parse_idx
from dlkit.readers.npy import Npz, parse_npy
from dlkit.readers.source import Arrays, How, load
from dlkit.readers.table import Table


def idx(array, code):
    head = bytes([0, 0, code, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape)
    return head + array.astype(array.dtype.newbyteorder(">")).tobytes()


def npy(array, **options):
    file = io.BytesIO()
    np.lib.format.write_array(file, array, **options)
    return file.getvalue()


def npz(**arrays):
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()


@pytest.mark.parametrize(
    ("dtype", "code"),
    [("u1", 8), ("i1", 9), ("i2", 11), ("i4", 12), ("f4", 13), ("f8", 14)],
)
def test_idx_types(dtype, code):
    array = np.arange(-12, 12).astype(dtype).reshape(4, 3, 2)
    read = parse_idx(idx(array, code), "x")
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, array)


IMAGES = idx(np.zeros((10, 4, 4), np.uint8), 8)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "not an IDX file"),
        (b"\0\0\x08", "not an IDX file"),
        (b"\0\1" + IMAGES[2:], "not an IDX file: it starts with 00 01 08 03"),
        (b"\0\0\x07" + IMAGES[3:], "not an IDX file"),
        (IMAGES[:10], "header ends too soon"),
        (IMAGES[:-1], "10×4×4 = 160 bytes, the file has 159; the file is truncated"),
        (IMAGES + b"x", "something follows"),
        (b"\0\0\x0e\x03" + b"\xff" * 12 + b"data", "the file is truncated"),
        (b"\0\0\x08\x02" + bytes(8), "without data"),
    ],
)
def test_idx_that_is_broken(data, message):
    with pytest.raises(DataError, match=message):
        parse_idx(data, "x-ubyte")


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=">i4").reshape(3, 4),
        np.asfortranarray(np.arange(12.0).reshape(3, 4)),
        np.array([True, False]),
        np.array(["ja", "日本", "x"]),
        np.arange(3, dtype=np.float16),
        np.array(5.0),
    ],
)
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_npy_round_trip(array, version):
    read = parse_npy(npy(array, version=version), "x")
    np.testing.assert_array_equal(read, array)
    assert read.dtype.isnative
    assert read.flags.c_contiguous


def header(text, version=1):
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(text)) + text.encode()


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (npy(np.array([{}, 1], object), allow_pickle=True), "Python objects"),
        (npy(np.zeros(3, [("a", "f4")])), "plain array"),
        (npy(np.zeros(3, complex)), "complex128 are not supported"),
        (npy(np.zeros(3))[:-1], "= 24 bytes, the file has 23"),
        (npy(np.zeros(3)) + b"x", "has 25"),
        (npy(np.zeros(0)), "without data"),
        (b"\x93NUMPY\1\0", "not an .npy file"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 8), }"), "the file has 0"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (" + "9" * 999 + ",), }"), "impossible"),
        (header("{'descr': '<f8', 'fortran_order': False, 'shape': (-1,), }"), "plain array"),
        (header("{'descr': '<Z9', 'fortran_order': False, 'shape': (1,), }"), "unknown element type"),
        (header("{'descr': '<U0', 'fortran_order': False, 'shape': (9,), }"), "not supported|without data"),
        (header("__import__('os').system('true')"), "plain array"),
        (
            header("{'descr': '<U1', 'fortran_order': False, 'shape': (1,), }") + b"\xff" * 4,
            "impossible char",
        ),
        (b"\x93NUMPY\2\0" + b"\xff" * 8, "absurdly long"),
    ],
)
def test_npy_that_is_broken_or_dangerous(data, message):
    with pytest.raises(DataError, match=message):
        parse_npy(data, "x.npy")


def test_npz_round_trip_and_missing_entries():
    file = Npz(npz(x=np.eye(3), y=np.arange(3)), "f.npz")
    assert file.keys == ["x", "y"]
    np.testing.assert_array_equal(file.array("x"), np.eye(3))
    with pytest.raises(DataError, match=r"f\.npz\[z\]"):
        file.array("z")


def test_npz_sizes_are_checked_before_anything_is_unpacked(monkeypatch):
    bomb = npz(x=np.zeros(8 << 20))
    assert len(bomb) < 1 << 20
    monkeypatch.setattr("dlkit.readers.opening.memory_limit", lambda: 16 << 20)
    with pytest.raises(DataError, match="more than the"):
        Npz(bomb, "b.npz").array("x")


def test_npz_whose_entry_lies_about_its_shape():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        text = "{'descr': '<f8', 'fortran_order': False, 'shape': (99999999999, 2), }"
        archive.writestr("x.npy", header(text))
    with pytest.raises(DataError, match="the zip entry"):
        Npz(file.getvalue(), "b.npz").array("x")


def test_a_spreadsheet_is_no_npz():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("xl/workbook.xml", "<x/>")
    with pytest.raises(DataError, match="zip file, but"):
        Npz(file.getvalue(), "a.xlsx")


def test_labels_are_found_by_the_name_of_the_images(tmp_path):
    images = tmp_path / "train-images-idx3-ubyte"
    images.write_bytes(idx(np.arange(32, dtype=np.uint8).reshape(2, 4, 4), 8))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(np.array([3, 5], np.uint8), 8))
    files = []
    source = load(images, How(), files)
    assert isinstance(source, Arrays)
    assert (source.y.tolist(), source.x.shape, len(files)) == ([3, 5], (2, 4, 4), 2)


def test_x_and_y_files_and_a_label_column(tmp_path):
    np.save(tmp_path / "x_train.npy", np.arange(6.0).reshape(3, 2))
    column = load(tmp_path / "x_train.npy", How(), [])
    assert isinstance(column, Table)
    np.save(tmp_path / "y_train.npy", np.array(["a", "b", "a"]))
    both = load(tmp_path / "x_train.npy", How(), [])
    assert isinstance(both, Arrays)
    assert both.y.tolist() == ["a", "b", "a"]
    np.save(tmp_path / "y_train.npy", np.arange(4))
    with pytest.raises(DataError, match="3 rows, but 4 labels"):
        load(tmp_path / "x_train.npy", How(), [])


def test_npz_of_keras_has_both_parts(tmp_path):
    path = tmp_path / "mnist.npz"
    x, y = np.zeros((5, 2, 2), np.uint8), np.arange(5)
    np.savez(path, x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    assert [len(load(path, How(role=role), [])) for role in ("train", "test")] == [5, 2]


def test_values_that_are_not_finite_name_the_row(tmp_path):
    x = np.ones((4, 3))
    x[2, 1] = np.nan
    np.savez(tmp_path / "d.npz", x=x, y=np.arange(4))
    with pytest.raises(DataError, match=r"d\.npz: row 2: a value that is missing"):
        load(tmp_path / "d.npz", How(), [])
    source = load(tmp_path / "d.npz", How(on_bad_row="skip"), [])
    assert (source.positions.tolist(), source.skipped, source.y.tolist()) == ([0, 1, 3], 1, [0, 1, 3])


def test_a_name_may_insist_on_a_format(tmp_path):
    for name in ("a.npy", "a.npz", "a-ubyte"):
        path = tmp_path / name
        path.write_text("1,2\n3,4\n", encoding="utf-8")
        with pytest.raises(DataError):
            load(path, How(), [])
