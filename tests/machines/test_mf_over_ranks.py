"""mf on several ranks (threads): rows that have moved are copied, so the bits are those of one process."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from thread_ranks import on_ranks

from dlkit.algorithms.mf import MF
from dlkit.errors import UsageError
from dlkit.training.checkpoint import load
from dlkit.training.driver import run
from dlkit.training.options import RunOptions


@pytest.fixture
def ratings(tmp_path: Path) -> Path:
    rng = np.random.default_rng(2)
    cells = rng.permutation(40 * 25)[:500]
    rows = [f"u{c // 25},i{c % 25},{rng.integers(1, 6)}" for c in cells.tolist()]
    (tmp_path / "r.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return tmp_path / "r.csv"


def train(path: Path, directory: Path, model: dict[str, Any], comm: Any = None) -> None:
    given = {
        "data": {"train": str(path), "test": 0.1, "valid": 0.1},
        "model": model,
        "epochs": 3,
        "shards": 1,
    }
    made = MF.Recipe.model_validate(given)
    run(MF, made, RunOptions(directory, threads=1, quiet=True), comm=comm)


@pytest.mark.parametrize("ranks", [2, 3, 5])
@pytest.mark.parametrize(
    "model",
    [
        {"name": "svd", "factors": 6, "blocks": 4},
        {"name": "svd", "factors": 6, "blocks": 4, "biases": False},
        {"name": "nmf", "factors": 5},
        {"name": "als", "factors": 5},
    ],
    ids=lambda model: "-".join(map(str, model.values())),
)
def test_ranks_do_not_change_a_bit(ratings: Path, tmp_path: Path, model: dict[str, Any], ranks: int) -> None:
    train(ratings, tmp_path / "one", model)
    outcomes = on_ranks(ranks, lambda comm: train(ratings, tmp_path / "several", model, comm))
    assert outcomes == [None] * ranks
    for name in ("summary.json", "metrics.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "several" / name).read_bytes()
    one, several = (load(tmp_path / name / "checkpoint.h5").tree["state"] for name in ("one", "several"))
    for key, array in one["model"].items():
        np.testing.assert_array_equal(several["model"][key], array, err_msg=key)


@pytest.mark.parametrize("name", ["svd++", "baseline"])
def test_what_goes_one_by_one_refuses_ranks(ratings: Path, tmp_path: Path, name: str) -> None:
    outcomes = on_ranks(2, lambda comm: train(ratings, tmp_path / "run", {"name": name}, comm))
    assert all(isinstance(outcome, UsageError) for outcome in outcomes)
    assert not (tmp_path / "run" / "summary.json").exists()
