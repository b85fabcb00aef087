"""Noise has the distribution it is named after, and Monte Carlo dropout leaves batch normalisation frozen."""

import numpy as np
import pytest

from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.nn.layer_list import LAYERS, network
from dlkit.nn.parameter import Flat
from dlkit.ops.noise import dropout, gaussian_dropout, quantised, random_bits

BACKEND = open_backend()
ONES = np.ones((400, 500), np.float32)


def noisy(op, p: float, seed: int = 1) -> np.ndarray:
    tape = Tape(BACKEND)
    tape.begin(training=True, rng=np.random.default_rng(seed))
    return np.array(op(tape, tape.constant(ONES), p).data)


@pytest.mark.parametrize("p", [0.1, 0.5, 0.9, 1e-4])
def test_dropout_drops_p_and_keeps_the_mean(p: float) -> None:
    y = noisy(dropout, p)
    threshold, scale = quantised(p)
    n = ONES.size
    assert set(np.unique(y)) <= {np.float32(0), np.float32(scale)}
    assert (y == 0).mean() == pytest.approx(p, abs=4 * (p * (1 - p) / n) ** 0.5 + 1e-5)
    assert y.mean() == pytest.approx(1, abs=4 * (p / (1 - p) / n) ** 0.5)
    assert scale * (65536 - threshold) == 65536  # the mean of the factor is 1 exactly


def test_gaussian_dropout_has_the_variance_of_dropout() -> None:
    y = noisy(gaussian_dropout, 0.3)
    assert y.dtype == np.float32
    assert y.mean() == pytest.approx(1, abs=0.006)
    assert y.var() == pytest.approx(0.3 / 0.7, rel=0.02)
    z = (y - y.mean()) / y.std()
    assert (z**3).mean() == pytest.approx(0, abs=0.03)
    assert (z**4).mean() == pytest.approx(3, abs=0.1)


def test_masks_follow_the_generator() -> None:
    assert np.array_equal(noisy(dropout, 0.5, 1), noisy(dropout, 0.5, 1))
    assert not np.array_equal(noisy(dropout, 0.5, 1), noisy(dropout, 0.5, 2))


def test_no_noise_gives_the_input_itself() -> None:
    tape = Tape(BACKEND)
    tape.begin(training=True, rng=np.random.default_rng(1))
    x = tape.constant(ONES)
    assert dropout(tape, x, 0.0) is x
    tape.begin(training=False)
    assert dropout(tape, x, 0.5) is x
    assert gaussian_dropout(tape, x, 0.5) is x


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_impossible_probabilities_are_refused(p: float) -> None:
    with pytest.raises(ValueError, match="0 <= p < 1"):
        quantised(p)


@pytest.mark.parametrize("n", [0, 1, 4, 5, 1001])
def test_random_bits_are_the_generators_words(n: int) -> None:
    bits = random_bits(np.random.default_rng(3), n)
    assert bits.shape == (n,)
    assert bits.dtype == np.uint16
    words = np.random.default_rng(3).bit_generator.random_raw(-(-n // 4)) if n else np.empty(0, np.uint64)
    expected = [(int(w) >> shift) & 0xFFFF for w in words for shift in (0, 16, 32, 48)][:n]
    assert bits.tolist() == expected


def test_monte_carlo_dropout_leaves_batch_norm_frozen() -> None:
    layers = [{"dense": 16}, "batch_norm", {"dropout": 0.5}]
    model = network([LAYERS.read(layer) for layer in layers], (4,), 2)
    Flat.allocate(model, BACKEND, Streams(1))
    tape = Tape(BACKEND)
    x = np.random.default_rng(1).normal(3, 2, size=(6, 4)).astype(np.float32)
    before = model.state()

    def outputs(rows: slice, seed: int, noise: bool) -> np.ndarray:
        tape.begin(training=False, noise=noise, rng=np.random.default_rng(seed))
        return np.array(model(tape, tape.constant(x[rows])).data)

    first, second = outputs(slice(6), 1, True), outputs(slice(6), 2, True)
    assert not np.allclose(first, second)  # dropout is on
    assert not np.allclose(first, outputs(slice(6), 1, False))
    # a row's output does not depend on the other rows: no statistics of the batch
    np.testing.assert_allclose(outputs(slice(1), 1, True), first[:1], rtol=1e-5)
    after = model.state()
    assert all(np.array_equal(before[path], after[path]) for path in before)


def test_batch_norm_bears_a_single_row() -> None:
    """The last batch of an epoch may have one row: without a variance the output is the bias."""
    model = network([LAYERS.read("batch_norm")], (3,), 1)
    flat = Flat.allocate(model, BACKEND, Streams(1))
    gradient = flat.gradient()
    tape = Tape(BACKEND, gradient)
    tape.begin(training=True, rows=1)
    x = tape.constant(np.float32([[5, -7, 2]]), needs_grad=True)
    layer = model.layers["0.batch_norm"]
    y = layer(tape, x)
    assert np.array_equal(y.data, [[0, 0, 0]])
    state = model.state()
    np.testing.assert_allclose(state["0.batch_norm.running_mean"], [0.5, -0.7, 0.2], rtol=1e-6)
    assert state["0.batch_norm.running_var"].tolist() == [1, 1, 1]
