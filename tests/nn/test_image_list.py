"""Layers of images in a recipe's list: spellings, shapes, what is refused and where, presets, counts."""

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.errors import UsageError
from dlkit.nn.conv_layers import Conv
from dlkit.nn.image_list import IMAGE_LAYERS, ImageLayerList
from dlkit.nn.layer_list import Defaults, build_layers, every_layer, network
from dlkit.nn.layers import BatchNorm, Sequential
from dlkit.nn.parameter import Flat
from dlkit.nn.presets import PRESETS, ImageModel
from dlkit.nn.residual import Residual
from dlkit.nn.summary import layer_table

LIST = TypeAdapter(ImageLayerList)
MODEL = TypeAdapter(ImageModel)
IMAGE = (28, 28, 1)
EVERYTHING = [
    {"conv": 4},
    {"conv": {"filters": 6, "size": [3, 5], "stride": [1, 2], "pad": [1, 0], "groups": 2, "bias": False}},
    "batch_norm",
    {"activation": "leaky_relu"},
    {"max_pool": 2},
    {"min_pool": {"size": 2, "stride": 1, "pad": "same"}},
    {"average_pool": [1, 2]},
    {"local_contrast": {"size": 5, "window": "box", "divisive": False}},
    {"conv_transpose": {"filters": 5, "size": 4, "stride": 2, "pad": 1, "activation": "tanh"}},
    {"conv_transpose": {"filters": 4, "stride": 2, "pad": 1, "extra": 1, "activation": "prelu"}},
    {"upsample": 2},
    {"upsample": {"factor": 2, "how": "bilinear"}},
    {"residual": {"layers": [{"conv": {"filters": 4, "pad": "same"}}], "activation": "identity"}},
    {"residual": {"layers": [{"conv": {"filters": 8, "stride": 2, "pad": "same"}}, "batch_norm"]}},
    {"repeat": {"times": 2, "layers": [{"conv": {"filters": 8, "pad": "same"}}]}},
    "global_pool",
    {"reshape": [2, 2, 2]},
    {"global_pool": "max"},
    {"dense": 3},
]


def built(layers, shape=IMAGE) -> Sequential:
    return build_layers(LIST.validate_python(layers), shape, Defaults())


def forward(model, shape, rows=3, **begin):
    backend = open_backend()
    Flat.allocate(model, backend, Streams(1))
    tape = Tape(backend)
    tape.begin(**{"training": False, **begin})
    x = np.random.default_rng(1).normal(size=(rows, *shape)).astype(np.float32)
    return model(tape, tape.constant(x)).data


def test_every_layer_gives_the_shape_it_says() -> None:
    model = built(EVERYTHING)
    shape = IMAGE
    for count in range(1, len(EVERYTHING) + 1):
        part = built(EVERYTHING[:count])
        assert forward(part, IMAGE).shape == (3, *part.output_shape(IMAGE)), EVERYTHING[count - 1]
    assert model.output_shape(shape) == (3,)
    assert forward(model, IMAGE, rows=0).shape == (0, 3)


def test_written_back_it_reads_the_same() -> None:
    specs = LIST.validate_python(EVERYTHING)
    with IMAGE_LAYERS.standing_for_root():
        written = [IMAGE_LAYERS.write(spec) for spec in specs]
    assert LIST.validate_python(written) == specs


def test_lenet_has_the_articles_656_080_parameters() -> None:
    model = network(MODEL.validate_python("lenet"), IMAGE, 10)
    table = layer_table(model, IMAGE)
    assert [(row.path, row.shape, row.parameters) for row in table] == [
        ("0.conv", "28×28×20", 520),
        ("1.max_pool", "14×14×20", 0),
        ("2.conv", "10×10×50", 25_050),
        ("3.max_pool", "5×5×50", 0),
        ("4.flatten", "1250", 0),
        ("5.dense", "500", 625_500),
        ("6.output", "10", 5_010),
    ]
    assert sum(row.parameters for row in table) == 656_080


def test_resnet_small_is_resnet_20_with_projections() -> None:
    """0.27 million parameters (He et al. 2016, table 6)."""
    model = network(MODEL.validate_python("resnet-small"), (32, 32, 3), 10)
    assert sum(p.size for _, p in model.parameters()) == 272_474
    blocks = [layer for layer in model.layers.values() if isinstance(layer, Residual)]
    assert [block.shortcut is not None for block in blocks] == [False] * 3 + [True, False, False] * 2
    assert forward(model, (32, 32, 3), training=True, rows=3).shape == (3, 10)


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_read_into_its_list(name: str) -> None:
    specs = MODEL.validate_python(name)
    assert specs == LIST.validate_python(PRESETS[name]())
    written = MODEL.dump_python(specs)
    assert isinstance(written, list)
    assert MODEL.validate_python(written) == specs


def test_an_unknown_preset_names_the_known_ones() -> None:
    with pytest.raises(ValidationError, match='did you mean "lenet"'):
        MODEL.validate_python("lenett")


def test_products_are_those_of_the_images_not_of_the_parameters() -> None:
    model = network(MODEL.validate_python("lenet"), IMAGE, 10)
    convolutions = 28 * 28 * 25 * 20 + 10 * 10 * 500 * 50
    assert model.products(IMAGE) == convolutions + 625_500 + 5_010
    spread = built([{"conv_transpose": {"filters": 5, "size": 4, "stride": 2, "pad": 1}}], (3, 4, 2))
    assert spread.products((3, 4, 2)) == 3 * 4 * 4 * 4 * 5 * 2


