"""Files of word vectors: what is refused, and that what is written comes back."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.algorithms.w2v_asked import of_length_one
from dlkit.errors import DataError
from dlkit.readers.word_vectors import read_vectors, safe, to_binary, to_text

ROW = np.array([1, 2], "<f4").tobytes()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"1 2\nthe\ncat " + ROW, "vector 1: expected a word, found a line end in it"),
        (b"2 2\na " + ROW + b"\n\n " + ROW, "vector 2: expected a word, found none"),
        (b"1 2\nthe\rcat 1 2\n", ":2: expected a word, found a line end in it"),
        (b"1 2\nthe 1 1e39\n", ":2: a number that is not finite in float32"),
        (b"1 2\nthe 1 nan\n", ":2: a number that is not finite in float32"),
        (b"1 2\n\xff " + ROW, "vector 1: not UTF-8: byte 0xff in the word"),
    ],
)  # fmt: skip
def test_what_is_refused(tmp_path: Path, content: bytes, told: str) -> None:
    path = tmp_path / "語.bin"
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_vectors(path)
    assert told in str(caught.value)


@pytest.mark.parametrize("form", [to_text, to_binary])
def test_words_with_blanks_stay_different_words(tmp_path: Path, form: object) -> None:
    words = ["New York", "New_York", "New\u3000York", "犬", "\t"]
    vectors = np.arange(10, dtype=np.float32).reshape(5, 2)
    path = tmp_path / "v"
    path.write_bytes(form(words, vectors))  # type: ignore[operator]
    read = read_vectors(path)
    assert read.words == ["New_York_", "New_York", "New_York__", "犬", "_"]
    np.testing.assert_array_equal(read.vectors, vectors)


def test_safe_leaves_good_words_alone() -> None:
    assert safe(["a", "b_c", "犬"]) == ["a", "b_c", "犬"]


def test_lengths_at_the_ends_of_float32() -> None:
    rows = np.array([[3e38, -3e38], [1e-44, 0], [0, 0], [3, 4]], np.float32)
    with np.errstate(all="raise", under="ignore"):
        units = of_length_one(rows)
    half = 0.5**0.5
    np.testing.assert_allclose(units, [[half, -half], [1, 0], [0, 0], [0.6, 0.8]], rtol=1e-6)
