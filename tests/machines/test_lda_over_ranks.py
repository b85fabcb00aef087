"""lda on several ranks (threads): ranks times shards are the parts; the parts alone decide the bits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from thread_ranks import on_ranks

from dlkit.algorithms.lda import LDA
from dlkit.training.checkpoint import load
from dlkit.training.driver import run
from dlkit.training.options import RunOptions

BARS = Path(__file__).resolve().parents[2] / "data" / "docword.bars.txt"


def train(directory: Path, shards: int, comm: Any = None, **more: Any) -> None:
    given = {
        "data": {"train": str(BARS), "valid": 0.2, "test": 0.1},
        "text": {"no_above": 1.0},
        "topics": 6,
        "epochs": 3,
        "sweeps": 4,
        "shards": shards,
        "pictures": False,
        **more,
    }
    options = RunOptions(directory, threads=1, quiet=True)
    run(LDA, LDA.Recipe.model_validate(given), options, comm=comm)


@pytest.mark.parametrize("ranks", [2, 4])
def test_ranks_times_shards_give_the_same_bits(tmp_path: Path, ranks: int) -> None:
    train(tmp_path / "one", 4)
    outcomes = on_ranks(ranks, lambda comm: train(tmp_path / "several", 4 // ranks, comm))
    assert outcomes == [None] * ranks
    for name in ("summary.json", "metrics.csv", "topics.csv", "doc_topics.csv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "several" / name).read_bytes(), name
    one, several = (load(tmp_path / name / "checkpoint.h5").tree["state"] for name in ("one", "several"))
    for part in ("model", "sampler"):
        for key, value in one[part].items():
            if isinstance(value, np.ndarray):
                np.testing.assert_array_equal(several[part][key], value, err_msg=key)
