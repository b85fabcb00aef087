"""One step of D and one of G against PyTorch's numbers (gan_golden.json, made by make_gan_golden.py)."""

import json
from pathlib import Path

import numpy as np
import pytest

from dlkit.algorithms.gan_networks import Networks
from dlkit.algorithms.gan_recipe import GANRecipe
from dlkit.algorithms.gan_steps import D, G, GanSteps, Share
from dlkit.algorithms.protocol import Context
from dlkit.algorithms.rows import Rows
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team

GOLDEN = json.loads((Path(__file__).parent / "gan_golden.json").read_text(encoding="utf-8"))
TOLERANCE = {"float64": 1e-10, "float32": 2e-3}


def made(golden: dict, dtype: str, team: Team) -> tuple[Networks, GanSteps, Share]:
    recipe = GANRecipe.model_validate(
        {
            "data": {"train": "-"}, "latent": 3, "generator": GOLDEN["generator"], "loss": golden["loss"],
            "discriminator": golden["discriminator"], "label_smoothing": golden["smoothing"],
            "fakes": golden["fakes"], "optimizer": {"name": "sgd", "lr": 0.1},
        }
    )  # fmt: skip
    backend = open_backend("cpu", dtype=dtype)
    context = Context(backend, Streams(1), team)
    x = backend.asarray(golden["x"])
    networks = Networks(recipe, (x.shape[1],))
    networks.allocate(context)
    for name, net in networks.modules.items():
        given = {k: np.asarray(v) for k, v in golden["parameters"].items() if k.startswith(name)}
        net.load({**net.state(), **given})
    one = backend.asarray(np.ones(1))
    play = GanSteps(networks, recipe, context, one, one * 0)
    share = Share(1, len(x), Rows(x, None, one, one * 0), np.arange(len(x)), backend.asarray(golden["z"]))
    return networks, play, share


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("shards", [1, 2, 3])
@pytest.mark.parametrize("name", GOLDEN["cases"])
def test_both_steps_are_torchs(name: str, shards: int, dtype: str) -> None:
    golden = GOLDEN["cases"][name]
    near = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype] / 10}
    with Team(2, shards) as team:
        networks, play, share = made(golden, dtype, team)
        play(share, 1, 0.5, with_generator=True)
    for which, key in ((D, "of_d"), (G, "of_g")):
        step, flat, expected = play.steps[which], networks.flats[which], golden[key]
        assert step.loss == pytest.approx(expected["loss"], rel=TOLERANCE[dtype])
        for path, gradient in expected["gradients"].items():
            got = flat.view(step.gradients[0], flat.parameters[path])  # of all shards, once sgd has summed
            assert got.dtype == dtype
            np.testing.assert_allclose(got, gradient, err_msg=path, **near)
        for path, after in expected["after"].items():
            np.testing.assert_allclose(flat.parameters[path].data, after, err_msg=path, **near)
    buffers = {path: b.data for net in networks.modules.values() for path, b in net.buffers()}
    assert set(buffers) == set(golden["running"])
    for path, expected in golden["running"].items():
        np.testing.assert_allclose(buffers[path], expected, err_msg=path, **near)


def test_figures_of_the_steps_are_the_losses() -> None:
    golden = GOLDEN["cases"]["least_squares batch_norm"]
    with Team(1, 2) as team:
        _, play, share = made(golden, "float64", team)
        play(share, 1, 0.5, with_generator=True)
    figures = play.figures()
    assert figures["train_d_loss"] == pytest.approx(golden["of_d"]["loss"], rel=1e-9)
    assert figures["train_g_loss"] == pytest.approx(golden["of_g"]["loss"], rel=1e-9)
