"""rnn on several ranks (threads) against one process: streams and sequences are shared out, states told to
all."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from thread_ranks import on_ranks

from dlkit.algorithms.rnn import RNN
from dlkit.training.checkpoint import load
from dlkit.training.driver import run
from dlkit.training.options import RunOptions

TREE = {"output": "hierarchical", "by_rows": True, "cell": "gru"}


@pytest.fixture
def text(tmp_path: Path) -> Path:
    rng = np.random.default_rng(3)
    words = rng.choice(["ab", "cad", "e", "bad", "da"], 400).tolist()
    (tmp_path / "t.txt").write_text(" ".join(words), encoding="utf-8")
    lines = [
        f"{'long' if len(word) > 2 else 'short'}\t{word} {'x ' * (k % 7)}." for k, word in enumerate(words)
    ]
    (tmp_path / "l.tsv").write_text("\n".join(lines[:90]) + "\n", encoding="utf-8")
    return tmp_path / "t.txt"


def train(path: Path, directory: Path, model: dict[str, Any], comm: Any = None, **more: Any) -> None:
    given = {
        "data": {"train": str(path), "valid": 0.2, "test": 0.1, "tokens": more.pop("tokens", "characters")},
        "model": {"embedding": 5, "units": 6, **model},
        "steps": 7, "batch": 5, "epochs": 2, "shards": 1, "dtype": "float64", **more,
    }  # fmt: skip
    run(RNN, RNN.Recipe.model_validate(given), RunOptions(directory, threads=1, quiet=True), comm=comm)


def flat(tree: dict[str, Any], path: str = "") -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        found |= flat(value, f"{path}/{name}") if isinstance(value, dict) else {f"{path}/{name}": value}
    return {name: value for name, value in found.items() if isinstance(value, np.ndarray)}


@pytest.mark.parametrize("ranks", [2, 3])
@pytest.mark.parametrize(
    ("file", "model", "more"),
    [
        ("t.txt", {}, {}),
        ("t.txt", TREE, {"tokens": "words"}),
        ("l.tsv", {"bidirectional": True, "by_rows": True}, {"task": "classification", "tokens": "words"}),
    ],
)
def test_ranks_train_what_one_process_trains(
    text: Path, ranks: int, file: str, model: dict[str, Any], more: dict[str, Any]
) -> None:
    source, folder = text.parent / file, text.parent
    train(source, folder / "one", model, **more)
    outcomes = on_ranks(ranks, lambda comm: train(source, folder / "several", model, comm, **more))
    assert outcomes == [None] * ranks
    states = [flat(load(folder / name / "checkpoint.h5").tree["state"]) for name in ("one", "several")]
    assert states[0].keys() == states[1].keys()
    for name, value in states[0].items():
        np.testing.assert_allclose(states[1][name], value, rtol=1e-8, atol=1e-11, err_msg=name)
    first, second = (
        json.loads((folder / name / "summary.json").read_text(encoding="utf-8"))
        for name in ("one", "several")
    )
    assert first == pytest.approx(second, rel=1e-8)
