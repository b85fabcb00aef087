"""What train-mlp says of data, recipes and losses that are no good, and what it leaves alone then."""

from pathlib import Path
from typing import Any

import pytest

from dlkit.algorithms.supervised import Supervised
from tests.cli.calling import DATA, SMALL, call, error_line, sets, train


# -- mistakes ------------------------------------------------------------------------------------------------
def test_a_loss_that_is_not_finite_names_step_and_array(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(DATA / "digits.csv", run, *SMALL)
    kept = (run / "checkpoint.h5").read_bytes()
    wild = [*SMALL, "--lr", 1e30, *sets(optimizer="{name: sgd, lr: 1e30}")]
    first = error_line(call("train-mlp", DATA / "digits.csv", "-o", tmp_path / "wild", *wild), 1)
    assert "at epoch 1, step 2 (first not finite: " in first
    assert "0.dense" in first
    assert ": ," not in first
    assert ", ," not in first
    assert "nothing was saved before it" in first
    assert not (tmp_path / "wild" / "summary.json").exists()
    assert (run / "checkpoint.h5").read_bytes() == kept


def test_a_later_loss_that_is_not_finite_leaves_the_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    train(DATA / "digits.csv", run, *SMALL)
    kept = (run / "checkpoint.h5").read_bytes()
    learn = Supervised._learn

    def poisoned(self: Supervised, *arguments: Any) -> Any:
        if arguments[-1] == (4, 3):  # the position
            self.flat.parameters["0.dense.weight"].data[0, 0] = float("nan")
        return learn(self, *arguments)

    monkeypatch.setattr(Supervised, "_learn", poisoned)
    line = error_line(call("train-mlp", run / "recipe.yaml", "-o", run, "--resume", "--epochs", 5), 1)
    assert line.startswith("the loss is nan at epoch 4, step 3 (first not finite: 0.dense.weight, ")
    assert f"{run / 'checkpoint.h5'} holds the last good state" in line
    assert (run / "checkpoint.h5").read_bytes() == kept


@pytest.mark.parametrize(
    ("row", "told"),
    [
        ("1,2", "rows.csv:4: expected 3 columns, found 2"),
        ("1,x,yes", 'rows.csv:4: column b: expected a number, found "x"'),
        ("1,,yes", "rows.csv:4: column b: "),
    ],
)
def test_a_bad_row_is_placed_or_skipped_and_counted(
    row: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = ["1,2,no", "2,3,yes", row, "5,4,no", "6,1,yes"]
    Path("rows.csv").write_text("a,b,c\n" + "\n".join(rows) + "\n", encoding="utf-8")
    line = error_line(call("train-mlp", "rows.csv", "-o", "run", "--epochs", 1), 1)
    assert line.startswith(told)
    assert not Path("run").exists()
    done = train("rows.csv", Path("run"), "--epochs", 1, "--on-bad-row", "skip")
    assert "rows.csv: 1 bad row skipped, first rows.csv:4: " in done.stderr
    assert "rows.csv 4 ·" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            sets(optimizer__learning_rate=1),
            "--set: optimizer.learning_rate: unknown key (did you mean optimizer.lr?)",
        ),
        (
            ["--batch", 1, *sets(model="[{dense: 4}, batch_norm]")],
            "--batch: batch_norm needs 2 rows or more, found 1",
        ),
        (
            ["--noise", "learnt"],
            "noise: learnt is for regression; the label is one of 2 classes",
        ),
        (
            sets(band="{low: 0, high: 1}"),
            "band: a band needs a regression with one input column and one target",
        ),
        (
            sets(early_stopping="{metric: valid_loss}"),
            "early_stopping.metric: no figure valid_loss in this run "
            "(there are lr, train_loss, train_accuracy)",
        ),
        (
            sets(early_stopping=3),
            "early_stopping: no validation figure to watch (give data.valid or a metric)",
        ),
    ],
)
def test_what_cannot_be_trained(arguments: list[object], told: str, tmp_path: Path) -> None:
    assert error_line(call("train-mlp", DATA / "golf.csv", "-o", tmp_path / "run", *arguments), 2) == told
    assert not (tmp_path / "run" / "summary.json").exists()
