import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.algorithms.protocol import Algorithm, NonFinite
from dlkit.backend.machines import Alone
from dlkit.errors import DataError, RecipeError, UsageError, UserError
from dlkit.training.checkpoint import load, save
from dlkit.training.driver import open_run, run
from dlkit.training.options import RunOptions
from dlkit.training.rundir import RunDirectory
from tests.training.toy import TOYS, Counting, Regression

EXACT = (
    "metrics.csv",
    "checkpoint.h5",
    "summary.json",
    "recipe.yaml",
    "best.h5",
    "weights.txt",
    "counts/items.csv",
)


def go(
    algorithm: type[Algorithm], directory: Path, *, options: dict[str, Any] | None = None, **recipe: Any
) -> None:
    made = algorithm.Recipe.model_validate(recipe)
    run(algorithm, made, RunOptions(directory, **{"threads": 1, "quiet": True, **(options or {})}))


def contents(directory: Path) -> dict[str, bytes]:
    return {name: (directory / name).read_bytes() for name in EXACT if (directory / name).exists()}


def snapshot(directory: Path) -> dict[str, tuple[bytes, int]]:
    files = [path for path in directory.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


def figures(directory: Path) -> dict[str, Any]:
    return json.loads((directory / "summary.json").read_text())


@pytest.mark.parametrize("name", TOYS)
def test_the_same_run_twice_gives_the_same_bytes(name: str, tmp_path: Path) -> None:
    go(TOYS[name], tmp_path / "a")
    go(TOYS[name], tmp_path / "b", options={"checkpoint_seconds": 0.0})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    assert {"metrics.csv", "checkpoint.h5", "summary.json", "recipe.yaml"} <= set(contents(tmp_path / "a"))
    go(TOYS[name], tmp_path / "c", seed=2)
    assert contents(tmp_path / "a")["checkpoint.h5"] != contents(tmp_path / "c")["checkpoint.h5"]


def test_what_a_run_leaves(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(Regression, tmp_path / "実験", early_stopping={"patience": 2}, rise_after=3, epochs=20)
    rows = list(csv.DictReader((tmp_path / "実験" / "metrics.csv").open()))
    assert list(rows[0]) == ["epoch", "step", "train_loss", "valid_loss"]
    assert [(row["epoch"], row["step"]) for row in rows] == [(str(e), str(10 * e)) for e in range(1, 6)]
    summary = figures(tmp_path / "実験")
    assert summary["best_epoch"] == 3 and summary["epochs"] == 5 and summary["steps"] == 50
    assert repr(summary["valid_loss"]) == rows[2]["valid_loss"]
    best, last = load(tmp_path / "実験" / "best.h5"), load(tmp_path / "実験" / "checkpoint.h5")
    assert (
        best.tree["position"] == {"epoch": 3, "step": 0, "steps": 30} and last.tree["position"]["epoch"] == 5
    )
    weights = (tmp_path / "実験" / "weights.txt").read_text().split()
    assert weights == [
        repr(value) for value in best.tree["state"]["w"].tolist()
    ]  # artifacts of the chosen model
    assert summary["test_norm"] == float(np.abs(best.tree["state"]["w"]).sum())
    assert best.tree["state"]["tested"] == summary["test_norm"] and last.tree["state"]["tested"] == 0.0
    line = f"{tmp_path / '実験'}   test_norm {summary['test_norm']:.4f}   (best: epoch 3)\n"
    assert capsys.readouterr() == (line, "")
    environment = json.loads((tmp_path / "実験" / "environment.json").read_text(encoding="utf-8"))
    assert environment["artifacts"] == ["weights.txt"] and environment["device"] == "cpu"
    timing = (tmp_path / "実験" / "timing.csv").read_text().splitlines()
    assert timing[0] == "epoch,step,seconds,examples_per_second,peak_memory_bytes" and len(timing) == 6


def test_keep_last(tmp_path: Path) -> None:
    go(Regression, tmp_path, keep="last", rise_after=2)
    assert not (tmp_path / "best.h5").exists() and "best_epoch" not in figures(tmp_path)
    state = load(tmp_path / "checkpoint.h5").tree["state"]
    assert figures(tmp_path)["test_norm"] == state["tested"] == float(np.abs(state["w"]).sum())
    assert open_run(tmp_path, algorithm=Regression)[1].tree["position"]["epoch"] == 4


def test_recipe_of_a_run_repeats_it(tmp_path: Path) -> None:
    from dlkit.recipe.document import load_document
    from dlkit.recipe.resolve import resolve

    go(Regression, tmp_path / "a", lr=0.1)
    recipe = resolve(Regression.Recipe, load_document(tmp_path / "a" / "recipe.yaml"), [], {})
    assert recipe.shards == 1  # auto, settled
    run(Regression, recipe, RunOptions(tmp_path / "b", threads=2, quiet=True))
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


# -- resuming ------------------------------------------------------------------------------------
class Crash(BaseException):
    """What a kill -9 is to the process itself: nothing after it runs."""


def crash_at(monkeypatch: pytest.MonkeyPatch, number: int) -> list[str]:
    """Let a run crash at its write number `number`, before or after it. Returns the names written."""
    real, names = RunDirectory.write, []

    def write(self: RunDirectory, name: str, content: Any, **how: Any) -> None:
        names.append(name)
        if len(names) == number and number % 2:
            raise Crash
        real(self, name, content, **how)
        if len(names) == number:
            raise Crash

    monkeypatch.setattr(RunDirectory, "write", write)
    return names


@pytest.mark.parametrize("name", TOYS)
def test_a_crash_at_any_write_changes_nothing_in_the_end(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipes = {"toy-regression": {"epochs": 3, "batch": 20, "rise_after": 2}, "toy-counting": {"chunks": 3}}
    recipe: dict[str, Any] = recipes[name]
    often = {"checkpoint_seconds": 0.0}
    monkeypatch.setattr("dlkit.training.rundir.os.fsync", lambda descriptor: None)  # slow, and of no use here
    with pytest.MonkeyPatch.context() as patch:
        names = crash_at(patch, -1)
        go(TOYS[name], tmp_path / "whole", options=often, **recipe)
    assert len(names) > 10
    for number in range(1, len(names) + 1):
        crashed = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch, pytest.raises(Crash):
            crash_at(patch, number)
            go(TOYS[name], crashed, options=often, **recipe)
        complete = number == len(names) and not number % 2
        assert (crashed / "summary.json").exists() == complete
        go(TOYS[name], crashed, options={"resume": True}, **recipe)
        assert contents(crashed) == contents(tmp_path / "whole"), (number, names[number - 1])
        epochs = [line.split(",")[0] for line in (crashed / "timing.csv").read_text().splitlines()[1:]]
        assert epochs == sorted(set(epochs))


def test_finished_is_finished(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(Regression, tmp_path)
    before, line = snapshot(tmp_path), capsys.readouterr().out
    go(Regression, tmp_path, options={"resume": True, "quiet": False})
    out, err = capsys.readouterr()
    assert snapshot(tmp_path) == before and out == line and "is finished" in err


def test_more_epochs_go_on(tmp_path: Path) -> None:
    go(Regression, tmp_path / "a", epochs=6)
    go(Regression, tmp_path / "b", epochs=4)
    go(Regression, tmp_path / "b", epochs=6, options={"resume": True})
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    environment = json.loads((tmp_path / "b" / "environment.json").read_text())
    assert len(environment["resumed"]) == 1


def test_an_early_stop_stays(tmp_path: Path) -> None:
    stopping: dict[str, Any] = {"early_stopping": {"patience": 2}, "rise_after": 3}
    go(Regression, tmp_path, epochs=20, **stopping)
    before = snapshot(tmp_path)
    go(Regression, tmp_path, epochs=30, options={"resume": True}, **stopping)
    assert snapshot(tmp_path) == before


def test_a_run_that_cannot_have_stopped_early_is_refused(tmp_path: Path) -> None:
    go(Regression, tmp_path)
    tree = load(tmp_path / "checkpoint.h5").tree
    stopped = {"early_stopping": tree["early_stopping"] | {"stopped": True}}
    save(tmp_path / "checkpoint.h5", tree | stopped, command="toy-regression")
    with pytest.raises(DataError, match="early stopping ended it, which its recipe rules out"):
        go(Regression, tmp_path, epochs=9, options={"resume": True})


def test_other_recipes_are_refused_by_key(tmp_path: Path) -> None:
    go(Regression, tmp_path)
    before = snapshot(tmp_path)
    with pytest.raises(UserError, match=r"different: batch, lr \(") as caught:
        go(Regression, tmp_path, lr=0.1, batch=5, epochs=9, options={"resume": True})
    assert caught.value.exit_code == 1 and snapshot(tmp_path) == before
    with pytest.raises(DataError, match="a checkpoint of toy-regression, not of toy-counting"):
        go(Counting, tmp_path, options={"resume": True})


def test_epochs_cannot_be_undone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    crash_at(monkeypatch, 12)
    with pytest.raises(Crash):
        go(Regression, tmp_path, options={"checkpoint_seconds": 0.0})
    monkeypatch.undo()
    tree = load(tmp_path / "checkpoint.h5").tree
    assert tree["position"]["epoch"] == 0 and tree["position"]["step"] > 0
    save(
        tmp_path / "checkpoint.h5",
        tree
        | {
            "position": {"epoch": 3, "step": 0, "steps": 30},
            "metrics": "epoch,step,train_loss\n1,10,1.0\n2,20,1.0\n3,30,1.0\n",
        },
        command="toy-regression",
    )
    with pytest.raises(UsageError, match="2, but 3 are done"):
        go(Regression, tmp_path, epochs=2, options={"resume": True})


def test_resume_of_nothing_starts_fresh(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(Regression, tmp_path / "a", options={"resume": True, "quiet": False})
    assert "nothing to resume" in capsys.readouterr().err
    go(Regression, tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_a_state_that_does_not_fit_is_one_line(tmp_path: Path) -> None:
    go(Regression, tmp_path)
    tree = load(tmp_path / "checkpoint.h5").tree
    for state, said in (({"w": np.zeros(2)}, "expected 3 weights"), ({}, "does not fit toy-regression")):
        save(tmp_path / "checkpoint.h5", tree | {"state": state}, command="toy-regression")
        with pytest.raises(DataError, match=said):
            go(Regression, tmp_path, epochs=9, options={"resume": True})
    for part in ("recipe", "state", "position", "metrics", "best", "early_stopping"):
        save(tmp_path / "checkpoint.h5", tree | {part: 3}, command="toy-regression")
        with pytest.raises(DataError, match=r"checkpoint.h5: not the checkpoint of a run"):
            go(Regression, tmp_path, epochs=9, options={"resume": True})


# -- inputs, losses, other refusals ----------------------------------------------------------------
def test_bad_input_never_loses_earlier_results(tmp_path: Path) -> None:
    go(Regression, tmp_path / "a")
    before = snapshot(tmp_path)
    (tmp_path / "bad.csv").write_text("1,2\n3,x\n")
    for directory in ("a", "new"):
        with pytest.raises(DataError, match=r"bad.csv:2: expected numbers"):
            go(
                Regression,
                tmp_path / directory,
                data={"file": str(tmp_path / "bad.csv")},
                options={"force": True},
            )
    (tmp_path / "bad.csv").unlink()
    assert snapshot(tmp_path) == before and not (tmp_path / "new").exists()
    go(Regression, tmp_path / "a", options={"force": True}, seed=5)
    assert figures(tmp_path / "a") != json.loads(before[str(tmp_path / "a" / "summary.json")][0])


def test_changed_input_is_refused_on_resume(tmp_path: Path) -> None:
    rows = tmp_path / "データ.csv"
    rows.write_text("1,2,3\n4,5,7\n2,2,1\n")
    options: dict[str, Any] = {"data": {"file": str(rows)}, "lr": 0.001}
    go(Regression, tmp_path / "a", epochs=1, **options)
    [entry] = json.loads((tmp_path / "a" / "environment.json").read_text(encoding="utf-8"))["inputs"]
    assert entry["path"] == str(rows) and entry["bytes"] == 18 and len(entry["sha256"]) == 64
    go(Regression, tmp_path / "a", epochs=2, options={"resume": True}, **options)
    rows.write_text("1,2,3\n4,5,7\n2,2,2\n")
    with pytest.raises(UserError, match="has changed since the run began"):
        go(Regression, tmp_path / "a", epochs=3, options={"resume": True}, **options)


def test_a_nan_stops_and_keeps_the_last_good_state(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(
        UserError, match=r"loss is nan at epoch 3, step 3 \(first not finite: error\)"
    ) as caught:
        go(Regression, tmp_path, poison=3)
    assert caught.value.exit_code == 1 and "holds the last good state" in str(caught.value)
    assert capsys.readouterr().out == "" and not (tmp_path / "summary.json").exists()
    tree = load(tmp_path / "checkpoint.h5").tree
    assert 1 <= tree["position"]["epoch"] <= 2 and np.isfinite(tree["state"]["w"]).all()
    with pytest.raises(UserError, match="nothing was saved before it"):
        go(Regression, tmp_path / "b", poison=1)
    go(Regression, tmp_path / "b")  # no results are in the way


def test_a_nan_that_shows_at_the_end_of_an_epoch(tmp_path: Path) -> None:
    class Late(Regression):  # as on a GPU, whose steps nobody waits for
        def end_epoch(self, epoch: int) -> dict[str, float]:
            raise NonFinite(math.nan, "the weights")

    with pytest.raises(UserError, match=r"loss is nan at epoch 1, step 10 \(first not finite: the weights\)"):
        go(Late, tmp_path)


@pytest.mark.parametrize("broken", ["step", "epoch"])
def test_a_loss_the_algorithm_did_not_look_at(broken: str, tmp_path: Path) -> None:
    class Careless(Regression):
        def train_epoch(self, epoch: int, skip: int = 0) -> Any:
            for progress in super().train_epoch(epoch, skip):
                yield progress._replace(loss=np.inf if broken == "step" else None)

        def end_epoch(self, epoch: int) -> dict[str, float]:
            return super().end_epoch(epoch) | {"train_loss": np.nan}

    with pytest.raises(UserError, match=r"loss is (inf at epoch 1, step 1|nan at epoch 1, step 10)"):
        go(Careless, tmp_path)


def test_what_early_stopping_may_watch(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"early_stopping.metric: valid_bleu is no column"):
        go(Regression, tmp_path / "a", early_stopping={"metric": "valid_bleu"})
    with pytest.raises(UsageError, match="no validation figure to watch"):
        go(Regression, tmp_path / "b", early_stopping={}, hold_out=False)
    go(Regression, tmp_path / "c", early_stopping={"metric": "train_loss"}, hold_out=False)
    assert figures(tmp_path / "c")["best_epoch"] == 4


def test_dry_run_trains_and_writes_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    go(Regression, tmp_path / "a", options={"dry_run": True})
    out = capsys.readouterr().out
    assert not (tmp_path / "a").exists()
    assert out.splitlines() == [
        "data   40 rows", "model  1 layer · 3 parameters · 192 B for a step of 4", "",
        "layer  kind    output  parameters", "w      linear  (3,)             3",
        "total                           3",
        "", "memory 192 B estimated for a training step", "epochs 4",
    ]  # fmt: skip


def test_only_rank_0_writes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class Second(Alone):
        rank, size = 1, 2

        def once(self, act):
            return {}  # as rank 0 would have it

    recipe = Regression.Recipe(keep="last")
    run(Regression, recipe, RunOptions(tmp_path / "a", threads=1), comm=Second())
    assert not (tmp_path / "a").exists() and capsys.readouterr() == ("", "")


# -- finished runs ---------------------------------------------------------------------------------
def test_open_run(tmp_path: Path) -> None:
    go(Regression, tmp_path / "a", rise_after=2)
    best, checkpoint = open_run(tmp_path / "a", algorithm=Regression)
    assert isinstance(best, Regression) and checkpoint.tree["position"]["epoch"] == 2
    np.testing.assert_array_equal(best.w, checkpoint.tree["state"]["w"])
    last, checkpoint = open_run(tmp_path / "a" / "checkpoint.h5", algorithm=Regression)
    assert checkpoint.tree["position"]["epoch"] == 4 and last.recipe.device == "cpu"


def test_open_run_refuses_the_rest(tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    go(Regression, tmp_path / "a")
    with pytest.raises(DataError, match="no such run or checkpoint"):
        open_run(tmp_path / "none")
    with pytest.raises(DataError, match="no checkpoint in it"):
        open_run(tmp_path / "empty")
    with pytest.raises(DataError, match="'toy-regression', which this dlkit does not know"):
        open_run(tmp_path / "a")
    with pytest.raises(DataError, match="a checkpoint of toy-regression, not of toy-counting"):
        open_run(tmp_path / "a", algorithm=Counting)
    save(tmp_path / "x.h5", {"recipe": "command: 3\n", "state": {}}, command="toy-regression")
    with pytest.raises(DataError, match="its recipe is not one of this dlkit"):
        open_run(tmp_path / "x.h5", algorithm=Regression)
    save(tmp_path / "x.h5", {"a": 1}, command="toy-regression")
    with pytest.raises(DataError, match="not the checkpoint of a run"):
        open_run(tmp_path / "x.h5", algorithm=Regression)
