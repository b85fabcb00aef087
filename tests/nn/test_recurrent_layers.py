"""Embeddings by rows and recurrent layers, as parts of a model that is trained."""

import numpy as np
import pytest

from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.errors import DataError
from dlkit.nn import optimizers
from dlkit.nn.module import Module
from dlkit.nn.parameter import Flat
from dlkit.nn.recurrent import Embedding, Recurrent, RecurrentStack, lengths_mask, zero_states
from dlkit.nn.step import GradientStep
from dlkit.ops.losses import softmax_cross_entropy
from dlkit.ops.sequence_noise import dropout_over_time
from dlkit.ops.shape import reshape

V, B, T = 30, 6, 4
RULES = {
    "sgd": optimizers.SgdSpec(lr=0.5),
    "sgd clipped": optimizers.SgdSpec(lr=0.5, clip=0.05),
    "adagrad": optimizers.AdagradSpec(lr=0.5),
    "adam": optimizers.AdamSpec(lr=0.1),
    "momentum": optimizers.MomentumSpec(lr=0.1),
}


class Classifier(Module):
    """The sum over time of a stack's states, as logits."""

    def __init__(self, by_rows: bool, **more) -> None:
        self.embedding = Embedding(V, 5, by_rows=by_rows)
        self.stack = RecurrentStack("gru", 5, 3, **more)

    def loss(self, tape, ids, labels, weight):
        _, last = self.stack.run(tape, self.embedding.run(tape, ids))
        return softmax_cross_entropy(tape, last[-1][0], labels, weight)[0]


def trained(by_rows, rule, *, steps=3, shards=1, state=None, first=0, **more):
    """A classifier after some steps on random sequences, and its step."""
    backend, streams = open_backend("cpu", dtype="float64"), Streams(3)
    model = Classifier(by_rows, **more)
    flat = Flat.allocate(model, backend, streams)
    rng = np.random.default_rng(0)
    ids, labels = rng.integers(0, V, (20, T, B)), rng.integers(0, 3, (20, B))
    ids[:, :, 0] = 7  # the same row many times, by every shard
    with Team(shards, shards) as team:
        optimizer = optimizers.build(rule, flat)
        step = GradientStep(model, optimizer, backend, team, streams, clip=rule.clip)
        if state:
            model.load(state["model"])
            optimizer.load(state["optimizer"])
        for k in range(first, first + steps):

            def loss(tape, shard, rows, k=k):
                at = np.ascontiguousarray(ids[k][:, rows])
                return model.loss(tape, at, labels[k][rows], 1 / B), None

            step(B, loss, rule.lr, (1, k + 1))
    return model, step


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("name", ["sgd", "sgd clipped", "adagrad"])
def test_rows_alone_give_what_a_dense_gradient_gives(name, shards) -> None:
    dense, a = trained(False, RULES[name], shards=shards)
    rows, b = trained(True, RULES[name], shards=shards)
    assert a.loss == pytest.approx(b.loss, rel=1e-12)
    if a.norm is not None:
        assert a.norm == pytest.approx(b.norm, rel=1e-12)
    for path, value in dense.state().items():
        np.testing.assert_allclose(rows.state()[path], value, rtol=1e-12, atol=1e-14, err_msg=path)


@pytest.mark.parametrize("name", RULES)
def test_one_step_is_that_of_a_dense_gradient(name) -> None:
    """From fresh moments, rows that are not used would not move either."""
    dense, _ = trained(False, RULES[name], steps=1)
    rows, _ = trained(True, RULES[name], steps=1)
    for path, value in dense.state().items():
        np.testing.assert_allclose(rows.state()[path], value, rtol=1e-12, atol=1e-14, err_msg=path)


