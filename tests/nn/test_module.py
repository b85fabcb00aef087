"""Modules: order and paths, one flat buffer, state, and initial weights that do not depend on the dtype."""

import numpy as np
import pytest

from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.errors import DataError
from dlkit.nn.init import Init
from dlkit.nn.layers import Act, BatchNorm, Dense, Dropout, Sequential
from dlkit.nn.module import Module
from dlkit.nn.parameter import Flat, Parameter


class Pair(Module):
    """Attributes in an order that is not the alphabet's, one parameter shared."""

    def __init__(self) -> None:
        self.tail = Dense(2, 3, Act("prelu", 0.25))
        self.body = Sequential(Dense(3, 2), BatchNorm(2))
        self.gain = Parameter((4,), Init("constant", value=2.0), decays=False)
        self.again = self.gain


def allocated(dtype: str = "float32", seed: int = 1) -> Pair:
    module = Pair()
    Flat.allocate(module, open_backend("cpu", dtype=dtype), Streams(seed))
    return module


PATHS = [
    "gain", "tail.weight", "tail.bias", "tail.slope", "body.0.dense.weight", "body.0.dense.bias",
    "body.1.batch_norm.gain", "body.1.batch_norm.bias",
]  # fmt: skip


def test_order_is_that_of_assignment_each_parameter_once() -> None:
    module = allocated()
    assert [path for path, _ in module.parameters()] == PATHS
    assert list(module.flat.parameters) == PATHS
    assert [path for path, _ in module.buffers()] == [
        "body.1.batch_norm.running_mean", "body.1.batch_norm.running_var"
    ]  # fmt: skip
    assert module.tail.path == "tail"


def test_parameters_are_views_of_one_buffer() -> None:
    module = allocated()
    offset = 0
    for path, p in module.parameters():
        assert np.shares_memory(p.data, module.flat.data), path
        assert (p.offset, p.name) == (offset, path)
        offset += p.size
    assert offset == module.flat.size == len(module.flat.data)
    module.flat.data[:] = 7
    assert module.gain.data.tolist() == [7] * 4


def test_weights_depend_on_the_seed_and_not_on_the_dtype() -> None:
    single, double, other = allocated(), allocated("float64"), allocated(seed=2)
    assert single.flat.data.dtype == np.float32
    np.testing.assert_array_equal(single.flat.data, double.flat.data.astype(np.float32))
    assert not np.array_equal(single.flat.data, other.flat.data)


def test_state_is_a_copy_and_loads_back() -> None:
    module, other = allocated(seed=1), allocated(seed=2)
    dict(module.buffers())["body.1.batch_norm.running_mean"].data[:] = 3
    state = module.state()
    assert list(state) == [*PATHS, "body.1.batch_norm.running_mean", "body.1.batch_norm.running_var"]
    view = other.tail.weight.data
    other.load(state)
    assert view is other.tail.weight.data
    assert all(np.array_equal(other.state()[k], v) for k, v in state.items())
    module.flat.data[:] = 0
    assert state["gain"].tolist() == [2] * 4


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda s: s.pop("tail.bias"), "lacks 'tail.bias'"),
        (lambda s: s.update(extra=np.zeros(1)), "has 'extra', the model has not"),
        (
            lambda s: s.update({"tail.weight": np.zeros((3, 2))}),
            r"tail.weight: expected shape \(2, 3\), the saved state has \(3, 2\)",
        ),
    ],
)
def test_a_state_that_does_not_fit_is_refused_whole(change, told: str) -> None:
    module = allocated()
    state = {k: v + 1 for k, v in module.state().items()}
    change(state)
    before = module.flat.data.copy()
    with pytest.raises(DataError, match=told):
        module.load(state)
    np.testing.assert_array_equal(module.flat.data, before)


def test_runs_cover_the_buffer_and_part_where_decay_ends() -> None:
    flat = allocated().flat
    for apart in (False, True):
        runs = list(flat.runs(apart, 5))
        assert [lo for lo, _, _ in runs] == [0, *(hi for _, hi, _ in runs)][:-1]
        assert runs[-1][1] == flat.size
        assert all(0 < hi - lo <= 5 for lo, hi, _ in runs)
    decays = {path: p.decays for path, p in flat.parameters.items()}
    assert {path for path, d in decays.items() if d} == {"tail.weight", "body.0.dense.weight"}
    for lo, hi, d in flat.runs(True, 5):
        for p in flat.parameters.values():
            if p.offset < hi and lo < p.offset + p.size:
                assert p.decays == d


def test_dense_tells_the_shape_it_wants() -> None:
    with pytest.raises(ValueError, match=r"expected rows of 3 numbers, actual shape \(4,\)"):
        Dense(3, 2).output_shape((4,))


def test_noise_is_known() -> None:
    assert not Sequential(Dense(2, 2), Dropout(0.0)).has_noise()
    assert Sequential(Dense(2, 2), Dropout(0.1)).has_noise()
    assert Sequential(Dense(2, 2, drop_connect=0.1)).has_noise()
