"""read_training with task "none": rows to be imitated, labels taken where they are and never missed."""

import struct

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.readers.prediction import read_for_prediction
from dlkit.readers.schema import Schema
from dlkit.readers.spec import DataSpec
from dlkit.readers.training_data import read_training


class Streams:
    def get(self, name, *position):
        return np.random.default_rng([*name.encode(), *position])


def read(train, **spec):
    return read_training(DataSpec(train=str(train), **spec), "none", Streams())


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLKIT_DATA", raising=False)
    return tmp_path


def write_idx(path, array):
    path.write_bytes(
        bytes([0, 0, 8, array.ndim]) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()
    )


@pytest.fixture
def images(here):
    rng = np.random.default_rng(1)
    write_idx(here / "train-images-idx3-ubyte", rng.integers(0, 256, (12, 3, 4), np.uint8))
    write_idx(here / "train-labels-idx1-ubyte", np.array([3, 5, 7] * 4, np.uint8))
    return here / "train-images-idx3-ubyte"


def test_images_with_labels_beside_them(images):
    data = read(images, test=4, valid=2)
    assert (data.schema.task, data.schema.classes) == ("none", ["3", "5", "7"])
    assert (data.schema.input_shape, data.train.x.dtype) == ((3, 4, 1), np.uint8)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [6, 2, 4]
    assert data.train.inputs().max() <= 1
    assert data.train.labels.tolist() == [data.schema.classes[k] for k in data.train.y]
    assert sorted(np.bincount(data.test.y)) == [1, 1, 2], "classes keep their shares"
    assert data.summary() == f"{images} 6 + 2 valid + 4 test · 3×4×1"


def test_images_without_labels(images, here):
    (here / "train-labels-idx1-ubyte").unlink()
    data = read(images, valid=0.25)
    assert (data.schema.label, data.schema.classes, data.train.y, data.train.labels) == ([], [], None, None)
    assert (len(data.train), len(data.valid)) == (9, 3)
    again = Schema.from_dict(data.schema.to_dict())
    assert again == data.schema
    rows = read_for_prediction(str(images), data.schema, data.preprocess)
    assert sum(len(part) for part in rows) == 12


def test_other_files_may_lack_labels_or_have_new_ones(images, here):
    x = np.zeros((3, 3, 4), np.uint8)
    write_idx(here / "t10k-images-idx3-ubyte", x)
    data = read(images, test="t10k-images-idx3-ubyte")
    assert data.test.y is None
    write_idx(here / "t10k-labels-idx1-ubyte", np.array([7, 9, 3], np.uint8))
    data = read(images, test="t10k-images-idx3-ubyte")
    assert data.test.y.tolist() == [2, -1, 0]
    assert data.test.labels.tolist() == ["7", "", "3"]


def test_flat_bytes_stay_bytes(here):
    x = np.arange(24, dtype=np.uint8).reshape(6, 4)
    np.save(here / "x.npy", x)
    data = read("x.npy")
    assert (data.schema.table, data.schema.input_shape, data.train.x.dtype) == (False, (4,), np.uint8)
    np.testing.assert_allclose(data.train.inputs(), x / 255, rtol=1e-6)


def test_measurements_as_labels_are_left_aside(here):
    x = np.random.default_rng(1).random((6, 2, 2))
    np.savez(here / "x.npz", x=x, y=np.linspace(0, 1, 6))
    data = read("x.npz")
    assert (data.schema.classes, data.train.y) == ([], None)


def test_one_range_for_all_pixels(here):
    x = np.array([[[0.0, 4.0]], [[2.0, 8.0]]])
    np.savez(here / "x.npz", images=x)
    data = read("x.npz")
    np.testing.assert_allclose(data.train.x, [[0, 0.5], [0.25, 1]])
    assert data.preprocess.kind == "image"


TABLE = "a,b,種\n0,1,猫\n4,8,犬\n2,2,猫\n"


def test_every_column_of_a_table_unless_a_label_is_named(here):
    (here / "x.csv").write_text("a,b\n0,1\n4,8\n", encoding="utf-8")
    data = read("x.csv")
    assert (data.schema.columns, data.schema.label, data.train.y) == (["a", "b"], [], None)
    np.testing.assert_allclose(data.train.x, [[0, 1 / 8], [0.5, 1]])
    (here / "y.csv").write_text(TABLE, encoding="utf-8")
    data = read("y.csv", label="種")
    assert (data.schema.columns, data.schema.label, data.schema.classes) == (["a", "b"], ["種"], ["犬", "猫"])
    assert data.train.y.tolist() == [1, 0, 1]


def test_a_bad_label_does_not_spoil_its_row(here):
    (here / "y.csv").write_text(TABLE + "1,1,\n", encoding="utf-8")
    assert read("y.csv", label="種").train.y.tolist() == [1, 0, 1, -1]


@pytest.mark.parametrize(
    ("text", "codes"),
    [("a,b\n1,2\n", None), ("b,種,a\n1,犬,2\n", [0]), ("1,2\n", None), ("1,2,犬\n", [0])],
)
def test_a_test_table_with_or_without_the_label(here, text, codes):
    (here / "y.csv").write_text(TABLE, encoding="utf-8")
    (here / "t.csv").write_text(text, encoding="utf-8")
    found = read("y.csv", label="種", test="t.csv").test.y
    assert (None if found is None else found.tolist()) == codes


def test_pixels_are_still_checked(here):
    (here / "y.csv").write_text("a,b\n1,2\n3,x\n3,4\n5,5\n5,5\n5,5\n5,5\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"y\.csv:3: column b: expected a number"):
        read("y.csv")
    (here / "t.csv").write_text("1,2,3,4\n", encoding="utf-8")
    (here / "x.csv").write_text("1,2\n3,4\n", encoding="utf-8")
    with pytest.raises(DataError, match="expected 2"):
        read("x.csv", test="t.csv")
