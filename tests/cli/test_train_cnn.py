"""train-cnn as a user meets it: images from folders, tables and CIFAR's files; runs, answers, pictures."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.calling import DATA, RECIPES, call, contents, error_line, good, metrics, sets, summary

TINY = [*sets(model="[{conv: {filters: 4, size: 3}}, {max_pool: 2}, {dropout: 0.3}]"), "--batch", 16]
DIGITS = [RECIPES / "lenet-digits.yaml", "--epochs", 3, *sets(augment__shift=1)]


def train(source: object, directory: Path, *arguments: object) -> str:
    return good("train-cnn", source, "-o", directory, *arguments).stdout


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("数字") / "run"
    train(*DIGITS[:1], directory, *DIGITS[1:], "--shards", 2, "--threads", 2)
    return directory


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Upright and lying bars as colour PNGs, 30 of each, in folders with Japanese names."""
    folder = tmp_path_factory.mktemp("図形") / "画像"
    rng = np.random.default_rng(4)
    for k in range(60):
        image = rng.integers(0, 60, (9, 8, 3), np.uint8)
        at = rng.integers(1, 7)
        (image[at] if k % 2 else image[:, at])[...] += 180
        path = folder / ("横" if k % 2 else "縦") / f"{k:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(path)
    return folder


@pytest.fixture(scope="module")
def bars(shapes: Path) -> Path:
    """A finished run on the bars."""
    run = shapes.parent / "run"
    train(shapes, run, *TINY, "--valid", "0.2", "--test", "0.2", "--epochs", 12, "--lr", 0.02)
    return run


# -- runs ----------------------------------------------------------------------------------------------------
def test_the_demo_reads_98_percent_of_the_digits(tmp_path: Path) -> None:
    train(RECIPES / "lenet-digits.yaml", tmp_path / "run", "-q")
    found = summary(tmp_path / "run")
    assert found["parameters"] == 36_268
    assert found["test_accuracy"] >= 0.98


def test_the_same_bytes_for_any_threads_and_resumed(digits: Path, tmp_path: Path) -> None:
    arguments = [*DIGITS[1:], "--shards", 2, "--threads", 1]
    train(DIGITS[0], tmp_path / "whole", *arguments)
    whole = contents(tmp_path / "whole")
    assert whole["metrics.csv"] == contents(digits)["metrics.csv"]
    assert whole["checkpoint.h5"] == contents(digits)["checkpoint.h5"]
    train(DIGITS[0], tmp_path / "part", *arguments, "--epochs", 1, *sets(optimizer__schedule="constant"))
    train(DIGITS[0], tmp_path / "one", *arguments, *sets(optimizer__schedule="constant"))
    train(
        DIGITS[0],
        tmp_path / "part",
        *arguments,
        *sets(optimizer__schedule="constant"),
        "--epochs",
        3,
        "--resume",
    )
    assert contents(tmp_path / "part")["metrics.csv"] == contents(tmp_path / "one")["metrics.csv"]
    assert contents(tmp_path / "part")["checkpoint.h5"] == contents(tmp_path / "one")["checkpoint.h5"]


def test_the_recipe_repeats_the_run(bars: Path, tmp_path: Path) -> None:
    train(bars / "recipe.yaml", tmp_path / "again")
    assert contents(tmp_path / "again") == contents(bars)


def test_a_folder_is_learnt_from_and_told(bars: Path, shapes: Path) -> None:
    assert summary(bars)["test_accuracy"] >= 0.9
    told = json.loads((bars / "environment.json").read_text(encoding="utf-8"))["inputs"]
    assert [(one["path"], one["files"]) for one in told] == [(str(shapes), 60)]


