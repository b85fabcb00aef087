"""Folders of images, single images, CIFAR-10, HDF5: what is read, what is refused, what is told."""

import io
import struct
import zlib
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from dlkit.errors import DataError
from dlkit.readers import image_folder, images
from dlkit.readers.images import Form
from dlkit.readers.prediction import read_for_prediction
from dlkit.readers.spec import DataSpec
from dlkit.readers.training_data import read_training


class Streams:
    def get(self, name, *position):
        return np.random.default_rng([*name.encode(), *position])


def read(train, task="auto", on_bad_row="error", **spec):
    return read_training(DataSpec(train=str(train), **spec), task, Streams(), on_bad_row)


def predict(source, data, **options):
    return list(read_for_prediction(str(source), data.schema, data.preprocess, **options))


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLKIT_DATA", raising=False)
    return tmp_path


def save(path, array, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path, **options)


def grey(k, shape=(5, 4)):
    return np.random.default_rng(k).integers(0, 256, shape, np.uint8)


@pytest.fixture
def pets(here):
    """Nine grey PNG images of 5×4 pixels in the folders of two classes."""
    for k in range(9):
        save(Path("写真") / ("猫" if k % 2 else "犬") / f"{k:02}.png", grey(k))
    return Path("写真")


def test_a_folder_of_class_folders(pets):
    data = read(pets, valid=2, test=2)
    assert (data.schema.task, data.schema.classes) == ("classification", ["犬", "猫"])
    assert (data.schema.input_shape, data.train.x.dtype, len(data.train)) == ((5, 4, 1), np.uint8, 5)
    for part in (data.train, data.valid, data.test):
        for k, name in enumerate(part.names.tolist()):
            number = int(name[-6:-4])
            np.testing.assert_array_equal(part.x[k], grey(number).reshape(-1))
            assert part.labels[k] == ("猫" if number % 2 else "犬") == name.split("/")[0]
    assert data.files == [pets]
    assert data.summary().startswith("写真 5 + 2 valid + 2 test · 5×4×1 · 2 classes")


def test_the_order_is_that_of_names_whatever_the_file_system_says(pets):
    assert image_folder.list_images(pets).names == sorted(
        str(p.relative_to(pets)) for p in pets.rglob("*.png")
    )


def test_colour_is_that_of_the_most_colourful(pets):
    assert read(pets, color="rgb").schema.input_shape == (5, 4, 3)
    save(pets / "猫" / "色.png", grey(99, (5, 4, 3)))
    data = read(pets)
    assert data.schema.input_shape == (5, 4, 3)
    red = data.train.x[data.train.names.tolist().index("犬/00.png")].reshape(5, 4, 3)
    np.testing.assert_array_equal(red, np.repeat(grey(0)[..., None], 3, axis=2))
    assert read(pets, color="grey").schema.input_shape == (5, 4, 1)


def test_an_image_of_another_size_is_named_and_can_be_skipped_or_resized(pets):
    save(pets / "犬" / "00.png", grey(7, (6, 4)))
    with pytest.raises(DataError, match=r"写真/犬/00\.png: an image of 6×4 pixels .*, not 5×4"):
        read(pets)
    data = read(pets, on_bad_row="skip")
    assert (data.skipped, len(data.train)) == (1, 8)
    assert data.notes[-1].startswith("写真: 1 bad row skipped, first 写真/犬/00.png: an image of 6×4")
    data = read(pets, resize=[3, 7])
    assert (data.schema.input_shape, len(data.train)) == ((3, 7, 1), 9)


def test_a_damaged_image_is_named_and_can_be_skipped(pets):
    path = pets / "猫" / "03.png"
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match=r"写真/猫/03\.png: not a readable image"):
        read(pets)
    data = read(pets, on_bad_row="skip")
    assert (data.skipped, len(data.train)) == (1, 8)
    assert "猫/03.png" not in data.train.names
    path.write_bytes(b"GIF89a")
    with pytest.raises(DataError, match=r"猫/03\.png: not a PNG or JPEG image"):
        read(pets)


