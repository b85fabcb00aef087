"""Labelled documents in other encodings, and their words in memory that is used again."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.algorithms.nb_text import ChunkCounter, TextFeaturesSpec
from dlkit.algorithms.nb_variants import multinomial
from dlkit.errors import DataError
from dlkit.readers import text
from dlkit.readers.text import TextSource
from dlkit.readers.words import Room, Tokeniser

LINES = {
    "latin-1": ["x\tplain words", "y\tcafé über", "x\tplain again", "x\t£ naïve"] * 30,
    "shift_jis": ["x\tplain words", "y\t表計算 ソフト", "x\tmore", "猫\t日本語 能力"] * 30,
}


@pytest.mark.parametrize("piece", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("encoding", LINES)
def test_a_text_is_decoded_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoding: str, piece: int
) -> None:
    monkeypatch.setattr(text, "PIECE", piece)
    path = tmp_path / "a.txt"
    path.write_bytes("\n".join(LINES[encoding]).encode(encoding))
    (chunk,) = TextSource(path, encoding=encoding).chunks()
    found = [
        chunk.data[a:b].tobytes().decode()
        for a, b in zip(chunk.starts.tolist(), chunk.ends.tolist(), strict=True)
    ]
    assert found == [line.split("\t")[1] for line in LINES[encoding]]


@pytest.mark.parametrize("piece", [1, 40, 1 << 20])
def test_the_line_of_what_is_no_text_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(text, "PIECE", piece)
    path = tmp_path / "a.txt"
    lines = ["x\t日本", "x\tplain"] * 20
    path.write_bytes("\n".join(lines).encode("shift_jis") + b"\nx\tbad \x81\x00 here\nx\tgood\n")
    with pytest.raises(DataError, match=r"a\.txt:41: not shift_jis: byte 0x81"):
        list(TextSource(path, encoding="shift_jis").chunks())
    source = TextSource(path, encoding="shift_jis", on_bad_row="skip")
    assert sum(len(chunk) for chunk in source.chunks()) == 41
    assert source.skipped == 1 and ":41: not shift_jis" in source.first_fault


@pytest.mark.parametrize("keys", [{}, {"tokens": "characters"}, {"ngrams": 2}, {"shortest": 4}])
def test_words_in_memory_used_again_are_the_same(tmp_path: Path, keys: dict) -> None:
    """A long chunk first, then shorter ones, whose words lie where others were."""
    path, room = tmp_path / "a.txt", Room()
    tokeniser = Tokeniser(TextFeaturesSpec.model_validate(keys), [])
    for lines in (LINES["shift_jis"], LINES["latin-1"][:7], ["x\ta", "x\tBB c ddd EEEE"], LINES["shift_jis"]):
        path.write_text("\n".join(lines), encoding="utf-8")
        (chunk,) = TextSource(path).chunks()
        again, new = tokeniser.spans(chunk, room), tokeniser.spans(chunk)
        for name in ("flat", "first", "last", "units"):
            np.testing.assert_array_equal(getattr(again, name), getattr(new, name), err_msg=name)


def test_counts_do_not_lie_in_memory_used_again(tmp_path: Path) -> None:
    counter = ChunkCounter(Tokeniser(TextFeaturesSpec(), []), 3, once=False)
    kept = []
    for lines in (["x\tone two two"], ["y\tthree four five six"]):
        (tmp_path / "a.txt").write_text("\n".join(lines), encoding="utf-8")
        (chunk,) = TextSource(tmp_path / "a.txt").chunks()
        kept.append(counter.count(chunk))
    assert kept[0].pool.tobytes() == b"onetwo" and kept[0].last.tolist() == [3, 6]
    assert kept[0].tally.tolist() == [[1], [2]]


@pytest.mark.parametrize("most", [3, 1 << 12, (1 << 12) + 1, 10**7])
def test_logarithms_looked_up_are_those_worked_out(most: int) -> None:
    counts = np.random.default_rng(1).integers(0, most + 1, (50, 3))
    counts[0, 0] = most
    expected = np.log(counts + 0.5) - np.log(counts.sum(0) + 0.5 * 50)
    np.testing.assert_allclose(multinomial(counts, 0.5), expected, rtol=1e-15, atol=1e-15)
