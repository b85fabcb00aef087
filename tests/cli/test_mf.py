"""mf as a user meets it: a file or a pipe, answers, mistakes in one line, a run that goes on where it
stopped."""

import csv
import io
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calling import DATA, RECIPES, call, error_line, good


@pytest.fixture(scope="module")
def ratings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """600 ratings with Japanese names, and titles."""
    folder = tmp_path_factory.mktemp("mf")
    rng = np.random.default_rng(4)
    cells = rng.permutation(50 * 20)[:600]
    likes = rng.integers(0, 2, 50), rng.integers(0, 2, 20)
    lines = ["user,item,rating"]
    for cell in cells.tolist():
        u, i = divmod(cell, 20)
        lines.append(f"利用者{u},m{i},{4 if likes[0][u] == likes[1][i] else 2}")
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    titles = "".join(f"m{i}|映画 {i}|x\n" for i in range(20))
    (folder / "titles.txt").write_text(titles, encoding="shift_jis")
    return folder / "ratings.csv"


@pytest.fixture(scope="module")
def run(ratings: Path) -> Path:
    titles = f"{{file: '{ratings.parent / 'titles.txt'}', encoding: shift_jis}}"
    directory = ratings.parent / "run"
    good(
        "mf",
        ratings,
        "-o",
        directory,
        "--test",
        0.1,
        "--factors",
        4,
        "--lr",
        0.03,
        "--set",
        f"data.titles={titles}",
        "-q",
    )
    return directory


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_a_run_leaves_what_it_says(run: Path) -> None:
    files = {path.name for path in run.iterdir()}
    assert {"summary.json", "metrics.csv", "user_factors.csv", "item_factors.csv", "factors.npz"} <= files
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert summary["test_rmse"] < 0.7
    assert {"test_mae", "test_precision_at_k", "test_ndcg_at_k", "test_coverage"} <= set(summary)
    with np.load(run / "factors.npz") as arrays:
        assert arrays["p"].shape == (50, 4)
        assert arrays["users"][0].startswith("利用者")
    first = table((run / "item_factors.csv").read_text(encoding="utf-8"))[0]
    assert first["title"] == f"映画 {first['item'].removeprefix('m')}"


def test_recommend_explains_itself(run: Path) -> None:
    rows = table(good("recommend", run, "利用者3", "利用者4", "--top", 3).stdout)
    assert [row["rank"] for row in rows] == ["1", "2", "3"] * 2
    assert all(row["title"].startswith("映画 ") for row in rows)
    assert any(row["because"].startswith("映画 ") for row in rows)
    assert "did you mean 利用者3" in error_line(call("recommend", run, "利用者03"), 2)
    assert "name a user" in error_line(call("recommend", run), 2)


def test_new_users_from_a_pipe(run: Path) -> None:
    given = "新人,m0,4\n新人,m1,2\n新人,謎,5\n".encode()
    done = good("recommend", run, "--ratings", "-", stdin=given)
    assert {row["user"] for row in table(done.stdout)} == {"新人"}
    assert "1 rating of what was not learnt left out" in done.stderr


def test_similar_by_id_and_by_title(run: Path) -> None:
    by_id, by_title = (table(good("similar", run, name, "--top", 4).stdout) for name in ("m3", "映画 3"))
    assert by_id == by_title
    cosines = [float(row["cosine"]) for row in by_id]
    assert cosines == sorted(cosines, reverse=True) and len(cosines) == 4
    assert "no item is called m99" in error_line(call("similar", run, "m99"), 2)


def test_predict_names_what_is_cold(run: Path) -> None:
    rows = table(good("predict", run, "-", stdin="利用者1,m2\n誰,m2\n誰,何\n".encode()).stdout)
    assert [row["cold"] for row in rows] == ["", "user", "user item"]
    assert all(2 <= float(row["rating"]) <= 4 for row in rows)


def test_evaluate_on_the_runs_own_test_and_on_a_file(run: Path, ratings: Path) -> None:
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    own = json.loads(good("evaluate", run, "--json").stdout)
    assert own["test_rmse"] == pytest.approx(summary["test_rmse"])
    assert own["ratings"] == 60
    told = good("evaluate", run, ratings).stdout
    assert "ratings" in told and "600" in told


