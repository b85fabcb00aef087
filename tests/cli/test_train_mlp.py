"""train-mlp as a user meets it: what a run prints and leaves, and that it can be repeated to the byte."""

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dlkit.algorithms.supervised import Supervised
from tests.cli.calling import (
    DATA,
    RECIPES,
    SMALL,
    call,
    contents,
    error_line,
    good,
    metrics,
    sets,
    summary,
    train,
)
from tests.conftest import Finished

FILES = {
    "recipe.yaml",
    "metrics.csv",
    "timing.csv",
    "summary.json",
    "checkpoint.h5",
    "best.h5",
    "environment.json",
}


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short run on the digits, its batches in two shards."""
    directory = tmp_path_factory.mktemp("digits") / "run"
    train(DATA / "digits.csv", directory, *SMALL, "--shards", 2, "--threads", 2)
    return directory


# -- what a run leaves ----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("name", "arguments", "measures"),
    [
        ("digits", [], ["loss", "accuracy"]),
        ("golf", ["--valid", "4", "--test", "2"], ["loss", "accuracy"]),
        ("diabetes", [], ["loss", "rmse"]),
        ("diabetes", ["--noise", "learnt"], ["loss", "rmse", "log_likelihood"]),
    ],
)
def test_a_run_on_each_kind_of_table(
    name: str, arguments: list[str], measures: list[str], tmp_path: Path
) -> None:
    run = tmp_path / "run"
    done = train(DATA / f"{name}.csv", run, *SMALL, *arguments)
    assert {path.name for path in run.iterdir()} == FILES
    found = summary(run)
    (line,) = done.stdout.splitlines()
    assert line.startswith(f"{run}   test_loss ")
    assert line.endswith(f"(best: epoch {found['best_epoch']})")
    splits = [f"{split}_{measure}" for split in ("train", "valid") for measure in measures]
    rows = metrics(run)
    assert list(rows[0]) == ["epoch", "step", "lr", *splits]
    documented = {column.name for column in Supervised.METRICS}
    assert {"lr", *splits} <= documented
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    steps = int(rows[0]["step"])
    assert [int(row["step"]) for row in rows] == [steps, 2 * steps, 3 * steps]
    head = ["epochs", "steps", "parameters", "best_epoch", "lr"]
    assert list(found) == [*head, *splits, *(f"test_{measure}" for measure in measures)]
    best = rows[found["best_epoch"] - 1]
    assert {key: found[key] for key in splits} == {key: float(best[key]) for key in splits}
    assert best["valid_loss"] == min((row["valid_loss"] for row in rows), key=float)


def test_a_run_without_held_out_rows(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = train(DATA / "golf.csv", run, "--epochs", 2)
    assert done.stdout.startswith(f"{run}   train_loss ")
    assert {path.name for path in run.iterdir()} == FILES - {"best.h5"}
    assert "best_epoch" not in summary(run)


def test_the_digits_recipe_keeps_its_promise(tmp_path: Path) -> None:
    train(RECIPES / "mlp-digits.yaml", tmp_path / "run", "-q")
    assert summary(tmp_path / "run")["test_accuracy"] >= 0.97


def test_keep_last_tests_the_last_epoch(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(DATA / "golf.csv", run, *SMALL, "--keep", "last")
    assert not (run / "best.h5").exists()
    assert summary(run)["valid_loss"] == float(metrics(run)[-1]["valid_loss"])


def test_as_a_process_with_a_loss_that_overflows(run_dlkit: Callable[..., Finished], tmp_path: Path) -> None:
    """Only dlkit's own words reach a terminal: no warning of NumPy's, no traceback."""
    wild = sets(optimizer="{name: sgd, lr: 1e30}", data__valid=0.2)
    done = run_dlkit("train-mlp", DATA / "diabetes.csv", "-o", tmp_path / "run", *wild, "--shards", 2)
    assert (done.code, done.stdout) == (1, "")
    known = ("task: ", "data ", "model ", "epoch ", "error: the loss is ")
    assert all(line.startswith(known) for line in done.stderr.splitlines()), done.stderr


# -- the same bytes ---------------------------------------------------------------------------------------
def test_the_same_run_twice_on_other_threads(digits: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    train(DATA / "digits.csv", again, *SMALL, "--shards", 2, "--threads", 1)
    assert contents(again) == contents(digits)


def test_the_recipe_in_the_directory_repeats_the_run(digits: Path, tmp_path: Path) -> None:
    again = tmp_path / "again"
    train(digits / "recipe.yaml", again, "--threads", 1)
    assert contents(again) == contents(digits)


def test_another_seed_is_another_run(digits: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    train(digits / "recipe.yaml", other, "--seed", 2)
    assert metrics(other) != metrics(digits)
    assert (other / "checkpoint.h5").read_bytes() != (digits / "checkpoint.h5").read_bytes()


def test_stopped_inside_an_epoch_and_resumed(
    digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    learn, steps = Supervised._learn, 0

    def interrupted(self: Supervised, *arguments: Any) -> Any:
        nonlocal steps
        steps += 1
        if steps == 13:
            signal.raise_signal(signal.SIGTERM)
        return learn(self, *arguments)

    with monkeypatch.context() as patch:
        patch.setattr(Supervised, "_learn", interrupted)
        done = call("train-mlp", digits / "recipe.yaml", "-o", run)
    assert (done.code, done.stdout) == (143, "")
    assert done.stderr.splitlines()[-1] == "stopped in epoch 2 after step 4, saved; --resume goes on"
    assert not (run / "summary.json").exists()
    assert good("inspect", run).stdout.startswith("train-mlp: 1 epochs, 13 steps\n")
    train(digits / "recipe.yaml", run, "--resume")
    assert contents(run) == contents(digits)


def test_resume_with_more_epochs_equals_more_epochs_from_the_start(digits: Path, tmp_path: Path) -> None:
    longer, resumed = tmp_path / "longer", tmp_path / "resumed"
    train(digits / "recipe.yaml", longer, "--epochs", 5)
    shutil.copytree(digits, resumed)
    train(digits / "recipe.yaml", resumed, "--resume", "--epochs", 5)
    assert contents(resumed) == contents(longer)


def test_a_finished_run_has_nothing_to_resume(digits: Path) -> None:
    before = contents(digits)
    done = train(digits / "recipe.yaml", digits, "--resume")
    assert "nothing to do" in done.stderr
    assert contents(digits) == before
    assert "--resume" in error_line(call("train-mlp", digits / "recipe.yaml", "-o", digits), 1)
    assert contents(digits) == before


# -- when to stop, and how fast to go ----------------------------------------------------------------------
def test_early_stopping_keeps_the_best(tmp_path: Path) -> None:
    run = tmp_path / "run"
    stop = sets(early_stopping="{patience: 2, min_delta: 0}", epochs=100)
    done = train(DATA / "golf.csv", run, *SMALL, *stop, "--lr", 0.1)
    losses = [float(row["valid_loss"]) for row in metrics(run)]
    best = losses.index(min(losses)) + 1
    assert len(losses) == best + 2 < 100
    assert summary(run)["best_epoch"] == best
    assert "stopped early: no better for 2 epochs" in done.stderr


def test_plateau_lowers_the_rate_where_the_loss_stands_still(tmp_path: Path) -> None:
    run = tmp_path / "run"
    schedule = sets(optimizer__schedule="{name: plateau, ratio: 0.5, patience: 1}", epochs=12)
    train(DATA / "golf.csv", run, *SMALL, *schedule, "--lr", 0.1, "--batch", 4)
    rows = metrics(run)
    lr, best, waited = 0.1, float("inf"), 0
    for row in rows:
        assert float(row["lr"]) == pytest.approx(lr)
        if float(row["valid_loss"]) < best:
            best, waited = float(row["valid_loss"]), 0
        elif (waited := waited + 1) > 1:
            lr, waited = lr / 2, 0
    assert lr < 0.1


def test_cosine_ends_near_zero(tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(DATA / "digits.csv", run, *SMALL, *sets(optimizer__schedule="cosine"))
    rates = [float(row["lr"]) for row in metrics(run)]
    assert 1e-3 > rates[0] > rates[1] > rates[2]
    assert rates[2] < 1e-5
