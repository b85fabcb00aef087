"""Readers of documents: UCI docword, LDA-C, titles between tabs, labels, folders."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.readers.cells import OnBadRow
from dlkit.readers.documents import DocumentReader, DocumentsSpec, document_frequencies, joined_documents
from dlkit.readers.vocabulary import Vocabulary
from dlkit.readers.word_counts import format_of, read_word_counts
from dlkit.readers.words import Tokeniser, WordsSpec

DOCWORD = "3\n4\n5\n1 2 2\n1 4 1\n3 1 1\n\n3 2 3\n1 1 1\n"
LDAC = "3 1:2 3:1 0:1\n0\n2 0:1 1:3\n"


def reader(spec: dict[str, object], bad: OnBadRow = "error") -> DocumentReader:
    made = DocumentsSpec.model_validate({"train": "-", **spec})
    return DocumentReader(made, Tokeniser(WordsSpec()), Vocabulary(), bad, None)


def listed(path: Path, **spec: object) -> list[list[str]]:
    """The words of each document, sorted."""
    mine = reader(spec)
    found = mine.read(path)
    words = mine.vocabulary.words()
    bounds = zip(found.ends[:-1].tolist(), found.ends[1:].tolist(), strict=True)
    return [sorted(words[w] for w in found.words[a:b].tolist()) for a, b in bounds]


@pytest.mark.parametrize(("text", "form"), [(DOCWORD, "docword"), (LDAC, "ldac")])
def test_both_formats_of_counts_are_the_same_documents(tmp_path: Path, text: str, form: str) -> None:
    """Word numbers begin at 1 in docword, at 0 in LDA-C; the second document is empty."""
    assert format_of(text.encode()) == form
    names = tmp_path / "words.txt"
    names.write_text("零\none two\nb\nthree\n", encoding="utf-8")
    wanted = [["one two", "one two", "three", "零"], [], ["one two", "one two", "one two", "零"]]
    for name, data in (
        ("c.txt", text.encode()),
        ("c.gz", gzip.compress(text.replace("\n", "\r\n").encode())),
    ):
        (tmp_path / name).write_bytes(data)
        assert listed(tmp_path / name, vocabulary=str(names)) == wanted
    first = 1 if form == "docword" else 0
    numbered = listed(tmp_path / "c.txt")
    assert numbered[2] == sorted([str(first), *3 * [str(first + 1)]])


def test_the_words_beside_a_docword_are_found(tmp_path: Path) -> None:
    (tmp_path / "docword.x.txt.gz").write_bytes(gzip.compress(DOCWORD.encode()))
    (tmp_path / "vocab.x.txt").write_text("a\nb\nc\nd\n", encoding="utf-8")
    assert listed(tmp_path / "docword.x.txt.gz")[0] == ["a", "b", "b", "d"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "x.txt:1: expected the number of documents, found the end"),
        ("3\n4\n", "x.txt:3: expected the number of entries, found the end"),
        ("3\n4 5\n1\n", 'x.txt:2: expected the number of words, found "4 5"'),
        ("3\n4\n2\n1 1 1\n", "x.txt:3: 2 entries are announced, 1 follow (the file may be cut off)"),
        ("3\n4\n1\n4 1 1\n", "x.txt:4: document 4, but the file begins with 3 documents"),
        ("3\n4\n1\n\n0 1 1\n", "x.txt:5: document 0, but the file begins with 3 documents"),
        ("3\n4\n1\n1 5 1\n", "x.txt:4: word 5, but the file begins with 4 words"),
        ("3\n4\n1\n1 1 0\n", "x.txt:4: a count of 0"),
        ("3\n4\n1\n1 1\n", 'x.txt:4: expected `document word count`, found "1 1"'),
        ("3\n4\n1\n1 1 1 1\n", "x.txt:4: expected `document word count`"),
        ("3\n4\n1\n1 -1 1\n", "x.txt:4: expected `document word count`"),
        ("3\n4\n1\n1 1 99999999999999999999\n", "x.txt:4: expected `document word count`"),
        ("99999999999\n4\n0\n", "x.txt:1: expected the number of documents"),
    ],
)
def test_faults_of_docword_have_their_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        reader({"format": "docword"}).read(path)
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("2 0:1", "2 words are announced, 1 follow"),
        ("1 0:0", "a number is beyond 2,147,483,647, or a count is 0"),
        ("1 0", "expected `n word:count word:count ...`"),
        ("1 0:1:2", "expected `n word:count word:count ...`"),
        ("0:1", "expected `n word:count word:count ...`"),
        ("1 :1", "expected `n word:count word:count ...`"),
        ("x 0:1", 'found "x 0:1"'),
    ],
)
def test_faults_of_ldac_have_their_line_or_are_left_out(tmp_path: Path, line: str, told: str) -> None:
    path = tmp_path / "x.txt"
    path.write_text(f"1 5:2\n\n{line}\n1 6:1\n", encoding="utf-8")
    with pytest.raises(DataError) as error:
        reader({"format": "ldac"}).read(path)
    assert f"x.txt:3: {told}" in str(error.value) or (
        told in str(error.value) and "x.txt:3:" in str(error.value)
    )
    skipping = reader({"format": "ldac"}, bad="skip")
    found = skipping.read(path)
    assert skipping.vocabulary.words() == ["5", "6"] and found.skipped == 1
    assert found.names == ["1", "4"] and "x.txt:3" in found.first_fault


def test_more_words_than_the_machine_has_room_for(tmp_path: Path) -> None:
    text = "1\n1\n4000000\n" + "1 1 2147483647\n" * 1
    with pytest.raises(DataError, match="announced"):
        read_word_counts(text.encode(), "docword", "x")
    (tmp_path / "x").write_text("1\n1\n200\n" + "1 1 2147483647\n" * 200, encoding="ascii")
    with pytest.raises(DataError, match="a corpus of 429,496,729,400 words needs"):
        reader({"format": "docword"}).read(tmp_path / "x")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("a\nb\nc\n", "v.txt: 3 words, but"),
        ("a\nb\na\nd\n", 'v.txt:3: "a" stands in line 1 too'),
        ("a\n\nc\nd\n", "v.txt:2: expected a word, found a blank line"),
        ("a\nb\n\udcff\nd\n", "v.txt:3: not UTF-8: byte 0xff"),
    ],
)
def test_a_vocabulary_that_does_not_fit(tmp_path: Path, words: str, told: str) -> None:
    (tmp_path / "x.txt").write_text(DOCWORD, encoding="utf-8")
    (tmp_path / "v.txt").write_bytes(words.encode("utf-8", "surrogateescape"))
    with pytest.raises(DataError) as error:
        reader({"vocabulary": str(tmp_path / "v.txt")}).read(tmp_path / "x.txt")
    assert told in str(error.value)


def test_titles_between_tabs(tmp_path: Path) -> None:
    path = tmp_path / "b.tsv"
    path.write_text("\ufeffThe Cat\t 猫 と 犬 \t\tThe Cat\r\n\t\n犬\n", encoding="utf-8")
    assert listed(path, format="items") == [["The Cat", "The Cat", "猫 と 犬"], [], ["犬"]]
    path.write_text("anna\tThe Cat\t犬\nbob\t犬\n", encoding="utf-8")
    mine = reader({"format": "items", "labelled": True})
    found = mine.read(path)
    assert found.labels == ["anna", "bob"] and mine.vocabulary.words() == ["The Cat", "犬"]


def test_labels_and_lines_and_folders(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("spam\tmoney now\n\nham\tsee you now\n", encoding="utf-8")
    mine = reader({"labelled": True})
    found = mine.read(path)
    assert (found.labels, found.names) == (["spam", "ham"], ["1", "3"])
    assert mine.vocabulary.words() == ["money", "now", "see", "you"]
    assert document_frequencies(found, 4).tolist() == [1, 2, 1, 1]
    bare = tmp_path / "bare.txt"
    bare.write_text("see money unheard\n", encoding="utf-8")
    for other, wanted in ((bare, [2, 0, -1]), (path, [0, 1, 2, 3, 1])):
        got = joined_documents(list(mine.pieces(other, ["ham", "spam"])))
        assert got.words.tolist() == wanted
    for name in ("a/1", "b/2"):
        (tmp_path / "folder" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "folder" / name).write_text("one two", encoding="utf-8")
    found = reader({"labelled": True}).read(tmp_path / "folder")
    assert found.labels == ["a", "b"] and found.names == ["a/1", "b/2"]


def test_a_part_of_the_documents_without_some_words(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("aa bb aa\ncc\n\nbb cc dd\n", encoding="utf-8")
    found = reader({}).read(path).take(np.array([True, False, True]))
    assert (found.names, found.words.tolist(), found.ends.tolist()) == (
        ["1", "4"],
        [0, 1, 0, 1, 2, 3],
        [0, 3, 6],
    )
    fewer = found.renumbered(np.array([-1, 0, -1, 1]))
    assert (fewer.names, fewer.words.tolist(), fewer.ends.tolist()) == (["1", "4"], [0, 0, 1], [0, 1, 3])
