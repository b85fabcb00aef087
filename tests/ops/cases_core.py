"""Cases of the ops of dense.py, activations.py, shape.py, losses.py, noise.py, norm.py.

A case: op (class), inputs (rng -> float64 arrays, none of whose numbers sits on a kink), run
(tape, *variables -> variable). Optional: rowwise (False: no first axis of rows to empty), training (False: as
in prediction).
"""

import numpy as np

from dlkit.kernels.activation import IDENTITY, LEAKY_RELU, RELU, SIGMOID, TANH
from dlkit.ops import activations, dense, losses, noise, norm, shape

ROWS = 5


def away_from_zero(rng, *size):
    x = rng.normal(size=size)
    return x + 0.1 * np.sign(x)


def dense_case(kind, slope=0.0, leading=(ROWS,)):
    return {
        "op": dense.Dense,
        "inputs": lambda rng: (rng.normal(size=(*leading, 4)), rng.normal(size=(4, 3)), rng.normal(size=3)),
        "run": lambda tape, x, w, b: dense.dense(tape, x, w, b, kind=kind, slope=slope),
    }


def activation_case(kind, slope=0.0):
    return {
        "op": activations.Activation,
        "inputs": lambda rng: (away_from_zero(rng, ROWS, 3),),
        "run": lambda tape, x: activations.activation(tape, x, kind, slope),
    }


def prelu_case(a):
    return {
        "op": activations.PRelu,
        "inputs": lambda rng: (away_from_zero(rng, ROWS, 3), np.array([a])),
        "run": activations.prelu,
    }


def targets(tape, like, **kind):
    """Targets drawn anew, the same for the same shape."""
    drawn = np.random.default_rng(len(like)).random(like.shape)
    return tape.backend.asarray(drawn)


def batch_norm_case(training, leading=(ROWS,)):
    running = np.random.default_rng(3).random((2, 3)) + 0.5

    def run(tape, x, gain, bias):
        statistics = tuple(tape.backend.asarray(r).copy() for r in running)
        return norm.batch_norm(tape, x, gain, bias, statistics)

    return {
        "op": norm.BatchNorm,
        "inputs": lambda rng: (rng.normal(size=(*leading, 3)), rng.normal(size=3), rng.normal(size=3)),
        "run": run,
        "training": training,
    }


def columns_case(kind, slope=0.0):
    running = np.random.default_rng(3).random((2, 6)) + 0.5

    def run(tape, x, gain, bias):
        statistics = tuple(tape.backend.asarray(r).copy() for r in running)
        return norm.batch_norm(tape, x, gain, bias, statistics, kind=kind, slope=slope)

    return {
        "op": norm.NormaliseColumns,
        "inputs": lambda rng: (rng.normal(size=(4, 6)), rng.normal(size=6), rng.normal(size=6)),
        "run": run,
    }


def labels(n):
    return np.random.default_rng(n).integers(0, 3, n)


CASES = {
    **{
        f"dense {name}": dense_case(kind, slope)
        for name, kind, slope in [
            ("identity", IDENTITY, 0.0), ("relu", RELU, 0.0), ("leaky", LEAKY_RELU, 0.3),
            ("sigmoid", SIGMOID, 0.0), ("tanh", TANH, 0.0),
        ]
    },
    "dense on sequences": dense_case(TANH, leading=(ROWS, 2)),
    "dense prelu": {
        "op": activations.PRelu,
        "inputs": lambda rng: (*dense_case(0)["inputs"](rng), np.array([0.25])),
        "run": lambda tape, x, w, b, a: dense.dense(tape, x, w, b, slope=a),
    },
    "relu": activation_case(RELU),
    "leaky relu": activation_case(LEAKY_RELU, 0.1),
    "sigmoid": activation_case(SIGMOID),
    "tanh": activation_case(TANH),
    "prelu": prelu_case(0.25),
    "prelu negative": prelu_case(-0.5),
    "prelu zero": prelu_case(0.0),
    "columns": {
        "op": shape.Columns,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 6)),),
        "run": lambda tape, x: shape.columns(tape, x, 1, 4),
    },
    "add": {
        "op": shape.Add,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 3)), rng.normal(size=(ROWS, 3))),
        "run": shape.add,
    },
    "add to itself": {
        "op": shape.Add,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 3)),),
        "run": lambda tape, x: shape.add(tape, x, shape.add(tape, x, x)),
    },
    "scale": {
        "op": shape.Scale,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 3)),),
        "run": lambda tape, x: shape.scale(tape, x, -1.5),
    },
    "reshape": {
        "op": shape.Reshape,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 2, 3)),),
        "run": lambda tape, x: shape.reshape(tape, x, (x.shape[0], 6)),
    },
    "softmax cross-entropy": {
        "op": losses.SoftmaxCrossEntropy,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 3)),),
        "run": lambda tape, z: losses.softmax_cross_entropy(tape, z, labels(len(z.data)), 0.2)[0],
    },
    "sigmoid cross-entropy": {
        "op": losses.SigmoidCrossEntropy,
        "inputs": lambda rng: (3 * rng.normal(size=(ROWS, 3)),),
        "run": lambda tape, z: losses.sigmoid_cross_entropy(tape, z, targets(tape, z.data), 0.2)[0],
    },
    "squared error": {
        "op": losses.SquaredError,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 3)),),
        "run": lambda tape, y: losses.squared_error(tape, y, targets(tape, y.data), 0.2)[0],
    },
    "gaussian likelihood": {
        "op": losses.GaussianNll,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 4)),),
        "run": lambda tape, f: losses.gaussian_nll(tape, f, targets(tape, f.data[:, :2]), 0.2)[0],
    },
    "dropout": {
        "op": noise.Dropout,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 3)),),
        "run": lambda tape, x: noise.dropout(tape, x, 0.4),
    },
    "drop connect": {
        "op": noise.Dropout,
        "inputs": lambda rng: (rng.normal(size=(4, 3)),),
        "run": lambda tape, w: noise.drop_connect(tape, w, 0.4),
        "rowwise": False,
    },
    "gaussian dropout": {
        "op": noise.GaussianDropout,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 3)),),
        "run": lambda tape, x: noise.gaussian_dropout(tape, x, 0.4),
    },
    "batch norm": batch_norm_case(True),
    "batch norm of maps": batch_norm_case(True, (ROWS, 2, 2)),
    "batch norm of few rows": columns_case(IDENTITY),
    "batch norm of few rows, relu": columns_case(RELU),
    "batch norm of few rows, leaky": columns_case(LEAKY_RELU, 0.2),
    "batch norm of few rows, tanh": columns_case(TANH),
    "batch norm frozen": batch_norm_case(False),
    "layer norm": {
        "op": norm.LayerNorm,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 3)), rng.normal(size=3), rng.normal(size=3)),
        "run": norm.layer_norm,
    },
}  # fmt: skip