def test_standard_input_and_gz_give_the_same_bytes(ratings: Path, tmp_path: Path) -> None:
    import gzip

    data = ratings.read_bytes()
    (tmp_path / "r.gz").write_bytes(gzip.compress(data))
    good("mf", ratings, "-o", tmp_path / "a", "--epochs", 2, "-q")
    good("mf", "-", "-o", tmp_path / "b", "--epochs", 2, "-q", stdin=data)
    good("mf", tmp_path / "r.gz", "-o", tmp_path / "c", "--epochs", 2, "-q")
    metrics = [(tmp_path / name / "metrics.csv").read_bytes() for name in "abc"]
    assert metrics[0] == metrics[1] == metrics[2]


@pytest.mark.parametrize("model", ["svd", "svd++", "nmf", "als", "baseline"])
def test_resumed_runs_end_with_the_same_bytes(ratings: Path, tmp_path: Path, model: str) -> None:
    how = ["--set", f"model={model}", "--test", 0.1, "--valid", 0.1, "-q"]
    good("mf", ratings, "-o", tmp_path / "whole", *how, "--epochs", 4)
    good("mf", ratings, "-o", tmp_path / "part", *how, "--epochs", 2)
    good("mf", ratings, "-o", tmp_path / "part", *how, "--epochs", 4, "--resume")
    for name in ("checkpoint.h5", "metrics.csv", "summary.json", "factors.npz"):
        a, b = (tmp_path / folder / name for folder in ("whole", "part"))
        assert a.exists() == b.exists()
        if a.exists():
            assert a.read_bytes() == b.read_bytes(), name


def test_a_bad_row_is_placed_or_skipped(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    path.write_text("user,item,rating\na,b,1\na,c\nb,b,3\n", encoding="utf-8")
    line = error_line(call("mf", path, "-o", tmp_path / "run"), 1)
    assert line.endswith("r.csv:3: expected 3 columns, found 2")
    assert not (tmp_path / "run").exists()
    done = good("mf", path, "-o", tmp_path / "run", "--on-bad-row", "skip", "--epochs", 1)
    assert "1 bad row skipped, first" in done.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--set", "model=svdpp"], 'did you mean "svd++"?'),
        (["--set", "model.n_factors=3"], "did you mean"),
        (["--set", "data.test=1.5"], "a share lies between 0 and 1"),
        (["--test", "0.1", "--split-by", "leave_out"], "takes a number of ratings of each user"),
        (["--set", "data.delimiter=ab"], "expected one character"),
        (["--set", "data.encoding=utf-99"], "no encoding is called utf-99"),
        (["--set", "data.scale=[5, 1]"], "the smallest and the largest"),
        (["--factors", "0"], "factors"),
    ],
)
def test_mistakes_in_a_recipe(ratings: Path, tmp_path: Path, flags: list[str], told: str) -> None:
    assert told in error_line(call("mf", ratings, "-o", tmp_path / "run", *flags), 2)


def test_a_rate_that_is_too_high_is_told(ratings: Path, tmp_path: Path) -> None:
    line = error_line(call("mf", ratings, "-o", tmp_path / "run", "--lr", 1e9, "-q"), 1)
    assert line.startswith("the loss is ") and "a lower learning rate may help" in line


def test_verbs_refuse_what_they_do_not_know(run: Path) -> None:
    assert "--mc-samples" in error_line(call("predict", run, "-", "--mc-samples", 2), 2)


def test_the_articles_table(tmp_path: Path) -> None:
    good("mf", RECIPES / "mf-article.yaml", "-o", tmp_path / "run", "-q")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["train_rmse"] < 0.01
    pairs = b"User 1,Movie 3\nUser 2,Movie 1\nUser 4,Movie 1\n"
    rows = table(good("predict", tmp_path / "run", "-", stdin=pairs).stdout)
    assert [float(row["rating"]) for row in rows] == pytest.approx([8, 7, 10], abs=0.01)
    assert (DATA / "ratings-article.csv").is_file()


QUALITY = {"svd": 0.934, "svd++": 0.9195, "nmf": 0.963}
"""Mean RMSE of five folds; svd with small first factors."""


@pytest.mark.parametrize("model", QUALITY)
def test_movielens(tmp_path: Path, model: str) -> None:
    data = Path(os.environ.get("DLKIT_DATA", "")) / "ml-100k" / "u.data"
    if not os.environ.get("DLKIT_DATA") or not data.is_file():
        pytest.skip("needs ml-100k under DLKIT_DATA")
    epochs = 50 if model == "nmf" else 20
    how = [
        "--set",
        f"model={model}",
        "--set",
        "ranking=null",
        "--epochs",
        epochs,
        "--folds",
        5,
        "--threads",
        1,
        "-q",
    ]
    good("mf", data, "-o", tmp_path / "run", *how, "--set", "files={csv: false, npz: false}")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["test_rmse_mean"] <= QUALITY[model]
