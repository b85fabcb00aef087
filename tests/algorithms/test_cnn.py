"""train-cnn: the network that a recipe means, and augmentation that depends on nothing but the seed."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.algorithms.cnn import CNNRecipe, TrainCNN
from dlkit.algorithms.cnn_looks import filter_page, map_page, matrix_lines
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.errors import UsageError
from dlkit.nn.presets import PRESETS


def algorithm(recipe: CNNRecipe, shards: int = 1, threads: int = 1) -> TrainCNN:
    context = Context(open_backend("cpu"), Streams(recipe.seed), Team(threads, shards))
    made = TrainCNN(recipe, context)
    made.read_data()
    made.build()
    return made


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """40 images of 8×6 in two colours, two classes."""
    x = np.random.default_rng(1).integers(0, 256, (40, 8, 6, 2), np.uint8)
    np.savez(tmp_path / "x.npz", x=x, y=np.arange(40) % 2)
    return tmp_path / "x.npz"


def small(images: Path, **more: object) -> CNNRecipe:
    model = [{"conv": {"filters": 3, "size": 3}}, {"max_pool": 2}, {"dropout": 0.2}]
    fields = {"data": {"train": str(images), "valid": 10}, "model": model, "batch": 8, "epochs": 2}
    return CNNRecipe.model_validate(fields | more)


# -- the network ---------------------------------------------------------------------------------------------
def test_lenet_has_the_parameters_of_the_article(tmp_path: Path) -> None:
    np.savez(tmp_path / "m.npz", x=np.zeros((20, 28, 28), np.uint8), y=np.arange(20) % 10)
    lenet = CNNRecipe.model_validate({"data": {"train": str(tmp_path / "m.npz")}})
    layers = algorithm(lenet).describe().layers
    counts = {row.path: row.parameters for row in layers if row.parameters}
    assert list(counts.values()) == [520, 25_050, 625_500, 5_010]
    assert sum(counts.values()) == 656_080
    assert [row.shape for row in layers] == [
        "28×28×20", "14×14×20", "10×10×50", "5×5×50", "1250", "500", "10",
    ]  # fmt: skip


def test_a_preset_is_a_list_in_the_resolved_recipe(images: Path) -> None:
    recipe = small(images, model="lenet")
    assert recipe == small(images, model=PRESETS["lenet"]())
    with pytest.raises(ValueError, match='did you mean "resnet-small"'):
        small(images, model="resnet-smal")


def test_rows_that_are_no_images_are_told(embedded: Path) -> None:
    fields = {"data": {"train": str(embedded / "digits.csv")}, "model": [{"conv": 3}]}
    with pytest.raises(UsageError, match=r"data\.shape: train-cnn takes images; the rows here are 64"):
        algorithm(CNNRecipe.model_validate(fields))


def test_channels_that_stand_first_are_asked_about(tmp_path: Path) -> None:
    np.savez(tmp_path / "x.npz", x=np.zeros((4, 3, 9, 8), np.uint8), y=np.arange(4) % 2)
    told: list[str] = []
    recipe = CNNRecipe.model_validate({"data": {"train": str(tmp_path / "x.npz")}})
    TrainCNN(recipe, Context(open_backend("cpu"), Streams(1), Team(1, 1), log=told.append)).read_data()
    assert told[-1] == "images of 3×9×8: height × width × channels; are the channels first in the file?"


def test_figures_do_not_depend_on_how_evaluation_is_cut(
    images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = algorithm(small(images))
    assert made._evaluation_rows() == 1024
    whole = made._figures(made.valid)
    monkeypatch.setattr("dlkit.algorithms.rows.EVALUATION_BYTES", 5_000)
    assert 1 <= made._evaluation_rows() < 10
    cut = made._figures(made.valid)
    assert cut == pytest.approx(whole, rel=1e-5)


# -- augmentation --------------------------------------------------------------------------------------------
AUGMENT = {"shift": 2, "flip": "both", "crop": {"size": [6, 6], "pad": 1}}


def parameters_after(recipe: CNNRecipe, shards: int, threads: int) -> np.ndarray:
    made = algorithm(recipe, shards, threads)
    for epoch in (1, 2):
        for _ in made.train_epoch(epoch):
            pass
    return made.flat.data.copy()


def test_the_same_bits_for_any_number_of_threads(images: Path) -> None:
    recipe = small(images, augment=AUGMENT)
    one, two = (parameters_after(recipe, 2, threads) for threads in (1, 2))
    np.testing.assert_array_equal(one, two)
    assert np.abs(one - parameters_after(small(images, augment=AUGMENT, seed=2), 2, 1)).max() > 0


def test_shards_see_the_images_moved_alike(images: Path) -> None:
    recipe = small(images, augment=AUGMENT, dtype="float64", model=[{"conv": {"filters": 3}}])
    one, four = (parameters_after(recipe, shards, 1) for shards in (1, 4))
    np.testing.assert_allclose(one, four, rtol=1e-3, atol=1e-5)


def test_a_step_depends_on_its_position_alone(images: Path) -> None:
    made = algorithm(small(images, augment=AUGMENT))
    made.before_step(8, (1, 2))
    first = made._moves.copy()
    made.before_step(8, (1, 3))
    assert (made._moves != first).any()
    made.before_step(8, (1, 2))
    np.testing.assert_array_equal(made._moves, first)


def test_without_noise_the_middle_is_seen(images: Path) -> None:
    made = algorithm(small(images, augment={"crop": {"size": [6, 4]}}))
    assert made.input_shape == (6, 4, 2)
    tape = made._tapes[0]
    tape.begin(training=False)
    x = made._input(tape, made.valid, np.arange(3)).data
    raw = made.valid.x[:3].reshape(3, 8, 6, 2)[:, 1:7, 1:5] / np.float32(255)
    np.testing.assert_allclose(x, raw, rtol=1e-6)


def test_a_part_that_does_not_fit_is_told(images: Path) -> None:
    with pytest.raises(UsageError, match=r"augment\.crop: a part of 9×9 of an image of 8×6"):
        algorithm(small(images, augment={"crop": {"size": 9}}))


# -- pictures ------------------------------------------------------------------------------------------------
def test_pages_of_filters_and_maps() -> None:
    weights = np.random.default_rng(1).standard_normal((5, 1, 3, 3))
    page = filter_page(weights)
    assert page.dtype == np.uint8 and page.ndim == 2
    assert filter_page(weights.repeat(3, axis=1)).ndim == 3, "three channels are colours"
    assert filter_page(np.zeros((4, 8, 3, 3))).min() in (127, 128)
    assert filter_page(np.zeros((4, 8, 1, 1))).ndim == 2
    assert map_page(np.zeros((4, 4, 7), np.float32)).ndim == 2


def test_the_matrix_is_aligned_whatever_the_letters() -> None:
    lines = list(matrix_lines(np.array([[10, 0], [2, 3]]), ["猫", "dog"]))
    assert lines == ["     猫  dog", " 猫  10    .", "dog   2    3"]