def test_a_decompression_bomb_is_refused_by_its_header(pets, monkeypatch):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 9000, 9000, 8, 0, 0, 0, 0))
    bomb = images.PNG_MAGIC + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    (pets / "猫" / "03.png").write_bytes(bomb)
    with pytest.raises(DataError, match=r"03\.png: claims 9,000×9,000 pixels"):
        read(pets)
    (pets / "猫" / "03.png").unlink()
    monkeypatch.setattr("dlkit.readers.opening.memory_limit", lambda: 100)
    with pytest.raises(DataError, match="8 images as bytes needs"):
        read(pets)


def test_other_files_are_told_and_hidden_ones_are_not(pets):
    (pets / "猫" / "Thumbs.db").write_bytes(b"x")
    (pets / ".git").mkdir()
    (pets / ".git" / "a.png").write_bytes(b"x")
    (pets / "猫" / "._03.png").write_bytes(b"x")
    data = read(pets)
    assert len(data.train) == 9
    assert any("1 file is neither PNG nor JPEG and left out: 猫/Thumbs.db" in note for note in data.notes)


def test_a_flat_folder_has_no_labels(here):
    for k in range(3):
        save(Path("flat") / f"{k}.png", grey(k))
    with pytest.raises(DataError, match=r"flat: no labels were found: .* sub-folder for each class"):
        read("flat")
    data = read("flat", "none")
    assert (len(data.train), data.train.y) == (3, None)
    save(Path("flat") / "more" / "1.png", grey(1))
    with pytest.raises(DataError, match="both images"):
        read("flat", "none")


def test_labels_of_a_flat_folder_from_a_file(here):
    for k in range(4):
        save(Path("flat") / f"{k}.png", grey(k))
    np.save("names.npy", np.array(["猫", "犬", "猫", "犬"]))
    assert read("flat", labels="names.npy").train.labels.tolist() == ["猫", "犬", "猫", "犬"]
    (Path("flat") / "1.png").write_bytes(b"no image")
    assert read("flat", labels="names.npy", on_bad_row="skip").train.labels.tolist() == ["猫", "猫", "犬"]
    np.save("names.npy", np.array(["猫", "犬"]))
    with pytest.raises(DataError, match="flat: 4 images, but 2 labels"):
        read("flat", labels="names.npy", on_bad_row="skip")


def test_an_empty_folder_and_a_folder_of_a_wrong_size(pets, here):
    (here / "empty").mkdir()
    with pytest.raises(DataError, match="is a folder, not a file"):
        read("empty")
    data = read(pets)
    save(Path("large") / "1.png", grey(1, (6, 6)))
    with pytest.raises(DataError, match="not 5×4"):
        predict("large", data)


def test_accents_written_apart_are_one_class(here):
    save(Path("a") / "か\u3099" / "1.png", grey(1))
    save(Path("a") / "が" / "2.png", grey(2))
    save(Path("a") / "き" / "2.png", grey(2))
    assert read("a").schema.classes == ["が", "き"]


def test_prediction_from_a_folder_a_file_and_a_pipe(pets, monkeypatch):
    data = read(pets)
    whole = predict(pets, data, chunk=4)
    assert [len(part) for part in whole] == [4, 4, 1]
    names = [name for part in whole for name in part.names.tolist()]
    assert names == [f"犬/{k:02}.png" for k in (0, 2, 4, 6, 8)] + [f"猫/{k:02}.png" for k in (1, 3, 5, 7)]
    np.testing.assert_array_equal(np.concatenate([part.x for part in whole]), data.train.x)
    (one,) = predict(pets / "猫" / "03.png", data)
    np.testing.assert_array_equal(one.x[0], grey(3).reshape(-1))
    assert one.names.tolist() == ["写真/猫/03.png"]
    labelled = predict(pets, data, need_label=True)
    assert labelled[0].labels.tolist() == ["犬"] * 5 + ["猫"] * 4
    stream = io.TextIOWrapper(io.BytesIO((pets / "猫" / "03.png").read_bytes()))
    monkeypatch.setattr("sys.stdin", stream)
    (piped,) = predict("-", data)
    np.testing.assert_array_equal(piped.x, one.x)


