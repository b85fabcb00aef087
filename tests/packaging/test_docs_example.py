"""The worked example of docs/add-an-algorithm.md: its blocks, as they stand there, are a command of dlkit."""

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from dlkit.readers.preprocess import Preprocess
from dlkit.training.checkpoint import load

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "add-an-algorithm.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)

# As if the file had been saved: a folder more on the package's path, a line more in the table.
WITH_THE_EXAMPLE = """
import sys
import dlkit.algorithms
from dlkit import cli
from dlkit.cli import Entry
dlkit.algorithms.__path__.append(sys.argv[1])
cli.COMMANDS.update({%s})
sys.exit(cli.main(sys.argv[2:]))
"""

Dlkit = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the example as a module in package/, and three blobs of 30 rows in rows.csv."""
    folder = tmp_path_factory.mktemp("例")
    (folder / "package").mkdir()
    (folder / "package" / "kmeans.py").write_text(BLOCKS[0], encoding="utf-8")
    (folder / "start.py").write_text(WITH_THE_EXAMPLE % BLOCKS[1], encoding="utf-8")
    rng = np.random.default_rng(3)
    middles = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0]])
    x = middles[np.arange(90) % 3] + rng.normal(size=(90, 2))
    rows = "".join(f"{a:.4f},{b:.4f},{k % 3}\n" for k, (a, b) in enumerate(x))
    (folder / "rows.csv").write_text(f"高さ,幅,blob\n{rows}", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def dlkit(work: Path) -> Dlkit:
    """The command line with the example among its commands, in the folder `work`."""

    def call(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        program = [sys.executable, str(work / "start.py"), str(work / "package"), *arguments]
        ended = subprocess.run(program, cwd=work, capture_output=True, text=True, timeout=120, check=False)
        assert ended.returncode == code, ended.stderr
        return ended

    return call


TRAIN = ("kmeans", "rows.csv", "--label", "blob", "--k", "3", "--batch", "16", "-q")


@pytest.fixture(scope="module")
def trained(work: Path, dlkit: Dlkit) -> Path:
    """A finished run of six epochs."""
    dlkit(*TRAIN, "--epochs", "6", "-o", "run")
    return work / "run"


def test_the_page_has_the_file_and_its_line() -> None:
    assert len(BLOCKS) == 2
    assert max(map(len, BLOCKS[0].splitlines())) <= 110


@pytest.mark.parametrize("rules", [["check"], ["format", "--check"]])
def test_the_example_is_clean(rules: list[str]) -> None:
    checked = subprocess.run(
        [sys.executable, "-m", "ruff", *rules, "--stdin-filename", "dlkit/algorithms/kmeans.py", "-"],
        cwd=ROOT, input=BLOCKS[0], capture_output=True, text=True, encoding="utf-8", check=False,
    )  # fmt: skip
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_loss_falls_and_blobs_are_told_apart(trained: Path, dlkit: Dlkit, work: Path) -> None:
    losses = [
        float(row["train_loss"])
        for row in csv.DictReader((trained / "metrics.csv").open(encoding="utf-8", newline=""))
    ]
    assert len(losses) == 6
    assert all(after <= before + 1e-9 for before, after in pairwise(losses))
    answers = list(csv.DictReader(io.StringIO(dlkit("predict", "run", "rows.csv").stdout)))
    assert list(answers[0]) == ["cluster", "distance"]
    clusters = [int(row["cluster"]) for row in answers]
    assert len(clusters) == 90
    assert all(set(clusters[k::3]) == {clusters[k]} for k in range(3))
    assert len(set(clusters)) == 3


def test_the_means_are_those_of_their_rows(trained: Path, dlkit: Dlkit, work: Path) -> None:
    """At the end of Lloyd's iteration each mean is the average of the rows that are nearest to it."""
    state = load(trained / "checkpoint.h5").tree["state"]
    raw = np.loadtxt(work / "rows.csv", delimiter=",", skiprows=1, encoding="utf-8")[:, :2]
    x = Preprocess.from_state(state["preprocess"]).apply(raw, np.float64)
    nearest = ((x[:, None] - state["m"]) ** 2).sum(axis=2).argmin(axis=1)
    for k in range(3):
        np.testing.assert_allclose(state["m"][k], x[nearest == k].mean(axis=0), atol=1e-6)


def test_interrupted_in_an_epoch_it_ends_with_the_same_bytes(trained: Path, dlkit: Dlkit, work: Path) -> None:
    """The third step of epoch 2 is interrupted as by Ctrl-C; --resume does the rest."""
    interrupting = """
from dlkit.algorithms import kmeans
whole = kmeans.KMeans.train_epoch
def stopped(self, epoch, skip=0):
    for progress in whole(self, epoch, skip):
        if (epoch, progress.step) == (2, 3):
            import os, signal
            os.kill(os.getpid(), signal.SIGINT)
        yield progress
kmeans.KMeans.train_epoch = stopped
"""
    program = (WITH_THE_EXAMPLE % BLOCKS[1]).replace("sys.exit", f"{interrupting}\nsys.exit")
    (work / "stopped.py").write_text(program, encoding="utf-8")
    command = (*TRAIN, "--epochs", "6", "-o", "parts")
    ended = subprocess.run(
        [sys.executable, str(work / "stopped.py"), str(work / "package"), *command],
        cwd=work, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert ended.returncode == 130, ended.stderr
    assert load(work / "parts" / "checkpoint.h5").tree["position"] == {"epoch": 1, "step": 3, "steps": 9}
    dlkit(*command, "--resume")
    for name in ("metrics.csv", "checkpoint.h5", "summary.json"):
        assert (work / "parts" / name).read_bytes() == (trained / name).read_bytes(), name
    assert json.loads((trained / "summary.json").read_text(encoding="utf-8"))["epochs"] == 6


def test_the_rest_comes_by_itself(dlkit: Dlkit) -> None:
    assert "kmeans" in dlkit("--help").stdout
    assert "--k N" in dlkit("kmeans", "--help").stdout
    assert "means" in dlkit(*TRAIN[:-1], "--dry-run").stdout
    assert "k: 3" in dlkit("recipe", "new", "kmeans").stdout
    refused = dlkit(*TRAIN, "--k", "0", "-o", "none", code=2)
    assert refused.stderr.startswith("error: ") and "k" in refused.stderr
    few = dlkit(*TRAIN, "--k", "91", "-o", "none", code=1)
    assert few.stderr == "error: rows.csv: 90 rows are too few for k = 91\n"
