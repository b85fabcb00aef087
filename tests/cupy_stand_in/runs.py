"""A small run of every command that trains, for comparing devices: one entry an algorithm is all it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Run:
    """One run of two epochs of a few steps.

    name: for messages. command: `dlkit COMMAND`. recipe: its text; nothing in it may depend on the number of
    epochs, which resuming changes. write: makes data.csv beside it. batches: --set values that make the same
    epochs of fewer and of more steps. predicts: whether `dlkit predict RUN data.csv` answers.
    """

    name: str
    command: str
    recipe: str
    write: Callable[[Path], None]
    batches: tuple[str, str] = ("batch=40", "batch=5")
    predicts: bool = True


def _classes(folder: Path) -> None:
    """Three blobs in four dimensions, 83 rows: the last batch is smaller."""
    rng = np.random.default_rng(5)
    label = rng.integers(0, 3, 83)
    x = rng.standard_normal((83, 4)) + 2 * np.eye(3, 4)[label]
    _table(folder, x, [f"c{k}" for k in label])


def _numbers(folder: Path) -> None:
    """A noisy sine, 83 rows."""
    rng = np.random.default_rng(6)
    x = rng.uniform(-3, 3, (83, 1))
    y = np.sin(x[:, 0]) + 0.1 * rng.standard_normal(83)
    _table(folder, x, [f"{v:.6f}" for v in y])


def _table(folder: Path, x: np.ndarray, last: list[str]) -> None:
    names = [f"x{j}" for j in range(x.shape[1])] + ["y"]
    rows = [",".join([*(f"{v:.6f}" for v in row), end]) for row, end in zip(x, last, strict=True)]
    (folder / "data.csv").write_text("\n".join([",".join(names), *rows]) + "\n", encoding="utf-8")


MLP = """\
command: train-mlp
data: {{train: data.csv, label: y, valid: 0.2, test: 0.1}}
{more}
epochs: 2
batch: 20
shards: 2
seed: 4
"""

RUNS = (
    Run(
        "mlp classes",
        "train-mlp",
        MLP.format(
            more="model: [{dense: 9}, batch_norm, {dropout: 0.3}, {dense: {units: 8, drop_connect: 0.2}}]\n"
            "optimizer: {name: adam, lr: 0.02}"
        ),
        _classes,
    ),
    Run(
        "mlp numbers",
        "train-mlp",
        MLP.format(
            more="model: [{dense: 9}, layer_norm, {activation: prelu}, {gaussian_dropout: 0.1}]\n"
            "activation: tanh\nnoise: learnt\nmc_samples: 3\n"
            "optimizer: {name: momentum, lr: 0.01, weight_decay: 0.001}"
        ),
        _numbers,
    ),
)
