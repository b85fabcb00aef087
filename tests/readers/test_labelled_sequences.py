"""Labelled sequences with bad rows: told by line, or left out, counted, and the first of them named."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.backend.streams import Streams
from dlkit.errors import DataError
from dlkit.readers.again import Rereadable
from dlkit.readers.labelled_sequences import SequenceData, judged_by, read_labelled_sequences
from dlkit.readers.sequence_spec import SequencesSpec
from dlkit.readers.text import looks_like_text

GOOD = [b"ham\thello there", "迷惑\t今 すぐ 買う".encode()] * 10
BAD = {3: b"no tab at all", 5: b"ham\t", 8: b"\tno label", 11: b"ham\tbroken \xff"}
"""By their places in the list."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    rows = [BAD.get(i, row) for i, row in enumerate(GOOD)]
    path = tmp_path / "列.tsv"
    path.write_bytes(b"\n".join(rows) + b"\n")
    return path


def read(path: Path, on_bad_row: Any) -> SequenceData:
    spec = SequencesSpec(train=str(path))
    return read_labelled_sequences(spec, Rereadable(path), on_bad_row, None, Streams(1))


def test_bad_rows_are_left_out_and_counted(path: Path) -> None:
    data = read(path, "skip")
    assert len(data.train) == len(GOOD) - len(BAD) and data.train.lengths.min() > 0
    assert data.classes == ["ham", "迷惑"]
    assert np.bincount(data.train.labels).tolist() == [9, 7]
    (note,) = data.notes
    assert note.startswith("4 bad rows left out; the first: ") and "列.tsv:4: " in note


@pytest.mark.parametrize("place", BAD)
def test_each_is_told_by_its_line(path: Path, place: int) -> None:
    rows = [BAD[place] if i == place else row for i, row in enumerate(GOOD)]
    path.write_bytes(b"\n".join(rows) + b"\n")
    with pytest.raises(DataError, match=rf"列\.tsv:{place + 1}: "):
        read(path, "error")


def test_nothing_but_bad_rows_is_told(path: Path) -> None:
    data = read(path, "skip")
    path.write_bytes(b"ham\t\nham\t \n")
    with pytest.raises(DataError, match=r"列\.tsv: .*no symbol"):
        judged_by(data, SequencesSpec(train=str(path), tokens="words"), Rereadable(path), "skip")


def test_a_class_without_a_sequence_is_none(path: Path) -> None:
    path.write_bytes(b"\n".join([*GOOD, b"never\t"]))
    assert read(path, "skip").classes == ["ham", "迷惑"]


def test_some_bad_rows_do_not_make_another_kind_of_file(path: Path) -> None:
    head = path.read_bytes()
    assert not looks_like_text(path, head) and looks_like_text(path, head, 0.9)
    assert not looks_like_text(path, b"a text\n" * 5 + head, 0.9)
    assert looks_like_text(path, b"\n".join(GOOD))
