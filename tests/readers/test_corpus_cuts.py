"""Stretches of a corpus against a plain reference, in memory and from a file, read at once or in parts."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.readers import corpus_cuts, numbers
from dlkit.readers.corpus_cuts import Stretches
from dlkit.readers.numbers import MARK, NumberFile


def reference(row: np.ndarray, size: int) -> tuple[list[int], list[int]]:
    """Where stretches begin, and the sentences before: a cut behind the next end of a sentence, if there is
    one from the last of `size` numbers on, within twice as many."""
    cuts, passed = [0], [0]
    while cuts[-1] < len(row):
        at = cuts[-1]
        ends = [k for k in range(at + size - 1, min(at + 2 * size, len(row))) if row[k] == MARK]
        cuts.append(ends[0] + 1 if ends else min(at + size, len(row)))
        passed.append(int((row[: cuts[-1]] == MARK).sum()))
    return cuts, passed


def made(rng: np.random.Generator, size: int, share: float) -> np.ndarray:
    row = rng.integers(0, 50, size).astype(np.int32)
    row[rng.random(size) < share] = MARK
    return row


@pytest.mark.parametrize("in_file", [False, True])
@pytest.mark.parametrize("at_once", [1, 64, 1 << 20])
def test_stretches_are_those_of_the_reference(
    in_file: bool, at_once: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus_cuts, "AT_ONCE", at_once)
    monkeypatch.setattr(numbers, "IN_MEMORY", 0 if in_file else 1 << 30)
    rng = np.random.default_rng(5)
    for length, share, size, every in (
        (1, 0.0, 10, 1), (300, 0.02, 10, 3), (257, 0.2, 16, 4), (400, 0.0, 25, 5), (90, 1.0, 10, 2),
        (64, 0.1, 100, 7),
    ):  # fmt: skip
        row = made(rng, length, share)
        whole = NumberFile(tmp_path)
        for first in range(0, length, 100):
            whole.append(row[first : first + 100])
        found = Stretches(whole, size, every, tmp_path)
        cuts, passed = reference(row, size)
        assert (found.count, found.longest) == (len(cuts) - 1, int(np.diff(cuts).max()))
        assert found.steps == -(-found.count // every)
        assert found.words_before(found.steps) == int((row != MARK).sum())
        for step in range(found.steps):
            part = slice(step * every, min((step + 1) * every, found.count) + 1)
            places, ends = found.of(step)
            assert places.tolist() == cuts[part] and ends.tolist() == passed[part]
            assert found.words_before(step) == cuts[part][0] - passed[part][0]


def test_a_long_corpus_leaves_little_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is held of a corpus and its stretches does not grow with it."""
    import tracemalloc

    monkeypatch.setattr(numbers, "IN_MEMORY", 1000)
    rng, held = np.random.default_rng(1), []
    for times in (1, 10):
        row = made(rng, 20_000, 0.05)
        tracemalloc.start()
        try:
            whole = NumberFile(tmp_path)
            for _ in range(times):
                whole.append(row)
            found = Stretches(whole, 50, 100, tmp_path)
            held.append(tracemalloc.get_traced_memory()[0])
            assert found.count > 300 * times
        finally:
            tracemalloc.stop()
    assert held[1] < held[0] + 40_000, "200,000 numbers and 3,000 stretches lie in files"
