import hashlib
import io
import re
import resource
import shutil
import subprocess
import tracemalloc
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlkit.errors import DataError, UserError
from dlkit.training.checkpoint import BLOCK, VERSION, load, save, write
from dlkit.training.checkpoint.form import misfit
from dlkit.training.checkpoint.image import Image
from dlkit.training.checkpoint.leaves import Gathered, copy_of
from tests.training.checkpoint_bytes import to_bytes

TREE: dict[str, Any] = {
    "weights": {"dense/0.w": np.arange(12.0, dtype=np.float32).reshape(3, 4), "empty": np.zeros((0, 3))},
    "count": 7,
    "語彙": ["猫", "犬", "a", ""],
    "recipe": "command: toy\nepochs: 3\n" * 50,
    "nothing": None,
    "flag": True,
    "rate": 0.1,
    "mask": np.array([True, False]),
}

dtypes = st.sampled_from(["bool", "u1", "i1", "u2", "i4", "i8", "u8", "f2", "f4", "f8"])
arrays = dtypes.flatmap(
    lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
texts = st.text(st.characters(codec=None), max_size=12)
keys = st.text(st.characters(codec="utf-8"), max_size=12)
leaves = st.one_of(
    arrays, texts, st.integers(), st.floats(), st.booleans(), st.none(), st.lists(texts, max_size=4)
)
trees = st.dictionaries(
    keys,
    st.recursive(leaves, lambda inner: st.dictionaries(keys, inner, max_size=3), max_leaves=8),
    max_size=5,
)


def same(a: Any, b: Any) -> bool:
    """Equal in value, type, dtype, shape and order of keys; NaN equals NaN."""
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, float):
        return np.float64(a).tobytes() == np.float64(b).tobytes() or (np.isnan(a) and np.isnan(b))
    return bool(a == b)


@given(trees)
def test_a_tree_comes_back_as_it_was(tmp_path_factory: pytest.TempPathFactory, tree: dict[str, Any]) -> None:
    path = tmp_path_factory.getbasetemp() / "round.h5"
    path.write_bytes(to_bytes(tree, command="toy"))
    found = load(path)
    assert same(found.tree, tree)
    assert to_bytes(found.tree, command="toy") == path.read_bytes()


def test_what_numpy_may_hand_over(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    big = np.arange(3_000_000, dtype=np.float64).reshape(2, 1500, 1000)  # several chunks
    given_ = {
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "strided": np.arange(10)[::3],
        "big_endian": np.arange(3, dtype=">i4"),
        "scalar": np.float32(2.5),
        "tuple": ("a", "b"),
        "long": ["x"] * 3000 + ["y" * 5000],
        "big": big,
    }
    save(path, given_, command="toy", attributes={"note": "日本", "number": 3})
    found = load(path, command="toy")
    assert found.attributes == {"note": "日本", "number": 3} and found.version == VERSION
    tree = found.tree
    np.testing.assert_array_equal(tree["fortran"], given_["fortran"])
    np.testing.assert_array_equal(tree["strided"], [0, 3, 6, 9])
    assert tree["big_endian"].dtype == np.int32 and tree["big_endian"].tolist() == [0, 1, 2]
    assert tree["scalar"].dtype == np.float32 and tree["scalar"].shape == ()
    assert tree["tuple"] == ["a", "b"] and tree["long"] == given_["long"]
    assert tree["big"].tobytes() == big.tobytes()
    assert path.stat().st_size < big.nbytes * 1.01 + 200_000


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ([1, 2], "/a/b"),
        (1j, "/a/b"),
        (np.zeros(2, complex), "/a/b"),
        (np.array(["x"]), "/a/b"),
        (b"x", "/a/b"),
    ],
)
def test_what_cannot_be_stored_is_named(value: Any, place: str) -> None:
    with pytest.raises(TypeError, match=place):
        to_bytes({"a": {"b": value}}, command="toy")


def test_equal_trees_give_equal_bytes() -> None:
    copy = TREE | {}
    assert to_bytes(TREE, command="toy") == to_bytes(copy, command="toy")
    assert to_bytes(TREE, command="toy") != to_bytes(TREE | {"rate": 0.2}, command="toy")


def test_h5py_alone_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    save(path, TREE, command="toy")
    with h5py.File(path) as file:
        assert file.userblock_size == BLOCK
        assert (file.attrs["format"], file.attrs["version"]) == (b"dlkit checkpoint", VERSION)
        assert file["weights/dense%2F0.w"].shape == (3, 4) and file["weights/dense%2F0.w"].fletcher32
        assert file["語彙"].asstr()[:].tolist() == TREE["語彙"]
        assert file["recipe"].asstr()[()] == TREE["recipe"]
    head = path.read_bytes()[:BLOCK]
    digest = hashlib.sha256(path.read_bytes()[BLOCK:]).hexdigest()
    assert f"sha256 {digest}\n".encode() in head


