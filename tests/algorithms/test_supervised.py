"""What the driver and the verbs rely on: positions, states, noise, held-out rows."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import norm

from dlkit.algorithms.mlp import MLPRecipe, TrainMLP
from dlkit.algorithms.protocol import Context, NonFinite
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.errors import RecipeError
from dlkit.recipe.resolve import resolve

ROOT = Path(__file__).resolve().parents[2]


def built(name: str, *sets: str, shards: int = 2) -> TrainMLP:
    """An algorithm that has read an embedded table and built its model."""
    table = {"data.train": str(ROOT / "data" / f"{name}.csv")}
    always = [
        "batch=100",
        "model=[{dense: 16}, batch_norm, {dropout: 0.3}]",
        "data.valid=0.2",
        "data.test=0.2",
    ]
    recipe: Any = resolve(MLPRecipe, None, [*always, *sets], table)
    made = TrainMLP(recipe, Context(open_backend("cpu", dtype=recipe.dtype), Streams(1), Team(2, shards)))
    made.read_data()
    made.build()
    return made


def trained(model: TrainMLP, epochs: int = 2) -> TrainMLP:
    for epoch in range(1, epochs + 1):
        for _ in model.train_epoch(epoch):
            pass
        model.epoch_recorded(model.end_epoch(epoch))
    return model


def leaves(tree: Any, place: str = "") -> dict[str, Any]:
    if isinstance(tree, dict):
        return {path: leaf for key in tree for path, leaf in leaves(tree[key], f"{place}/{key}").items()}
    return {place: tree}


def assert_equal(a: Any, b: Any) -> None:
    one, other = leaves(a), leaves(b)
    assert one.keys() == other.keys()
    for path, value in one.items():
        np.testing.assert_array_equal(value, other[path], err_msg=path)


@pytest.mark.parametrize("name", ["digits", "diabetes"])
@pytest.mark.parametrize("skip", [1, 2])
def test_the_rest_of_an_epoch_is_the_tail_of_a_whole_one(name: str, skip: int) -> None:
    whole, part, rest = built(name), built(name), built(name)
    steps = list(whole.train_epoch(1))
    assert [step.step for step in steps] == [*range(1, whole.batches.steps + 1)]
    assert sum(step.examples for step in steps) == len(whole.train)
    running = part.train_epoch(1)
    first = [next(running) for _ in range(skip)]
    state = copy.deepcopy(part.state())
    rest.flat.data[...] = 7  # nothing of its own may be left
    rest.load(state)
    assert first + list(rest.train_epoch(1, skip=skip)) == steps
    assert whole.end_epoch(1) == rest.end_epoch(1)
    assert_equal(whole.state(), rest.state())


def test_the_figures_of_an_epoch_are_the_means_of_its_steps() -> None:
    model = built("digits")
    steps = list(model.train_epoch(1))
    row = model.end_epoch(1)
    mean = sum((step.loss or 0) * step.examples for step in steps) / len(model.train)
    assert row["train_loss"] == pytest.approx(mean, rel=1e-5)
    assert row["lr"] == 1e-3
    names = {column.name for column in TrainMLP.METRICS}
    assert set(row) <= names


def test_held_out_rows_are_apart_and_their_figures_do_not_depend_on_shards() -> None:
    one, three = trained(built("digits", shards=1), 1), built("digits", shards=3)
    rows = [set(part.rows) for part in (one.data.train, one.data.valid, one.data.test) if part]
    assert sum(map(len, rows)) == len(set.union(*rows)) == 1797
    three.model.load(one.model.state())
    assert one._figures(one.valid) == three._figures(three.valid)


@pytest.mark.parametrize("noise", ["constant", "learnt"])
def test_final_figures_of_a_regression_with_dropout(noise: str) -> None:
    """The test's mc_ figures from the draws themselves; constant noise is fitted to validation rows."""
    model = trained(built("diabetes", f"noise={noise}", "mc_samples=30"), 5)
    found = model.test()
    assert model.data.test is not None
    rows = model._rows(model.data.test)
    y = model.data.test.labels[:, 0]
    f = model.outputs(rows, 30).astype(float)
    scale = model.preprocess.targets
    assert scale is not None
    mean = f[..., 0] * scale.sd[0] + scale.mean[0]
    if noise == "learnt":
        sd = np.exp(f[..., 1] / 2) * scale.sd[0]
    else:
        sd = np.sqrt(model.noise_variance[0])
        assert sd == pytest.approx(found["test_rmse"], rel=0.5)
    assert found["test_mc_rmse"] == pytest.approx(np.sqrt(np.mean((mean.mean(0) - y) ** 2)))
    mixture = logsumexp(norm.logpdf(y, mean, sd), axis=0) - np.log(30)
    assert found["test_mc_log_likelihood"] == pytest.approx(mixture.mean())


