import math

import pytest

from dlkit.errors import DataError
from dlkit.training.metrics import MetricsTable
from dlkit.training.record import Best, RunRecord


def judged(values: list[float], **how: object) -> RunRecord:
    record = RunRecord(MetricsTable([]))
    settings = {"higher": True, "patience": None, **how}
    for record.epoch, value in enumerate(values, 1):
        record.judge(value, **settings)  # type: ignore[arg-type]
        if record.stopped:
            break
    return record


@pytest.mark.parametrize(
    ("values", "higher", "best"),
    [([1, 3, 2], True, Best(2, 3)), ([1, 3, 2], False, Best(1, 1)), ([3, 3], True, Best(1, 3)),
     ([math.nan, 2, math.nan], True, Best(2, 2)), ([math.nan], True, None)],
)  # fmt: skip
def test_the_best_epoch(values: list[float], higher: bool, best: Best | None) -> None:
    assert judged(values, higher=higher).best == best


def test_patience_counts_epochs_without_improvement() -> None:
    stopped = judged([1, 2, 2, 1, 5], patience=2)
    assert stopped.stopped and stopped.epoch == 4 and stopped.stale == 2
    assert not judged([1, 2, 2, 3, 2], patience=2).stopped


def test_small_steps_are_no_improvement_but_can_be_the_best() -> None:
    record = judged([1.0, 1.05, 1.09, 1.1], patience=3, min_delta=0.2)
    assert record.stopped and record.best == Best(4, 1.1) and record.reference == 1.0


def test_a_record_comes_back() -> None:
    record = RunRecord(MetricsTable(["train_loss", "valid_loss"]), 2, 3, 23)
    for epoch in (1, 2):
        record.table.append(
            {"epoch": epoch, "step": 10 * epoch, "train_loss": 0.1 * epoch, "valid_loss": math.nan}
        )
    record.judge(0.5, higher=False, patience=3)
    tree = record.to_tree("command: toy\n", {"w": None})
    again = RunRecord.from_tree(tree, ["train_loss", "valid_loss"], "x.h5")
    assert again.to_tree("command: toy\n", {"w": None}) == tree
    assert (again.best, again.reference, again.stale) == (record.best, 0.5, 0)
    with pytest.raises(DataError, match=r"x\.h5"):
        RunRecord.from_tree(tree | {"best": {"x": 1}}, ["train_loss", "valid_loss"], "x.h5")
