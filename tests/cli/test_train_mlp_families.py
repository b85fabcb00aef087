"""Folds, variants, and looking before training."""

import json
from pathlib import Path

import pytest
import yaml

from tests.cli.calling import (
    DATA,
    RECIPES,
    good,
    metrics,
    sets,
    summary,
    train,
)


# -- families ----------------------------------------------------------------------------------------------
def test_folds(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = train(DATA / "golf.csv", run, "--folds", 3, "--epochs", 2)
    members = [summary(run / f"fold-{k}") for k in (1, 2, 3)]
    found = summary(run)
    for key in ("test_loss", "test_accuracy", "train_loss"):
        values = [member[key] for member in members]
        mean = sum(values) / 3
        sd = (sum((value - mean) ** 2 for value in values) / 2) ** 0.5
        assert found[f"{key}_mean"] == pytest.approx(mean)
        assert found[f"{key}_sd"] == pytest.approx(sd)
    for k in (1, 2, 3):
        recipe = yaml.safe_load((run / f"fold-{k}" / "recipe.yaml").read_text(encoding="utf-8"))
        assert recipe["data"]["fold"] == {"index": k - 1, "of": 3}
        told = json.loads(good("evaluate", run / f"fold-{k}", "--json").stdout)
        assert told["test_accuracy"] == members[k - 1]["test_accuracy"]
    *each, whole = done.stdout.splitlines()
    assert [line.split()[0] for line in each] == [str(run / f"fold-{k}") for k in (1, 2, 3)]
    assert whole.startswith(f"{run}   test_loss ")
    assert whole.count(" ± ") == 2
    assert whole.endswith("(3 folds)")


def test_variants(tmp_path: Path) -> None:
    run = tmp_path / "run"
    two = "{deep: {model: [{dense: 8}, {dense: 8}]}, fast: {optimizer.lr: 0.1, epochs: 3}}"
    done = train(DATA / "golf.csv", run, *sets(variants=two, epochs=2, model="[{dense: 4}]"))
    assert len(metrics(run / "deep")) == 2
    assert len(metrics(run / "fast")) == 3
    assert metrics(run / "fast")[0]["lr"] == "0.1"
    assert summary(run / "deep")["parameters"] > summary(run / "fast")["parameters"]
    assert summary(run)["fast_train_loss"] == summary(run / "fast")["train_loss"]
    assert "deep train_loss" in done.stdout
    assert "fast train_loss" in done.stdout


# -- looking before training -------------------------------------------------------------------------------
def test_dry_run_counts_parameters_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    classes, inputs = 10, 784
    lines = [",".join(f"x{k}" for k in range(inputs)) + ",y"]
    lines += [",".join(["0.5"] * inputs) + f",{row % classes}" for row in range(20)]
    (tmp_path / "rows.csv").write_text("\n".join(lines), encoding="utf-8")
    model = "[{dense: 512}, {dropout: 0.5}, {dense: {units: 512, activation: prelu}}]"
    done = good("train-mlp", "rows.csv", "--dry-run", "-o", "run", *sets(model=model))
    assert [path.name for path in tmp_path.iterdir()] == ["rows.csv"]
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["0.dense", "dense", "512", f"{784 * 512 + 512:,}"] in rows
    assert ["1.dropout", "dropout", "512", "0"] in rows
    assert ["2.dense", "dense", "512", f"{512 * 512 + 512 + 1:,}"] in rows
    assert ["3.output", "dense", "10", f"{512 * 10 + 10:,}"] in rows
    assert ["total", f"{784 * 512 + 512 + 512 * 512 + 513 + 5130:,}"] in rows


def test_print_config_is_a_recipe_that_prints_itself(tmp_path: Path) -> None:
    one = good(
        "train-mlp", RECIPES / "mlp-digits.yaml", "--print-config", "--lr", 0.5, *sets(batch="full")
    ).stdout
    path = tmp_path / "r.yaml"
    path.write_text(one, encoding="utf-8")
    assert good("train-mlp", path, "--print-config").stdout == one
    said = yaml.safe_load(one)
    assert (said["optimizer"]["lr"], said["batch"], said["epochs"]) == (0.5, "full", 40)
