"""train-cnn, vae and gan on several ranks (threads) against one process."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from thread_ranks import on_ranks

from dlkit.algorithms.cnn import TrainCNN
from dlkit.algorithms.gan import GAN
from dlkit.algorithms.vae import VAE
from dlkit.training.checkpoint import load
from dlkit.training.driver import run
from dlkit.training.options import RunOptions

SGD = {"name": "sgd", "lr": 0.05}
SMALL = {"epochs": 2, "batch": 240, "dtype": "float64", "split": "batch", "optimizer": SGD}

CASES = {
    "cnn": (TrainCNN, {
        "data": {"label": -1, "shape": [8, 8], "test": 0.2},
        "model": [{"conv": {"filters": 4, "size": 3, "pad": "same"}}, "batch_norm", {"max_pool": 2}],
        "augment": {"shift": 1},
    }),
    "vae": (VAE, {
        "data": {"label": -1, "shape": [8, 8], "test": 0.2},
        "encoder": [{"dense": 12}, "batch_norm"], "decoder": [{"dense": 12}], "latent": 3,
    }),
    "gan": (GAN, {
        "data": {"label": -1, "shape": [8, 8]}, "latent": 4,
        "generator": [{"dense": 12}, "batch_norm"], "discriminator": [{"dense": 12}, {"dropout": 0.2}],
        "grid": {"every": 5, "rows": 2, "columns": 2}, "watch": {"samples": 100, "modes": 4},
    }),
}  # fmt: skip


def train(name: str, embedded: Path, directory: Path, shards: int = 1, comm: Any = None) -> None:
    kind, keys = CASES[name]
    data = {"train": str(embedded / "digits.csv")} | keys["data"]
    made = kind.Recipe.model_validate(SMALL | keys | {"data": data, "shards": shards})
    run(kind, made, RunOptions(directory, threads=1, quiet=True), comm=comm)


def arrays(tree: dict[str, Any], path: str = "") -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    for name, value in tree.items():
        if isinstance(value, dict):
            found |= arrays(value, f"{path}{name}/")
        elif isinstance(value, np.ndarray):
            found[path + name] = value
    return found


@pytest.mark.parametrize("name", list(CASES))
def test_two_ranks_train_what_one_process_trains(embedded: Path, tmp_path: Path, name: str) -> None:
    """Noise belongs to a shard of the batch, so one process cuts its batches as the ranks do."""
    train(name, embedded, tmp_path / "one", shards=2)
    outcomes = on_ranks(2, lambda comm: train(name, embedded, tmp_path / "two", comm=comm))
    assert outcomes == [None, None]
    one, two = (arrays(load(tmp_path / run / "checkpoint.h5").tree["state"]) for run in ("one", "two"))
    assert list(one) == list(two) and len(one) > 4
    for path in one:
        found, expected = (
            tree[path].sum(0) if path.endswith("/sums") else tree[path]  # sums: a row a shard
            for tree in (two, one)
        )
        np.testing.assert_allclose(found, expected, rtol=1e-7, atol=1e-9, err_msg=path)
    figures = [json.loads((tmp_path / run / "summary.json").read_text()) for run in ("one", "two")]
    assert figures[0] == pytest.approx(figures[1], rel=1e-7)
