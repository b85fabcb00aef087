"""The recipe's list of layers: spellings, defaults, paths, and what is refused."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.nn.init import Init
from dlkit.nn.layer_list import LAYERS, Defaults, LayerList, LayerSpec, build_layers, network
from dlkit.nn.layers import Dense
from dlkit.nn.optimizers import OPTIMIZERS
from dlkit.nn.parameter import Flat
from dlkit.nn.summary import layer_table, step_bytes

LIST = TypeAdapter(list[LayerSpec])
EVERYTHING = [
    {"dense": 8},
    {"dropout": 0.5},
    "batch_norm",
    "layer_norm",
    {"dense": {"units": 6, "activation": "tanh", "init": "glorot_normal", "drop_connect": 0.5}},
    {"gaussian_dropout": 0.3},
    {"activation": "leaky_relu"},
    {"repeat": {"times": 2, "layers": [{"dense": 4}, {"activation": {"name": "prelu", "slope": 0.1}}]}},
]


def test_paths_count_the_layers_written_out() -> None:
    model = network(LIST.validate_python(EVERYTHING), (5,), 3)
    assert list(model.layers) == [
        "0.dense", "1.dropout", "2.batch_norm", "3.layer_norm", "4.dense", "5.gaussian_dropout",
        "6.activation", "7.dense", "8.activation", "9.dense", "10.activation", "11.output",
    ]  # fmt: skip
    assert [path for path, _ in model.parameters()] == [
        "0.dense.weight", "0.dense.bias", "2.batch_norm.gain", "2.batch_norm.bias", "3.layer_norm.gain",
        "3.layer_norm.bias", "4.dense.weight", "4.dense.bias", "7.dense.weight", "7.dense.bias",
        "8.activation.slope", "9.dense.weight", "9.dense.bias", "10.activation.slope", "11.output.weight",
        "11.output.bias",
    ]  # fmt: skip
    assert [path for path, _ in model.buffers()] == ["2.batch_norm.running_mean", "2.batch_norm.running_var"]
    assert model.has_noise()
    assert model.output_shape((5,)) == (3,)


def test_repeated_layers_have_weights_of_their_own() -> None:
    model = network(LIST.validate_python([{"repeat": {"times": 2, "layers": [{"dense": 5}]}}]), (5,), 1)
    Flat.allocate(model, open_backend(), Streams(1))
    state = model.state()
    assert not np.array_equal(state["0.dense.weight"], state["1.dense.weight"])


def test_recipe_wide_defaults_hold_where_a_layer_says_nothing() -> None:
    specs = LIST.validate_python(
        [{"dense": 4}, {"dense": {"units": 4, "activation": "prelu", "init": "orthogonal"}}]
    )
    model = build_layers(specs, (3,), Defaults("leaky_relu", "he_uniform"))
    first, second = model.layers.values()
    assert isinstance(first, Dense)
    assert isinstance(second, Dense)
    assert (first.act.name, first.weight.init) == ("leaky_relu", Init("he_uniform", a=0.01))
    assert (second.act.name, second.weight.init, second.slope.init.value) == (
        "prelu",
        Init("orthogonal"),
        0.25,
    )


def test_output_layer_is_linear_and_takes_the_init() -> None:
    model = network([], (3,), 2, activation="tanh", init={"name": "scaled_normal", "sigma": 0.5})
    output = model.layers["0.output"]
    assert isinstance(output, Dense)
    assert (output.act.name, output.weight.init) == ("identity", Init("scaled_normal", sigma=0.5))


@pytest.mark.parametrize(
    ("layers", "loc"),
    [
        ([{"dens": 3}], (0, "dens")),
        ([{"dense": 0}], (0, "dense", "units")),
        ([{"dense": 4}, {"dropout": 1.0}], (1, "dropout", "p")),
        ([{"dense": {"units": 4, "activations": "relu"}}], (0, "dense", "activations")),
        ([{"dense": {"units": 4, "activation": "gelu"}}], (0, "dense", "activation")),
        ([{"repeat": {"times": 2, "layers": []}}], (0, "repeat", "layers")),
        ([{"dense": {"units": 3, "activation": "leaky_relu", "slope": -0.5}}], (0, "dense", "slope")),
    ],
)
def test_faults_are_told_with_their_place(layers, loc) -> None:
    with pytest.raises(ValidationError) as caught:
        LIST.validate_python(layers)
    assert caught.value.errors()[0]["loc"] == loc


def test_written_back_it_reads_the_same() -> None:
    specs = LIST.validate_python(EVERYTHING)
    assert LIST.validate_python([LAYERS.write(s) for s in specs]) == specs


def test_a_standalone_activation_acts() -> None:
    model = build_layers(LIST.validate_python([{"activation": "relu"}]), (3,), Defaults())
    tape = Tape(open_backend())
    Flat.allocate(model, open_backend(), Streams(1))
    y = model(tape, tape.constant(np.float32([[-1, 0, 2]]))).data
    assert y.tolist() == [[0, 0, 2]]


def test_layer_table_and_memory() -> None:
    model = network(LIST.validate_python([{"dense": 512}, {"dropout": 0.5}, {"dense": 512}]), (784,), 10)
    table = layer_table(model, (784,))
    assert table[0] == ("0.dense", "dense", "512", 784 * 512 + 512)
    assert [row.parameters for row in table] == [401920, 0, 262656, 5130]
    adam, sgd = OPTIMIZERS.read("adam"), OPTIMIZERS.read("sgd")
    n = 401920 + 262656 + 5130
    numbers = 784 + 2 * (512 + 512 + 512 + 10)
    assert step_bytes(model, (784,), 128, adam, Team(2, 2), open_backend()) == 4 * (n * 5 + 128 * numbers)
    assert step_bytes(model, (784,), 128, sgd, Team(1, 1), open_backend()) == 4 * (n * 2 + 128 * numbers)


def test_repetitions_of_repetitions_end_somewhere() -> None:
    layers: list[object] = [{"dense": 4}]
    for _ in range(12):
        layers = [{"repeat": {"times": 1000, "layers": layers}}]
    with pytest.raises(ValidationError, match="more than 10,000 layers"):
        TypeAdapter(LayerList).validate_python(layers)
