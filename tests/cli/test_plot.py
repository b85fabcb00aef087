"""dlkit plot: the right columns in the right panels, pictures of three kinds, mistakes."""

from pathlib import Path

import pytest
from PIL import Image

from dlkit.verbs.plot import panels_of, rows_of
from tests.cli.calling import DATA, call, error_line, good, sets

pytest.importorskip("matplotlib", reason='matplotlib is not installed: pip install "dlkit[report]"')


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("曲線")
    common = ["--epochs", 3, "-q", "--valid", 4, *sets(model="[{dense: 4}]")]
    good("train-mlp", DATA / "golf.csv", *common, "-o", folder / "one")
    good("train-mlp", DATA / "golf.csv", "--epochs", 2, "-q", "--folds", 2, "-o", folder / "two")
    return folder


def test_pictures_of_every_kind(runs: Path, tmp_path: Path) -> None:
    done = good("plot", runs / "one")
    assert done.stdout == f"{runs / 'one' / 'curves.png'}\n"
    with Image.open(runs / "one" / "curves.png") as image:
        assert image.size[0] > 2 * image.size[1], "a panel for the loss and one for the accuracy"
    for kind, magic in (("png", b"\x89PNG"), ("svg", b"<?xml"), ("pdf", b"%PDF")):
        path = tmp_path / f"a.{kind}"
        contents = []
        for _ in range(2):
            good("plot", runs / "one", runs / "two", "-y", "train_loss", "--log", "xy", "-o", path)
            contents.append(path.read_bytes())
        assert contents[0].startswith(magic) and contents[0] == contents[1], "no date in it"


def test_words_of_an_svg_are_text(runs: Path, tmp_path: Path) -> None:
    good(
        "plot",
        runs / "one",
        "-x",
        "seconds",
        "-y",
        "valid_loss",
        "-y",
        "train_loss",
        "-o",
        tmp_path / "a.svg",
    )
    text = (tmp_path / "a.svg").read_text(encoding="utf-8")
    for word in ("seconds", "loss", "valid", "train"):
        assert f">{word}</text>" in text


def test_what_is_drawn(runs: Path) -> None:
    members = rows_of(runs / "one") | rows_of(runs / "two")
    assert list(members) == [str(runs / name) for name in ("one", "two/fold-1", "two/fold-2")]
    panels, dashes = panels_of(members, "epoch", ["train_loss", "valid_loss", "valid_accuracy"])
    assert [panel.label for panel in panels] == ["loss", "accuracy"] and dashes == {"valid": 0, "train": 1}
    loss = panels[0].curves
    assert [(len(c.x), c.colour, c.dash) for c in loss[:3]] == [(3, 0, 1), (2, 1, 1), (2, 2, 1)]
    assert [len(c.x) for c in loss[3:]] == [3, 0, 0], "folds have no validation here"
    rows = members[str(runs / "one")]
    assert loss[0].y == tuple(row["train_loss"] for row in rows) and loss[0].x == (1, 2, 3)
    assert [row["seconds"] for row in rows] == sorted(row["seconds"] for row in rows)
    assert rows[-1]["seconds"] > rows[0]["seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (["one", "-y", "vald_loss"], 2, "no run has a column vald_loss (did you mean valid_loss?)"),
        (["one", "-x", "q"], 2, "no run has a column q (there are epoch, step, seconds"),
        (["one", "-o", "a.jpg"], 2, "-o: a.jpg: expected a name that ends in .png, .svg, .pdf"),
        (["none"], 1, "none: no such run"),
        (["."], 1, "no metrics.csv in it"),
    ],
)
def test_mistakes(
    runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], code: int, line: str
) -> None:
    monkeypatch.chdir(tmp_path if arguments == ["."] else runs)
    assert line in error_line(call("plot", *arguments), code)


def test_a_logarithmic_axis_tells_what_it_leaves_out(tmp_path: Path) -> None:
    (tmp_path / "metrics.csv").write_text("epoch,step,a,b\n1,1,-1,1\n2,2,inf,0\n3,3,0,-2\n")
    assert "no value of a is positive" in error_line(call("plot", tmp_path, "-y", "a", "--log", "y"), 1)
    done = good("plot", tmp_path, "-y", "b", "--log", "xy")
    assert done.stderr == "b: 2 of 3 values are not positive: left out\n"
    good("plot", tmp_path, "-y", "a", "-y", "b")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "metrics.csv").write_text("epoch,step,c\n1,1,1\n")
    done = good("plot", tmp_path, tmp_path / "other", "-y", "b", "-o", tmp_path / "a.svg")
    assert done.stderr == "1 of 2 runs have none of these columns: left out\n"
    assert "other" not in (tmp_path / "a.svg").read_text("utf-8")


def test_without_matplotlib(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dlkit.pictures.figures.available", lambda: False)
    assert 'pip install "dlkit[report]"' in error_line(call("plot", runs / "one"), 1)
