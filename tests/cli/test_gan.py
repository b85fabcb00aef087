"""gan as a user meets it: what a run prints and leaves, what it can be asked, that it can be repeated."""

from pathlib import Path

import numpy as np
import pytest

from tests.cli.calling import (
    DATA,
    RECIPES,
    call,
    column,
    contents,
    error_line,
    good,
    metrics,
    sets,
    summary,
    table,
)

SMALL = sets(
    generator="[{dense: 16}, {dense: {units: 12, activation: identity}}, batch_norm, {activation: relu}]",
    discriminator="[{dense: 16}]",
    latent=6,
    epochs=3,
    grid="{every: 20, rows: 2, columns: 3}",
    watch="{samples: 100, modes: 6}",
)
DIGITS = sets(data__label="label", data__shape="[8, 8]")
COLUMNS = [
    "epoch", "step", "lr", "train_d_loss", "train_g_loss", "train_real_accuracy", "train_fake_accuracy",
    "train_diversity", "train_modes", "train_classes", "train_class_kl",
]  # fmt: skip


def gan(source: object, directory: Path, *arguments: object) -> str:
    return good("gan", source, "-o", directory, *SMALL, *arguments).stderr


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("gan") / "run"
    gan(DATA / "digits.csv", directory, *DIGITS, "--shards", 2, "--threads", 2)
    return directory


@pytest.fixture(scope="module")
def classifier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("classifier") / "run"
    good("train-mlp", DATA / "digits.csv", "-o", directory, "-q", *sets(epochs=4, data__test=0.2))
    return directory


# -- what a run leaves -----------------------------------------------------------------------------------
def test_files_of_a_run(digits: Path) -> None:
    names = set(contents(digits))
    assert {"metrics.csv", "summary.json", "checkpoint.h5", "modes.csv", "classes.csv"} <= names
    assert {
        "samples/step-00.png",
        "samples/step-80.png",
        "samples/latest.png",
        "samples/training.gif",
    } <= names
    assert "best.h5" not in names, "nothing is validated, so the last epoch is the model"
    rows = metrics(digits)
    assert list(rows[0]) == COLUMNS
    assert [row["step"] for row in rows] == ["29", "58", "87"]
    assert (column(rows, "train_real_accuracy") <= 1).all() and (column(rows, "train_diversity") > 0).all()
    assert summary(digits)["train_d_loss"] == float(rows[-1]["train_d_loss"])


def test_shares_of_modes_and_classes(digits: Path) -> None:
    for name, kind, count in (("modes.csv", "mode", 6), ("classes.csv", "class", 10)):
        rows = table((digits / name).read_text(encoding="utf-8"))
        assert list(rows[0]) == [kind, "data_share", "sample_share", "hit"] and len(rows) == count
        for which in ("data_share", "sample_share"):
            assert column(rows, which).sum() == pytest.approx(1)


def test_pictures_are_grids(digits: Path) -> None:
    from PIL import Image

    with Image.open(digits / "samples/latest.png") as picture:
        assert picture.size == (3 * 32 + 4 * 2, 2 * 32 + 3 * 2)
    with Image.open(digits / "samples/training.gif") as picture:
        assert picture.n_frames == 5


def test_the_same_recipe_gives_the_same_bytes(digits: Path, tmp_path: Path) -> None:
    good("gan", digits / "recipe.yaml", "-o", tmp_path / "again", "--threads", 1, "-q")
    assert contents(tmp_path / "again") == contents(digits)


@pytest.mark.parametrize(
    "more",
    [{"fakes": "once"}, {"discriminator": "[{dense: 9}, batch_norm]", "loss": "least_squares"},
     {"discriminator_steps": 4, "loss": "minimax", "prior": "uniform"}],
    ids=["once", "normalised", "four steps"],
)  # fmt: skip
def test_resumed_is_uninterrupted(more: dict, tmp_path: Path) -> None:
    arguments = [*DIGITS, *sets(**more)]
    gan(DATA / "digits.csv", tmp_path / "whole", *arguments)
    gan(DATA / "digits.csv", tmp_path / "part", *arguments, "--epochs", 1)
    gan(DATA / "digits.csv", tmp_path / "part", *arguments, "--resume")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


def test_steps_of_the_generator(tmp_path: Path) -> None:
    """29 steps an epoch, every 40th also of G: none in the first epoch, one in the second and third."""
    gan(DATA / "digits.csv", tmp_path / "run", *DIGITS, "--discriminator-steps", 40)
    assert [bool(row["train_g_loss"]) for row in metrics(tmp_path / "run")] == [False, True, True]


def test_convolutions(tmp_path: Path) -> None:
    layers = sets(
        generator="[{dense: 32}, {reshape: [4, 4, 2]}, {conv_transpose: {filters: 1, size: 4, stride: 2, "
        "pad: same, activation: tanh}}]",
        discriminator="[{conv: {filters: 3, size: 3, stride: 2}}]",
        epochs=1,
    )
    gan(DATA / "digits.csv", tmp_path / "run", *DIGITS, *layers)
    shown = good("inspect", tmp_path / "run", "--layers").stdout
    assert "generator.2.conv_transpose" in shown and "discriminator.1.flatten" in shown


