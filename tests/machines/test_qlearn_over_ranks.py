"""qlearn on several ranks (threads): the agents are shared out, and each is a function of its number."""

from pathlib import Path
from typing import Any

import pytest
from thread_ranks import on_ranks

from dlkit.algorithms.qlearn import QLearn
from dlkit.errors import UsageError
from dlkit.training.driver import run
from dlkit.training.options import RunOptions


def train(directory: Path, more: dict[str, Any], comm: Any = None) -> None:
    given = {
        "world": "frozenlake-4x4",
        "seeds": 5,
        "episodes": 60,
        "epochs": 2,
        "chunk": 25,
        "pictures": False,
    }
    made = QLearn.Recipe.model_validate(given | {"shards": 1} | more)
    run(QLearn, made, RunOptions(directory, threads=1, quiet=True), comm=comm)


@pytest.mark.parametrize("ranks", [2, 3, 7])
@pytest.mark.parametrize("more", [{}, {"method": "double_q", "alpha": {"half": 5.0}}], ids=["q", "double"])
def test_ranks_do_not_change_a_byte(tmp_path: Path, more: dict[str, Any], ranks: int) -> None:
    train(tmp_path / "one", more)
    outcomes = on_ranks(ranks, lambda comm: train(tmp_path / "several", more, comm))
    assert outcomes == [None] * ranks
    for name in ("summary.json", "metrics.csv", "checkpoint.h5", "qtable.csv", "policy.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "several" / name).read_bytes(), name


@pytest.mark.parametrize("more", [{"method": "value_iteration"}, {"function": {"name": "mlp"}}])
def test_what_is_not_shared_out_refuses_ranks(tmp_path: Path, more: dict[str, Any]) -> None:
    outcomes = on_ranks(2, lambda comm: train(tmp_path / "run", more, comm))
    assert all(isinstance(outcome, UsageError) for outcome in outcomes)
    assert not (tmp_path / "run").exists() or not (tmp_path / "run" / "summary.json").exists()
