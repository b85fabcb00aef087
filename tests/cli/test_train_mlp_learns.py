"""Every optimizer, layer, scaling and batch size that a recipe may name trains; some against plain NumPy."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.readers.dataset import regrouped
from dlkit.training.checkpoint import load
from dlkit.training.driver import open_run
from tests.cli.calling import DATA, call, error_line, good, sets, summary, table, train

EPOCHS = 4


@pytest.fixture(scope="module")
def rows(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 600 digits: enough to learn from, quick to read."""
    path = tmp_path_factory.mktemp("rows") / "digits.csv"
    lines = (DATA / "digits.csv").read_text(encoding="utf-8").splitlines()[:601]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def learn(rows: Path, run: Path, *arguments: object, **keys: object) -> list[dict[str, float]]:
    """Rows of metrics.csv after a short run."""
    settings = {"model": "[{dense: 32}]", "batch": 32, "epochs": EPOCHS} | keys
    train(rows, run, "-q", *sets(**settings), *arguments)
    read = table((run / "metrics.csv").read_text(encoding="utf-8"))
    return [{name: float(text) for name, text in row.items()} for row in read]


def state(path: Path) -> dict[str, Any]:
    return load(path).tree["state"]


# -- optimizers ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "optimizer",
    [
        "{name: sgd, lr: 0.1}",
        "momentum",
        "nesterov",
        "adagrad",
        "rmsprop",
        "adam",
        "adamw",
        "{name: sgld, lr: 1e-4}",
    ],
)
def test_every_optimizer_learns(optimizer: str, rows: Path, tmp_path: Path) -> None:
    found = learn(rows, tmp_path / "run", optimizer=optimizer)
    assert found[-1]["train_loss"] < 0.6 * found[0]["train_loss"]
    assert found[-1]["train_accuracy"] > 0.6


def test_sgld_keeps_draws_and_resumes_with_them(rows: Path, tmp_path: Path) -> None:
    sgld = {"optimizer": "{name: sgld, lr: 1e-5, burn_in: 1, keep_every: 10, samples: 3}"}
    learn(rows, tmp_path / "whole", **sgld, keep="last")
    learn(rows, tmp_path / "parts", **sgld, keep="last", epochs=2)
    learn(rows, tmp_path / "parts", "--resume", **sgld, keep="last")
    whole, parts = state(tmp_path / "whole" / "checkpoint.h5"), state(tmp_path / "parts" / "checkpoint.h5")
    draws = whole["optimizer"]["samples"]["0.dense.weight"]
    assert draws.shape == (3, 64, 32)
    assert not np.array_equal(draws[0], draws[1])
    np.testing.assert_array_equal(draws, parts["optimizer"]["samples"]["0.dense.weight"])


def test_sgld_answers_by_the_draws_that_it_has_kept(rows: Path, tmp_path: Path) -> None:
    sgld = {"optimizer": "{name: sgld, lr: 1e-5, burn_in: 1, keep_every: 5, samples: 4}"}
    learn(rows, tmp_path / "run", **sgld, keep="last", mc_samples=4, data__test=0.2)
    algorithm, _ = open_run(tmp_path / "run")
    ready = algorithm._rows(next(iter(regrouped(algorithm._read(str(rows), need_label=False), 100))))
    model, kept = algorithm.model, state(tmp_path / "run" / "checkpoint.h5")["optimizer"]["samples"]
    before, found = model.state(), algorithm.outputs(ready, 4)
    for k, one in enumerate(found):
        model.load(before | {path: draws[k] for path, draws in kept.items()})
        np.testing.assert_array_equal(algorithm.outputs(ready)[0], one)
    assert (np.ptp(found, axis=0) > 0).any()
    assert "test_mc_accuracy" in summary(tmp_path / "run")
    header = good("predict", tmp_path / "run", rows, "--mc-samples", 2).stdout.splitlines()[0]
    assert header.endswith("entropy,mutual_information")
    line = error_line(call("predict", tmp_path / "run", rows, "--mc-samples", 5), 2)
    assert line.startswith("--mc-samples: sgld has kept 4 samples of the weights")


