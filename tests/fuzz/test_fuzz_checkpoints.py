"""Spoilt checkpoints through `predict`, `inspect` and `--resume`.

Bytes: any change is garbage. Trees with a valid digest, as someone could make them: garbage is what lacks a
part that the command needs, has it in another type or shape, or not finite where it was; HDF5 that dlkit
never writes is garbage wherever it stands. It must end with code 1, one line, and a
run to be resumed as it was.
"""

import hashlib
import io
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dlkit.training.checkpoint import BLOCK, _block, load
from tests.fuzz.mutations import places, spoilt_bytes, spoilt_tree
from tests.fuzz.program import Ended, run, share
from tests.fuzz.trained import Trained, train
from tests.training.checkpoint_bytes import to_bytes

TABLE = b"a,b,y\n" + b"".join(b"%d,%s,%d\n" % (i, b"uv"[i % 2 :][:1], i * i % 7) for i in range(20))
COMMANDS = ["predict", "inspect", "resume"]
NEEDED = {
    "predict": ["recipe", "state/schema", "state/preprocess", "state/model", "state/noise_variance"],
    "inspect": ["recipe", "position", "metrics", "state/schema", "state/preprocess", "state/model"],
    "resume": [""],
}
MAY_BE_EMPTY = {"best", "reference"}
"""Parts that a run may or may not have; of noise_variance the numbers may be NaN."""
KEYS = [
    "position",
    "epoch",
    "step",
    "steps",
    "state",
    "model",
    "0.dense.weight",
    "x",
    "",
    "best",
    "value",
    "%2F",
    "日本",
]
NAN, INF = float("nan"), float("inf")
VALUES = st.one_of(
    st.sampled_from(
        [
            None,
            True,
            False,
            0,
            1,
            -1,
            2**62,
            -(2**63),
            2**200,
            0.5,
            NAN,
            INF,
            -INF,
            1e308,
            "",
            "x",
            "日本",
            "0",
        ]
    ),
    st.sampled_from([[], ["a"], ["a", "b", "b"], {}, {"a": {"b": 1}}, {"x": None}]),
    st.builds(
        np.full,
        st.sampled_from(
            [(), (0,), (1,), (2,), (3,), (4, 3), (3, 4), (1, 3), (0, 3), (2, 2, 2), (1,) * 32, (1000,)]
        ),
        st.sampled_from([0.0, 1.0, -1.0, NAN, INF, 1e4]),
        st.sampled_from([np.float32, np.float64, np.float16]),
    ),
    st.builds(
        np.full,
        st.sampled_from([(), (1,), (2,), (3,), (4, 3)]),
        st.sampled_from([0, 1, 127]),
        st.sampled_from([np.int64, np.uint8, np.int8, np.bool_, np.uint64]),
    ),
)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("checkpoints")
    return train(folder, "t.csv", TABLE, "--set", "task=regression", "--set", "data.valid=5", "--lr", "0.05")


def put(trained: Trained, data: bytes) -> Path:
    """A copy of the run whose checkpoints are `data`."""
    directory = trained.directory.with_name("spoilt")
    shutil.rmtree(directory, ignore_errors=True)
    shutil.copytree(trained.directory, directory)
    for name in ("checkpoint.h5", "best.h5"):
        (directory / name).write_bytes(data)
    return directory


def use(command: str, trained: Trained, directory: Path) -> Ended:
    """Run the command on the run in `directory`; one that fails must have changed nothing."""
    before = contents(directory)
    if command == "resume":
        arguments = [one if one != str(trained.directory) else str(directory) for one in trained.arguments]
        ended = run(*arguments, "--resume", "--epochs", "3")
    else:
        ended = run(command, directory, *([trained.source] if command == "predict" else []))
    if ended.code:
        assert ended.code == 1 and len(ended.errors) == 1 and not ended.stdout, ended
        after = contents(directory)
        if ended.errors[0].startswith(
            "error: the loss is "
        ):  # weights of 1e30: it began, and kept what there was
            before = {name: data for name, data in before.items() if name.endswith(".h5")}
            after = {name: after[name] for name in before}
        assert after == before, ended
    return ended


