"""Shares, folds, row files and batches."""

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.readers.batches import Batches
from dlkit.readers.split import fold_of, hold_out, kept_rows, read_row_numbers, rows_wanted


class Streams:
    def get(self, name, *position):
        return np.random.default_rng([*name.encode(), *position])


CLASSES = np.repeat([0, 1, 2, 3], [100, 37, 12, 1])


def rng():
    return np.random.default_rng(3)


def test_shares_keep_the_classes_shares():
    rows = np.arange(1000, 1150)
    held = hold_out(rows, CLASSES, 30, rng())
    assert len(held) == len(set(held)) == 30
    assert np.bincount(CLASSES[held - 1000], minlength=4).tolist() == [20, 8, 2, 0]
    assert (np.diff(held) > 0).all()
    np.testing.assert_array_equal(held, hold_out(rows, CLASSES, 30, rng()))
    assert len(hold_out(rows, None, 149, rng())) == len(hold_out(rows, CLASSES, 149, rng())) == 149


def test_how_many_rows_a_part_is():
    assert rows_wanted(0.1, 55, "valid", "x") == 6
    assert rows_wanted(5, 55, "valid", "x") == 5
    for part, count, said in ((0.01, 10, "is no row"), (10, 10, "none to train on"), (0.99, 2, "none to")):
        with pytest.raises(DataError, match=said):
            rows_wanted(part, count, "valid", "x")


@pytest.mark.parametrize("classes", [None, CLASSES])
def test_folds_are_disjoint_even_and_stratified(classes):
    folds = fold_of(150, classes, 4, rng())
    sizes = np.bincount(folds, minlength=4)
    assert (sizes.sum(), sizes.max() - sizes.min()) == (150, 1)
    if classes is not None:
        for code in range(4):
            each = np.bincount(folds[classes == code], minlength=4)
            assert each.max() - each.min() <= 1


@pytest.mark.parametrize("text", ["3 0\n7", "3.0e+00\n0.000e+00 7\n\n", "  3\t0 7  "])
def test_row_numbers(tmp_path, text):
    path = tmp_path / "rows.txt"
    path.write_text(text, encoding="utf-8")
    assert read_row_numbers(path, 8).tolist() == [3, 0, 7]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\n8\n", ':2: expected a row number from 0 to 7, found "8"'),
        ("1 -1", ":1: expected"),
        ("1 2.5", ":1: expected"),
        ("1 x", ":1: expected"),
        ("nan", ":1: expected"),
        ("1e400", ":1: expected"),
        ("1\n2\n1\n", ":3: row 1 stands twice"),
        (" \n", "no row numbers"),
    ],
)
def test_row_numbers_that_are_none(tmp_path, text, message):
    path = tmp_path / "rows.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as error:
        read_row_numbers(path, 8)
    assert message in str(error.value)


def test_row_numbers_count_skipped_rows_too():
    positions = np.array([0, 1, 3, 4])  # row 2 was bad
    assert kept_rows(np.array([4, 2, 0]), positions, 5).tolist() == [3, 0]


def test_batches_cover_every_row_once_and_can_be_resumed():
    batches = Batches(23, 5, True, Streams())
    assert batches.steps == 5
    first = list(batches.epoch(1))
    assert [len(rows) for _, rows in first] == [5, 5, 5, 5, 3]
    assert sorted(np.concatenate([rows for _, rows in first]).tolist()) == list(range(23))
    later = list(batches.epoch(1, skip=3))
    assert [step for step, _ in later] == [4, 5]
    np.testing.assert_array_equal(later[0][1], first[3][1])
    assert not np.array_equal(batches.order(1), batches.order(2))
    assert batches.order(1).dtype == np.int64


def test_batches_full_online_and_in_order():
    full = Batches(7, "full", True, Streams())
    assert [rows.tolist() for _, rows in full.epoch(1)] == [list(range(7))]
    assert Batches(7, 1, True, Streams()).steps == 7
    assert Batches(7, 3, False, Streams()).order(4).tolist() == list(range(7))
    assert Batches(7, 100, True, Streams()).steps == 1
    for n, batch in ((0, 5), (5, 0)):
        with pytest.raises(ValueError, match="batch"):
            Batches(n, batch, True, Streams())
