"""Every command that trains: the same run on the CPU and on the stand-in, resumed, and asked to predict."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cuda_on_cpu.module import missing_compiler
from cupy_stand_in.comparing import answers, asked, assert_close, metrics, train
from cupy_stand_in.counts import counts
from cupy_stand_in.module import installed
from cupy_stand_in.runs import HOST_ONLY, ONE_PASS, RUNS, Run

from dlkit.backend.gpu import GPU
from dlkit.cli import COMMANDS
from dlkit.training.pace import VARIABLE

pytestmark = [
    pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler())),
    pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name),
]
TOLERANCE = {"float32": 2e-3, "float64": 1e-8}
STATE = ("metrics.csv", "checkpoint.h5", "summary.json")


@pytest.fixture(autouse=True)
def stand_in() -> Iterator[None]:
    with installed():
        yield


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_gpu_run_has_the_cpu_runs_figures(run: Run, dtype: str, tmp_path: Path) -> None:
    cpu = train(run, tmp_path, "cpu", "--dtype", dtype)
    assert counts.launches == 0
    gpu = train(run, tmp_path, "gpu", "--dtype", dtype, "--gpu")
    assert counts.launches > 0
    assert_close(metrics(gpu), metrics(cpu), TOLERANCE[dtype])
    if run.predicts:
        data = tmp_path / "data.csv"
        expected = answers(cpu, data)
        assert_close(answers(gpu, data, "--gpu"), expected, TOLERANCE[dtype])
        assert_close(answers(gpu, data), expected, TOLERANCE[dtype])
        assert_close(answers(cpu, data, "--gpu"), expected, TOLERANCE[dtype])


def test_the_gpu_answers_what_the_cpu_answers(run: Run, tmp_path: Path) -> None:
    if not run.asks:
        pytest.skip("nothing else is asked of it")
    trained = train(run, tmp_path, "cpu", "--dtype", "float64")
    for line in run.asks:
        expected = asked(line, trained, tmp_path)
        assert len(expected) > 2, line
        counts.reset()
        found = asked(line, trained, tmp_path, "--gpu")
        assert counts.launches + counts.uploads > 0, line
        assert_close(found, expected, 0.005 if "FILE" in line else 1e-6)  # a pixel is one of 256 steps


def test_a_resumed_gpu_run_is_the_uninterrupted_one(run: Run, tmp_path: Path) -> None:
    whole = train(run, tmp_path, "whole", "--gpu")
    part = train(run, tmp_path, "part", "--gpu", "--epochs", "1")
    before = (part / "metrics.csv").read_bytes()
    assert before != (whole / "metrics.csv").read_bytes()
    again = train(run, tmp_path, "part", "--gpu", "--resume")
    assert (again / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
    for name in STATE:
        assert (again / name).read_bytes() == (whole / name).read_bytes(), name


def test_a_run_changes_its_device(run: Run, tmp_path: Path) -> None:
    whole = train(run, tmp_path, "whole", "--dtype", "float64")
    train(run, tmp_path, "part", "--dtype", "float64", "--epochs", "1")
    again = train(run, tmp_path, "part", "--dtype", "float64", "--resume", "--gpu")
    assert counts.launches > 0
    assert_close(metrics(again), metrics(whole), TOLERANCE["float64"])


def test_the_host_does_not_wait_for_a_step(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """More steps in the same epochs: waits an epoch there may be, waits a step there may not."""
    monkeypatch.setenv(VARIABLE, "3600")  # a save waits too; how many there are is a matter of the clock
    waited, launched = [], []
    for k, setting in enumerate(run.batches):
        counts.reset()
        train(run, tmp_path, f"run{k}", "--gpu", "--set", setting)
        waited.append(counts.syncs)
        launched.append(counts.launches)
    assert launched[1] > 2 * launched[0]
    if run.looks:
        assert 4 * waited[1] <= launched[1], counts.waits
    else:
        assert waited[0] == waited[1], counts.waits


def test_a_table_too_large_for_the_device_is_fed_to_it(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not run.feeds:
        pytest.skip(f"{run.command} keeps its data on the device")
    kept = train(run, tmp_path, "kept", "--gpu")
    monkeypatch.setattr(GPU, "free_memory", lambda self: 64)
    monkeypatch.setattr(GPU, "refuse_beyond_memory", lambda *_: None)
    fed = train(run, tmp_path, "fed", "--gpu")
    assert any("feeder" in place for place in counts.waits), counts.waits
    for name in STATE:
        assert (fed / name).read_bytes() == (kept / name).read_bytes(), name


def test_as_a_command_of_its_own(run: Run, tmp_path: Path) -> None:
    """`python -m cupy_stand_in COMMAND ... --gpu`: for looking at a run by hand."""
    cpu = train(run, tmp_path, "cpu", "--dry-run")
    assert not cpu.exists()
    report = tmp_path / "counts.json"
    tests = str(Path(__file__).parents[1])
    environment = os.environ | {"PYTHONPATH": tests, "DLKIT_STAND_IN_COUNTS": str(report)}
    command = [sys.executable, "-m", "cupy_stand_in", run.command, "recipe.yaml", "--gpu", "--epochs", "1"]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(report.read_text(encoding="utf-8"))["launches"] > 0


def test_every_training_command_has_a_run(run: Run) -> None:
    trained = {name for name, entry in COMMANDS.items() if entry.section == "Train"}
    assert trained == {each.command for each in RUNS} | set(HOST_ONLY) | ONE_PASS
