"""The tape: where gradients land, what is reused, what is refused."""

import numpy as np
import pytest

from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.nn.init import Init
from dlkit.nn.module import Module
from dlkit.nn.parameter import Flat, Parameter
from dlkit.ops.losses import squared_error
from dlkit.ops.noise import dropout
from dlkit.ops.shape import add, columns, scale

BACKEND = open_backend("cpu", dtype="float64")


class Two(Module):
    def __init__(self) -> None:
        self.a = Parameter((1, 3), Init("scaled_normal"))
        self.b = Parameter((1, 3), Init("scaled_normal"))


def two() -> Two:
    module = Two()
    Flat.allocate(module, BACKEND, Streams(1))
    return module


def total(tape: Tape, v):
    """A loss whose gradient is v itself (half its square)."""
    return squared_error(tape, v, np.zeros(v.shape), 1.0)[0]


def test_a_parameter_used_twice_gets_both_gradients() -> None:
    module = two()
    gradient = module.flat.gradient()
    tape = Tape(BACKEND, gradient)
    a = tape.parameter(module.a)
    tape.backward(total(tape, add(tape, scale(tape, a, 2.0), a)))
    np.testing.assert_allclose(module.flat.view(gradient, module.a), 9 * module.a.data)


def test_a_parameter_that_no_loss_reaches_gets_zero() -> None:
    module = two()
    gradient = module.flat.gradient()
    tape = Tape(BACKEND, gradient)
    for used in (module.a, module.b, module.a):
        tape.begin(training=True)
        tape.parameter(module.a), tape.parameter(module.b)
        tape.backward(total(tape, tape.parameter(used)))
        other = module.b if used is module.a else module.a
        np.testing.assert_allclose(module.flat.view(gradient, used), used.data)
        assert np.all(module.flat.view(gradient, other) == 0)


def test_a_passed_on_gradient_is_never_added_into() -> None:
    tape = Tape(BACKEND)
    x, y = (tape.constant(np.ones((2, 2)) * k, needs_grad=True) for k in (1.0, 3.0))
    s = add(tape, x, y)
    tape.backward(total(tape, s), total(tape, scale(tape, x, 1.0)))
    np.testing.assert_array_equal(y.grad, np.full((2, 2), 4.0))
    np.testing.assert_array_equal(x.grad, np.full((2, 2), 5.0))


def test_parameters_of_another_owner_are_constants() -> None:
    mine, other = two(), two()
    gradient = mine.flat.gradient()
    tape = Tape(BACKEND, gradient, owner=mine.flat)
    tape.backward(total(tape, add(tape, tape.parameter(mine.a), tape.parameter(other.a))))
    np.testing.assert_allclose(mine.flat.view(gradient, mine.a), 2 * mine.a.data)
    assert not tape.parameter(other.a).needs_grad


def test_gradients_reach_the_input_through_fixed_parameters() -> None:
    module = two()
    tape = Tape(BACKEND)
    x = tape.constant(np.ones((1, 3)), needs_grad=True)
    tape.backward(total(tape, add(tape, x, tape.parameter(module.a))))
    np.testing.assert_allclose(x.grad, 1 + module.a.data)


def test_buffers_come_again_in_the_next_step() -> None:
    tape = Tape(BACKEND)
    first = [tape.empty((4, 3)), tape.empty((2,), np.float32)]
    tape.begin(training=True)
    again = [tape.empty((4, 3)), tape.empty((2,), np.float32)]
    assert all(a is b for a, b in zip(first, again, strict=True))
    held = tape.buffer_bytes()
    tape.begin(training=True)
    smaller = tape.empty((2, 3))
    assert np.shares_memory(smaller, first[0])
    assert tape.buffer_bytes() == held
    tape.begin(training=True)
    assert tape.empty((5, 3)).shape == (5, 3)
    assert tape.buffer_bytes() == held + 3 * 8


def test_noise_and_training_are_two_switches() -> None:
    tape = Tape(BACKEND)
    x = np.ones((50, 4))
    for training, noise, dropped in [
        (True, None, True),
        (False, None, False),
        (False, True, True),
        (True, False, False),
    ]:
        tape.begin(training=training, noise=noise, rng=np.random.default_rng(1))
        assert bool((dropout(tape, tape.constant(x), 0.5).data == 0).any()) is dropped


def test_noise_without_a_generator_is_refused() -> None:
    tape = Tape(BACKEND)
    tape.begin(training=True)
    with pytest.raises(ValueError, match="without rng"):
        dropout(tape, tape.constant(np.ones((2, 2))), 0.5)


def test_the_generator_is_made_only_when_noise_is_drawn() -> None:
    made = []

    def make() -> np.random.Generator:
        made.append(1)
        return np.random.default_rng(1)

    tape = Tape(BACKEND)
    tape.begin(training=True, rng=make)
    x = tape.constant(np.ones((2, 2)))
    assert made == []
    dropout(tape, dropout(tape, x, 0.5), 0.5)
    assert made == [1]


def test_backward_starts_at_one_number() -> None:
    tape = Tape(BACKEND)
    x = tape.constant(np.ones((2, 2)), needs_grad=True)
    with pytest.raises(ValueError, match=r"one element, not at shape \(2, 1\)"):
        tape.backward(columns(tape, x, 0, 1))


def test_nothing_is_recorded_where_no_gradient_passes() -> None:
    tape = Tape(BACKEND)
    y = scale(tape, tape.constant(np.ones((2, 2))), 2.0)
    assert not y.needs_grad
    tape.backward(total(tape, y))
    assert y.grad is None
