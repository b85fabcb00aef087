"""seq2seq on several ranks (threads): the figures of one process, also where a rank has no pair."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from thread_ranks import on_ranks

from dlkit.algorithms.seq2seq import Seq2Seq
from dlkit.training.driver import run
from dlkit.training.options import RunOptions


def train(folder: Path, name: str, comm: Any = None, **keys: Any) -> None:
    given = {
        "data": {"train": str(folder / "p.tsv"), "valid": 5, "test": 4},
        "source_words": {"tokens": "characters", "min_count": 1},
        "target_words": {"tokens": "characters", "min_count": 1},
        "model": {"embedding": 6, "units": 8, "dropout": 0},
        "epochs": 2,
        "batch": 7,
        "shards": 1,
        "dtype": "float64",
    }
    recipe = Seq2Seq.Recipe.model_validate(given | keys)
    run(Seq2Seq, recipe, RunOptions(folder / name, threads=1, quiet=True), comm=comm)


def figures(directory: Path) -> dict[str, float]:
    """Every number of metrics.csv and summary.json."""
    found = json.loads((directory / "summary.json").read_text(encoding="utf-8"))
    with (directory / "metrics.csv").open(encoding="utf-8") as file:
        for k, row in enumerate(csv.DictReader(file)):
            found |= {f"{name} {k}": float(value) for name, value in row.items()}
    return found


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize("teacher_forcing", [1.0, 0.5])
def test_ranks_share_a_batch(tmp_path: Path, ranks: int, teacher_forcing: float) -> None:
    words = ["".join("abcd"[(k * j + k) % 4] for j in range(1 + k % 6)) for k in range(24)]
    lines = [f"{word}\t{word[::-1]}\n" for word in words]  # 15 to learn from: the last batch has one
    (tmp_path / "p.tsv").write_text("".join(lines), encoding="utf-8")
    train(tmp_path, "one", teacher_forcing=teacher_forcing)
    outcomes = on_ranks(ranks, lambda comm: train(tmp_path, "several", comm, teacher_forcing=teacher_forcing))
    assert outcomes == [None] * ranks
    assert figures(tmp_path / "several") == pytest.approx(figures(tmp_path / "one"), rel=1e-8)