def test_prediction_brings_images_into_the_form_of_training(pets):
    data = read(pets, resize=6)
    save(Path("new.png"), grey(4, (30, 20, 3)))
    with pytest.raises(DataError, match=r"30×20 pixels .*, not 6×6"):
        predict("new.png", data)
    (one,) = predict("new.png", data, form=Form(resize=(6, 6)))
    assert one.x.shape == (1, 36)
    (np_rows,) = predict_array(data, grey(4, (2, 6, 6)))
    assert np_rows.x.shape == (2, 36)


def predict_array(data, array):
    np.save("rows.npy", array)
    return predict("rows.npy", data)


def test_bad_images_to_predict_are_named_or_skipped(pets):
    data = read(pets)
    (pets / "猫" / "05.png").write_bytes(b"no image")
    with pytest.raises(DataError, match=r"猫/05\.png: not a PNG"):
        predict(pets, data)
    rows = read_for_prediction(str(pets), data.schema, data.preprocess, on_bad_row="skip", chunk=3)
    assert (sum(len(part) for part in rows), rows.skipped) == (8, 1)
    assert rows.first_fault.startswith("写真/猫/05.png: ")


MODES = {
    "1": (np.array([[0, 255], [255, 0]], bool), [[0, 255], [255, 0]]),
    "L": (np.array([[0, 7], [9, 255]], np.uint8), [[0, 7], [9, 255]]),
    "I;16": (np.array([[0, 256], [0x7FFF, 0xFFFF]], np.uint16), [[0, 1], [0x7F, 255]]),
    "LA": (np.array([[[5, 255], [5, 0]], [[9, 255], [0, 0]]], np.uint8), [[5, 255], [9, 255]]),
}


@pytest.mark.parametrize("mode", MODES)
def test_kinds_of_grey(here, mode):
    array, expected = MODES[mode]
    Image.fromarray(array).save("a.png")
    assert not images.look(Path("a.png"), "a").colored
    np.testing.assert_array_equal(images.decode(Path("a.png"), "a", Form()), expected)


def test_palettes(here):
    image = Image.fromarray(np.array([[0, 1], [1, 0]], np.uint8), "P")
    image.putpalette([10, 10, 10, 200, 200, 200])
    image.save("grey.png")
    np.testing.assert_array_equal(images.decode(Path("grey.png"), "g", Form()), [[10, 200], [200, 10]])
    image.putpalette([10, 10, 10, 200, 0, 0])
    image.save("red.png")
    assert images.decode(Path("red.png"), "r", Form())[0, 1].tolist() == [200, 0, 0]


def test_what_a_camera_notes_is_followed(here):
    x = np.zeros((8, 16), np.uint8)
    x[:, 8:] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(x).save("turned.jpg", exif=exif, quality=95)
    assert images.look(Path("turned.jpg"), "t").size == (16, 8)
    seen = images.decode(Path("turned.jpg"), "t", Form(size=(16, 8)))
    assert seen.shape == (16, 8)
    assert seen[:8].max() < 50 and seen[8:].min() > 200


def test_grey_of_an_array_is_that_of_a_png(here):
    x = grey(3, (2, 9, 8, 3))
    Image.fromarray(x[0]).save("a.png")
    np.testing.assert_array_equal(
        images.formed(x, Form("grey"), "x")[0], images.decode(Path("a.png"), "a", Form("grey"))
    )


# -- arrays and tables as images ---------------------------------------------------------------------------
def test_rows_of_a_table_as_images(here):
    rows = ["a,b,c,d,y", "0,4,8,16,1", "1,1,1,1,2", "2,2,2,2,1", "0,0,0,0,2"]
    Path("t.csv").write_text("\n".join(rows), encoding="utf-8")
    data = read("t.csv", shape=[2, 2, 1])
    assert (data.schema.input_shape, data.preprocess.kind) == ((2, 2, 1), "image")
    np.testing.assert_allclose(data.train.x[0], [0, 0.25, 0.5, 1])
    assert read("t.csv", shape=[2, 2]).schema.input_shape == (2, 2, 1)
    with pytest.raises(DataError, match=r"data\.shape 3×1×1 is 3 numbers; a row has 4"):
        read("t.csv", shape=[3, 1])
    with pytest.raises(DataError, match="not for a table"):
        read("t.csv", resize=3)


