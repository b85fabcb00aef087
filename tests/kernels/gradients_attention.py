"""Gradient checks of attention.py, additive.py and word_loss.py."""

import numpy as np
from kernels.gradients import KERNELS, Check, Rng, forward, gradient, like

LENGTHS = np.array([4, 1, 3])


@gradient("masked_softmax_backward")
def _masked_softmax(rng: Rng) -> Check:
    s, w = rng.standard_normal((3, 2, 4)), rng.standard_normal((3, 2, 4))

    def loss(s: np.ndarray) -> float:
        a = np.empty_like(s)
        forward("masked_softmax", s, LENGTHS, a)
        return float((w * a).sum())

    a, ds = like(s, s)
    forward("masked_softmax", s, LENGTHS, a)
    KERNELS["masked_softmax_backward"](a, w, ds)
    return loss, [s], [ds]


@gradient("additive_scores_backward")
def _additive_scores(rng: Rng) -> Check:
    q, k, v = rng.standard_normal((2, 3, 5)), rng.standard_normal((4, 3, 5)), rng.standard_normal(5)
    w = rng.standard_normal((3, 2, 4))

    def loss(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> float:
        s = np.empty_like(w)
        forward("additive_scores", q, k, v, s)
        return float((w * s).sum())

    gradients = like(q, k, v)
    KERNELS["additive_scores_backward"](q, k, v, w, *gradients)
    return loss, [q, k, v], gradients


@gradient("word_loss", smoothing=(0.0, 0.2))
def _word_loss(rng: Rng, smoothing: float) -> Check:
    z, b, labels = rng.standard_normal((6, 5)), rng.standard_normal(5), np.array([0, -1, 4, 2, -1, 2])
    correct = np.zeros(6, np.uint8)

    def loss(z: np.ndarray, b: np.ndarray) -> float:
        rows, nll = np.empty(6), np.empty(6)
        forward("word_loss", z.copy(), b, labels, smoothing, 1.0, np.zeros(5), rows, nll, correct)
        return 0.3 * float(rows.sum())

    dz, db = z.copy(), np.full(5, np.nan)
    KERNELS["word_loss"](dz, b, labels, smoothing, 0.3, db, *like(np.empty(6), np.empty(6)), correct)
    return loss, [z, b], [dz, db]