def test_rows_that_are_no_images(tmp_path: Path) -> None:
    gan(DATA / "sine.csv", tmp_path / "run")
    assert not list(tmp_path.rglob("*.png"))
    lines = good("sample", tmp_path / "run", "-n", 4).stdout.splitlines()
    rows = table("\n".join(lines))
    assert lines[0] == "x,y" and len(rows) == 4
    real = np.loadtxt(DATA / "sine.csv", delimiter=",", skiprows=1)
    made = np.array([[float(v) for v in row.values()] for row in rows])
    assert (made >= real.min() - 1e-6).all() and (made <= real.max() + 1e-6).all()


def test_a_collapse_is_told_once(tmp_path: Path) -> None:
    """A generator that hardly moves makes nearly one image."""
    stuck = [*DIGITS, *sets(optimizer__lr=1e-9, watch__after=1, epochs=4)]
    told = [
        line for line in gan(DATA / "digits.csv", tmp_path / "run", *stuck).splitlines() if "collapse" in line
    ]
    assert len(told) == 1 and told[0].startswith("mode collapse in epoch 2: diversity ")
    gan(DATA / "digits.csv", tmp_path / "part", *stuck[:-2], *sets(epochs=2))
    again = gan(DATA / "digits.csv", tmp_path / "part", *stuck, "--resume")
    assert "collapse" not in again


# -- what it can be asked --------------------------------------------------------------------------------
def test_samples(digits: Path, tmp_path: Path) -> None:
    from PIL import Image

    path = tmp_path / "grid.png"
    assert good("sample", digits, "-n", 5, "--seed", 3, "-o", path).stdout == f"{path}\n"
    first = path.read_bytes()
    good("sample", digits, "-n", 5, "--seed", 3, "-o", path)
    assert path.read_bytes() == first
    good("sample", digits, "-n", 5, "--seed", 4, "-o", path)
    assert path.read_bytes() != first
    good("sample", digits, "--interpolate", "-n", 2, "-o", path)
    with Image.open(path) as picture:
        assert picture.size == (10 * 32 + 11 * 2, 2 * 32 + 3 * 2)


def test_figures_by_a_classifier(digits: Path, classifier: Path) -> None:
    import json

    found = json.loads(good("evaluate", digits, "--classifier", classifier, "-n", 300, "--json").stdout)
    assert found["samples"] == 300 and 1 <= found["classes"] <= 10 and found["real_classes"] == 10
    assert found["frechet"] > found["real_frechet"] > 0
    assert found["class_kl"] > found["real_class_kl"]
    assert sum(value for name, value in found.items() if name.startswith("share_")) == pytest.approx(1)
    assert found == json.loads(
        good("evaluate", digits, DATA / "digits.csv", "--classifier", classifier, "-n", 300, "--json").stdout
    )


def test_figures_without_a_classifier(digits: Path) -> None:
    shown = dict(line.split() for line in good("evaluate", digits, "-n", 200).stdout.splitlines())
    assert list(shown) == ["samples", "diversity", "modes", "classes", "class_kl"]


# -- mistakes --------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (sets(fakes="once", discriminator_steps=2), "fakes: once needs discriminator_steps: 1"),
        (sets(data__scale="standard"), "scale: standard is not for images that are to be made"),
        (sets(optimizer="sgld"), "sgld draws from a posterior"),
        (sets(optimizer__schedule="plateau"), "plateau waits for a validation loss"),
        (sets(loss="hinge"), "loss"),
        (sets(generator="[{dense: 8}, {reshape: [2, 2, 2]}]"), "the last layer gives 2×2×2, a row is 8×8×1"),
        (sets(discriminator="[{conv: {filters: 2, size: 9}}]"), "discriminator.0.conv"),
    ],
)  # fmt: skip
def test_a_recipe_that_cannot_be(arguments: list[str], message: str, tmp_path: Path) -> None:
    done = call("gan", DATA / "digits.csv", "-o", tmp_path / "run", *DIGITS, *arguments)
    assert message in error_line(done, 2)
    assert not (tmp_path / "run").exists()


def test_a_run_that_is_no_classifier(digits: Path) -> None:
    line = error_line(call("evaluate", digits, "--classifier", digits), 2)
    assert line.startswith("--classifier: a run of gan tells no classes")


def test_a_classifier_of_other_rows(digits: Path, tmp_path: Path) -> None:
    good("train-mlp", DATA / "golf.csv", "-o", tmp_path / "run", "-q", "--epochs", 1)
    line = error_line(call("evaluate", digits, "--classifier", tmp_path / "run"), 2)
    assert line == "--classifier: this classifier takes rows of 10 numbers, the samples have 64"


def test_what_it_does_not_understand(digits: Path) -> None:
    assert "predict" in error_line(call("predict", digits, DATA / "digits.csv"), 2)
    assert "--mc-samples: not for a run of gan" in error_line(call("evaluate", digits, "--mc-samples", 5), 2)


def test_a_loss_that_overflows(tmp_path: Path) -> None:
    done = call("gan", DATA / "digits.csv", "-o", tmp_path / "run", *SMALL, *DIGITS, *sets(
        optimizer="{name: sgd, lr: 1e30}", loss="least_squares"))  # fmt: skip
    line = error_line(done, 1)
    assert line.startswith("the loss is ") and "discriminator." in line


def test_the_digits_recipe_covers_all_digits(tmp_path: Path) -> None:
    good("gan", RECIPES / "gan-digits.yaml", "-o", tmp_path / "run", "-q")
    last = metrics(tmp_path / "run")[-1]
    assert int(last["train_classes"]) == 10 and float(last["train_class_kl"]) < 0.1
    assert float(last["train_diversity"]) > 0.8
