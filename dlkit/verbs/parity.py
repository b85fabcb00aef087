"""The same training steps on a device and on the CPU: how far apart they end."""

import numpy as np

from dlkit.autograd import Tape, Variable
from dlkit.backend import Backend, open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.nn import optimizers
from dlkit.nn.layer_list import network
from dlkit.nn.optimizers import AdamSpec
from dlkit.nn.parameter import Flat
from dlkit.nn.presets import ImageModel
from dlkit.nn.step import GradientStep
from dlkit.ops.losses import softmax_cross_entropy

TOLERANCE = 1e-3
"""In float32; TF32 is off. A wrong kernel is off by far more."""

_LAYERS = [{"conv": {"filters": 6, "size": 3, "pad": "same"}}, "batch_norm", {"max_pool": 2}, {"dense": 16}]
_ROWS, _SHAPE, _CLASSES, _STEPS = 32, (8, 8, 2), 4, 3


def worst_difference(backend: Backend) -> tuple[str, float]:
    """(parameter, largest difference relative to its largest value) after three steps of a small network."""
    theirs, ours = _trained(backend), _trained(open_backend("cpu"))
    gaps = {name: _gap(theirs[name], value) for name, value in ours.items()}
    where = max(gaps, key=lambda name: gaps[name])
    return where, gaps[where]


def _gap(a: np.ndarray, b: np.ndarray) -> float:
    gap = float(np.abs(a - b).max() / max(np.abs(b).max(), 1e-6))
    return gap if np.isfinite(gap) else np.inf


def _trained(backend: Backend) -> dict[str, np.ndarray]:
    from pydantic import TypeAdapter

    streams, team, rng = Streams(1), Team(1, 1), np.random.default_rng(0)
    x = backend.asarray(rng.standard_normal((_ROWS, *_SHAPE)).astype(np.float32))
    y = backend.asarray(rng.integers(0, _CLASSES, _ROWS))
    model = network(TypeAdapter(ImageModel).validate_python(_LAYERS), _SHAPE, _CLASSES)
    flat = Flat.allocate(model, backend, streams)
    step = GradientStep(model, optimizers.build(AdamSpec(), flat, streams, _ROWS), backend, team, streams)

    def loss(tape: Tape, shard: int, rows: slice) -> tuple[Variable, None]:
        return softmax_cross_entropy(tape, model(tape, tape.constant(x[rows])), y[rows], 1 / _ROWS)[0], None

    for k in range(_STEPS):
        step(_ROWS, loss, 0.01, (1, k + 1))
    parameters = flat.split(flat.data)
    team.close()
    return parameters
