"""Item sets in order and marked, and their lines, against the plain way to do it."""

import csv
import io

import numpy as np
import pytest

from dlkit.algorithms import itemsets, set_order
from dlkit.algorithms.found import Found
from dlkit.algorithms.set_lines import itemsets_csv, one_cell
from dlkit.algorithms.set_order import ordered
from dlkit.backend.threads import Team
from dlkit.errors import DataError
from tests.algorithms import basket_oracle as oracle

LABELS = ["a", "b c", "x,y", 'q"r', "日本", "l\nm", "7", "e", '"z"', ","]


def found_of(sets: list[list[int]], counts: list[int]) -> Found:
    flat = np.array([item for s in sets for item in s], np.int32)
    return Found(np.array([len(s) for s in sets], np.int32), np.array(counts, np.int64), flat)


@pytest.mark.parametrize(("items", "density", "count"), [(3, 0.9, 1), (9, 0.6, 6), (40, 0.15, 4)])
def test_order_and_marks(items: int, density: float, count: int) -> None:
    rng = np.random.default_rng(items)
    found = oracle.item_sets(oracle.made(rng, 90, items, density), count)
    names = sorted({item for s in found for item in s})
    rank = rng.permutation(len(names))  # item k has the label names[rank[k]]
    number = {names[place]: k for k, place in enumerate(rank)}
    sets = [rng.permutation([number[i] for i in s]).tolist() for s in found]
    shuffled = rng.permutation(len(sets)).tolist()
    counts = list(found.values())
    labels = [names[place] for place in rank]
    made = ordered(labels, rank, found_of([sets[k] for k in shuffled], [counts[k] for k in shuffled]))
    expected = sorted(found.items(), key=lambda pair: (len(pair[0]), -pair[1], sorted(pair[0])))
    assert [made.sets.items(s) for s in range(len(made.sets))] == [sorted(s) for s, _ in expected]
    assert made.sets.counts.tolist() == [n for _, n in expected]
    closed, maximal = oracle.closed(found), oracle.maximal(found)
    assert made.closed.tolist() == [s in closed for s, _ in expected]
    assert made.maximal.tolist() == [s in maximal for s, _ in expected]


def test_nothing_in_order() -> None:
    made = ordered([], np.zeros(0, np.int64), Found.none())
    assert not len(made.sets) and not len(made.closed) and not len(made.maximal)


@pytest.mark.parametrize("sets", [[[0, 1]], [[0], [0, 1]], [[0], [1], [2], [0, 1], [0, 2], [0, 1, 2]]])
def test_a_missing_subset_is_told(sets: list[list[int]]) -> None:
    with pytest.raises(DataError, match="subsets"):
        ordered(["a", "b", "c"], np.arange(3), found_of(sets, [5] * len(sets)))


def test_lines_are_what_csv_writes() -> None:
    rng = np.random.default_rng(3)
    sets = [rng.permutation(len(LABELS))[: rng.integers(1, 6)].tolist() for _ in range(300)]
    found = found_of(sets, rng.integers(1, 99, len(sets)).tolist())
    closed, maximal = (rng.random((2, len(sets))) < 0.5).tolist()
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["items", "length", "count", "support", "closed", "maximal"])
    for s, count, c, m in zip(sets, found.counts.tolist(), closed, maximal, strict=True):
        writer.writerow([one_cell([LABELS[i] for i in s]), len(s), count, count / 99, int(c), int(m)])
    made = itemsets_csv(LABELS, found, np.array(closed), np.array(maximal), 99)
    assert made.decode() == out.getvalue()
    nothing = itemsets_csv([], Found.none(), np.zeros(0, bool), np.zeros(0, bool), 1)
    assert nothing.decode() == out.getvalue().split("\n")[0] + "\n"


def every_set(items: int) -> Found:
    """All sets of some items, in an order of chance, the longer ones rarer."""
    rng = np.random.default_rng(items)
    sets = [[k for k in range(items) if bits >> k & 1] for bits in range(1, 1 << items)]
    sets = [sets[k] for k in rng.permutation(len(sets)).tolist()]
    return found_of(sets, [100 - 7 * (len(s) // 2) for s in sets])


@pytest.mark.parametrize("limit", ["AT_ONCE", "SIDE_BY_SIDE"])
def test_threads_change_nothing(limit: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, rank = every_set(8), np.random.default_rng(1).permutation(8)
    alone = ordered(LABELS[:8], rank, found)
    monkeypatch.setattr(set_order, limit, 1)
    with Team(2, 3) as team:
        shared = ordered(LABELS[:8], rank, found, team)
    for name in ("lengths", "counts", "members"):
        np.testing.assert_array_equal(getattr(shared.sets, name), getattr(alone.sets, name))
    np.testing.assert_array_equal(shared.closed, alone.closed)
    np.testing.assert_array_equal(shared.maximal, alone.maximal)
    assert alone.maximal.sum() == 1 and 1 < alone.closed.sum() < 255


def test_hashes_that_say_too_little_are_drawn_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """High halves alike: the low half chooses a slot, and from there on no set is told from another."""
    found, real, asked = every_set(8), itemsets._keys, []

    def poor(items: int, salt: int) -> np.ndarray:
        asked.append(salt)
        return real(items, salt) & np.uint64(0xFF if salt < 2 else (1 << 64) - 1)

    expected = ordered(LABELS[:8], np.arange(8), found)
    monkeypatch.setattr(itemsets, "_keys", poor)
    made = ordered(LABELS[:8], np.arange(8), found)
    assert asked == [0, 1, 2]
    np.testing.assert_array_equal(made.closed, expected.closed)
    np.testing.assert_array_equal(made.maximal, expected.maximal)


def test_a_set_that_stands_twice_is_told() -> None:
    with pytest.raises(DataError, match="one set twice"):
        ordered(["a", "b"], np.arange(2), found_of([[0], [1], [0, 1], [1, 0]], [5] * 4))


def test_a_missing_subset_is_told_by_another_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(set_order, "SIDE_BY_SIDE", 1)
    with Team(2, 2) as team, pytest.raises(DataError, match="subsets"):
        ordered(["a", "b", "c"], np.arange(3), found_of([[0], [0, 1]], [5, 5]), team)
