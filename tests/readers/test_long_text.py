"""Long texts as numbers: whatever the pieces, the cut and the place of the cache."""

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.readers import long_text
from dlkit.readers.again import Rereadable
from dlkit.readers.labelled_sequences import SequenceBatches
from dlkit.readers.language_data import read_language
from dlkit.readers.long_text import CodedText, Spelling
from dlkit.readers.sequence_spec import SequencesSpec
from dlkit.readers.symbols import Symbols, joined, pieces

TEXT = "Alice was\r\nbeginning, to get 「very」 tired、日本語\rof sitting. don't 😀\r\n\n"
CLEAN = TEXT.replace("\r\n", "\n").replace("\r", "\n")


def read(data: bytes, size: int, **how) -> CodedText:
    blocks = [data[k : k + size] for k in range(0, len(data), size)]
    return CodedText.read(blocks, "t.txt", Spelling(**how))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("cut", ["characters", "words", "blank"])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
def test_pieces_do_not_matter(size: int, cut: str, bom: bytes) -> None:
    text = read(bom + TEXT.encode(), size, cut=cut)
    symbols = text.symbols(0, len(text), least=1, most=None)
    numbered = text.numbered(symbols)
    ids = numbered.take(np.arange(len(numbered)))
    assert [symbols.texts[k] for k in ids.tolist()] == pieces(CLEAN, cut)
    assert (ids == symbols.encode(CLEAN)).all()
    assert numbered.unknown() == 0
    if cut == "characters":
        assert symbols.decode(ids) == CLEAN
        assert numbered.characters() == len(CLEAN)


@pytest.mark.parametrize("encoding", ["utf-8", "shift_jis", "cp932", "euc_jp"])
def test_encodings(encoding: str) -> None:
    words = "吾輩は猫である。\n名前はまだ無い。\n"
    text = read(words.encode(encoding), 3, encoding=encoding)
    symbols = text.symbols(0, len(text), least=1, most=None)
    assert symbols.decode(text.numbered(symbols).take(np.arange(len(text)))) == words


def test_a_long_text_goes_to_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    small = read(TEXT.encode(), 5)
    monkeypatch.setattr(long_text, "IN_MEMORY", 60)
    large = read(TEXT.encode(), 5)
    assert isinstance(large.codes, np.memmap) and not isinstance(small.codes, np.memmap)
    assert (large.codes == small.codes).all()
    assert (large.counts(3, 20) == small.counts(3, 20)).all()


@pytest.mark.parametrize("size", [1, 4, 100])
def test_what_is_no_text_is_told_by_its_line(size: int) -> None:
    for data, told in (
        (b"ab\ncd\n\xffe\n", "t.txt:3: not UTF-8: byte 0xff"),
        ("ab\n日本".encode()[:-1], "t.txt:2: not UTF-8"),
        (b"ab\ncd\0", "t.txt:2: a NUL"),
        (b"", "t.txt: no text"),
    ):
        with pytest.raises(DataError) as error:
            read(data, size)
        assert told in str(error.value)


@pytest.mark.parametrize("size", [1, 4, 100])
def test_bad_bytes_are_left_out_and_counted(size: int) -> None:
    text = read(b"ab\ncd\n\xffe\xfe\n", size, on_bad_row="skip")
    assert "".join(map(chr, text.codes.tolist())) == "ab\ncd\ne\n"
    assert text.skipped == 2
    assert "t.txt:3" in text.first_fault


def test_rare_symbols_are_unknown_and_frequent_ones_first() -> None:
    text = read(b"aaabbc", 10)
    symbols = text.symbols(0, 6, least=2, most=None)
    assert symbols.texts == ["<unk>", "a", "b"]
    assert symbols.counts.tolist() == [1, 3, 2]
    assert text.numbered(symbols).take(np.arange(6)).tolist() == [1, 1, 1, 2, 2, 0]
    assert text.symbols(0, 6, least=1, most=1).texts == ["<unk>", "a"]
    again = Symbols.from_dict("characters", False, symbols.to_dict())
    assert again.texts == symbols.texts and (again.counts == symbols.counts).all()
    with pytest.raises(DataError, match="occurs 9 times"):
        text.symbols(0, 6, least=9, most=None)


def test_symbols_that_were_never_saved_are_refused() -> None:
    good = Symbols("words", False, ["a", "bc"], np.array([0, 2, 1])).to_dict()
    for key, value in (
        ("ends", np.array([1, 2])), ("counts", np.array([0, 2])), ("bytes", np.array([97, 97, 97])),
        ("ends", np.array([0, 3])),
    ):  # fmt: skip
        with pytest.raises((ValueError, UnicodeDecodeError)):
            Symbols.from_dict("words", False, good | {key: value})
    twice = Symbols("words", False, ["a", "a"], np.array([0, 2, 1])).to_dict()
    with pytest.raises(ValueError, match="twice"):
        Symbols.from_dict("words", False, twice)


def test_words_are_joined_as_they_are_written() -> None:
    for text in ("I don't know, he said.", "one (two) three!\nfour; five"):
        assert joined(pieces(text, "words"), "words") == text


def test_valid_and_test_are_the_end_of_the_text(tmp_path) -> None:
    path = tmp_path / "t.txt"
    path.write_text("abcdefghij", encoding="utf-8")
    spec = SequencesSpec(train=str(path), valid=3, test=0.2)
    data = read_language(spec, Rereadable(path), "error", None)
    parts = [part.take(np.arange(len(part))) for part in (data.train, data.valid, data.test)]
    assert [len(part) for part in parts] == [5, 3, 2]
    assert data.symbols.decode(parts[0]) == "abcde"
    assert parts[1].tolist() == [0, 0, 0], "symbols of the training part alone are known"


def test_every_sequence_once_an_epoch() -> None:
    from dlkit.backend.streams import Streams

    lengths = np.random.default_rng(0).integers(0, 50, 203)
    batches = SequenceBatches(lengths, 16, Streams(1))
    found = [rows for _, rows in batches.epoch(1)]
    assert len(found) == batches.steps == 13
    assert np.sort(np.concatenate(found)).tolist() == list(range(203))
    rest = [rows.tolist() for _, rows in batches.epoch(1, skip=4)]
    assert rest == [rows.tolist() for rows in found[4:]]
    spread = np.mean([np.ptp(lengths[rows]) for rows in found])
    assert spread < 10 < np.ptp(lengths)