def test_weight_decay_and_clipping_hold_the_weights(rows: Path, tmp_path: Path) -> None:
    def size(run: str) -> float:
        return float(np.square(state(tmp_path / run / "checkpoint.h5")["model"]["0.dense.weight"]).sum())

    learn(rows, tmp_path / "free", optimizer="sgd")
    learn(rows, tmp_path / "decay", optimizer="{name: sgd, weight_decay: 0.5}")
    learn(rows, tmp_path / "clip", optimizer="{name: sgd, clip: 1e-6}")
    assert size("decay") < 0.8 * size("free")
    first = train(rows, tmp_path / "first", "-q", *sets(model="[{dense: 32}]", epochs=1), "--lr", 1e-12)
    assert first.code == 0
    np.testing.assert_allclose(
        state(tmp_path / "clip" / "checkpoint.h5")["model"]["0.dense.weight"],
        state(tmp_path / "first" / "checkpoint.h5")["model"]["0.dense.weight"],
        atol=1e-5,
    )


def test_a_step_of_gradient_descent_is_numpys(rows: Path, tmp_path: Path) -> None:
    """Full-batch sgd in float64: weights of epoch 2 from those of epoch 1, and the loss between them."""
    settings = {"optimizer": "{name: sgd, lr: 0.01}", "batch": "full", "dtype": "float64", "shards": 3}
    keys: dict[str, object] = settings | {"data__scale": "none", "keep": "last"}
    learn(rows, tmp_path / "run", **keys, epochs=1)
    before = state(tmp_path / "run" / "checkpoint.h5")["model"]
    found = learn(rows, tmp_path / "run", "--resume", **keys, epochs=2)
    after = state(tmp_path / "run" / "checkpoint.h5")["model"]
    assert {array.dtype for array in before.values()} == {np.dtype("float64")}
    digits = np.loadtxt(rows, delimiter=",", skiprows=1)
    x, y = digits[:, :-1], digits[:, -1].astype(int)
    w, b, v, c = before.values()
    z = np.maximum(x @ w + b, 0)
    u = z @ v + c
    p = np.exp(u - u.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)
    assert found[1]["step"] == 2
    assert found[1]["train_loss"] == pytest.approx(-np.log(p[np.arange(len(y)), y]).mean(), rel=1e-12)
    assert found[1]["train_accuracy"] == pytest.approx((p.argmax(1) == y).mean())
    d = (p - np.eye(10)[y]) / len(y)
    dz = (d @ v.T) * (z > 0)
    gradients = [x.T @ dz, dz.sum(0), z.T @ d, d.sum(0)]
    for old, new, gradient in zip(before.values(), after.values(), gradients, strict=True):
        np.testing.assert_allclose(new, old - 0.01 * gradient, rtol=1e-9, atol=1e-12)


# -- layers --------------------------------------------------------------------------------------------------
LAYERS = {
    "batch-norm": "[{dense: 32}, batch_norm, {dense: 16}, batch_norm]",
    "layer-norm": "[{dense: {units: 32, activation: identity}}, layer_norm, {activation: relu}]",
    "drop-connect": "[{dense: {units: 64, drop_connect: 0.3}}]",
    "gaussian-dropout": "[{dense: 64}, {gaussian_dropout: 0.3}]",
    "dropout-of-inputs": "[{dropout: 0.1}, {dense: 64}, {dropout: 0.3}]",
    "prelu": "[{dense: {units: 32, activation: prelu}}]",
    "prelu-layer": "[{dense: {units: 32, activation: identity}}, {activation: prelu}]",
    "leaky-relu": "[{dense: {units: 32, activation: leaky_relu, slope: 0.2}}]",
    "tanh-glorot": "[{dense: {units: 32, activation: tanh, init: glorot_uniform}}]",
    "sigmoid": "[{dense: {units: 32, activation: sigmoid, init: orthogonal}}]",
    "repeat": "[{repeat: {times: 2, layers: [{dense: 24}, {dropout: 0.1}]}}]",
    "no-hidden-layer": "[]",
}


@pytest.mark.parametrize("name", LAYERS)
def test_every_layer_learns(name: str, rows: Path, tmp_path: Path) -> None:
    found = learn(rows, tmp_path / "run", "--lr", 0.01, model=LAYERS[name], shards=2)
    assert found[-1]["train_loss"] < 0.6 * found[0]["train_loss"]
    assert found[-1]["train_accuracy"] > 0.7


