"""Cases of the ops of recurrent.py, embedding.py, sequence_noise.py: see cases_core.py for what a case is.

Sequences are time first, so the axis of rows that may be empty is the second; `T = 0` is the first.
"""

import numpy as np

from dlkit.nn.hierarchical import huffman
from dlkit.ops import embedding, hierarchical, recurrent, sequence_noise, shape

T, B, N, M = 4, 3, 5, 2
MASK = np.array([[1, 1, 0], [1, 1, 1], [1, 0, 1], [0, 0, 1]], np.uint8)
"""Padding in front of, behind and inside of sequences."""


def everything(tape, y, *last):
    """All results beside each other, (T, B, (1 + k) M): every one gets a gradient of its own."""
    parts = [y]
    for state in last:
        row = shape.reshape(tape, state, (1, *state.shape))
        parts += [shape.repeat(tape, row, len(y.data))] if len(y.data) else []
    return shape.join(tape, *parts)


def recurrent_case(
    op, function, gates, biases, states, *, steps=T, mask=None, keep=False, which=None, **more
):
    """which: 0 all states alone, 1 the last alone; None: all results."""

    def inputs(rng):
        weights = (rng.normal(size=(N, gates * M)), rng.normal(size=(M, gates * M)))
        b = (rng.normal(size=gates * M), rng.normal(size=M))[:biases]
        return rng.normal(size=(steps, B, N)), *weights, *b, *(rng.normal(size=(B, M)) for _ in range(states))

    def run(tape, x, *rest):
        m = None if mask is None else mask[: len(x.data)]
        factors = None
        if keep:
            factors = np.array([[0, 2], [2, 2], [2, 0]], tape.backend.dtype)
        results = function(tape, x, *rest, mask=m, keep=factors, **more)
        return everything(tape, *results) if which is None else results[which]

    return {"op": op, "inputs": inputs, "run": run, "parameters": True, "rowwise": which != 1}


def cell_cases(name, *cell):
    return {
        name: recurrent_case(*cell),
        f"{name}, one step": recurrent_case(*cell, steps=1),
        f"{name} backwards": recurrent_case(*cell, reverse=True),
        f"{name}, padded": recurrent_case(*cell, mask=MASK),
        f"{name} backwards, padded": recurrent_case(*cell, mask=MASK, reverse=True),
        f"{name}, one step, padded": recurrent_case(*cell, steps=1, mask=MASK),
        f"{name}, units left out": recurrent_case(*cell, keep=True),
        f"{name}, units left out, padded, backwards": recurrent_case(
            *cell, keep=True, mask=MASK, reverse=True
        ),
        f"{name}, states alone": recurrent_case(*cell, which=0),
        f"{name}, last state alone": recurrent_case(*cell, which=1, mask=MASK),
    }


CASES = {
    **cell_cases("tanh rnn", recurrent.TanhRnn, recurrent.tanh_rnn, 1, 1, 1),
    **cell_cases("lstm", recurrent.Lstm, recurrent.lstm, 4, 1, 2),
    **cell_cases("gru", recurrent.Gru, recurrent.gru, 3, 2, 1),
    "lstm without a first state": recurrent_case(recurrent.Lstm, recurrent.lstm, 4, 1, 0),
    "embedding": {
        "op": embedding.Embedding,
        "inputs": lambda rng: (rng.normal(size=(6, 3)),),
        "run": lambda tape, e: embedding.embedding(tape, e, np.array([[4, 0, 4], [2, 4, 0]])),
        "rowwise": False,
    },
    "no symbols": {
        "op": embedding.Embedding,
        "inputs": lambda rng: (rng.normal(size=(6, 3)),),
        "run": lambda tape, e: embedding.embedding(tape, e, np.zeros(0, np.int64)),
        "rowwise": False,
    },
    "dropout over time": {
        "op": sequence_noise.DropoutOverTime,
        "inputs": lambda rng: (rng.normal(size=(T, B, N)),),
        "run": lambda tape, x: sequence_noise.dropout_over_time(tape, x, 0.4),
    },
    "join": {
        "op": shape.Join,
        "inputs": lambda rng: (rng.normal(size=(T, B, 2)), rng.normal(size=(T, B, 3))),
        "run": shape.join,
    },
    "repeat": {
        "op": shape.Repeat,
        "inputs": lambda rng: (rng.normal(size=(1, B, 2)),),
        "run": lambda tape, x: shape.repeat(tape, x, 3),
        "rowwise": False,
    },
}


# -- hierarchical softmax -------------------------------------------------------------------------------
PATHS = huffman(np.array([5, 1, 2, 9, 3]))
SYMBOLS = np.array([3, 0, -1, 4, 3, 1])


def of_symbols(tape, h, w, b):
    n = len(h.data)
    on_device = tuple(tape.backend.asarray(a) for a in PATHS)
    return hierarchical.hierarchical_loss(tape, h, w, b, SYMBOLS[:n], PATHS, on_device, 0.2)[0]


CASES["hierarchical softmax"] = {
    "op": hierarchical.HierarchicalLoss,
    "inputs": lambda rng: (rng.normal(size=(6, 3)), rng.normal(size=(4, 3)), rng.normal(size=(4, 1))),
    "run": of_symbols,
}
