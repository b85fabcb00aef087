"""dlkit vae as a user meets it: training, samples, codes, figures, mistakes."""

import csv
import io
import json
from pathlib import Path

import pytest
from PIL import Image

from tests.cli.calling import CLOCKED, DATA, RECIPES, call, error_line, good

SMALL = ["--epochs", 2, "--set", "encoder=[{dense: 16}]", "--set", "decoder=[{dense: 16}]"]
DIGITS = ["--label=-1", "--set", "data.shape=[8, 8]"]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small finished run with a 2-d code."""
    made = tmp_path_factory.mktemp("vae") / "run"
    good("vae", RECIPES / "vae-digits.yaml", "-o", made, "-q", "--valid", 0.1, *SMALL)
    return made


def size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_what_a_run_leaves(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert {
        f"{s}_{m}" for s in ("train", "valid", "test") for m in ("neg_elbo", "reconstruction", "kl")
    } < set(summary)
    assert summary["test_neg_elbo"] == pytest.approx(summary["test_reconstruction"] + summary["test_kl"])
    assert summary["best_epoch"] == 2, "-ELBO falls"
    for name in ("samples.png", "reconstructions.png", "manifold.png", "latent.png"):
        assert size(run / name)[0] > 200
    about = json.loads((run / "environment.json").read_text(encoding="utf-8"))
    assert len(about["artifacts"]) == len(set(about["artifacts"])) == 4


def test_folds_take_each_image_once_as_a_test_image(tmp_path: Path) -> None:
    run = tmp_path / "run"
    given = ["--folds", 3, *SMALL, "--set", "data.test=null"]
    done = good("vae", RECIPES / "vae-digits.yaml", "-o", run, "-q", *given)
    members = [
        json.loads((run / f"fold-{k}" / "summary.json").read_text(encoding="utf-8")) for k in (1, 2, 3)
    ]
    whole = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    bounds = [member["test_neg_elbo"] for member in members]
    assert len(set(bounds)) == 3
    assert whole["test_neg_elbo_mean"] == pytest.approx(sum(bounds) / 3)
    assert done.stdout.splitlines()[-1].endswith("(3 folds)")
    for k, bound in enumerate(bounds, 1):
        told = json.loads(good("evaluate", run / f"fold-{k}", "--json").stdout)
        assert told["test_neg_elbo"] == pytest.approx(bound, rel=1e-6)


def test_stopped_and_resumed_it_ends_with_the_same_bytes(run: Path, tmp_path: Path) -> None:
    again = tmp_path / "run"
    first = [*SMALL[2:], "--epochs", 1]
    good(
        "vae",
        RECIPES / "vae-digits.yaml",
        "-o",
        again,
        "-q",
        "--valid",
        0.1,
        "--set",
        "optimizer.schedule=constant",
        *first,
    )
    good(
        "vae",
        RECIPES / "vae-digits.yaml",
        "-o",
        again,
        "-q",
        "--valid",
        0.1,
        "--set",
        "optimizer.schedule=constant",
        *SMALL,
        "--resume",
    )
    whole = tmp_path / "whole"
    good(
        "vae",
        RECIPES / "vae-digits.yaml",
        "-o",
        whole,
        "-q",
        "--valid",
        0.1,
        "--set",
        "optimizer.schedule=constant",
        *SMALL,
    )
    names = {path.name for path in whole.iterdir()} - CLOCKED
    assert names == {path.name for path in again.iterdir()} - CLOCKED
    assert [name for name in names if (whole / name).read_bytes() != (again / name).read_bytes()] == []


def test_a_table_without_a_recipe(tmp_path: Path) -> None:
    done = good("vae", DATA / "digits.csv", "-o", tmp_path / "run", *DIGITS, *SMALL, "--latent", 3)
    assert "8×8×1" in done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'run'}   train_neg_elbo ")


# -- sample -----------------------------------------------------------------------------------------------
def test_samples(run: Path, tmp_path: Path) -> None:
    told = good("sample", run).stdout
    assert told == f"{run / 'sampled' / 'samples.png'}\n"
    one, other, third = (tmp_path / f"{k}.png" for k in range(3))
    for path, seed in ((one, 7), (other, 7), (third, 8)):
        assert good("sample", run, "-n", 12, "--seed", seed, "-o", path).stdout == f"{path}\n"
    assert one.read_bytes() == other.read_bytes() != third.read_bytes()
    assert size(one) == (8 * 34 + 2, 2 * 34 + 2)


def test_where_a_picture_goes(run: Path, tmp_path: Path) -> None:
    assert good("sample", run, "-o", "/dev/null").stdout == "/dev/null\n"
    assert not Path("/dev/null").is_file()
    plain = tmp_path / "plain"
    plain.write_text("a file", encoding="utf-8")
    assert good("sample", run, "-o", plain).stdout == f"{plain}\n"
    assert size(plain) == (274, 274)
    line = error_line(call("sample", run, "-o", plain / "below" / "it.png"), 1)
    assert line.startswith(f"{plain / 'below' / 'it.png'}: cannot make the folder")


def test_ways_and_the_plane(run: Path, tmp_path: Path) -> None:
    done = good("sample", run, "--interpolate", "-n", 3, "-o", tmp_path / "made")
    assert done.stdout == f"{tmp_path / 'made' / 'interpolation.png'}\n"
    assert size(tmp_path / "made" / "interpolation.png") == (10 * 34 + 2, 3 * 34 + 2)
    good("sample", run, "--manifold", "-n", 5, "-o", tmp_path / "plane.png")
    assert size(tmp_path / "plane.png") == (160, 160)
    good("sample", run, "--between", DATA / "digits.csv", "-o", tmp_path / "images.png")
    codes = tmp_path / "codes.csv"
    good("predict", run, DATA / "digits.csv", "-o", codes)
    codes.write_text("".join(codes.read_text(encoding="utf-8").splitlines(True)[:65]), encoding="utf-8")
    good("sample", run, "--between", codes, "-o", tmp_path / "codes.png")
    assert (tmp_path / "codes.png").read_bytes() == (tmp_path / "images.png").read_bytes()


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--manifold", "--interpolate"], "--interpolate and --manifold exclude each other"),
        (["--between", "one.csv"], "one.csv: one row; from it to where? (give two or more)"),
        (["--between", "long.csv"], "long.csv:1: expected codes of 2 numbers, found 3"),
        (["--between", "bad.csv"], "bad.csv:3: expected 2 numbers"),
        (["--between", "nan.csv"], "nan.csv:2: a code that is not finite"),
        (["--between", "none.csv"], "none.csv: no such file"),
        (["-n", "0"], "-n: 0 is not in the range x>=1"),
    ],
)
def test_mistakes_in_asking(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, flags: list, line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    head = "mean_0,mean_1\n"
    for name, text in (("one", head + "1,2\n"), ("bad", head + "1,2\n1,x\n"), ("nan", head + "nan,2\n1,2\n")):
        (tmp_path / f"{name}.csv").write_text(text, encoding="utf-8")
    (tmp_path / "long.csv").write_text("mean_0,mean_1,mean_2\n1,2,3\n", encoding="utf-8")
    done = call("sample", run.resolve(), *flags)
    assert done.code in (1, 2) and line in done.stderr and done.stderr.count("\n") == 1


def test_what_cannot_be_sampled(tmp_path: Path) -> None:
    good("train-mlp", DATA / "golf.csv", "-o", tmp_path / "run", "-q", "--epochs", 1)
    line = error_line(call("sample", tmp_path / "run"), 2)
    assert line.startswith("dlkit sample has no answer for a run of train-mlp")


# -- predict and evaluate ---------------------------------------------------------------------------------
def test_codes(run: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(good("predict", run, DATA / "digits.csv").stdout)))
    assert list(rows[0]) == ["mean_0", "mean_1", "std_0", "std_1"]
    assert len(rows) == 1797
    assert all(float(row["std_0"]) > 0 for row in rows)
    head = "".join((DATA / "digits.csv").read_text(encoding="utf-8").splitlines(True)[:4])
    piped = good("predict", run, "-", stdin=head.encode()).stdout
    assert [float(v) for v in piped.splitlines()[1].split(",")] == pytest.approx(
        [float(v) for v in rows[0].values()], rel=1e-4
    )


def test_reconstructions(run: Path, tmp_path: Path) -> None:
    done = good("predict", run, DATA / "digits.csv", "--reconstruct", "-n", 10, "-o", tmp_path / "r.png")
    assert done.stdout == f"{tmp_path / 'r.png'}\n"
    told = good("predict", run, DATA / "digits.csv", "--reconstruct").stdout
    assert told == f"{run / 'predicted' / 'reconstructions.png'}\n"
    line = error_line(call("predict", run, DATA / "digits.csv", "-n", 3), 2)
    assert line == "-n: how many rows to show goes with --reconstruct"


def test_evaluate_repeats_the_summary(run: Path, tmp_path: Path) -> None:
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    told = json.loads(good("evaluate", run, "--json").stdout)
    assert told == {name: value for name, value in summary.items() if name.startswith("test_")}
    more = json.loads(good("evaluate", run, "--json", "--iwae", 20).stdout)
    assert told.items() <= more.items()
    assert more["test_log_likelihood_20"] > -told["test_neg_elbo"]
    head = (DATA / "digits.csv").read_text(encoding="utf-8").splitlines(True)[:6]
    (tmp_path / "x.csv").write_text("".join(head), encoding="utf-8")
    assert json.loads(good("evaluate", run, tmp_path / "x.csv", "--json").stdout)["rows"] == 5


# -- mistakes ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--latent", 0], "--latent: must be at least 1"),
        (["--set", "latnt=3"], "latnt: unknown key (did you mean latent?)"),
        (["--set", "data.scale=standard"], "likelihood: pixels are probabilities from 0 to 1"),
        (
            ["--set", "encoder=[{conv: 3}]", "--set", "data.shape=null"],
            "encoder.0.conv: expected an image",
        ),
        (["--likelihood", "gauss"], "likelihood"),
        (["--lr", "1e30"], "the loss is"),
    ],
)
def test_mistakes_are_one_line(tmp_path: Path, flags: list, line: str) -> None:
    done = call("vae", DATA / "digits.csv", "-o", tmp_path / "run", "-q", *DIGITS, *SMALL, *flags)
    assert done.code in (1, 2) and line in done.stderr, done.stderr
    assert done.stderr.count("error: ") == done.stderr.count("\n") == 1
    assert not (tmp_path / "run" / "summary.json").exists()