def test_prelu_learns_its_slope(rows: Path, tmp_path: Path) -> None:
    learn(rows, tmp_path / "run", "--lr", 0.01, model=LAYERS["prelu"])
    model = state(tmp_path / "run" / "checkpoint.h5")["model"]
    assert model["0.dense.slope"].shape == (1,)
    assert model["0.dense.slope"][0] != pytest.approx(0.25, abs=1e-3)


def test_zero_weights_stay_symmetric(rows: Path, tmp_path: Path) -> None:
    learn(rows, tmp_path / "run", init="zeros", epochs=1)
    assert not state(tmp_path / "run" / "checkpoint.h5")["model"]["0.dense.weight"].any()


# -- batches, types, scaling ---------------------------------------------------------------------------------
@pytest.mark.parametrize(("batch", "steps"), [("full", 1), (1, 600), (7, 86), (10_000, 1)])
def test_batches(batch: object, steps: int, rows: Path, tmp_path: Path) -> None:
    found = learn(rows, tmp_path / "run", "--batch", batch, "--lr", 0.003, epochs=2, shards=2)
    assert [row["step"] for row in found] == [steps, 2 * steps]
    assert found[1]["train_loss"] < found[0]["train_loss"]


def test_a_last_batch_smaller_than_the_shards(rows: Path, tmp_path: Path) -> None:
    norm = "[{dense: 16}, batch_norm, {dropout: 0.2}]"
    settings = {"shards": 4, "batch": 599, "epochs": 8}  # one row is left over
    found = learn(rows, tmp_path / "run", "--lr", 0.02, model=norm, **settings)
    assert found[0]["step"] == 2
    assert found[-1]["train_loss"] < 0.8 * found[0]["train_loss"]


def test_single_rows_suit_every_layer_but_batch_norm(rows: Path, tmp_path: Path) -> None:
    learn(rows, tmp_path / "run", model="[{dense: 8}, layer_norm]", batch=1, epochs=1)
    nested = sets(model="[{repeat: {times: 2, layers: [{dense: 8}, batch_norm]}}]", batch=1)
    done = call("train-mlp", rows, "-o", tmp_path / "other", *nested)
    assert error_line(done, 2) == "--set: batch: batch_norm needs 2 rows or more, found 1"


def test_float64_is_close_to_float32_but_not_it(rows: Path, tmp_path: Path) -> None:
    single = learn(rows, tmp_path / "single", epochs=1)[0]["train_loss"]
    double = learn(rows, tmp_path / "double", "--dtype", "float64", epochs=1)[0]["train_loss"]
    assert double == pytest.approx(single, rel=1e-4)
    assert double != single
    kept = state(tmp_path / "double" / "checkpoint.h5")
    arrays = [*kept["model"].values(), *kept["optimizer"]["m"].values()]
    assert {array.dtype for array in arrays} == {np.dtype("float64")}


def test_float64_takes_twice_the_memory(rows: Path, tmp_path: Path) -> None:
    def estimate(dtype: str) -> float:
        model = sets(model="[{dense: 512}, {dense: 512}]", batch=100)
        told = good("train-mlp", rows, "--dry-run", "--dtype", dtype, *model).stdout
        return float(told.split("memory ")[1].split()[0])

    assert estimate("float64") == pytest.approx(2 * estimate("float32"), rel=0.05)  # shown in 2 digits


@pytest.mark.parametrize(
    ("scale", "width"),
    [("none", 64), ("range", 64), ("standard", 64), ("pca", 20), ("zca", 64)],
)
def test_every_scaling_trains_and_predicts(scale: str, width: int, rows: Path, tmp_path: Path) -> None:
    components = sets(data__components=20) if scale == "pca" else []
    found = learn(rows, tmp_path / "run", "--scale", scale, *components, "--lr", 0.01)
    assert found[-1]["train_accuracy"] > 0.8
    kept = state(tmp_path / "run" / "checkpoint.h5")
    assert kept["model"]["0.dense.weight"].shape[0] == width
    told = good("evaluate", tmp_path / "run", rows, "--json").stdout
    assert '"rows": 600' in told
    accuracy = float(told.split('"test_accuracy": ')[1].split()[0])
    assert accuracy >= found[-1]["train_accuracy"] - 0.02
