"""train-mlp as a user meets it: what a run prints and leaves, and that it can be repeated to the byte."""

import json
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml

from dlkit.algorithms.supervised import Supervised
from tests.cli.calling import DATA, RECIPES, call, contents, error_line, good, sets, table, train

SMALL = sets(model="[{dense: 16}, {dropout: 0.2}]", epochs=3, data__test=0.2, data__valid=0.2)
FILES = {
    "recipe.yaml",
    "metrics.csv",
    "timing.csv",
    "summary.json",
    "checkpoint.h5",
    "best.h5",
    "environment.json",
}


def summary(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "summary.json").read_text(encoding="utf-8"))


def metrics(directory: Path) -> list[dict[str, str]]:
    return table((directory / "metrics.csv").read_text(encoding="utf-8"))


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


# -- families ----------------------------------------------------------------------------------------------
def test_folds(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = train(DATA / "golf.csv", run, "--folds", 3, "--epochs", 2)
    members = [summary(run / f"fold-{k}") for k in (1, 2, 3)]
    found = summary(run)
    for key in ("test_loss", "test_accuracy", "train_loss"):
        values = [member[key] for member in members]
        mean = sum(values) / 3
        sd = (sum((value - mean) ** 2 for value in values) / 2) ** 0.5
        assert found[f"{key}_mean"] == pytest.approx(mean)
        assert found[f"{key}_sd"] == pytest.approx(sd)
    for k in (1, 2, 3):
        recipe = yaml.safe_load((run / f"fold-{k}" / "recipe.yaml").read_text(encoding="utf-8"))
        assert recipe["data"]["fold"] == {"index": k - 1, "of": 3}
        told = json.loads(good("evaluate", run / f"fold-{k}", "--json").stdout)
        assert told["test_accuracy"] == members[k - 1]["test_accuracy"]
    *each, whole = done.stdout.splitlines()
    assert [line.split()[0] for line in each] == [str(run / f"fold-{k}") for k in (1, 2, 3)]
    assert whole.startswith(f"{run}   test_loss ")
    assert whole.count(" ± ") == 2
    assert whole.endswith("(3 folds)")


def test_variants(tmp_path: Path) -> None:
    run = tmp_path / "run"
    two = "{deep: {model: [{dense: 8}, {dense: 8}]}, fast: {optimizer.lr: 0.1, epochs: 3}}"
    done = train(DATA / "golf.csv", run, *sets(variants=two, epochs=2, model="[{dense: 4}]"))
    assert len(metrics(run / "deep")) == 2
    assert len(metrics(run / "fast")) == 3
    assert metrics(run / "fast")[0]["lr"] == "0.1"
    assert summary(run / "deep")["parameters"] > summary(run / "fast")["parameters"]
    assert summary(run)["fast_train_loss"] == summary(run / "fast")["train_loss"]
    assert "deep train_loss" in done.stdout
    assert "fast train_loss" in done.stdout


# -- looking before training -------------------------------------------------------------------------------
def test_dry_run_counts_parameters_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    classes, inputs = 10, 784
    lines = [",".join(f"x{k}" for k in range(inputs)) + ",y"]
    lines += [",".join(["0.5"] * inputs) + f",{row % classes}" for row in range(20)]
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    model = "[{dense: 512}, {dropout: 0.5}, {dense: {units: 512, activation: prelu}}]"
    done = good("train-mlp", "rows.csv", "--dry-run", "-o", "run", *sets(model=model))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["0.dense", "dense", "512", f"{784 * 512 + 512:,}"] in rows
    assert ["1.dropout", "dropout", "512", "0"] in rows
    assert ["2.dense", "dense", "512", f"{512 * 512 + 512 + 1:,}"] in rows
    assert ["3.output", "dense", "10", f"{512 * 10 + 10:,}"] in rows
    assert ["total", f"{784 * 512 + 512 + 512 * 512 + 513 + 5130:,}"] in rows


def test_print_config_is_a_recipe_that_prints_itself(tmp_path: Path) -> None:
    one = good(
        "train-mlp", RECIPES / "mlp-digits.yaml", "--print-config", "--lr", 0.5, *sets(batch="full")
    ).stdout
    path = tmp_path / "r.yaml"
    path.write_text(one, encoding="utf-8")
    assert good("train-mlp", path, "--print-config").stdout == one
    said = yaml.safe_load(one)
    assert (said["optimizer"]["lr"], said["batch"], said["epochs"]) == (0.5, "full", 40)


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
        if arguments[2] == (4, 3):
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
