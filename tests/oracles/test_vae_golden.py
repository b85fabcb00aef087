"""One step of a variational autoencoder against PyTorch (vae_golden.json, made by make_vae_golden.py)."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.algorithms.protocol import Context
from dlkit.algorithms.vae import VAE
from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.recipe.resolve import resolve

GOLDEN = json.loads((Path(__file__).parent / "vae_golden.json").read_text(encoding="utf-8"))["cases"]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("name", GOLDEN)
def test_loss_and_all_gradients_of_a_step(name: str, dtype: str, tmp_path: Path, monkeypatch: Any) -> None:
    golden = GOLDEN[name]
    x, e = np.array(golden["x"]), np.array(golden["e"], dtype)
    np.save(tmp_path / "x.npy", x)
    keys = {key: golden[key] for key in ("likelihood", "variance", "beta") if key in golden}
    keys |= {"data.train": str(tmp_path / "x.npy"), "dtype": dtype, "latent": 2}
    lists = ["data.scale=none", "encoder=[{dense: 5}]", "decoder=[{dense: 5}]", "batch=full"]
    recipe: Any = resolve(VAE.Recipe, None, lists, keys)
    vae = VAE(recipe, Context(open_backend("cpu", dtype=dtype), Streams(1), Team(1, 1)))
    vae.read_data()
    vae.build()
    vae.model.load({path: np.array(a) for path, a in golden["parameters"].items()})
    monkeypatch.setattr(VAE, "_normal", lambda self, tape, n: e[:n])
    gradient = vae.flat.gradient()
    tape = Tape(vae.context.backend, gradient, owner=vae.flat)
    tape.begin(training=True)
    loss, sums = vae.batch_loss(tape, vae.train, np.arange(len(x)), 1 / len(x))
    tape.backward(loss)
    near = 1e-11 if dtype == "float64" else 1e-5
    assert float(loss.data) == pytest.approx(golden["loss"], rel=near)
    assert [s.mean() for s in sums] == pytest.approx([golden["reconstruction"], golden["kl"]], rel=near)
    assert set(golden["gradients"]) == set(vae.flat.parameters)
    for path, expected in golden["gradients"].items():
        got = vae.flat.view(gradient, vae.flat.parameters[path])
        np.testing.assert_allclose(got, expected, rtol=near * 10, atol=near, err_msg=path)
