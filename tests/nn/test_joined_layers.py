"""Layers that pass in one go give what they give one after the other."""

import numpy as np
import pytest

from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.nn.layers import Act, Activation, BatchNorm, Dense, Sequential
from dlkit.nn.parameter import Flat
from dlkit.ops.losses import squared_error

ROWS = np.random.default_rng(1).normal(size=(5, 4))


@pytest.mark.parametrize("bend", [[], [Act("leaky_relu", 0.2)], [Act("identity")]], ids=str)
def test_a_normalisation_takes_the_bias_before_it_out_but_for_the_running_mean(bend) -> None:
    def passed(joined: bool) -> dict[str, np.ndarray]:
        backend = open_backend(dtype="float64")
        model = Sequential(Dense(4, 6), BatchNorm(6), *map(Activation, bend), Dense(6, 2))
        flat = Flat.allocate(model, backend, Streams(1))
        model.layers["0.dense"].bias.data[...] = np.arange(6)
        tape = Tape(backend, flat.gradient(), owner=flat)
        tape.begin(training=True, rows=len(ROWS))
        x = tape.constant(ROWS)
        if joined:
            y = model(tape, x)
        else:
            y = x
            for layer in model.layers.values():
                y = layer(tape, y)
        loss, _ = squared_error(tape, y, np.ones((5, 2)), 0.2)
        tape.backward(loss)
        gradients = {path: flat.view(tape.gradient, p).copy() for path, p in flat.parameters.items()}
        return {"y": y.data.copy(), **model.state(), **{f"d {path}": g for path, g in gradients.items()}}

    one, other = passed(True), passed(False)
    for name, value in other.items():
        np.testing.assert_allclose(one[name], value, rtol=1e-10, atol=1e-12, err_msg=name)
    assert np.abs(one["1.batch_norm.running_mean"]).max() > 0.4
    assert not one["d 0.dense.bias"].any()
