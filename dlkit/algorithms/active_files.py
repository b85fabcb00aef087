"""What active learning leaves: accuracy against labels, its picture, and which rows were asked about."""

from collections.abc import Sequence

import numpy as np

from dlkit.algorithms.active_learners import Learner
from dlkit.pictures import bands, figures
from dlkit.training.metrics import text_of, to_csv


def accuracy_csv(counts: Sequence[int], accuracy: np.ndarray) -> str:
    """labels, mean and standard deviation of the test accuracy, then every run. accuracy: (runs, rounds)."""
    header = ["labels", "test_accuracy", "test_accuracy_sd", *(f"run_{r + 1}" for r in range(len(accuracy)))]
    sd = accuracy.std(0, ddof=1) if len(accuracy) > 1 else np.full(accuracy.shape[1], np.nan)
    columns = zip(counts, accuracy.mean(0).tolist(), sd.tolist(), accuracy.T.tolist(), strict=True)
    return to_csv(header, ([str(n), *map(text_of, (mean, s, *each))] for n, mean, s, each in columns))


def accuracy_png(
    counts: Sequence[int], accuracy: np.ndarray, strategy: str, target: float | None
) -> bytes | None:
    """The same as curves with a band; None where there is no matplotlib."""
    if not figures.available():
        return None
    return bands.draw(np.array(counts), {strategy: accuracy}, axes=("labels", "test accuracy"), level=target)


def queries_csv(
    labelled: Sequence[np.ndarray], labels: np.ndarray, counts: Sequence[int], learner: Learner
) -> str:
    """run, round (0: the first labels), row of the pool, where it stands in its file, its label."""
    rows = (
        [
            str(run + 1),
            str(int(np.searchsorted(counts, k, side="right"))),
            str(row),
            learner.place(row),
            learner.classes[labels[row]] if labels[row] >= 0 else "",
        ]
        for run, order in enumerate(labelled)
        for k, row in enumerate(order.tolist())
    )
    return to_csv(["run", "round", "row", "place", "label"], rows)
