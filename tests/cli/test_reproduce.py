"""dlkit reproduce: the same bytes, or what differs; and --depfile, the inputs of a run for make."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from dlkit.training.checkpoint import load, save
from tests.cli.calling import DATA, call, error_line, good, sets

TINY = ["--epochs", 2, "--test", 4, "-q", *sets(model="[{dense: 4}]")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("実験 1")
    shutil.copy(DATA / "golf.csv", folder / "golf.csv")
    good("train-mlp", folder / "golf.csv", *TINY, "-o", folder / "run")
    return folder


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained / "run", tmp_path / "run")
    return tmp_path / "run"


def differing(done: object) -> list[str]:
    return [line for line in done.stdout.splitlines() if line.startswith(("differs", "not as"))]


def test_the_same_bytes(run: Path, tmp_path: Path) -> None:
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    done = good("reproduce", run)
    assert done.stdout.splitlines()[-1] == f"{run}: the same bytes in 4 files"
    assert [line.split() for line in done.stdout.splitlines()[:-1]] == [
        ["same", name] for name in ("recipe.yaml", "metrics.csv", "checkpoint.h5", "summary.json")
    ]
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before, "the first run is as it was"
    good("reproduce", run, "-o", tmp_path / "again", "--threads", 1)
    assert (tmp_path / "again" / "checkpoint.h5").read_bytes() == before["checkpoint.h5"]
    line = error_line(call("reproduce", run, "-o", tmp_path / "again"), 1)
    assert line == f"{tmp_path / 'again'}: is not empty (name a new folder with -o)"


def test_folds_and_pictures(tmp_path: Path) -> None:
    good("train-mlp", DATA / "golf.csv", "--epochs", 2, "-q", "--folds", 2, "-o", tmp_path / "folds")
    assert "same     fold-2/checkpoint.h5" in good("reproduce", tmp_path / "folds").stdout
    baskets = ["apriori", DATA / "baskets.txt", "--min-support", 0.5, "-q", "-o", tmp_path / "sets"]
    good(*baskets)
    assert "same     itemsets.csv" in good("reproduce", tmp_path / "sets").stdout


def test_data_that_have_changed(trained: Path, tmp_path: Path) -> None:
    data = tmp_path / "golf.csv"
    shutil.copy(DATA / "golf.csv", data)
    good("train-mlp", data, *TINY, "-o", tmp_path / "run")
    data.write_text(data.read_text(encoding="utf-8").replace("rainy", "sunny"), encoding="utf-8")
    done = call("reproduce", tmp_path / "run")
    assert done.code == 1
    assert done.stderr == f"error: {tmp_path / 'run'}: 3 of 4 files differ\n"
    lines = differing(done)
    assert lines[0].startswith("differs  metrics.csv  row 1, train_loss: ")
    assert lines[-1] == f"not as it was: input {data} has changed"


def test_versions_that_have_changed(run: Path) -> None:
    about = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    (run / "environment.json").write_text(json.dumps(about | {"numpy": "1.0"}), encoding="utf-8")
    (line,) = differing(good("reproduce", run))
    assert line == f"not as it was: numpy: 1.0, now {np.__version__}"


def test_where_a_checkpoint_differs(run: Path) -> None:
    loaded = load(run / "checkpoint.h5")
    loaded.tree["state"]["model"]["0.dense.bias"][0] += 0.25
    save(run / "checkpoint.h5", loaded.tree, command=loaded.command, attributes=loaded.attributes)
    (line,) = differing(call("reproduce", run))
    assert line == "differs  checkpoint.h5  state/model/0.dense.bias: up to 0.25 apart"


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (("summary.json", '"epochs": 2', '"epochs": 3'), "differs  summary.json  epochs: 3, now 2"),
        (("metrics.csv", "2,2", "2,9"), "differs  metrics.csv  row 2, step: 9, now 2"),
        (("recipe.yaml", "command: train-mlp", "command:  train-mlp"),
         "differs  recipe.yaml  line 1: command:  train-mlp, now command: train-mlp"),
    ],
)  # fmt: skip
def test_where_a_file_differs(run: Path, change: tuple[str, str, str], told: str) -> None:
    name, old, new = change
    path = run / name
    assert old in path.read_text(encoding="utf-8")
    path.write_text(path.read_text(encoding="utf-8").replace(old, new), encoding="utf-8")
    assert differing(call("reproduce", run)) == [told]


def test_what_cannot_be_reproduced(run: Path, tmp_path: Path) -> None:
    assert "no run: there is no recipe.yaml in it" in error_line(call("reproduce", tmp_path), 1)
    good("train-mlp", "-", *TINY, "-o", tmp_path / "piped", stdin=(DATA / "golf.csv").read_bytes())
    assert "came from standard input" in error_line(call("reproduce", tmp_path / "piped"), 1)
    (run / "summary.json").unlink()
    assert "not finished (--resume goes on with it)" in error_line(call("reproduce", run), 1)


# -- --depfile -----------------------------------------------------------------------------------------------
def test_make_trains_again_when_an_input_changes(tmp_path: Path) -> None:
    if shutil.which("make") is None:
        pytest.skip("make is not installed")
    data = tmp_path / "a b#$.csv"
    shutil.copy(DATA / "golf.csv", data)
    (tmp_path / "r.yaml").write_text("command: train-mlp\ndata: 'a b#$.csv'\nepochs: 1\n", encoding="utf-8")
    good("train-mlp", tmp_path / "r.yaml", "-q", "-o", tmp_path / "run", "--depfile", tmp_path / "run.d")
    (tmp_path / "Makefile").write_text(
        f"{tmp_path}/run/summary.json:\n\t@echo trained again\n-include run.d\n", encoding="utf-8"
    )

    def make() -> str:
        done = subprocess.run(["make", "-s"], cwd=tmp_path, capture_output=True, text=True, check=True)
        return done.stdout

    assert make() == ""
    later = (tmp_path / "run" / "summary.json").stat().st_mtime + 10
    for name in (data.name, "r.yaml"):
        os.utime(tmp_path / name, (later, later))
        assert make() == "trained again\n", name
        os.utime(tmp_path / name, (later - 1000, later - 1000))
    assert make() == ""
    data.unlink()
    assert make() == "trained again\n", "a file that is gone is no error of make's, but of the command's"


def test_the_inputs_of_every_fold(tmp_path: Path) -> None:
    depfile = tmp_path / "f.d"
    good(
        "train-mlp",
        DATA / "golf.csv",
        "-q",
        "--epochs",
        1,
        "--folds",
        2,
        "-o",
        tmp_path / "f",
        "--depfile",
        depfile,
    )
    text = depfile.read_text(encoding="utf-8")
    assert text.startswith(f"{tmp_path}/f/summary.json:") and text.count(str(DATA / "golf.csv")) == 2
    done = call(
        "train-mlp",
        DATA / "golf.csv",
        "--lr",
        "1e30",
        "-q",
        "-o",
        tmp_path / "g",
        "--depfile",
        tmp_path / "g.d",
    )
    assert done.code == 1 and not (tmp_path / "g.d").exists()