def test_cifar_files_are_learnt_from_with_the_recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    for name in [*(f"data_batch_{k}" for k in range(1, 6)), "test_batch"]:
        records = rng.integers(0, 256, (8, 3073), np.uint8)
        records[:, 0] = np.arange(8) % 4
        (folder / f"{name}.bin").write_bytes(records.tobytes())
    monkeypatch.setenv("DLKIT_DATA", str(tmp_path))
    block = "{residual: {layers: [{conv: {filters: 6, stride: 2, pad: same}}]}}"
    blocks = f"[{{conv: {{filters: 4, pad: same}}}}, {block}]"
    arguments = ["--epochs", 2, "--batch", 16, *sets(model=blocks, data__valid=10)]
    train(RECIPES / "resnet-cifar10.yaml", tmp_path / "run", *arguments)
    assert [row["epoch"] for row in metrics(tmp_path / "run")] == ["1", "2"]
    shown = good("train-cnn", RECIPES / "resnet-cifar10.yaml", "--dry-run", *sets(data__valid=10)).stdout
    assert "32×32×3 · 4 classes" in shown
    assert "23 layers" in shown or "parameters" in shown


def test_lenet_mnist(dlkit_data: Path) -> None:
    shown = good("train-cnn", RECIPES / "lenet-mnist.yaml", "--dry-run").stdout
    assert "656,080 parameters" in shown
    assert "55,000 + 5,000 valid" in shown


# -- answers -------------------------------------------------------------------------------------------------
def test_answers_for_a_folder_a_file_and_standard_input(bars: Path, shapes: Path) -> None:
    rows = list(csv.DictReader(good("predict", bars, shapes).stdout.splitlines()))
    assert list(rows[0]) == ["file", "label", "p_横", "p_縦"]
    assert [row["file"] for row in rows] == [
        str(path.relative_to(shapes)) for path in sorted(shapes.rglob("*.png"))
    ]
    right = sum(row["label"] == row["file"].split("/")[0] for row in rows)
    assert right >= 54
    one = shapes / rows[3]["file"]
    (alone,) = csv.DictReader(good("predict", bars, one).stdout.splitlines())
    assert alone["file"] == str(one)
    assert float(alone["p_縦"]) == pytest.approx(float(rows[3]["p_縦"]), rel=1e-4)
    (piped,) = csv.DictReader(good("predict", bars, "-", stdin=one.read_bytes()).stdout.splitlines())
    assert piped["p_縦"] == alone["p_縦"]
    many = good("predict", bars, one, "--mc-samples", 5).stdout
    assert many.startswith("file,label,p_横,p_縦,entropy,mutual_information\n")


def test_figures_on_a_folder(bars: Path, shapes: Path) -> None:
    found = json.loads(good("evaluate", bars, shapes, "--json").stdout)
    assert found["rows"] == 60
    assert found["test_accuracy"] >= 0.9


# -- pictures ------------------------------------------------------------------------------------------------
def test_filters(bars: Path, tmp_path: Path) -> None:
    before = contents(bars)
    shown = good("inspect", bars, "--filters", "-o", tmp_path).stdout.splitlines()
    assert shown == [str(tmp_path / "filters" / "0.conv.png")]
    with Image.open(shown[0]) as picture:
        assert picture.mode == "RGB"
    first = Path(shown[0]).read_bytes()
    good("inspect", bars, "--filters", "-o", tmp_path)
    assert Path(shown[0]).read_bytes() == first
    assert contents(bars) == before


def test_features(bars: Path, shapes: Path, digits: Path) -> None:
    image = next(shapes.rglob("*.png"))
    *paths, answer = good("inspect", bars, "--features", image).stdout.splitlines()
    names = [Path(path).name for path in paths]
    assert names == ["input.png", "0.conv.png", "1.max_pool.png"]
    assert all(Path(path).parent == bars / "features" / image.stem for path in paths)
    assert answer.split()[0] in ("縦", "横")
    shown = good("inspect", digits, "--features", DATA / "digits.csv", "--row", 7).stdout.splitlines()
    assert Path(shown[0]).parent.name == "digits-7"
    line = error_line(call("inspect", digits, "--features", DATA / "digits.csv", "--row", 1797), 1)
    assert line.endswith("digits.csv: there is no row 1797: the rows go from 0 to 1796")


