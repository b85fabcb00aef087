"""`pytest -m gpu`: a short run of every command on a real device against the same run on the CPU."""

from pathlib import Path

import pytest
from cupy_stand_in.comparing import answers, assert_close, metrics, train
from cupy_stand_in.runs import RUNS, Run

pytestmark = [pytest.mark.gpu, pytest.mark.parametrize("run", RUNS, ids=lambda run: run.name)]
TOLERANCE = {"float32": 5e-3, "float64": 1e-6}


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_one_epoch_has_the_cpus_figures(run: Run, dtype: str, tmp_path: Path) -> None:
    options = ("--dtype", dtype, "--epochs", "1")
    cpu, gpu = train(run, tmp_path, "cpu", *options), train(run, tmp_path, "gpu", *options, "--gpu")
    assert_close(metrics(gpu), metrics(cpu), TOLERANCE[dtype])
    if run.predicts:
        data = tmp_path / "data.csv"
        assert_close(answers(gpu, data, "--gpu"), answers(gpu, data), TOLERANCE[dtype])


def test_a_deterministic_run_repeats_itself_and_resumes(run: Run, tmp_path: Path) -> None:
    whole = train(run, tmp_path, "whole", "--gpu", "--deterministic")
    train(run, tmp_path, "part", "--gpu", "--deterministic", "--epochs", "1")
    again = train(run, tmp_path, "part", "--gpu", "--deterministic", "--resume")
    assert (again / "metrics.csv").read_bytes() == (whole / "metrics.csv").read_bytes()
