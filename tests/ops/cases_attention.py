"""Cases of the ops of attention.py and word_loss.py; sequences have their rows on the second axis."""

import numpy as np

from dlkit.ops import attention, word_loss

LENGTHS = np.array([4, 1, 3])
LABELS = np.array([2, -1, 0, 5, 2])


def sequences(*widths):
    """q (2, 3, n), k (4, 3, n) and what else is asked for."""
    return lambda rng: (
        rng.normal(size=(2, 3, 5)),
        rng.normal(size=(4, 3, 5)),
        *(rng.normal(size=w) for w in widths),
    )


def attend(tape, q, k):
    """Dot attention whole: scores, weights, context."""
    weights = attention.masked_softmax(tape, attention.dot_scores(tape, q, k), LENGTHS)
    return attention.context(tape, weights, k)


def loss_case(smoothing):
    return {
        "op": word_loss.WordLoss,
        "inputs": lambda rng: (rng.normal(size=(5, 3)), rng.normal(size=(6, 3)), rng.normal(size=6)),
        "run": lambda tape, h, w, b: word_loss.word_loss(
            tape, h, w, b, LABELS[: len(h.data)], 0.2, smoothing=smoothing
        )[0],
        "parameters": True,
    }


CASES = {
    "product": {
        "op": attention.Product,
        "inputs": lambda rng: (rng.normal(size=(4, 2, 3)), rng.normal(size=(3, 5))),
        "run": attention.product,
        "parameters": True,
    },
    "dot scores": {
        "op": attention.DotScores, "inputs": sequences(), "run": attention.dot_scores, "rowwise": False
    },
    "additive scores": {
        "op": attention.AdditiveScores,
        "inputs": sequences((5,)),
        "run": attention.additive_scores,
        "rowwise": False,
        "parameters": True,
    },
    "masked softmax": {
        "op": attention.MaskedSoftmax,
        "inputs": lambda rng: (rng.normal(size=(3, 2, 4)),),
        "run": lambda tape, s: attention.masked_softmax(tape, s, LENGTHS[: len(s.data)]),
    },
    "context": {
        "op": attention.Context,
        "inputs": lambda rng: (rng.normal(size=(3, 2, 4)), rng.normal(size=(4, 3, 5))),
        "run": attention.context,
        "rowwise": False,
    },
    "dot attention": {
        "op": attention.Context, "inputs": sequences(), "run": attend, "rowwise": False
    },
    "word loss": loss_case(0.0),
    "word loss smoothed": loss_case(0.1),
}  # fmt: skip