def contents(directory: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in directory.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", COMMANDS)
def test_what_is_spoilt_was_good(trained: Trained, command: str) -> None:
    assert use(command, trained, put(trained, trained.checkpoint)).code == 0
    assert use(command, trained, put(trained, tampered(trained.checkpoint, lambda file: None))).code == 0


# -- bytes ----------------------------------------------------------------------------------------
@share(0.2)
@given(st.data(), st.sampled_from(COMMANDS))
def test_spoilt_bytes(trained: Trained, data: st.DataObject, command: str) -> None:
    spoilt = data.draw(spoilt_bytes(trained.checkpoint))
    assume(spoilt != trained.checkpoint)
    directory = put(trained, spoilt)
    ended = use(command, trained, directory)
    assert ended.code == 1 and ended.errors[0].startswith(f"error: {directory}/"), ended


# -- trees ------------------------------------------------------------------------------------------
def part_of(tree: Any, path: str) -> Any:
    for key in filter(None, path.split("/")):
        tree = tree.get(key) if isinstance(tree, dict) else None
    return tree


def fits(spoilt: Any, good: Any, key: str = "") -> bool:
    """Whether `spoilt` has what `good` has: keys, types and shapes, and finite numbers where those are."""
    if key in MAY_BE_EMPTY and (spoilt is None or (spoilt == {} and good != {})):
        return True
    if isinstance(good, dict):
        return isinstance(spoilt, dict) and all(k in spoilt and fits(spoilt[k], good[k], k) for k in good)
    if key == "noise_variance":
        return isinstance(spoilt, np.ndarray) and spoilt.shape == good.shape
    if good is None and key in MAY_BE_EMPTY:
        return isinstance(spoilt, float) and math.isfinite(spoilt)
    if isinstance(good, np.ndarray):
        if not isinstance(spoilt, np.ndarray) or spoilt.shape != good.shape:
            return False
        return bool(np.isfinite(spoilt).all()) or not np.isfinite(good).all()
    if isinstance(good, float) and isinstance(spoilt, int | float):
        return math.isfinite(spoilt) or not math.isfinite(good)
    return type(spoilt) is type(good)


@share(0.5)
@given(st.data(), st.sampled_from(COMMANDS))
def test_spoilt_trees(trained: Trained, data: st.DataObject, command: str) -> None:
    good = load(trained.directory / "checkpoint.h5").tree
    spoilt = data.draw(spoilt_tree([good], VALUES, KEYS))
    try:
        image = to_bytes(spoilt, command="train-mlp")
    except TypeError:  # no tree: lists of other things than texts
        assume(False)
    directory = put(trained, image)
    ended = use(command, trained, directory)
    if ended.code == 0:
        for path in NEEDED[command]:
            assert fits(part_of(spoilt, path), part_of(good, path), path.rpartition("/")[2]), (path, ended)
    else:
        assert str(directory) in ended.stderr or str(trained.source) in ended.stderr, ended


# -- HDF5 that dlkit never writes ---------------------------------------------------------------------
def _texts(parent: h5py.Group, name: str) -> None:
    parent.create_dataset(name, data=["a", "日本"] * 3, dtype=h5py.string_dtype())


def _bomb(parent: h5py.Group, name: str) -> None:
    parent.create_dataset(name, data=np.zeros(1 << 22), compression="gzip", chunks=(1 << 20,))


def _unwritten(parent: h5py.Group, name: str) -> None:
    parent.create_dataset(name, shape=(1 << 40,), dtype="f8", chunks=(1 << 10,))


def _external(parent: h5py.Group, name: str) -> None:
    parent.create_dataset(name, shape=(8,), dtype="u1", external=[("/etc/hostname", 0, 8)])


def _virtual(parent: h5py.Group, name: str) -> None:
    layout = h5py.VirtualLayout(shape=(4,), dtype="f8")
    layout[:] = h5py.VirtualSource("/nowhere.h5", "x", shape=(4,))
    parent.create_virtual_dataset(name, layout)


def _records(parent: h5py.Group, name: str) -> None:
    parent.create_dataset(name, data=np.zeros(3, np.dtype([("a", "f4"), ("b", "i8")])))


def _references(parent: h5py.Group, name: str) -> None:
    parent.create_dataset(name, data=[parent.ref], dtype=h5py.ref_dtype)


def _opaque(parent: h5py.Group, name: str) -> None:
    parent.create_dataset(name, data=np.zeros(3, h5py.opaque_dtype(np.dtype("M8[s]"))))


def _named_type(parent: h5py.Group, name: str) -> None:
    parent[name] = np.dtype("f8")


def _loop(parent: h5py.Group, name: str) -> None:
    for link in (name, name + "2", name + "3"):
        parent[link] = parent.file["/"]


def _soft(parent: h5py.Group, name: str) -> None:
    parent[name] = h5py.SoftLink("/state/model")


def _other_file(parent: h5py.Group, name: str) -> None:
    parent[name] = h5py.ExternalLink("/etc/hostname", "/")


def _dangling(parent: h5py.Group, name: str) -> None:
    parent[name] = h5py.SoftLink("/nowhere")


def _deep(parent: h5py.Group, name: str) -> None:
    for _ in range(300):
        parent = parent.create_group(name or "x")
    parent["x"] = 1.0


def _complex(parent: h5py.Group, name: str) -> None:
    parent.create_dataset(name, data=np.ones(3, complex))


def _kind(value: Any) -> Callable[[h5py.Group, str], None]:
    def attribute(parent: h5py.Group, name: str) -> None:
        parent.create_dataset(name, data=np.ones(3)).attrs["kind"] = value

    return attribute


def _texts_group(bytes_: Any, ends: Any) -> Callable[[h5py.Group, str], None]:
    def group(parent: h5py.Group, name: str) -> None:
        made = parent.create_group(name)
        made.attrs["kind"] = np.bytes_("texts")
        made["bytes"], made["ends"] = bytes_, ends

    return group


HOSTILE = [
    _texts, _bomb, _unwritten, _external, _virtual, _records, _references, _opaque, _named_type, _loop,
    _soft, _other_file, _dangling, _deep, _complex,
    _kind("texts"), _kind("int"), _kind("array"), _kind(1.5), _kind([1, 2]), _kind(b"\xff"),
    _kind("x" * 60000), _texts_group(np.zeros(3, np.uint8), [1, 9]),
    _texts_group(np.zeros(3, np.uint8), [-1, 3]),
    _texts_group(np.zeros(3, np.uint8), 1.5), _texts_group(np.full(3, 255, np.uint8), [3]),
    _texts_group("x", "y"), _texts_group(np.zeros(3), [[3]]),
]  # fmt: skip
ATTRIBUTES = [
    "x",
    "",
    b"\xff",
    0,
    -1,
    2,
    2**63 - 1,
    1.5,
    NAN,
    [1, 2],
    np.zeros((3, 3)),
    "train-mlp\n",
    "../x",
    "os",
]


def tampered(good: bytes, change: Callable[[h5py.File], None]) -> bytes:
    file = io.BytesIO(good[BLOCK:])
    with h5py.File(file, "r+") as opened:
        change(opened)
    image = file.getvalue()
    return _block(len(image), hashlib.sha256(image).hexdigest()) + image


@share(0.2)
@given(st.data(), st.sampled_from(COMMANDS), st.sampled_from(HOSTILE), st.booleans())
def test_hdf5_that_dlkit_never_writes(
    trained: Trained, data: st.DataObject, command: str, hostile: Any, instead: bool
) -> None:
    found = places(load(trained.directory / "checkpoint.h5").tree)
    place = "/".join(data.draw(st.sampled_from([path for path in found if isinstance(path[-1], str)])))

    def change(file: h5py.File) -> None:
        parent, _, name = place.rpartition("/")
        if instead:
            del file[place]
        hostile(file[parent or "/"], name if instead else "more")

    directory = put(trained, tampered(trained.checkpoint, change))
    ended = use(command, trained, directory)
    assert ended.code == 1 and str(directory) in ended.stderr, ended


@share(0.1)
@given(
    st.sampled_from(COMMANDS),
    st.sampled_from(["format", "version", "command", "x"]),
    st.sampled_from(ATTRIBUTES),
)
def test_spoilt_attributes(trained: Trained, command: str, name: str, value: Any) -> None:
    def change(file: h5py.File) -> None:
        file.attrs[name] = value

    directory = put(trained, tampered(trained.checkpoint, change))
    ended = use(command, trained, directory)
    assert ended.code == 1 or name == "x", ended