@pytest.mark.parametrize("name", RULES)
def test_only_rows_that_were_used_change(name) -> None:
    model, step = trained(True, RULES[name], steps=1)
    fresh, _ = trained(True, RULES[name], steps=0)
    moved = (model.embedding.weight.data != fresh.embedding.weight.data).any(1)
    ids = np.random.default_rng(0).integers(0, V, (20, T, B))[0]
    ids[:, 0] = 7
    assert set(np.flatnonzero(moved)) == set(ids.flat)
    assert step.rows.gradients["embedding.weight"].sums.shape == (len(set(ids.flat)), 5)


@pytest.mark.parametrize("name", RULES)
def test_a_stopped_run_goes_on_bit_for_bit(name) -> None:
    whole, _ = trained(True, RULES[name], steps=4)
    half, step = trained(True, RULES[name], steps=2)
    state = {"model": half.state(), "optimizer": step.optimizer.state()}
    rest, _ = trained(True, RULES[name], steps=2, first=2, state=state)
    for path, value in whole.state().items():
        np.testing.assert_array_equal(rest.state()[path], value, err_msg=path)


def test_a_state_without_the_rows_moments_is_refused() -> None:
    _, step = trained(True, RULES["adam"], steps=1)
    state = step.optimizer.state()
    del state["m"]["embedding.weight"]
    with pytest.raises(DataError, match="lacks"):
        step.optimizer.load(state)


def test_sgld_has_no_use_for_rows() -> None:
    model = Classifier(True)
    flat = Flat.allocate(model, open_backend("cpu"), Streams(1))
    with pytest.raises(ValueError, match="sgld"):
        optimizers.build(optimizers.SgldSpec(), flat, Streams(1), 10)


def test_no_memory_of_a_gradient_for_the_whole_table() -> None:
    _, step = trained(True, RULES["sgd"], steps=1)
    assert step.flat.size == sum(p.size for p in step.flat.parameters.values())
    assert "embedding.weight" not in step.flat.parameters


# -- layers -------------------------------------------------------------------------------------------
def made(module):
    backend = open_backend("cpu", dtype="float64")
    Flat.allocate(module, backend, Streams(5))
    return Tape(backend)


@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
def test_step_by_step_is_the_whole_sequence(cell) -> None:
    stack = RecurrentStack(cell, 4, 3, layers=2)
    tape = made(stack)
    x = np.random.default_rng(0).normal(size=(5, 2, 4))
    tape.begin(training=False)
    whole, last = stack.run(tape, tape.constant(x))
    whole = whole.data.copy()
    ends = [[s.data.copy() for s in state] for state in last]
    states = None
    other = Tape(tape.backend)
    for t in range(5):
        other.begin(training=False)
        kept = states and [tuple(other.constant(s) for s in state) for state in states]
        y, out = stack.step(other, other.constant(x[t]), kept)
        np.testing.assert_allclose(y.data, whole[t], rtol=1e-12)
        states = [[s.data.copy() for s in state] for state in out]
    for a, b in zip(states, ends, strict=True):
        for p, q in zip(a, b, strict=True):
            np.testing.assert_allclose(p, q, rtol=1e-12)


@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
def test_both_directions_see_their_own_end_first(cell) -> None:
    stack = RecurrentStack(cell, 4, 3, bidirectional=True)
    tape = made(stack)
    x = np.random.default_rng(0).normal(size=(5, 2, 4))
    mask = lengths_mask(np.array([5, 3]), 5)
    tape.begin(training=False)
    y, last = stack.run(tape, tape.constant(x), mask=mask)
    y, ends = y.data.copy(), [state[0].data.copy() for state in last]
    np.testing.assert_array_equal(y[-1, :, :3], ends[0])
    np.testing.assert_array_equal(y[0, :, 3:], ends[1])
    tape.begin(training=False)  # the padded sequence alone, without its padding
    short, last = stack.run(tape, tape.constant(np.ascontiguousarray(x[:3, 1:])))
    np.testing.assert_allclose(short.data[:, 0], y[:3, 1], rtol=1e-12)
    np.testing.assert_allclose(last[0][0].data[0], ends[0][1], rtol=1e-12)
    with pytest.raises(ValueError, match="step by step"):
        stack.step(tape, tape.constant(x[0]))


