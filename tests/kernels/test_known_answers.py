"""Numbers worked out by hand or from the paper: reference and kernel could be wrong together."""

import math

import numpy as np
import pytest

from dlkit.kernels.activation import LEAKY_RELU, PRELU, RELU, activate
from dlkit.kernels.adam import adam
from dlkit.kernels.dense import bias_activation
from dlkit.kernels.descent import momentum
from dlkit.kernels.dropout import dropout_mask
from dlkit.kernels.gather import gather_rows
from dlkit.kernels.langevin import sgld
from dlkit.kernels.sigmoid import sigmoid_cross_entropy
from dlkit.kernels.softmax import softmax, softmax_cross_entropy


def test_adams_first_step_is_lr_whatever_the_gradients_size() -> None:
    p, m, v = np.zeros(3), np.zeros(3), np.zeros(3)
    adam(p, np.array([1e-3, -5.0, 700.0]), m, v, 0.1, 0.9, 0.999, 1e-12, 0.0, 0, 1)
    np.testing.assert_allclose(p, [-0.1, 0.1, -0.1], rtol=1e-8)


def test_adam_of_gradients_that_are_nearly_nothing() -> None:
    g = np.array([1e-16, 1e-19, -1e-22, 1e-40, 0], np.float32)
    p, m, v = (np.zeros(5, np.float32) for _ in range(3))
    q, n, w = np.zeros((3, 5))
    for t in range(1, 30):
        adam(p, g, m, v, 0.1, 0.9, 0.999, 1e-8, 0.0, 0, t)
        adam.reference(q, g.astype(np.float64), n, w, 0.1, 0.9, 0.999, 1e-8, 0.0, 0, t)
    np.testing.assert_allclose(p, q, rtol=1e-4, atol=1e-20)
    smallest = np.finfo(np.float32).smallest_normal
    assert all(abs(number) >= smallest for number in (*m, *v) if number)  # others are slow to calculate with


def test_decoupled_decay_does_not_enter_the_moments() -> None:
    p, m, v = np.full(1, 2.0), np.zeros(1), np.zeros(1)
    adam(p, np.zeros(1), m, v, 0.1, 0.9, 0.999, 1e-8, 0.5, 1, 1)
    assert (p[0], m[0], v[0]) == (pytest.approx(2 - 0.1 * 0.5 * 2), 0, 0)


def test_momentum_and_nesterov_over_two_steps() -> None:
    """Constant gradient 1, mu 0.5, lr 1: velocities 1, 1.5; Nesterov steps 1.5, 1.75."""
    for nesterov, total in ((0, 2.5), (1, 3.25)):
        p, v = np.zeros(1), np.zeros(1)
        for _ in range(2):
            momentum(p, np.ones(1), v, 1.0, 0.5, nesterov, 0.0)
        assert p[0] == -total


def test_langevin_dynamics_samples_the_posterior() -> None:
    """A Gaussian's mean p: rows of mean 0.3 and variance 1, prior N(0, 1 / 4). Both moments are known."""
    rows, precision, lr = 20.0, 4.0, 1e-3
    rng = np.random.default_rng(0)
    p = np.zeros(2000)  # independent chains
    for _ in range(1500):
        sgld(p, p - 0.3, rng.standard_normal(p.size), lr, rows, precision, 1.0)
    posterior = rows + precision
    assert p.mean() == pytest.approx(rows * 0.3 / posterior, abs=0.02)
    assert p.var() == pytest.approx(1 / posterior, rel=0.12)


def test_softmax_of_large_logits() -> None:
    z = np.array([[1e4, 1e4, -1e4]])
    p = np.empty_like(z)
    softmax(z, p)
    np.testing.assert_allclose(p, [[0.5, 0.5, 0]])


def test_cross_entropy_of_equal_logits_is_ln_k() -> None:
    z, dz, loss = np.zeros((2, 4)), np.empty((2, 4)), np.empty(2)
    correct = np.empty(2, np.uint8)
    softmax_cross_entropy(z, np.array([0, 3]), 1.0, dz, loss, correct)
    np.testing.assert_allclose(loss, math.log(4))
    np.testing.assert_allclose(dz, [[-0.75, 0.25, 0.25, 0.25], [0.25, 0.25, 0.25, -0.75]])
    assert correct.tolist() == [1, 0], "of equal logits the first is the answer"


def test_sigmoid_cross_entropy_far_out() -> None:
    z, t = np.array([[1e4, -1e4, 1e4, 0.0]]), np.array([[1.0, 0.0, 0.0, 0.5]])
    dz, loss = np.empty_like(z), np.empty(1)
    sigmoid_cross_entropy(z, t, 1.0, dz, loss)
    assert loss[0] == pytest.approx(1e4 + math.log(2))
    np.testing.assert_allclose(dz, [[0, 0, 1, 0]], atol=1e-12)


def test_relus_below_and_above_zero() -> None:
    x, y = np.array([-2.0, 0.0, 3.0]), np.empty(3)
    for kind, wanted in ((RELU, [0, 0, 3]), (LEAKY_RELU, [-0.5, 0, 3]), (PRELU, [-0.5, 0, 3])):
        activate(x, np.array([0.25]), kind, y)
        assert y.tolist() == wanted


def test_prelu_is_not_fused() -> None:
    with pytest.raises(ValueError, match="prelu is not fused"):
        bias_activation(np.zeros((1, 1)), np.zeros(1), np.zeros(1), PRELU)


def test_dropout_keeps_the_mean() -> None:
    bits = np.arange(65536, dtype=np.uint16)
    x, y = np.ones(65536), np.empty(65536)
    threshold = 20000
    dropout_mask(x, bits, threshold, 65536 / (65536 - threshold), y)
    assert (y == 0).sum() == threshold
    assert y.mean() == pytest.approx(1, abs=1e-12)


def test_rows_are_gathered_and_scaled() -> None:
    table = np.array([[0, 255], [51, 102]], np.uint8)
    out = np.empty((3, 2), np.float32)
    gather_rows(table, np.array([1, 0, 1]), np.float32([1 / 255]), np.float32([0.5]), out)
    np.testing.assert_allclose(out, [[0.7, 0.9], [0.5, 1.5], [0.7, 0.9]], rtol=1e-6)


@pytest.mark.parametrize("wrong", [-1, 2, 2**62])
def test_indices_out_of_range_are_refused(wrong: int) -> None:
    index = np.array([0, wrong])
    with pytest.raises(ValueError, match=rf"gather_rows: index: expected indices in \[0, 2\), got {wrong}"):
        gather_rows(np.zeros((2, 1), np.uint8), index, np.ones(1), np.ones(1), np.empty((2, 1)))
    with pytest.raises(ValueError, match=r"labels: expected indices in \[0, 2\)"):
        softmax_cross_entropy(
            np.zeros((2, 2)), index, 1.0, np.empty((2, 2)), np.empty(2), np.empty(2, np.uint8)
        )