def test_colour_and_size_of_arrays(here):
    np.savez("x.npz", x=grey(1, (6, 4, 5, 3)), y=np.arange(6) % 2)
    assert read("x.npz").schema.input_shape == (4, 5, 3)
    assert read("x.npz", color="grey").schema.input_shape == (4, 5, 1)
    assert read("x.npz", resize=[2, 3]).schema.input_shape == (2, 3, 3)
    data = read("x.npz", scale="channels")
    x = data.train.inputs().reshape(-1, 3)
    np.testing.assert_allclose(x.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(x.std(0), 1, atol=1e-5)
    assert data.train.x.dtype == np.uint8


# -- CIFAR-10 -----------------------------------------------------------------------------------------------
NAMES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def cifar_records(x, y):
    return b"".join(bytes([c]) + image.transpose(2, 0, 1).tobytes() for image, c in zip(x, y, strict=True))


@pytest.fixture
def cifar(here):
    folder = here / "cifar-10-batches-bin"
    folder.mkdir()
    (folder / "batches.meta.txt").write_text("\n".join(NAMES) + "\n\n", encoding="utf-8")
    for k in range(1, 6):
        x = grey(k, (4, 32, 32, 3))
        (folder / f"data_batch_{k}.bin").write_bytes(cifar_records(x, [k, k + 1, 0, 9]))
    (folder / "test_batch.bin").write_bytes(cifar_records(grey(9, (3, 32, 32, 3)), [1, 2, 3]))
    return folder


def test_cifar_batches(cifar):
    data = read("cifar-10-batches-bin/train", test="cifar-10-batches-bin/test")
    assert data.schema.classes == sorted({NAMES[k] for k in [0, 1, 2, 3, 4, 5, 6, 9]})
    assert (data.schema.input_shape, len(data.train), len(data.test)) == ((32, 32, 3), 20, 3)
    np.testing.assert_array_equal(data.train.x[4], grey(2, (4, 32, 32, 3))[0].reshape(-1))
    assert data.train.labels[:4].tolist() == ["automobile", "bird", "airplane", "truck"]
    assert [path.name for path in data.files][:2] == ["data_batch_1.bin", "batches.meta.txt"]
    parts = predict("cifar-10-batches-bin/test", data, need_label=True)
    assert parts[0].labels.tolist() == ["automobile", "bird", "cat"]
    assert len(read("cifar-10-batches-bin/data_batch_1.bin").train) == 4
    with pytest.raises(DataError, match=r"is a folder, not a file .*train, .*test"):
        read("cifar-10-batches-bin")


def test_cifar_that_is_broken(cifar):
    path = cifar / "data_batch_3.bin"
    good = path.read_bytes()
    path.write_bytes(good[:-1])
    with pytest.raises(DataError, match=r"data_batch_3\.bin: CIFAR-10 has records of 3,073 bytes; 12,291"):
        read("cifar-10-batches-bin/train")
    path.write_bytes(b"\x0a" + good[1:])
    with pytest.raises(DataError, match=r"data_batch_3\.bin: row 0: label 10"):
        read("cifar-10-batches-bin/train")
    assert read("cifar-10-batches-bin/train", on_bad_row="skip").skipped == 1
    (cifar / "batches.meta.txt").unlink()
    path.write_bytes(good)
    assert read("cifar-10-batches-bin/train").schema.classes == list("01234569")


# -- HDF5 ---------------------------------------------------------------------------------------------------
@pytest.fixture
def h5(here):
    with h5py.File("画像.h5", "w") as file:
        file["x"], file["y"] = grey(1, (8, 5, 4)), np.arange(8) % 2
        file.create_dataset("train/images", data=grey(2, (6, 5, 4, 3)), compression="gzip")
        file["train/labels"] = np.array(["猫", "犬"] * 3, h5py.string_dtype())
        file["x_test"], file["y_test"] = grey(3, (3, 5, 4)), np.array([0, 1, 0])
        file["odd"] = np.array([(1, 2.0)], "i4,f4")
        file["away"] = h5py.ExternalLink("other.h5", "/x")
    return Path("画像.h5")


def test_hdf5_by_name_and_by_dataset(h5):
    data = read(h5, test=str(h5))
    assert (data.schema.classes, data.schema.input_shape) == (["0", "1"], (5, 4, 1))
    assert (len(data.train), len(data.test)) == (8, 3)
    np.testing.assert_array_equal(data.train.x, grey(1, (8, 5, 4)).reshape(8, -1))
    named = read(f"{h5}:/train/images")
    assert (named.schema.classes, named.schema.input_shape) == (["犬", "猫"], (5, 4, 3))
    assert named.files == [h5]
    other = read(f"{h5}:/x", labels=f"{h5}:/y")
    assert other.train.y.tolist() == [0, 1] * 4
    parts = predict(f"{h5}:/x", data, chunk=3)
    assert [len(part) for part in parts] == [3, 3, 2]
    assert np.concatenate([part.rows for part in parts]).tolist() == list(range(8))


@pytest.mark.parametrize(
    ("key", "message"),
    [
        ("/nothing", "no such dataset .*there are"),
        ("/train", "a group, not a dataset"),
        ("/odd", "elements of type"),
        ("/away", "link to another file"),
        ("/train/../x", "no such dataset"),
    ],
)
def test_hdf5_datasets_that_are_refused(h5, key, message):
    with pytest.raises(DataError, match=message):
        read(f"{h5}:{key}")


def test_hdf5_bad_rows_have_their_number_in_the_file(h5):
    data = read(h5)
    x = np.ones((8, 5, 4), np.float32)
    x[6, 0, 0] = np.nan
    with h5py.File("f.h5", "w") as file:
        file["x"] = x
    with pytest.raises(DataError, match=r"f\.h5: row 6: a value that is missing"):
        predict("f.h5", data, chunk=4)
    rows = read_for_prediction("f.h5", data.schema, data.preprocess, on_bad_row="skip", chunk=4)
    assert (sum(len(part) for part in rows), rows.skipped) == (7, 1)


def test_hdf5_through_a_pipe_and_broken(h5, monkeypatch):
    data = read(h5)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(h5.read_bytes())))
    assert sum(len(part) for part in predict("-", data)) == 3, "x_test comes before x"
    Path("b.h5").write_bytes(h5.read_bytes()[:300])
    with pytest.raises(DataError, match=r"b\.h5: broken HDF5 data"):
        read("b.h5")
    Path("c.h5").write_bytes(b"1,2\n3,4\n")
    with pytest.raises(DataError, match=r"c\.h5: broken HDF5 data"):
        read("c.h5")


def test_texts_that_cannot_be_read_in_time_or_at_all(h5, monkeypatch):
    monkeypatch.setattr("dlkit.readers.hdf5._SECONDS", 1)
    monkeypatch.setattr("dlkit.readers.hdf5._READ_TEXTS", "import time; time.sleep(60)")
    with pytest.raises(DataError, match=r"画像\.h5:/train/labels: its texts could not be read in 1 s"):
        read(f"{h5}:/train/images")
    monkeypatch.setattr("dlkit.readers.hdf5._READ_TEXTS", "raise OSError('broken heap')")
    with pytest.raises(DataError, match=r"its texts cannot be read \(OSError: broken heap\)"):
        read(f"{h5}:/train/images")


def test_virtual_datasets_are_not_followed(h5):
    layout = h5py.VirtualLayout((8, 5, 4), np.uint8)
    layout[...] = h5py.VirtualSource(str(h5), "x", (8, 5, 4))
    with h5py.File("v.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
        file["y"] = np.arange(8) % 2
    with pytest.raises(DataError, match="lie in other files"):
        read("v.h5")
