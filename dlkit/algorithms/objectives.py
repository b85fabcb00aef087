"""What a network that learns from labelled rows is asked to get right: its loss and its figures.

Three objectives, each with f(x) the network's output of a row x:

- classes: softmax cross-entropy, -log p_y with p = softmax(f(x))                 [nats]
- regression, constant noise: 1/2 |t - f(x)|^2 on standardised targets t          [1]
- regression, learnt noise (heteroscedastic, Kendall & Gal 2017, eq. 5):
  1/2 sum_k ( log s2_k + (t_k - mu_k)^2 / s2_k ), f(x) = (mu, log s2)             [nats, less the constant]
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np

from dlkit.autograd import Tape, Variable
from dlkit.ops import losses
from dlkit.readers.preprocess import TargetScale
from dlkit.training.metrics import Column

LOG_2PI = float(np.log(2 * np.pi))


class Objective(ABC):
    """Loss and figures of one kind of target. `outputs` is the width of the network's last layer."""

    measures: ClassVar[tuple[Column, ...]]
    outputs: int
    totals: int
    """How many sums over rows `loss` adds up; `figures` turns them into measures."""

    @abstractmethod
    def loss(self, tape: Tape, f: Variable, target: Any, weight: float) -> tuple[Variable, list[Any]]:
        """The batch's share of the loss, weighted, and one array a total: per-row values to be summed."""

    @abstractmethod
    def figures(self, sums: np.ndarray, rows: int) -> dict[str, float]:
        """Measures from the sums (totals,) over `rows` rows."""


class Classes(Objective):
    """One of several classes: softmax cross-entropy and accuracy."""

    measures = (
        Column("loss", "nats", "softmax cross-entropy, mean over rows"),
        Column("accuracy", "fraction", "rows whose most probable class is the right one"),
    )
    totals = 2

    def __init__(self, classes: int) -> None:
        self.outputs = classes

    def loss(self, tape: Tape, f: Variable, target: Any, weight: float) -> tuple[Variable, list[Any]]:
        loss, rows, correct = losses.softmax_cross_entropy(tape, f, target, weight)
        return loss, [rows, correct]

    def figures(self, sums: np.ndarray, rows: int) -> dict[str, float]:
        return {"loss": float(sums[0] / rows), "accuracy": float(sums[1] / rows)}


class ConstantNoise(Objective):
    """Numbers with the same noise everywhere: squared error."""

    measures = (
        Column("loss", "1", "half the squared error of standardised targets, mean over rows"),
        Column("rmse", "target's unit", "root of the mean squared error over rows and targets"),
    )

    def __init__(self, targets: TargetScale) -> None:
        self.targets = targets
        self.outputs = len(targets.sd)
        self.totals = 1 + len(targets.sd)

    def loss(self, tape: Tape, f: Variable, target: Any, weight: float) -> tuple[Variable, list[Any]]:
        loss, rows = losses.squared_error(tape, f, target, weight)
        error = f.data - target
        return loss, [rows, *(error[:, k] * error[:, k] for k in range(self.outputs))]

    def figures(self, sums: np.ndarray, rows: int) -> dict[str, float]:
        squares = sums[1:] / rows * self.targets.sd**2
        return {"loss": float(sums[0] / rows), "rmse": float(np.sqrt(squares.mean()))}


class LearntNoise(Objective):
    """Numbers whose noise depends on the input: Gaussians with mean and log variance as outputs."""

    measures = (
        Column("loss", "nats", "negative log-likelihood of standardised targets, less log(2 pi)/2"),
        Column("rmse", "target's unit", "root of the mean squared error of the means over rows and targets"),
        Column("log_likelihood", "nats", "log density of the targets in their own units, mean over rows"),
    )

    def __init__(self, targets: TargetScale) -> None:
        self.targets = targets
        self.outputs = 2 * len(targets.sd)
        self.totals = 1 + len(targets.sd)

    def loss(self, tape: Tape, f: Variable, target: Any, weight: float) -> tuple[Variable, list[Any]]:
        loss, rows = losses.gaussian_nll(tape, f, target, weight)
        error = f.data[:, : len(self.targets.sd)] - target
        return loss, [rows, *(error[:, k] * error[:, k] for k in range(len(self.targets.sd)))]

    def figures(self, sums: np.ndarray, rows: int) -> dict[str, float]:
        squares = sums[1:] / rows * self.targets.sd**2
        constant = float(np.sum(np.log(self.targets.sd))) + 0.5 * LOG_2PI * len(self.targets.sd)
        return {
            "loss": float(sums[0] / rows),
            "rmse": float(np.sqrt(squares.mean())),
            "log_likelihood": float(-sums[0] / rows - constant),
        }


def objective_for(task: str, noise: str, classes: int, targets: TargetScale | None) -> Objective:
    """The objective of a task: "classification", or "regression" with noise "constant" or "learnt"."""
    if task == "classification":
        return Classes(classes)
    assert targets is not None
    return LearntNoise(targets) if noise == "learnt" else ConstantNoise(targets)
