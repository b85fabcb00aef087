"""The bound, in closed form where there is one; codes, pictures, positions and states."""

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from dlkit.algorithms.protocol import Context, File
from dlkit.algorithms.vae import VAE
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.errors import RecipeError, UsageError
from dlkit.recipe.resolve import resolve

ROOT = Path(__file__).resolve().parents[2]


def built(train: Path, *sets: str, shards: int = 1) -> VAE:
    always = ["batch=100", "encoder=[{dense: 16}]", "decoder=[{dense: 16}]", "latent=3", *sets]
    recipe: Any = resolve(VAE.Recipe, None, always, {"data.train": str(train)})
    made = VAE(recipe, Context(open_backend("cpu", dtype=recipe.dtype), Streams(1), Team(2, shards)))
    made.read_data()
    made.build()
    return made


def of_digits(*sets: str, shards: int = 1) -> VAE:
    data = ["data.label=-1", "data.shape=[8, 8]", "data.valid=0.2", "data.test=0.2"]
    return built(ROOT / "data" / "digits.csv", *data, *sets, shards=shards)


def trained(model: VAE, epochs: int = 2) -> dict[str, float]:
    row: dict[str, float] = {}
    for epoch in range(1, epochs + 1):
        for _ in model.train_epoch(epoch):
            pass
        row = model.end_epoch(epoch)
        model.epoch_recorded(row)
    return row


def set_parameters(model: VAE, value: float = 0.0) -> None:
    for p in model.flat.parameters.values():
        p.data[...] = value


# -- the bound ------------------------------------------------------------------------------------------
def test_a_network_of_zeros_knows_nothing() -> None:
    """q(z|x) = p(z), and every pixel is 0 or 1 with equal chance."""
    model = of_digits()
    set_parameters(model)
    figures = model._figures(model.valid)
    assert figures["kl"] == 0
    assert figures["reconstruction"] == pytest.approx(64 * math.log(2), rel=1e-6)
    assert figures["active_units"] == 0
    assert model.log_likelihood(model.valid, 3) == pytest.approx(-64 * math.log(2), rel=1e-6)


def test_the_divergence_of_a_known_code() -> None:
    """mu = .5, s = log 4: k (.25 + 4 - log 4 - 1) / 2."""
    model = of_digits()
    set_parameters(model)
    bias = model.flat.parameters["encoder.2.output.bias"].data
    bias[:3], bias[3:] = 0.5, math.log(4)
    assert model._figures(model.valid)["kl"] == pytest.approx(1.5 * (3.25 - math.log(4)), rel=1e-6)


def linear_gaussian(tmp_path: Path) -> VAE:
    """x = a z + noise: the posterior is Gaussian and known, and so is log p(x)."""
    x = np.random.default_rng(1).normal(size=(40, 1))
    np.save(tmp_path / "x.npy", x)
    more = ["likelihood=gaussian", "variance=0.5", "latent=1", "encoder=[]", "decoder=[]", "dtype=float64"]
    model = built(tmp_path / "x.npy", "data.scale=none", "batch=full", *more)
    set_parameters(model)
    weights = model.flat.parameters
    a, v = 1.5, 0.5
    weights["decoder.0.output.weight"].data[...] = a
    weights["encoder.0.output.weight"].data[0, 0] = a / (a * a + v)
    weights["encoder.0.output.bias"].data[1] = math.log(v / (a * a + v))
    return model


def test_the_bound_is_tight_where_the_encoder_is_right(tmp_path: Path) -> None:
    model = linear_gaussian(tmp_path)
    x, variance = model.data.train.x[:, 0], 1.5**2 + 0.5
    exact = float(np.mean(-0.5 * (x * x / variance + np.log(2 * np.pi * variance))))
    for draws in (1, 7, 2000):
        assert model.log_likelihood(model.train, draws) == pytest.approx(exact, rel=1e-12)


def test_more_draws_tighten_the_bound(tmp_path: Path) -> None:
    model = linear_gaussian(tmp_path)
    exact = model.log_likelihood(model.train, 1)
    model.flat.parameters["encoder.0.output.bias"].data[...] += 0.7
    bounds = [model.log_likelihood(model.train, draws) for draws in (1, 10, 3000)]
    assert bounds[0] < bounds[1] < bounds[2] < exact + 0.01
    assert bounds[2] == pytest.approx(exact, abs=0.02)


def test_beta_weighs_the_divergence_alone() -> None:
    one, many = trained(of_digits(), 8), trained(of_digits("beta=8"), 8)
    assert many["valid_kl"] < 0.7 * one["valid_kl"]
    for row in (one, many):
        assert row["valid_neg_elbo"] == pytest.approx(row["valid_reconstruction"] + row["valid_kl"])


def test_it_learns_and_the_learnt_noise_is_that_of_the_residual() -> None:
    model = of_digits("likelihood=gaussian", "optimizer.lr=0.01")
    row = trained(model, 120)
    f = model.encoded(model.train)
    residual = model.data.train.inputs() - model.decoded(f[:, :3])
    assert row["noise_std"] < 0.27, "the pixels vary by .38 about one mean"
    assert row["noise_std"] == pytest.approx(float(np.sqrt((residual**2).mean())), rel=0.1)


def test_binarized_pixels_are_drawn_with_their_value_as_probability() -> None:
    model = of_digits("binarize=true", "data.valid=null", "data.test=null")
    tape, index = model._tapes[0], np.arange(len(model.train))
    draws = []
    for k in range(200):
        tape.begin(training=False, rng=np.random.default_rng(k))
        draws.append(np.array(model._images(tape, model.train, index[:50])))
    drawn = np.stack(draws)
    assert set(np.unique(drawn)) == {0, 1}
    np.testing.assert_allclose(drawn.mean(0), model.data.train.inputs()[:50], atol=0.2)
    assert drawn.mean() == pytest.approx(float(model.data.train.inputs()[:50].mean()), abs=0.003)