def test_what_is_restored_answers_as_the_trained(tmp_path: Path) -> None:
    model = trained(built("diabetes"), 3)
    model.test()
    state = copy.deepcopy(model.state())
    assert state["noise_variance"].shape == (1,)
    other = Context(open_backend("cpu"), Streams(1), Team(1, 2))
    restored = TrainMLP.restore(model.recipe, state, other)
    np.testing.assert_array_equal(restored.noise_variance, model.noise_variance)
    source = str(ROOT / "data" / "diabetes.csv")
    for options in ({}, {"mc_samples": 5}):
        (one,), (two,) = model.predict(source, options), restored.predict(source, options)
        assert one.header == two.header
        np.testing.assert_array_equal(one.columns, two.columns)
    np.testing.assert_allclose(
        next(iter(restored.predict(source, {}))).columns[1] ** 2, model.noise_variance[0]
    )


def test_noise_of_prediction_leaves_batch_norm_alone() -> None:
    model = trained(built("digits"), 1)
    before = copy.deepcopy(model.model.state())
    assert model.valid is not None
    draws = model.outputs(model.valid, 4)
    assert draws.shape == (4, len(model.valid), 10)
    assert (draws.std(0).max(1) > 0).all()
    np.testing.assert_array_equal(draws, model.outputs(model.valid, 4))
    assert model.outputs(model.valid).shape == (1, len(model.valid), 10)
    assert_equal(before, model.model.state())


@pytest.mark.parametrize("layer", ["{dense: {units: 8, drop_connect: 0.5}}", "{gaussian_dropout: 0.5}"])
def test_each_pass_draws_its_own_noise(layer: str) -> None:
    """DropConnect masks weights, which all rows of a pass share: passes must not go through together."""
    model = built("digits", f"model=[{{dense: 8}}, {layer}]")
    draws = model.outputs(model.valid, 5)
    for k in range(4):
        assert (draws[k] != draws[k + 1]).any(axis=1).mean() > 0.8  # a row may go through no masked unit
    np.testing.assert_array_equal(draws, model.outputs(model.valid, 5))


def test_several_targets() -> None:
    model = trained(built("diabetes", "data.label=[s6, progression]", "noise=learnt"), 1)
    (answer,) = model.predict(str(ROOT / "data" / "diabetes.csv"), {"mc_samples": 3})
    parts = ("mean", "std", "epistemic_std", "aleatoric_std")
    assert answer.header == [f"{part}_{target}" for target in ("s6", "progression") for part in parts]
    assert 60 < np.mean(answer.columns[0]) < 120  # s6 and progression each in their own units
    assert 120 < np.mean(answer.columns[4]) < 260


def test_a_state_that_is_not_finite_is_not_handed_out() -> None:
    model = built("digits")
    model.flat.parameters["0.dense.weight"].data[0, 0] = np.nan
    with pytest.raises(NonFinite) as raised:
        list(model.train_epoch(1))
    assert raised.value.array.startswith("0.dense.weight, 0.dense")
    assert "" not in raised.value.array.split(", ")


def test_batch_norm_needs_rows() -> None:
    with pytest.raises(RecipeError, match="batch: batch_norm needs 2 rows or more"):
        built("digits", "batch=1")
    built("digits", "batch=1", "model=[{dense: 4}, layer_norm]")