@pytest.mark.skipif(shutil.which("h5dump") is None, reason="h5dump is not installed")
def test_h5dump_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    save(path, TREE, command="toy")
    shown = subprocess.run(["h5dump", str(path)], capture_output=True, text=True, check=True).stdout
    assert "dlkit checkpoint" in shown and "11" in shown


# -- files that are not what they should be --------------------------------------------------------
def refused(path: Path, **options: Any) -> str:
    with pytest.raises(DataError) as caught:
        load(path, **options)
    line = str(caught.value)
    assert line.startswith(f"{path}: ") and "\n" not in line
    return line


def test_every_region_corrupted_in_turn(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    good = to_bytes(TREE, command="toy")
    step = max(len(good) // 400, 1)
    for offset in [*range(0, BLOCK, 3), *range(BLOCK, len(good), step), len(good) - 1]:
        bad = bytearray(good)
        bad[offset] ^= 0x41
        path.write_bytes(bad)
        refused(path)


@pytest.mark.parametrize("length", [0, 1, 17, 100, BLOCK - 1, BLOCK, BLOCK + 1, -1])
def test_truncated(tmp_path: Path, length: int) -> None:
    path = tmp_path / "a.h5"
    good = to_bytes(TREE, command="toy")
    path.write_bytes(good[:length])
    assert re.search("empty|truncated", refused(path))
    path.write_bytes(good + b"\0")
    assert "damaged" in refused(path)


@given(st.binary(max_size=2000))
def test_random_bytes(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "random.h5"
    path.write_bytes(content)
    refused(path)


def signed(image: bytes, version: int = VERSION) -> bytes:
    """A file with a right digest around any image: what someone may make by hand."""
    digest = hashlib.sha256(image).hexdigest()
    text = f"dlkit checkpoint\nversion {version}\nbytes {len(image)}\nsha256 {digest}\n"
    return text.encode().ljust(BLOCK, b"\0") + image


def image_of(fill: Any, version: int = VERSION) -> bytes:
    with h5py.File("x", "w", driver="core", backing_store=False, libver="v110") as file:
        file.attrs.update({"format": "dlkit checkpoint", "version": version, "command": "toy"})
        fill(file)
        file.flush()
        return bytes(file.id.get_file_image())


def test_wrong_kinds(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    with h5py.File(path, "w") as file:
        file["x"] = np.arange(3)
    assert "HDF5 file, but not a dlkit checkpoint" in refused(path)
    path.write_text("weights: 1\n" * 100)
    assert "not a dlkit checkpoint" in refused(path)
    assert "not a file" in refused(Path("/dev/null"))
    assert "cannot read: Is a directory" in refused(tmp_path)
    assert "cannot read: No such file" in refused(tmp_path / "none.h5")
    save(path, TREE, command="toy")
    assert "a checkpoint of toy, not of vae" in refused(path, command="vae")
    path.write_bytes(signed(b"not hdf5 at all"))
    assert "damaged" in refused(path)
    path.write_bytes(signed(image_of(lambda file: file.attrs.update({"format": "other"}))))
    assert "not a dlkit checkpoint" in refused(path)


def test_newer_version(tmp_path: Path) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(signed(b"whatever the future holds", VERSION + 1))
    assert f"version {VERSION + 1}" in refused(path) and "newer dlkit" in refused(path)
    path.write_bytes(signed(image_of(lambda file: None, VERSION + 1)))
    assert "newer dlkit" in refused(path)
    path.write_bytes(signed(image_of(lambda file: None, 0)))
    assert "damaged" in refused(path)


def _virtual(file: h5py.File) -> None:
    layout = h5py.VirtualLayout((3,), "f8")
    layout[:] = h5py.VirtualSource("/etc/hostname", "x", (3,))
    file.create_virtual_dataset("x", layout)


HOSTILE = {
    "never written": lambda f: f.create_dataset("x", (1 << 40,), "f8"),
    "chunks never written": lambda f: f.create_dataset(
        "x", (1 << 40,), "f8", chunks=(1 << 20,), fletcher32=True
    ),
    "many axes": lambda f: f.create_dataset("x", (1 << 20, 1 << 20, 1 << 20), "f8", chunks=(1, 1, 1)),
    "compressed": lambda f: f.create_dataset("x", data=np.zeros(1 << 20), compression="gzip"),
    "external file": lambda f: f.create_dataset("x", (8,), "u1", external=[("/etc/hostname", 0, 8)]),
    "virtual": _virtual,
    "soft link": lambda f: f.__setitem__("x", h5py.SoftLink("/x")),
    "external link": lambda f: f.__setitem__("x", h5py.ExternalLink("/etc/hostname", "/")),
    "circle of groups": lambda f: f.create_group("g").__setitem__("self", f["g"]),
    "compound": lambda f: f.create_dataset("x", data=np.zeros(2, [("a", "f8"), ("b", "i4")])),
    "reference": lambda f: f.create_dataset("x", data=f.ref, dtype=h5py.ref_dtype),
    "heap text": lambda f: f.create_dataset("x", data="text"),
    "named type": lambda f: f.__setitem__("x", np.dtype("f8")),
    "texts cut wrongly": lambda f: _texts(f, [5, 3, 4]),
    "texts too short": lambda f: _texts(f, [1, 2]),
}


def _texts(file: h5py.File, ends: list[int]) -> None:
    group = file.create_group("x")
    group.attrs["kind"] = np.bytes_("texts")
    group["bytes"], group["ends"] = np.arange(4, dtype=np.uint8), np.array(ends)


@pytest.mark.parametrize("fill", HOSTILE.values(), ids=HOSTILE)
def test_a_signed_file_still_claims_no_more_than_it_holds(tmp_path: Path, fill: Any) -> None:
    path = tmp_path / "a.h5"
    path.write_bytes(signed(image_of(fill)))
    refused(path)


def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    save(path, TREE, command="toy")
    before = path.read_bytes()

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dlkit.training.rundir.os.fsync", full)
    with pytest.raises(UserError, match=f"cannot write {path}: No space left on device"):
        save(path, {}, command="toy")
    assert path.read_bytes() == before and [p.name for p in tmp_path.iterdir()] == ["a.h5"]


# -- memory and failing disks ------------------------------------------------------------------------
def test_writing_and_reading_hold_no_copy_of_the_file(tmp_path: Path) -> None:
    tree = {"weights": np.zeros((8, 1_000_000), np.float32)}  # 32 MB in 8 chunks
    save(tmp_path / "a.h5", tree, command="toy")  # h5py is loaded
    tracemalloc.start()  # NumPy's, Python's and the wrapper's memory; not that of libhdf5
    try:
        before = peak_bytes()
        save(tmp_path / "a.h5", tree, command="toy")
        assert tracemalloc.get_traced_memory()[1] < 4e6
        found = load(tmp_path / "a.h5").tree
        assert tracemalloc.get_traced_memory()[1] < 32e6 + 4e6
        assert peak_bytes() - before < 32e6 + 20e6  # libhdf5's, too: what was loaded and some chunks
    finally:
        tracemalloc.stop()
    assert same(found, tree)


def peak_bytes() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class Failing(io.BytesIO):
    """A disk with room for so many bytes."""

    room = 0

    def write(self, data: Any) -> int:
        if self.tell() + len(data) > self.room:
            raise OSError(28, "No space left on device")
        return super().write(data)


@pytest.mark.parametrize("room", [0, 100, BLOCK, BLOCK + 48, BLOCK + 1000, BLOCK + 100_000])
def test_a_disk_that_fills_up_on_the_way(room: int) -> None:
    stream = Failing()
    stream.room = room
    with pytest.raises(OSError, match="No space left on device"):
        write(stream, TREE | {"big": np.arange(20_000.0)}, command="toy")
    save_again = to_bytes(TREE, command="toy")  # libhdf5 has let go of the failed file
    assert to_bytes(TREE, command="toy") == save_again


def test_a_disk_that_fails_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.h5"
    save(path, TREE, command="toy")

    class Bad(Image):
        def readinto(self, buffer: memoryview) -> int:
            self.failed = OSError(5, "Input/output error")
            return super().readinto(buffer)

    monkeypatch.setattr("dlkit.training.checkpoint.Image", Bad)
    assert "cannot read: Input/output error" in refused(path)


def test_what_is_not_writeable_is_not_copied() -> None:
    fixed, live = np.arange(3), np.arange(3)
    fixed.flags.writeable = False
    made = copy_of({"a": {"fixed": fixed, "live": live}, "texts": ["x"], "n": 1})
    live[0] = 7
    assert made["a"]["fixed"] is fixed and made["a"]["live"].tolist() == [0, 1, 2]
    assert same(made, {"a": {"fixed": np.arange(3), "live": np.arange(3)}, "texts": ["x"], "n": 1})


@pytest.mark.parametrize("shape", [(9, 300_000), (2, 3_000_000), (5,), (0, 3), (3, 0)])
def test_rows_in_another_order_are_written_as_the_array_that_they_make(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    array, rows = rng.integers(0, 100, shape).astype(np.float32), rng.permutation(shape[0])
    made = Gathered(array, rows, np.asarray)
    assert (made.shape, made.dtype) == (array[rows].shape, array.dtype)
    assert to_bytes({"w": made}, command="toy") == to_bytes({"w": array[rows]}, command="toy")
    assert misfit({"w": array[rows]}, {"w": made}) == misfit({"w": made}, {"w": array[rows]}) == ""
    assert "is expected" in misfit({"w": array.T[None]}, {"w": made})
    kept = copy_of({"w": made})
    array[...] = 0
    assert shape[0] * np.prod(shape) == 0 or kept["w"].any()


def test_rows_of_what_cannot_be_stored() -> None:
    with pytest.raises(TypeError, match="/w: cannot store an array of complex128"):
        to_bytes({"w": Gathered(np.zeros(2, complex), np.arange(2), np.asarray)}, command="toy")
