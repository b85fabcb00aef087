"""Spoilt parallel texts through the reader: what is accepted are the lines that Python's own tools find.

Whatever is refused is refused in one line with a place; skipping leaves out whole pairs, never one side.
"""

import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkit.backend.streams import Streams
from dlkit.errors import DataError
from dlkit.readers.pair_spec import PairsSpec, SentenceSpec
from dlkit.readers.parallel import ParallelData, read_parallel
from dlkit.readers.sentences import Language
from tests.fuzz.mutations import spoilt_file

SOURCE = "私 は 犬 だ\n猫 １２ です\nab\nc d e f\n"
TARGET = "I am a dog\nit is a cat 12\nx\ng h\n"
TABS = "".join(f"{s}\t{t}\n" for s, t in zip(SOURCE.splitlines(), TARGET.splitlines(), strict=True))
GARBAGE = [
    "", "\t", "\n", "\r\n", "\r", " ", "\0", "\ufeff", "\u3000", "\x85", "\u2028", "\x0c", "▁", "ﾊﾟ", "¨",
    "<unk>", "</s>", "a b c d e f g", "\x1b[2J", "İ",
]  # fmt: skip
LONGEST = 6


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pairs")


def lines_of(data: bytes) -> list[bytes]:
    """The lines of a file, line ends off."""
    *lines, last = data.removeprefix(b"\xef\xbb\xbf").split(b"\n")
    return [line.removesuffix(b"\r") for line in [*lines, *([last] if last else [])]]


def words_of(line: bytes) -> list[str] | None:
    """The words of a sentence; None for what is no text."""
    try:
        text = unicodedata.normalize("NFKC", line.decode("utf-8"))
    except UnicodeDecodeError:
        return None
    return None if "\0" in text else text.split()


def expected(sides: list[tuple[bytes, bytes]]) -> tuple[list[tuple[list[str], list[str]]], bool]:
    """The good pairs, and whether all are good."""
    pairs = [(words_of(s), words_of(t)) for s, t in sides]
    good = [(s, t) for s, t in pairs if s and t and max(len(s), len(t)) <= LONGEST]
    return good, len(good) == len(pairs)


def read(spec: PairsSpec, on_bad_row: str) -> ParallelData:
    words = SentenceSpec(min_count=1)
    both = Language(words, "source_words"), Language(words, "target_words")
    return read_parallel(spec, both, on_bad_row, Streams(1), None)  # type: ignore[arg-type]


def agree(spec: PairsSpec, sides: list[tuple[bytes, bytes]], on_bad_row: str) -> None:
    good, all_good = expected(sides)
    refused = not good or (on_bad_row == "error" and not all_good)
    try:
        data = read(spec, on_bad_row)
    except DataError as error:
        assert refused and "\n" not in str(error), str(error)
        return
    assert not refused
    train = data.train
    found = [
        tuple(language.words(side[k].tolist()) for language, side in
              ((data.source, train.source), (data.target, train.target)))
        for k in range(len(train))
    ]  # fmt: skip
    assert found == good
    assert bool(data.notes) == (not all_good)


UTF16 = (b"\xff\xfe", b"\xfe\xff")


@given(spoilt_file(TABS, GARBAGE), st.sampled_from(["error", "skip"]))
def test_lines_with_tabs(folder: Path, data: bytes, on_bad_row: str) -> None:
    path = folder / "p.tsv"
    path.write_bytes(data)
    lines = lines_of(data)
    cells = [line.split(b"\t") for line in lines]
    sides = [(c[0], c[1]) if len(c) > 1 and words_of(line) is not None else (b"", b"")
             for c, line in zip(cells, lines, strict=True)]  # fmt: skip
    spec = PairsSpec(train=str(path), max_length=LONGEST)
    if data.startswith(UTF16):
        with pytest.raises(DataError, match="UTF-16"):
            read(spec, on_bad_row)
        return
    agree(spec, sides, on_bad_row)


@given(spoilt_file(SOURCE, GARBAGE), spoilt_file(TARGET, GARBAGE), st.sampled_from(["error", "skip"]))
def test_two_files(folder: Path, source: bytes, target: bytes, on_bad_row: str) -> None:
    (folder / "c.ja").write_bytes(source)
    (folder / "c.en").write_bytes(target)
    spec = PairsSpec(train=str(folder / "c"), source="ja", target="en", max_length=LONGEST)
    both = lines_of(source), lines_of(target)
    if source.startswith(UTF16) or target.startswith(UTF16) or len(both[0]) != len(both[1]):
        with pytest.raises(DataError):
            read(spec, on_bad_row)
        return
    agree(spec, list(zip(*both, strict=True)), on_bad_row)