def test_confusion(bars: Path, shapes: Path, tmp_path: Path) -> None:
    shown = good("inspect", bars, "--confusion", "--data", shapes, "-o", tmp_path).stdout.splitlines()
    with (tmp_path / "confusion" / "confusion.csv").open(encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["label", "横", "縦"]
    matrix = np.array([row[1:] for row in rows], int)
    assert [row[0] for row in rows] == ["横", "縦"]
    assert matrix.sum(1).tolist() == [30, 30]
    wrong = 60 - int(np.trace(matrix))
    assert shown[0].endswith(f"{wrong} of 60 rows are wrong")
    mistakes = (tmp_path / "confusion" / "mistakes.csv").read_text(encoding="utf-8").splitlines()
    assert mistakes[0] == "row,label,answer,p_answer,p_label"
    assert len(mistakes) == 1 + wrong
    assert (tmp_path / "confusion" / "worst.png").exists() == (wrong > 0)


def test_confusion_of_the_recipes_own_test_rows(digits: Path) -> None:
    shown = good("inspect", digits, "--confusion").stdout.splitlines()
    assert " of 359 rows are wrong" in shown[0]
    assert f"accuracy {summary(digits)['test_accuracy']:.4f}" in shown[0]


# -- mistakes ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--row", 3], "--row: the row of a data file for --features"),
        (["--data", "x.csv"], "--data: labelled rows for --confusion"),
        (["--filters", "--json"], "pictures are one question"),
        (["-o", "x"], "--output: only where pictures are made"),
    ],
)
def test_questions_that_do_not_go_together(arguments: list[str], told: str, digits: Path) -> None:
    assert error_line(call("inspect", digits, *arguments), 2).startswith(told)


def test_pictures_of_a_run_that_has_none(tmp_path: Path) -> None:
    good("train-mlp", DATA / "golf.csv", "-o", tmp_path / "run", "--epochs", 1)
    line = error_line(call("inspect", tmp_path / "run", "--filters"), 2)
    assert line == "--filters: not for a run of train-mlp"


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (sets(model="lennet"), 2, 'model: expected a list of layers or a preset (did you mean "lenet"?)'),
        (sets(model="[{conv: {filters: 3, sise: 3}}]"), 2, "model.0.conv.sise"),
        (sets(model="[{max_pool: 9}]"), 2, "model.0.max_pool"),
        (sets(augment__shfit=2), 2, "augment.shfit: unknown key (did you mean augment.shift?)"),
        (sets(augment__crop=20), 2, "augment.crop: a part of 20×20 of an image of 8×8"),
        (sets(data__shape="[8, 9]"), 1, "digits.csv: data.shape 8×9×1 is 72 numbers; a row has 64"),
        (sets(data__shape="null"), 2, "data.shape: train-cnn takes images"),
    ],
)
def test_recipes_that_do_not_go(arguments: list[str], code: int, told: str, tmp_path: Path) -> None:
    line = error_line(call("train-cnn", *DIGITS, *arguments, "-o", tmp_path / "run"), code)
    assert told in line
    assert not (tmp_path / "run").exists()


def test_a_bad_image_is_named_or_skipped_and_counted(shapes: Path, bars: Path, tmp_path: Path) -> None:
    folder = tmp_path / "new"
    for path in shapes.rglob("*.png"):
        target = folder / path.relative_to(shapes)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    bad = folder / "横" / "01.png"
    bad.write_bytes(bad.read_bytes()[:-30])
    line = error_line(call("train-cnn", folder, "-o", tmp_path / "run", *TINY), 1)
    assert line.startswith(f"{bad}: not a readable image")
    assert not (tmp_path / "run").exists()
    done = good("train-cnn", folder, "-o", tmp_path / "run", *TINY, "--epochs", 1, "--on-bad-row", "skip")
    assert f"{folder}: 1 bad row skipped, first {bad}: not a readable image" in done.stderr
    assert error_line(call("predict", bars, folder), 1).startswith(f"{bad}: not a readable image")