@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
def test_no_sequences_are_no_error(cell) -> None:
    """A shard of a small last batch may have none."""
    stack = RecurrentStack(cell, 4, 3, layers=2, bidirectional=True)
    backend = open_backend("cpu", dtype="float64")
    flat = Flat.allocate(stack, backend, Streams(5))
    gradient = flat.gradient()
    gradient.fill(np.nan)
    tape = Tape(backend, gradient)
    y, _ = stack.run(tape, tape.constant(np.zeros((5, 0, 4))))
    logits = reshape(tape, y, (0, 6))
    loss, _, _ = softmax_cross_entropy(tape, logits, np.zeros(0, np.int64), 1.0)
    tape.backward(loss)
    assert (gradient == 0).all()


def test_variational_dropout_keeps_its_mask_over_time() -> None:
    tape = made(Recurrent("tanh", 3, 2))
    tape.begin(training=True, rng=np.random.default_rng(1))
    y = dropout_over_time(tape, tape.constant(np.ones((6, 3, 50))), 0.5).data
    assert (y == y[0]).all()
    assert set(y.flat) == {0.0, 2.0}
    tape.begin(training=False)
    x = tape.constant(np.ones((6, 3, 50)))
    assert dropout_over_time(tape, x, 0.5) is x


def test_a_stack_draws_noise_in_training_alone() -> None:
    stack = RecurrentStack("gru", 4, 3, layers=2, dropout=0.5, variational=True, recurrent_dropout=0.3)
    tape = made(stack)
    assert stack.has_noise()
    x = np.random.default_rng(0).normal(size=(5, 2, 4))
    outcomes = []
    for training, seed in ((True, 1), (True, 2), (True, 1), (False, None), (False, None)):
        tape.begin(training=training, rng=None if seed is None else np.random.default_rng(seed))
        outcomes.append(stack.run(tape, tape.constant(x))[0].data.copy())
    assert (outcomes[0] == outcomes[2]).all() and (outcomes[3] == outcomes[4]).all()
    assert (outcomes[0] != outcomes[1]).any() and (outcomes[0] != outcomes[3]).any()


def test_forget_gates_start_open() -> None:
    layer = Recurrent("lstm", 3, 2)
    made(layer)
    np.testing.assert_array_equal(layer.bias.data, [0, 0, 1, 1, 0, 0, 0, 0])
    u = layer.recurrent.data
    np.testing.assert_allclose(u @ u.T, np.eye(2), atol=1e-12)


def test_first_states_of_zeros() -> None:
    stack = RecurrentStack("lstm", 3, 2, layers=2)
    states = zero_states(made(stack), stack, 4)
    assert [[s.shape for s in state] for state in states] == [[(4, 2), (4, 2)]] * 2


@pytest.mark.parametrize("cell", ["tanh", "lstm", "gru"])
def test_memory_of_a_step_is_proportional_to_its_symbols(cell: str) -> None:
    """Beside what belongs to the weights: twice as many steps or sequences take twice the memory."""

    def held(steps: int, rows: int) -> int:
        layer = Recurrent(cell, 16, 64)
        backend = open_backend("cpu")
        flat = Flat.allocate(layer, backend, Streams(1))
        tape = Tape(backend, flat.gradient(), owner=flat)
        tape.begin(training=True)
        y, _ = layer.run(tape, tape.constant(backend.zeros((steps, rows, 16)), needs_grad=True))
        every = reshape(tape, y, (steps * rows, 64))
        loss, *_ = softmax_cross_entropy(tape, every, np.zeros(steps * rows, np.int64), 1.0)
        tape.backward(loss)
        return tape.buffer_bytes()

    once, long, wide, both = held(16, 8), held(32, 8), held(16, 16), held(32, 16)
    symbols = long - once
    assert 0 <= (wide - once) - symbols < 0.2 * symbols, "some places a sequence beside those a symbol"
    assert 1.8 * symbols < both - long < 2.4 * symbols
