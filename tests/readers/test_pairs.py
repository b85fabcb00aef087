"""Parallel texts: two files or one with tabs, bad lines with their places, words and numbers, batches."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from dlkit.backend.streams import Streams
from dlkit.errors import DataError
from dlkit.readers.pair_batches import PairBatches
from dlkit.readers.pair_spec import PairsSpec, SentenceSpec
from dlkit.readers.pairs import PairLines, read_pairs
from dlkit.readers.parallel import ParallelData, read_parallel
from dlkit.readers.sentences import END, UNKNOWN, Language, Sentences
from dlkit.readers.source_lines import source_lines

STREAMS = Streams(1)


def sides(pairs: PairLines) -> list[tuple[str, str]]:
    """The pairs as text, bad ones too."""
    both = []
    for side in (pairs.source, pairs.target):
        data = side.data.tobytes()
        both.append([data[i:j].decode() for i, j in zip(side.starts, side.ends, strict=True)])
    return list(zip(*both, strict=True))


def two_files(folder: Path, source: str | bytes, target: str | bytes, on_bad_row: Any = "error") -> PairLines:
    for name, text in (("c.ja", source), ("c.en", target)):
        (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    spec = PairsSpec(train=str(folder / "c"), source="ja", target="en")
    return read_pairs(spec.train, spec, on_bad_row, None)


def parallel(
    folder: Path, text: str, on_bad_row: Any = "error", tokens: str = "blank", **how: Any
) -> ParallelData:
    (folder / "p.tsv").write_text(text, encoding="utf-8", newline="")
    spec = PairsSpec(train=str(folder / "p.tsv"), **how)
    words = SentenceSpec.model_validate({"tokens": tokens, "min_count": 1})
    both = Language(words, "source_words"), Language(words, "target_words")
    return read_parallel(spec, both, on_bad_row, STREAMS, None)


# -- files ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("source", "target"),
    [
        ("犬\n猫\n", "dog\ncat\n"),
        ("犬\r\n猫\r\n", "dog\ncat"),
        ("\ufeff犬\n猫", "dog\r\ncat\r\n"),
        (gzip.compress("犬\n猫\n".encode(), mtime=0), "dog\ncat\n"),
    ],
)
def test_line_k_of_one_belongs_to_line_k_of_the_other(tmp_path: Path, source: Any, target: Any) -> None:
    assert sides(two_files(tmp_path, source, target)) == [("犬", "dog"), ("猫", "cat")]


def test_only_line_feeds_end_lines(tmp_path: Path) -> None:
    found = sides(two_files(tmp_path, "a\x0bb\u2028c\x85d\re\nf\n", "1\n2\n"))
    assert found == [("a\x0bb\u2028c\x85d\re", "1"), ("f", "2")]


def test_names_that_end_in_gz_are_found(tmp_path: Path) -> None:
    for name, text in (("c.ja", "犬\n"), ("c.en", "dog\n")):
        (tmp_path / f"{name}.gz").write_bytes(gzip.compress(text.encode()))
    spec = PairsSpec(train=str(tmp_path / "c"), source="ja", target="en")
    pairs = read_pairs(spec.train, spec, "error", None)
    assert sides(pairs) == [("犬", "dog")]
    assert pairs.written == str(tmp_path / "c")
    listed = [str(tmp_path / "c.ja.gz"), str(tmp_path / "c.en.gz")]
    assert sides(read_pairs(listed, PairsSpec(train=listed), "error", None)) == [("犬", "dog")]


def test_the_folder_of_the_recipe_is_searched(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text("犬\tdog\n", encoding="utf-8")
    pairs = read_pairs("p.tsv", PairsSpec(train="p.tsv"), "error", tmp_path)
    assert pairs.written == str(tmp_path / "p.tsv")


def test_columns_between_tabs(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text("1\tdog\t犬\n2\tcat\t猫\tmore\n", encoding="utf-8")
    spec = PairsSpec(train=str(tmp_path / "p.tsv"), columns=[2, 1])
    assert sides(read_pairs(spec.train, spec, "error", None)) == [("犬", "dog"), ("猫", "cat")]


def test_unequal_files_are_both_named_even_where_bad_rows_are_skipped(tmp_path: Path) -> None:
    for on_bad_row in ("error", "skip"):
        with pytest.raises(DataError, match=r"c\.ja: 3 lines, but .*c\.en has 2"):
            two_files(tmp_path, "a\nb\n\n", "1\n2\n", on_bad_row)


def test_bytes_that_are_not_utf8(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"c\.en:2: not UTF-8: byte 0xff"):
        two_files(tmp_path, "a\nb\nc\n", b"1\n\xff\n3\n")
    pairs = two_files(tmp_path, "a\nb\nc\n", b"1\n\xff\n3", "skip")
    assert pairs.good().tolist() == [0, 2]
    assert "c.en:2: not UTF-8" in pairs.note()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a\tb\nc\n", "p.tsv:2: expected 2 columns with tabs between them, found no tab"),
        ("a\tb\n\tc\n", "p.tsv:2: the source sentence is empty"),
        ("a\tb\nc\t \u3000\n", "p.tsv:2: the target sentence is empty"),
        ("a\tb\nc\td e f g\n", "p.tsv:2: 4 words in the target sentence, more than data.max_length 3"),
    ],
)
def test_bad_pairs_are_told_or_counted(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(DataError) as error:
        parallel(tmp_path, text, max_length=3)
    assert str(error.value).endswith(problem)
    data = parallel(tmp_path, text, "skip", max_length=3)
    assert len(data.train) == 1
    assert len(data.notes) == 1 and data.notes[0].endswith(problem)


@pytest.mark.parametrize("text", ["", "a\n", "\t\n"])
def test_nothing_to_learn_from(tmp_path: Path, text: str) -> None:
    with pytest.raises(DataError):
        parallel(tmp_path, text, "skip")


def test_what_a_recipe_cannot_say() -> None:
    for wrong in ({"source": "ja"}, {"source": "en", "target": "en"}, {"valid": 0}, {"valid": 1.5}):
        with pytest.raises(ValidationError):
            PairsSpec(train="x", **wrong)
    with pytest.raises(ValidationError, match="expected two files"):
        PairsSpec(train=["a"])


# -- words ----------------------------------------------------------------------------------------------
def test_words_are_numbered_by_frequency_and_the_rare_are_unknown(tmp_path: Path) -> None:
    (tmp_path / "p.tsv").write_text("b a a\tx\nc a b\tx <unk>\n", encoding="utf-8")
    words = SentenceSpec(min_count=2)
    both = Language(words, "source_words"), Language(words, "target_words")
    data = read_parallel(PairsSpec(train=str(tmp_path / "p.tsv")), both, "error", STREAMS, None)
    assert data.source.size == 6
    assert data.train.source[0].tolist() == [5, 4, 4]
    assert data.train.source[1].tolist() == [UNKNOWN, 4, 5]
    assert data.train.target[1].tolist() == [4, UNKNOWN]
    assert data.source.words([4, 5, UNKNOWN]) == ["a", "b", "<unk>"]
    again = Language.from_dict(words, "source_words", data.source.to_dict())
    assert again.words([5, 4]) == ["b", "a"]


def test_a_word_that_looks_like_a_mark_is_a_word(tmp_path: Path) -> None:
    data = parallel(tmp_path, "</s> <pad>\t<s>\n")
    assert data.train.source[0].tolist() == [4, 5]
    assert data.train.target[0].tolist() == [4]


def test_wide_characters_become_usual_ones(tmp_path: Path) -> None:
    data = parallel(tmp_path, "ｱ１　ﾊﾟ\tＡ\n")
    assert data.source.vocabulary.words() == ["ア1", "パ"]
    assert data.target.vocabulary.words() == ["A"]
    raw = parallel(tmp_path, "ｱ１　ﾊﾟ\tＡ\n", nfkc=False)
    assert raw.source.vocabulary.words() == ["ｱ１", "ﾊﾟ"]


def test_characters_keep_their_blanks(tmp_path: Path) -> None:
    data = parallel(tmp_path, "ab c\t 日本  語 \n", tokens="characters")
    for text, language, sentences in (
        ("ab c", data.source, data.train.source),
        ("日本 語", data.target, data.train.target),
    ):
        assert language.join(language.words(sentences[0].tolist())) == text


def test_japanese_words(tmp_path: Path) -> None:
    pytest.importorskip("sudachipy")
    data = parallel(tmp_path, "私は犬が好きです。\tI like dogs .\n", tokens="japanese")
    assert data.source.vocabulary.words() == ["私", "は", "犬", "が", "好き", "です", "。"]
    assert data.source.join(["私", "は"]) == "私は"


def test_held_out_pairs_teach_no_words(tmp_path: Path) -> None:
    text = "".join(f"w{k}\tv{k}\n" for k in range(10))
    data = parallel(tmp_path, text, valid=2, test=0.3)
    assert [len(c) for c in (data.train, data.valid, data.test) if c] == [5, 2, 3]
    assert data.source.size == 9
    assert data.test is not None and (data.test.source.ids == UNKNOWN).all()
    assert data.test.references is not None and data.test.references[0][0].startswith("v")


def test_padded_is_time_first_with_marks_put_on() -> None:
    sentences = Sentences(np.array([5, 6, 7, 8], np.int32), np.array([0, 1, 4]))
    both = np.array([0, 1])
    assert sentences.padded(both).tolist() == [[5, 6], [0, 7], [0, 8]]
    assert sentences.padded(both, begin=True, end=True).T.tolist() == [[1, 5, END, 0, 0], [1, 6, 7, 8, END]]


# -- batches --------------------------------------------------------------------------------------------
def test_every_pair_once_an_epoch_among_its_like() -> None:
    rng = np.random.default_rng(3)
    source, target = rng.integers(1, 20, 203), rng.integers(1, 30, 203)
    for tokens in (None, 100):
        batches = PairBatches(source, target, 16, tokens, STREAMS)
        first = dict(batches.epoch(1))
        assert sorted(np.concatenate(list(first.values())).tolist()) == list(range(203))
        assert list(first) == list(range(1, batches.steps + 1))
        for rows in first.values():
            assert len(rows) <= 16 and np.ptp(source[rows]) <= 3
            if tokens:
                assert len(rows) == 1 or len(rows) * (source[rows].max() + target[rows].max()) <= tokens
        skipped = dict(batches.epoch(1, 5))
        assert list(skipped) == list(first)[5:]
        assert all((skipped[k] == first[k]).all() for k in skipped)
        assert any((first[k] != rows).any() for k, rows in batches.epoch(2) if len(first[k]) == len(rows))
        sizes = [len(rows) * int(source[rows].max() + target[rows].max()) for rows in first.values()]
        assert (batches.most, batches.places()) == (max(map(len, first.values())), max(sizes))


def test_batches_of_tokens_are_cut_where_the_limit_is() -> None:
    ones = np.ones(10, np.int64)
    assert PairBatches(ones, 2 * ones, 64, 9, STREAMS).bounds.tolist() == [0, 3, 6, 9, 10]
    assert PairBatches(5 * ones, 5 * ones, 64, 9, STREAMS).steps == 10


# -- lines to translate ------------------------------------------------------------------------------------
def test_lines_to_translate_keep_their_numbers(tmp_path: Path) -> None:
    path = tmp_path / "in.txt"
    path.write_bytes("一\n\nｘ\ttarget\n".encode() + b"\xff\n" + b"end")
    tabs = PairsSpec(train="p.tsv")
    with pytest.raises(DataError, match=r"in\.txt:4: not UTF-8"):
        list(source_lines(str(path), tabs, "error"))
    lines = [line for piece in source_lines(str(path), tabs, "skip") for line in piece]
    assert [(line.number, line.text) for line in lines] == [(1, "一"), (2, ""), (3, "x"), (4, ""), (5, "end")]
    assert "not UTF-8" in lines[3].fault
    files = PairsSpec(train="c", source="ja", target="en")
    assert [line.text for piece in source_lines(str(path), files, "skip") for line in piece][2] == "x\ttarget"
