"""evaluate and inspect as a user meets them, and which model of a run the verbs ask."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.calling import (
    DATA,
    HELD_OUT,
    SMALL,
    call,
    contents,
    error_line,
    figures,
    good,
    table,
    train,
)


# -- which model ------------------------------------------------------------------------------------------
def test_a_run_means_its_best_epoch(runs: dict[str, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    train(DATA / "golf.csv", run, "-q", *HELD_OUT, "--lr", 0.3, "--epochs", 12)
    known = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert known["best_epoch"] < 12
    best, last = (
        good("predict", run / name, DATA / "golf.csv").stdout for name in ("best.h5", "checkpoint.h5")
    )
    assert good("predict", run, DATA / "golf.csv").stdout == best != last
    assert figures(run)["test_loss"] == known["test_loss"]


def test_threads_do_not_matter(digits: Path) -> None:
    one = good("predict", digits, DATA / "digits.csv", "--threads", 1).stdout
    assert good("predict", digits, DATA / "digits.csv", "--threads", 2).stdout == one


@pytest.mark.parametrize("verb", ["predict", "evaluate", "inspect"])
def test_what_is_no_run(verb: str, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.h5").write_text("not a checkpoint", encoding="utf-8")
    source = [] if verb == "inspect" else [DATA / "golf.csv"]
    for name, told in (("empty", "no checkpoint in it"), ("none", "no such run or checkpoint")):
        assert error_line(call(verb, tmp_path / name, *source), 1) == f"{tmp_path / name}: {told}"
    assert error_line(call(verb, tmp_path / "text.h5", *source), 1).startswith(f"{tmp_path / 'text.h5'}: ")


def test_japanese_from_table_to_answers(japanese_dir: Path) -> None:
    rows, run = japanese_dir / "天気 データ.csv", japanese_dir / "実行"
    lines = ["天気,気温,行く"] + ["晴れ,30,はい", "雨,10,いいえ", "曇り,20,はい", "雨,12,いいえ"] * 5
    rows.write_text("\n".join(lines) + "\n", encoding="utf-8")
    train(rows, run, "-q", "--epochs", 30, "--lr", 0.05, "--label", "行く")
    done = good("predict", run, rows)
    told = table(done.stdout)
    assert list(told[0]) == ["label", "p_いいえ", "p_はい"]
    assert [row["label"] for row in told[:4]] == ["はい", "いいえ", "はい", "いいえ"]
    assert "行く" in good("inspect", run).stdout
    recipe = (run / "recipe.yaml").read_text(encoding="utf-8")
    assert "label: 行く" in recipe
    train(run / "recipe.yaml", japanese_dir / "もう一度", "-q")
    assert contents(japanese_dir / "もう一度") == contents(run)
    rows.write_text("天気,気温\n雪,1\n", encoding="utf-8")
    line = error_line(call("predict", run, rows), 1)
    assert line.startswith(f"{rows}:2: ")
    assert '"雪"' in line


# -- evaluate ----------------------------------------------------------------------------------------------
def test_evaluate_takes_the_recipes_test_rows(runs: dict[str, Path]) -> None:
    for name in ("digits", "constant", "learnt"):
        known = json.loads((runs[name] / "summary.json").read_text(encoding="utf-8"))
        found = figures(runs[name])
        assert found == {key: value for key, value in known.items() if key.startswith("test_")}
        lines = dict(line.split() for line in good("evaluate", runs[name]).stdout.splitlines())
        assert {key: float(text) for key, text in lines.items()} == pytest.approx(found, rel=1e-5)


def test_evaluate_needs_labels(runs: dict[str, Path], tmp_path: Path) -> None:
    bare = tmp_path / "bare.csv"
    bare.write_text("outlook,temperature,humidity,windy\nsunny,hot,high,true\n", encoding="utf-8")
    assert error_line(call("evaluate", runs["golf"], bare), 1) == f'{bare}: missing column "play"'
    bare.write_text("outlook,temperature,humidity,windy,play\nsunny,hot,high,true,maybe\n", encoding="utf-8")
    assert '"maybe"' in error_line(call("evaluate", runs["golf"], bare), 1)
    line = error_line(call("evaluate", runs["golf"]), 2)
    assert line == "evaluate: the recipe has no test rows; name a labelled file"


def test_evaluate_notices_that_the_runs_data_have_changed(tmp_path: Path) -> None:
    """Other rows would be held out, and scaled by other means."""
    rows = tmp_path / "rows.csv"
    shutil.copy(DATA / "diabetes.csv", rows)
    train(rows, tmp_path / "run", "-q", *SMALL)
    with rows.open("a", encoding="utf-8") as file:
        file.write(rows.read_text(encoding="utf-8").splitlines()[-1] + "\n")
    line = error_line(call("evaluate", tmp_path / "run"), 1)
    assert line == f"{rows} has changed since the run began (name a labelled file)"
    assert figures(tmp_path / "run", rows)["rows"] == 443


def test_evaluate_does_not_wait_for_standard_input_again(tmp_path: Path) -> None:
    good("train-mlp", "-", "-o", tmp_path / "run", "-q", "--epochs", 1, stdin=b"a,b\n1,x\n2,y\n")
    line = error_line(call("evaluate", tmp_path / "run"), 2)
    assert line == "evaluate: the run learnt from standard input; name a labelled file"


# -- inspect -----------------------------------------------------------------------------------------------
def test_inspect_shows_everything(digits: Path) -> None:
    text = good("inspect", digits).stdout
    assert text.startswith("train-mlp: 8 epochs, ")
    for part in ("1.batch_norm", "valid_accuracy", "command: train-mlp", "sha256"):
        assert part in text, part
    sections = {name: good("inspect", digits, f"--{name}").stdout for name in ("layers", "metrics", "recipe")}
    assert sections["recipe"] == (digits / "recipe.yaml").read_text(encoding="utf-8")
    assert len(sections["metrics"].splitlines()) == 1 + 8
    lines = [line.split() for line in sections["layers"].splitlines()]
    assert ["0.dense", "dense", "32", f"{64 * 32 + 32:,}"] in lines
    assert ["1.batch_norm", "batch_norm", "32", "64"] in lines
    total = 64 * 32 + 32 + 64 + 32 * 10 + 10
    assert ["total", f"{total:,}"] in lines


def test_inspect_as_json(digits: Path) -> None:
    found = json.loads(good("inspect", digits, "--json").stdout)
    assert (found["command"], found["position"]["epoch"], len(found["metrics"])) == ("train-mlp", 8, 8)
    assert sum(layer["parameters"] for layer in found["layers"]) == found["parameters"]
    assert len(found["provenance"]["inputs"][0]["sha256"]) == 64
    known = table((digits / "metrics.csv").read_text(encoding="utf-8"))
    assert found["metrics"][-1] == {name: float(text) for name, text in known[-1].items()}


def test_inspect_an_unfinished_run(digits: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(digits, run)
    for name in ("summary.json", "environment.json", "best.h5"):
        (run / name).unlink()
    text = good("inspect", run).stdout
    assert text.startswith("train-mlp: 8 epochs")
    assert "no environment.json beside the checkpoint" in text
    (run / "checkpoint.h5").rename(run / "best.h5")  # killed between the first best.h5 and checkpoint.h5
    assert good("inspect", run).stdout == text


def test_gpu_and_cpu_exclude_each_other(tmp_path: Path) -> None:
    done = call("predict", tmp_path, "x.csv", "--gpu", "--device", "cpu")
    assert error_line(done, 2) == "--gpu and --device cpu exclude each other"
