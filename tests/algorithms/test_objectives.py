"""Losses and figures of each objective against scikit-learn, SciPy and plain NumPy."""

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import norm
from sklearn.metrics import accuracy_score, log_loss, root_mean_squared_error

from dlkit.algorithms.objectives import (
    Classes,
    ConstantNoise,
    LearntNoise,
    Objective,
    objective_for,
)
from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.readers.preprocess import TargetScale

RNG = np.random.default_rng(7)
N = 50
TARGETS = RNG.normal([100.0, -3.0], [20.0, 0.5], (N, 2))
SCALE = TargetScale.fit(TARGETS, "rows")


def judged(objective: Objective, f: np.ndarray, target: np.ndarray) -> tuple[float, dict[str, float]]:
    """Loss of the whole and figures, the rows in two uneven parts as shards would have them."""
    backend = open_backend("cpu", dtype="float64")
    loss, sums = 0.0, np.zeros(objective.totals)
    for part in (slice(0, 31), slice(31, N), slice(N, N)):
        tape = Tape(backend)
        share, totals = objective.loss(tape, tape.constant(f[part]), target[part], 1 / N)
        assert len(totals) == objective.totals
        loss += float(share.data)
        sums += [total.sum(dtype=np.float64) for total in totals]
    return loss, objective.figures(sums, N)


def test_classes() -> None:
    logits, labels = RNG.normal(size=(N, 4)) * 3, RNG.integers(0, 4, N)
    loss, found = judged(Classes(4), logits, labels)
    p = softmax(logits, axis=1)
    assert found == {
        "loss": pytest.approx(log_loss(labels, p, labels=range(4))),
        "accuracy": accuracy_score(labels, p.argmax(1)),
    }
    assert loss == pytest.approx(found["loss"])


def test_constant_noise() -> None:
    f = RNG.normal(size=(N, 2))
    t = SCALE.standardise(TARGETS)
    loss, found = judged(ConstantNoise(SCALE), f, t)
    mean = f * TARGETS.std(0) + TARGETS.mean(0)
    assert found["loss"] == pytest.approx(0.5 * ((f - t) ** 2).sum(1).mean())
    # scikit-learn's means the targets' own roots; ours is one root over rows and targets
    one = np.sqrt(np.mean([root_mean_squared_error(TARGETS[:, k], mean[:, k]) ** 2 for k in range(2)]))
    assert found["rmse"] == pytest.approx(one)
    assert loss == pytest.approx(found["loss"])


def test_learnt_noise_is_the_normal_density_in_the_targets_units() -> None:
    f = RNG.normal(size=(N, 4))
    t = SCALE.standardise(TARGETS)
    loss, found = judged(LearntNoise(SCALE), f, t)
    mean = f[:, :2] * TARGETS.std(0) + TARGETS.mean(0)
    sd = np.exp(f[:, 2:] / 2) * TARGETS.std(0)
    assert found["log_likelihood"] == pytest.approx(norm.logpdf(TARGETS, mean, sd).sum(1).mean())
    assert found["rmse"] == pytest.approx(np.sqrt(((mean - TARGETS) ** 2).mean()))
    standard = norm.logpdf(t, f[:, :2], np.exp(f[:, 2:] / 2)).sum(1).mean()
    assert loss == pytest.approx(-standard - np.log(2 * np.pi))
    assert found["loss"] == pytest.approx(loss)


@pytest.mark.parametrize(
    ("task", "noise", "kind", "outputs"),
    [
        ("classification", "constant", Classes, 5),
        ("regression", "constant", ConstantNoise, 2),
        ("regression", "learnt", LearntNoise, 4),
    ],
)
def test_the_objective_of_a_task(task: str, noise: str, kind: type, outputs: int) -> None:
    made = objective_for(task, noise, 5, SCALE)
    assert type(made) is kind
    assert made.outputs == outputs
    sums = np.ones(made.totals)
    assert set(made.figures(sums, 1)) == {column.name for column in made.measures}