# -- positions and states ---------------------------------------------------------------------------------
def test_the_figures_of_held_out_images_do_not_depend_on_shards() -> None:
    one, three = of_digits(), of_digits(shards=3)
    assert one._figures(one.valid) == three._figures(three.valid)
    assert one.log_likelihood(one.valid, 5) == three.log_likelihood(three.valid, 5)


def test_a_state_goes_on_bit_for_bit() -> None:
    whole, half = of_digits(), of_digits()
    trained(whole, 2)
    trained(half, 1)
    again = of_digits()
    again.load(half.state())
    for _ in again.train_epoch(2):
        pass
    assert again.end_epoch(2) == whole.end_epoch(2)
    np.testing.assert_array_equal(again.flat.data, whole.flat.data)


def test_a_restored_model_has_the_same_codes_and_pictures() -> None:
    model = of_digits()
    trained(model)
    again = VAE.restore(model.recipe, model.state(), model.context)
    rows = model._rows(model.data.test)
    np.testing.assert_array_equal(again.encoded(rows), model.encoded(rows))
    files = [next(iter(one.sample({"n": 5, "seed": 3}))) for one in (model, again)]
    assert files[0] == files[1]


@pytest.mark.parametrize("pixels", [np.zeros(3), np.zeros(2, np.float32), np.array([0, np.nan]), None])
def test_a_state_with_other_pixels_is_refused(pixels: Any) -> None:
    model = of_digits()
    with pytest.raises(ValueError, match="pixels"):
        model.load(model.state() | {"pixels": pixels})


# -- pictures ---------------------------------------------------------------------------------------------
def picture(file: File) -> np.ndarray:
    assert isinstance(file.content, bytes)
    return np.asarray(Image.open(io.BytesIO(file.content)))


def test_a_picture_shows_pixels_as_the_file_has_them() -> None:
    """The left half of each pair is the image itself: 0 black, 16 white."""
    model = of_digits()
    (file,) = model.predict(str(ROOT / "data" / "digits.csv"), {"reconstruct": True, "n": 3})
    page = picture(file)
    raw = np.loadtxt(ROOT / "data" / "digits.csv", delimiter=",", skiprows=1, max_rows=3)[:, :64]
    zoom = (page.shape[0] - 4) // 8
    for k in range(3):
        left = 2 + k * (16 * zoom + 2)
        shown = page[2 : 2 + 8 * zoom : zoom, left : left + 8 * zoom : zoom]
        np.testing.assert_array_equal(shown, np.rint(raw[k].reshape(8, 8) * 255 / 16))


def test_a_way_begins_and_ends_at_the_codes(tmp_path: Path) -> None:
    model = of_digits()
    trained(model)
    ends = np.array([[0.5, -1, 0], [1, 1, 1]])
    (tmp_path / "codes.csv").write_text(
        "mean_0,mean_1,mean_2,std_0,std_1,std_2\n" + "".join(f"{a},{b},{c},1,1,1\n" for a, b, c in ends)
    )
    (file,) = model.sample({"between": str(tmp_path / "codes.csv")})
    page, shown = picture(file), model.decoded(ends)
    zoom = (page.shape[0] - 4) // 8
    for left, pixels in ((2, shown[0]), (2 + 9 * (8 * zoom + 2), shown[1])):
        found = page[2 : 2 + 8 * zoom : zoom, left : left + 8 * zoom : zoom]
        np.testing.assert_array_equal(found, np.rint(pixels.reshape(8, 8) * 255))


def test_rows_that_are_no_images_have_no_pictures() -> None:
    model = of_digits("data.shape=null")
    assert [name for name, _ in model.artifacts()] == []
    with pytest.raises(UsageError, match="no images"):
        list(model.sample({}))


def test_a_plane_needs_two_numbers() -> None:
    with pytest.raises(UsageError, match="these have 3"):
        list(of_digits().sample({"manifold": True}))
    names = [name for name, _ in of_digits("latent=2").artifacts()]
    assert names == ["samples.png", "reconstructions.png", "manifold.png", "latent.png"]


# -- networks ---------------------------------------------------------------------------------------------
CONV = "[{conv: {filters: 4, size: 3, stride: 2, pad: same}}]"
BACK = "{dense: 64}, {reshape: [4, 4, 4]}, {conv_transpose: {filters: 1, size: 4, stride: 2, pad: same%s}}"


def test_a_decoder_may_end_with_the_image() -> None:
    model = of_digits(f"encoder={CONV}", f"decoder=[{BACK % ', activation: identity'}]")
    assert [row.shape for row in model.model.table()][-1] == "8×8×1"
    assert not any(path.startswith("decoder.3") for path in model.flat.parameters)
    before = model._figures(model.valid)["neg_elbo"]
    assert trained(model, 3)["valid_neg_elbo"] < before


def test_an_image_that_is_bent_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"decoder: the last layer makes the image itself, and bends it \(relu\)"
    ):
        of_digits(f"decoder=[{BACK % ''}]")


def test_numbers_that_are_no_probabilities_are_refused() -> None:
    with pytest.raises(UsageError, match="likelihood: pixels are probabilities from 0 to 1, these are from"):
        of_digits("data.scale=standard")


def test_binarized_pixels_are_not_gaussian() -> None:
    with pytest.raises(RecipeError, match="binarize"):
        resolve(VAE.Recipe, None, ["binarize=true", "likelihood=gaussian"], {"data.train": "x"})
