"""Real processes under mpiexec. What can be tried on threads is in the other files."""

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from dlkit.training.checkpoint import load

Start = Callable[..., subprocess.Popen[str]]
PROGRAM = Path(__file__).with_name("mpi_program.py")
PATIENCE = 100


def ended(process: subprocess.Popen[str]) -> tuple[int, str, list[str]]:
    """Exit code, stdout, and those lines of stderr that are dlkit's errors."""
    stdout, stderr = process.communicate(timeout=PATIENCE)
    errors = [line for line in stderr.splitlines() if line.startswith(("error:", "stopped", "Traceback"))]
    return process.returncode, stdout, errors


@pytest.fixture
def recipe(embedded: Path, tmp_path: Path) -> Path:
    path = tmp_path / "r.yaml"
    path.write_text(
        f"command: train-mlp\ndata: {{train: '{embedded / 'digits.csv'}', valid: 0.1, test: 0.2}}\n"
        "model: [{dense: 24}, batch_norm, {dense: 16}]\noptimizer: {name: sgd, lr: 0.05, clip: 1.0}\n"
        "batch: 100\ndtype: float64\nshards: 1\nepochs: 2\n",
        encoding="utf-8",
    )
    return path


def state(directory: Path) -> dict:
    return load(directory / "checkpoint.h5").tree["state"]


def same_model(a: Path, b: Path) -> None:
    """Equal up to rounding."""
    for path, expected in state(a)["model"].items():
        np.testing.assert_allclose(state(b)["model"][path], expected, rtol=1e-9, atol=1e-12)


def test_the_interface_on_three_ranks(mpiexec: Start) -> None:
    process = mpiexec(3, PROGRAM, "interface")
    stdout, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, stderr
    assert stdout == "3 ranks are content\n"


def test_two_ranks_train_what_one_process_trains(
    mpiexec: Start, run_dlkit: Callable, recipe: Path, tmp_path: Path
) -> None:
    several = mpiexec(2, "-m", "dlkit", "train-mlp", recipe, "-o", "two")
    code, stdout, errors = ended(several)
    assert (code, errors) == (0, []) and stdout.startswith("two   test_loss") and stdout.count("\n") == 1
    assert run_dlkit("train-mlp", recipe, "-o", "one", cwd=tmp_path).code == 0
    same_model(tmp_path / "one", tmp_path / "two")
    rows = [np.genfromtxt(tmp_path / n / "metrics.csv", delimiter=",")[1:] for n in ("one", "two")]
    np.testing.assert_allclose(rows[0], rows[1], rtol=1e-9)
    evaluated = run_dlkit("evaluate", "two", cwd=tmp_path)  # a run of several ranks is a run like any other
    assert evaluated.code == 0 and "test_accuracy" in evaluated.stdout


def test_two_ranks_on_gpus_train_what_the_cpu_trains(
    mpiexec: Start, run_dlkit: Callable, recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", str(PROGRAM.parents[1]))
    short = ["--epochs", "1", "--set", "batch=400"]
    gpus = mpiexec(2, "-m", "cupy_stand_in", "train-mlp", recipe, "--gpu", *short, "-o", "gpus")
    assert ended(gpus)[::2] == (0, [])
    assert run_dlkit("train-mlp", recipe, *short, "-o", "cpu", cwd=tmp_path).code == 0
    same_model(tmp_path / "cpu", tmp_path / "gpus")


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["--set", "optimizer.foo=1"], 2, "error: --set: optimizer.foo: unknown key"),
        (["--nope"], 2, "error: no option is called --nope"),
        (["--lr", "1e200"], 1, "error: the loss is"),
    ],
)
def test_what_fails_on_all_ranks_is_told_once(
    mpiexec: Start, recipe: Path, arguments: list[str], code: int, told: str
) -> None:
    exit_code, stdout, errors = ended(mpiexec(2, "-m", "dlkit", "train-mlp", recipe, *arguments, "-o", "a"))
    assert (exit_code, stdout) == (code, "")
    assert len(errors) == 1 and errors[0].startswith(told)


def test_a_rank_that_fails_alone_ends_the_job(mpiexec: Start, embedded: Path, tmp_path: Path) -> None:
    rows = (embedded / "digits.csv").read_text(encoding="utf-8").splitlines()
    (tmp_path / "rows.csv").write_text("\n".join(rows), encoding="utf-8")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "rows.csv").write_text("\n".join([*rows[:40], "1,2"]), encoding="utf-8")
    process = mpiexec(3, PROGRAM, "elsewhere", "other", "train-mlp", "rows.csv", "-o", "a")
    assert ended(process) == (1, "", ["error: rows.csv:41: expected 65 columns, found 2"])
    assert not (tmp_path / "a").exists()


def test_stopped_and_resumed_with_another_number_of_ranks(
    mpiexec: Start, run_dlkit: Callable, recipe: Path, tmp_path: Path, launcher: list[str]
) -> None:
    if len(launcher) > 1:
        pytest.skip("Open MPI's mpiexec does not wait for ranks that were told to stop")
    process = mpiexec(2, "-m", "dlkit", "train-mlp", recipe, "--epochs", "100000", "-o", "a")
    deadline = time.monotonic() + PATIENCE
    while not (tmp_path / "a" / "checkpoint.h5").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGTERM)
    code, _, told = ended(process)
    assert code == 143 and len(told) == 1 and "--resume goes on" in told[0]
    done = load(tmp_path / "a" / "checkpoint.h5").tree["position"]["epoch"]
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    epochs = ["--epochs", str(done + 2)]
    assert ended(mpiexec(3, "-m", "dlkit", "train-mlp", recipe, *epochs, "-o", "a", "--resume"))[0] == 0
    assert run_dlkit("train-mlp", recipe, *epochs, "-o", "b", "--resume", cwd=tmp_path).code == 0
    same_model(tmp_path / "b", tmp_path / "a")
