"""Spoilt corpora through `word2vec --dry-run`, and spoilt files of vectors through `similar` and `export`.

Garbage in a corpus is a NUL, or bytes that are not UTF-8; without a word that occurs twice there is
nothing to
learn. Both end with code 1 and the file's name. What is accepted has exactly the words of its lines.
"""

import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkit.readers.word_vectors import to_binary, to_text
from tests.fuzz.mutations import spoilt_bytes, spoilt_file
from tests.fuzz.program import run, share

TEXT = "the cat sees the dog\nthe dog 犬 sees\n\n犬 と 猫 the cat\nnaïve naïve x\n"
GARBAGE = [
    "",
    "\t",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\0",
    "\ufeff",
    "犬\u3000猫",
    "\x1b[2J",
    "\x85",
    "\u2028",
    "ß",
    "a" * 300,
]
CORPORA = spoilt_file(TEXT, GARBAGE)


def words_of(data: bytes) -> list[str] | None:
    """What stands between blanks; None for what is no text."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\0" in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    try:
        return data.decode("utf-8").split()
    except UnicodeDecodeError:
        return None


@share(0.4)
@given(CORPORA)
def test_a_spoilt_corpus(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "corpus.txt"
    path.write_bytes(data)
    tried = run("word2vec", path, "--dry-run", "--tokens", "blank", "--min-count", "2", "--dim", "3")
    words = words_of(data)
    good = words is not None and any(words.count(word) > 1 for word in words)
    if tried.code:
        assert not good, tried
        assert all(error.startswith(f"error: {path}") for error in tried.errors), tried
        return
    assert good and words is not None, tried
    kept = {word for word in words if words.count(word) > 1}
    told = re.search(r"([\d,]+) words of ([\d,]+) · ([\d,]+) distinct", tried.stdout)
    assert told, tried
    assert [int(n.replace(",", "")) for n in told.groups()] == [
        sum(word in kept for word in words), len(words), len(kept)
    ]  # fmt: skip


NUMBERS = np.arange(9.0, dtype=np.float32).reshape(3, 3)
VECTORS = to_text(["the", "犬", "New_York"], NUMBERS)
BINARY = to_binary(["the", "犬", "New_York"], NUMBERS)


@share(0.4)
@given(st.one_of(spoilt_bytes(VECTORS), spoilt_bytes(BINARY)))
def test_spoilt_vectors(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = tmp_path_factory.getbasetemp() / "vectors.bin"
    path.write_bytes(data)
    asked = run("similar", path, "犬")
    if asked.code:
        assert asked.errors
        return
    assert asked.stdout.startswith("to,rank,word,cosine\n")
    again = run("export", path, "--format", "word2vec-binary", "-o", path.with_suffix(".out"))
    assert again.code == 0, again
    assert run("similar", path.with_suffix(".out"), "犬").stdout.count("\n") == asked.stdout.count("\n")
