"""Cases of the ops of variational.py."""

import numpy as np

from dlkit.ops import variational

ROWS = 5


def drawn(tape, *shape):
    """Numbers drawn anew, the same for the same shape."""
    return tape.backend.asarray(np.random.default_rng(shape[0]).standard_normal(shape))


CASES = {
    "reparameterise": {
        "op": variational.Reparameterise,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 6)),),
        "run": lambda tape, f: variational.reparameterise(tape, f, drawn(tape, len(f.data), 3)),
    },
    "gaussian kl": {
        "op": variational.GaussianKL,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 6)),),
        "run": lambda tape, f: variational.gaussian_kl(tape, f, 0.2)[0],
    },
    "shared noise": {
        "op": variational.SharedNoise,
        "inputs": lambda rng: (rng.normal(size=(ROWS, 3)), rng.normal(size=1)),
        "run": lambda tape, y, s: variational.shared_noise(tape, y, s, drawn(tape, *y.shape), 0.2)[0],
    },
}
