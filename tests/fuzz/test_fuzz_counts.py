"""Spoilt files of word counts (docword, LDA-C) through the reader and `lda --dry-run`.

What is accepted has the documents that a few lines of Python find; what those refuse is refused, in one line
with its place.
"""

import re
from pathlib import Path

import pytest
from hypothesis import given

from dlkit.errors import DataError
from dlkit.readers.word_counts import LARGEST, CountFormat, WordCounts, read_word_counts
from tests.fuzz.mutations import spoilt_file
from tests.fuzz.program import run, share

DOCWORD = "4\n5\n7\n1 1 2\n1 3 1\n2 2 1\n2 5 3\n4 1 1\n4 2 2\n4 4 1\n"
LDAC = "2 0:2 2:1\n1 3:1\n0\n3 1:1 4:3 0:1\n2 2:2 3:1\n"
GARBAGE = ["", " ", "\t", "\n", "\r\n", "\r", "\0", "\ufeff", "0", "-1", "1.0", "+1", ":", "0:", "1:1", "９",
           "é", "2147483647", "2147483648", "9" * 30, "1 1 1\n", "\x0b", "\u3000", "#"]  # fmt: skip
NUMBER = re.compile(r"[0-9]+")
Found = list[dict[int, int]]


def lines_of(data: bytes) -> list[list[str]]:
    """Fields of each line that is not blank. Raises ValueError for what is no text."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        raise ValueError("no text")
    text = data.decode("utf-8")
    lines = text.split("\n") if "\n" in text else text.split("\r")
    fields = [re.split("[ \t\r]+", line.strip(" \t\r")) for line in lines]
    return [line for line in fields if line != [""]]


def number(text: str) -> int:
    """Raises ValueError for anything but digits up to LARGEST."""
    if not NUMBER.fullmatch(text) or int(text) > LARGEST:
        raise ValueError(text)
    return int(text)


def docword(data: bytes) -> Found:
    lines = lines_of(data)
    if len(lines) < 3 or any(len(line) > 1 for line in lines[:3]):
        raise ValueError("no header")
    documents, words = number(lines[0][0]), number(lines[1][0])
    if not NUMBER.fullmatch(lines[2][0]) or int(lines[2][0]) != len(lines) - 3:
        raise ValueError("another number of lines")
    found: Found = [{} for _ in range(documents)]
    for line in lines[3:]:
        d, w, c = map(number, line)
        if not (1 <= d <= documents and 1 <= w <= words and c):
            raise ValueError("beyond the header")
        found[d - 1][w - 1] = found[d - 1].get(w - 1, 0) + c
    return found


def ldac(data: bytes) -> Found:
    found: Found = []
    for said, *pairs in lines_of(data):
        entries: dict[int, int] = {}
        for pair in pairs:
            word, count = map(number, pair.split(":"))
            if not count:
                raise ValueError("a count of 0")
            entries[word] = entries.get(word, 0) + count
        if number(said) != len(pairs):
            raise ValueError("another number of words")
        found.append(entries)
    return found


def as_found(counts: WordCounts) -> Found:
    bounds = zip(counts.ends[:-1].tolist(), counts.ends[1:].tolist(), strict=True)
    found: Found = []
    for first, last in bounds:
        entries: dict[int, int] = {}
        for w, c in zip(counts.words[first:last].tolist(), counts.counts[first:last].tolist(), strict=True):
            entries[w] = entries.get(w, 0) + c
        found.append(entries)
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("counts")


def judged(data: bytes, form: CountFormat) -> None:
    """The reader and the lines above agree, or both refuse."""
    try:
        wanted = docword(data) if form == "docword" else ldac(data)
    except (ValueError, UnicodeDecodeError):
        wanted = None
    if wanted is not None and len(wanted) > 10**6:
        return
    try:
        found = as_found(read_word_counts(data, form, "counts.txt"))
    except DataError as error:
        assert wanted is None or "GiB" in str(error), (data, str(error))
        assert str(error).startswith("counts.txt:") and "\n" not in str(error)
        return
    assert found == wanted, data


@share(1)
@given(spoilt_file(DOCWORD, GARBAGE))
def test_a_spoilt_docword(data: bytes) -> None:
    judged(data, "docword")


@share(1)
@given(spoilt_file(LDAC, GARBAGE))
def test_a_spoilt_ldac(data: bytes) -> None:
    judged(data, "ldac")


@share(0.2)
@given(spoilt_file(DOCWORD, GARBAGE))
def test_a_spoilt_file_to_train_on(folder: Path, data: bytes) -> None:
    path = folder / "spoilt.txt"
    path.write_bytes(data)
    limits = ["--no-below", "1", "--no-above", "1.0", "--format", "docword", "--topics", "2"]
    tried = run("lda", path, "--dry-run", *limits)
    if tried.code:
        assert tried.code == 1, tried
        assert all(error.startswith(f"error: {path}") for error in tried.errors), tried
    else:
        assert re.search(r"[\d,]+ documents · [\d,]+ words · [\d,]+ in all", tried.stdout), tried