def test_unfolding_in_pieces_keeps_to_its_memory_and_to_its_result() -> None:
    results, held = [], []
    for memory in (1, 20_000, 1 << 30):
        model = network(MODEL.validate_python("lenet"), IMAGE, 10, unfold_memory=memory)
        Flat.allocate(model, open_backend(), Streams(1))
        tape = Tape(open_backend())
        x = np.random.default_rng(1).random((8, *IMAGE), dtype=np.float32)
        results.append(np.array(model(tape, tape.constant(x)).data))
        held.append(tape.buffer_bytes())
    np.testing.assert_allclose(results[1], results[0], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(results[2], results[0], rtol=1e-4, atol=1e-5)
    assert held[0] < held[2]


@pytest.mark.parametrize(
    ("layers", "where", "text"),
    [
        ([{"conv": {"filters": 2, "size": 9}}] * 4, "model.3.conv", "9×9 is larger than the image, 4×4"),
        ([{"max_pool": 20}, {"conv": 4}], "model.1.conv", "a window of 3×3 is larger than the image, 1×1"),
        ([{"dense": 5}, {"conv": 4}], "model.1.conv", "the shape here is 5"),
        ([{"conv": {"filters": 4, "groups": 3}}], "model.0.conv", "3 groups do not divide 1 channels"),
        ([{"max_pool": {"size": 2, "pad": 2}}], "model.0.max_pool", "padding 2×2 is not below the window"),
        ([{"reshape": [3, 3, 9]}], "model.0.reshape", "the shape here is 28×28×1"),
        (
            [{"repeat": {"times": 3, "layers": [{"conv": {"filters": 2, "size": 12}}]}}],
            "model.0.repeat.layers.0.conv", "larger than the image, 6×6",
        ),
        (
            [{"residual": {"layers": [{"conv": 2}, {"conv": {"filters": 2, "size": 30}}]}}],
            "model.0.residual.layers.1.conv", "larger than the image, 26×26",
        ),
        (
            [{"residual": {"layers": [{"conv": 2}], "shortcut": "identity"}}],
            "model.0.residual", "the layers give 26×26×2, the shortcut 28×28×1",
        ),
        (
            [{"conv_transpose": {"filters": 2, "size": 2, "pad": 20}}],
            "model.0.conv_transpose", "leaves nothing of the image",
        ),
        ([{"conv": {"filters": 2, "size": 5}}, {"max_pool": 99}], "model.1.max_pool", "24×24"),
    ],
)  # fmt: skip
def test_impossible_shapes_are_told_with_place_and_shape(layers, where: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        built(layers)
    assert str(caught.value).startswith(f"{where}: ")
    assert text in str(caught.value)


@pytest.mark.parametrize(
    ("layer", "loc"),
    [
        ({"conv": {"size": 3}}, (0, "conv", "filters")),
        ({"conv": {"filters": 0}}, (0, "conv", "filters")),
        ({"convv": 3}, (0, "convv")),
        ({"local_contrast": 4}, (0, "local_contrast")),
        ({"conv_transpose": {"filters": 3, "stride": 2, "extra": 2}}, (0, "conv_transpose")),
        ({"residual": {"layers": []}}, (0, "residual", "layers")),
        ({"residual": {"layers": [{"dens": 3}]}}, (0, "residual", "layers", 0, "dens")),
        ({"upsample": 0}, (0, "upsample", "factor")),
    ],
)
def test_faults_are_told_with_their_place(layer, loc) -> None:
    with pytest.raises(ValidationError) as caught:
        LIST.validate_python([layer])
    assert caught.value.errors()[0]["loc"][: len(loc)] == loc


def test_every_layer_looks_inside_residual_blocks() -> None:
    kinds = [IMAGE_LAYERS.kind_of(spec) for spec in every_layer(LIST.validate_python(EVERYTHING[-7:-3]))]
    assert kinds == ["residual", "conv", "residual", "conv", "batch_norm", "conv", "conv", "global_pool"]


def test_a_projection_is_normalised_where_the_block_is() -> None:
    model = built(EVERYTHING[:14])
    plain, normalised = (layer for layer in model.layers.values() if isinstance(layer, Residual))
    assert plain.shortcut is None
    assert isinstance(normalised.shortcut, Sequential)
    conv, norm = normalised.shortcut.layers.values()
    assert isinstance(conv, Conv)
    assert conv.bias is None
    assert conv.window.stride == (2, 2)
    assert isinstance(norm, BatchNorm)


def test_initial_weights_have_he_variance_of_what_a_unit_sees() -> None:
    model = built([{"conv": {"filters": 200, "size": 5, "groups": 2}}], (9, 9, 8))
    Flat.allocate(model, open_backend(), Streams(1))
    assert model.state()["0.conv.weight"].var() == pytest.approx(2 / (25 * 4), rel=0.05)


def test_pooling_on_the_way_is_pooling_afterwards() -> None:
    model = built([{"conv": {"filters": 3, "pad": "same"}}, {"max_pool": 3}])
    y = np.array(forward(model, IMAGE))
    tape = Tape(open_backend())
    x = tape.constant(np.random.default_rng(1).normal(size=(3, *IMAGE)).astype(np.float32))
    for layer in model.layers.values():
        x = layer(tape, x)
    np.testing.assert_array_equal(x.data, y)
