"""lda as a user runs it: recipes, formats, answers, mistakes, interruption."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calling import DATA, RECIPES, call, column, contents, error_line, good, metrics, summary, table

NEWS = """\
the cat sat on the mat with another cat
dogs and cats are pets, a cat is a pet

a dog chased a cat over the mat
stocks rose and the market gained
the market fell as stocks dropped
investors sold stocks in a falling market
"""
SMALL = ["--topics", "2", "--epochs", "3", "--no-pictures"]


@pytest.fixture(scope="module")
def bars(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("bars") / "run"
    good("lda", RECIPES / "lda-planted.yaml", "-o", run, "--valid", "0.1", "--test", "0.1", "-q")
    return run


@pytest.fixture
def news(tmp_path: Path) -> Path:
    path = tmp_path / "ニュース.txt"
    path.write_text(NEWS, encoding="utf-8")
    return path


# -- recipes ------------------------------------------------------------------------------------
def test_planted_topics_are_recovered(bars: Path) -> None:
    """Each of the ten rows and columns of the square is one topic's five first words."""
    rows = table((bars / "topics.csv").read_text(encoding="utf-8"))
    first = {
        k: {r["word"] for r in rows if r["topic"] == str(k) and int(r["rank"]) <= 5} for k in range(1, 11)
    }
    lines = [{f"row{r}column{c}" for c in range(1, 6)} for r in range(1, 6)]
    lines += [{f"row{r}column{c}" for r in range(1, 6)} for c in range(1, 6)]
    assert sorted(map(sorted, first.values())) == sorted(map(sorted, lines))
    assert all(0.1 < float(r["probability"]) < 0.3 for r in rows if int(r["rank"]) <= 5)
    figures = summary(bars)
    assert 14 < figures["test_perplexity"] < 18.5  # of 25 words; the planted topics themselves give about 15
    likelihood = column(metrics(bars), "train_log_likelihood")
    assert likelihood[-1] > likelihood[0] and 2 < figures["train_alpha"] < 4
    assert {"topics.png", "coherence.csv", "doc_topics.csv", "doc_topics.npz"} <= set(contents(bars))


def test_what_hides_the_genres_and_what_shows_them(tmp_path: Path) -> None:
    """One pass: best-sellers in every topic; left out, or ranked by relevance, they are gone."""
    shares = {}
    recipe = ["lda", RECIPES / "lda-books.yaml", "--epochs", "8", "--no-pictures", "-q", "-o", tmp_path]
    good(*recipe)
    for name in ("one-pass", "sweeps", "relevance", "no-above"):
        rows = table((tmp_path / name / "topics.csv").read_text(encoding="utf-8"))
        coherent = table((tmp_path / name / "coherence.csv").read_text(encoding="utf-8"))
        used = {r["topic"] for r in coherent if float(r["share"]) > 0.02}
        top = [r["word"] for r in rows if int(r["rank"]) <= 10 and r["topic"] in used]
        shares[name] = float(np.mean(["ベストセラー" in word for word in top]))
    assert shares["one-pass"] > 0.95 and shares["sweeps"] > 0.4
    assert shares["no-above"] == 0 and shares["relevance"] < 0.1


# -- sources ------------------------------------------------------------------------------------
def test_threads_pipes_and_the_resolved_recipe_give_the_same_bytes(news: Path, tmp_path: Path) -> None:
    good("lda", news, *SMALL, "--shards", "2", "--threads", "1", "-o", tmp_path / "a")
    good("lda", tmp_path / "a" / "recipe.yaml", "--threads", "2", "-o", tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    good("lda", "-", *SMALL, "--shards", "2", "-o", tmp_path / "c", stdin=news.read_bytes())
    for name in ("topics.csv", "doc_topics.csv", "metrics.csv"):
        assert (tmp_path / "c" / name).read_bytes() == (tmp_path / "a" / name).read_bytes()


def test_documents_are_called_by_their_lines(news: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    good("lda", news, *SMALL, "-o", run)
    rows = table((run / "doc_topics.csv").read_text(encoding="utf-8"))
    assert [row["document"] for row in rows] == ["1", "2", "4", "5", "6", "7"]
    for row in rows:
        assert float(row["topic_1"]) + float(row["topic_2"]) == pytest.approx(1, abs=1e-4)
    with np.load(run / "doc_topics.npz") as arrays:
        np.testing.assert_allclose(arrays["theta"][:, 0], column(rows, "topic_1"), rtol=1e-4)
        np.testing.assert_allclose(arrays["phi"].sum(axis=1), 1, rtol=1e-5)
    near = table(good("similar", run, "5", "--top", 2).stdout)
    assert {row["document"] for row in near} <= {"1", "2", "4", "6", "7"} and near[0]["to"] == "5"
    assert "did you mean" in error_line(call("similar", run, "55"), 2)


def test_folds_and_a_test_file(news: Path, tmp_path: Path) -> None:
    good("lda", news, *SMALL, "--folds", "3", "--no-above", "1.0", "-o", tmp_path / "folds")
    assert "test_perplexity_mean" in summary(tmp_path / "folds")
    other = tmp_path / "other.txt"
    other.write_text("the cat sold stocks\n", encoding="utf-8")
    good("lda", news, *SMALL, "--test", other, "--valid", other, "-o", tmp_path / "run")
    assert {"test_perplexity", "valid_perplexity"} <= set(summary(tmp_path / "run"))


# -- questions ----------------------------------------------------------------------------------
def test_new_documents_get_topics(bars: Path) -> None:
    given = b"row1column1 row1column2 row1column3 row1column4 row1column5 unheard\n\nunheard\n"
    done = good("predict", bars, "-", stdin=given)
    rows = table(done.stdout)
    assert [(row["document"], row["words"], row["unknown"]) for row in rows] == [
        ("1", "6", "1"),
        ("3", "1", "1"),
    ]
    topic = rows[0]["topic"]
    words = table((bars / "topics.csv").read_text(encoding="utf-8"))
    assert {r["word"][:4] for r in words if r["topic"] == topic and int(r["rank"]) <= 5} == {"row1"}
    assert "1 documents without a known word" in done.stderr
    trained = table((bars / "doc_topics.csv").read_text(encoding="utf-8"))
    again = table(good("predict", bars, DATA / "docword.bars.txt").stdout)
    mine = {row["document"]: row for row in again}
    agree = [mine[row["document"]]["topic"] == row["topic"] for row in trained]
    assert len(again) == 300 and np.mean(agree) > 0.85


def test_figures_of_other_documents(bars: Path) -> None:
    lines = dict(
        line.split() for line in good("evaluate", bars, DATA / "docword.bars.txt").stdout.splitlines()
    )
    assert lines["documents"] == "300" and 12 < float(lines["test_perplexity"]) < 18
    own = dict(line.split() for line in good("evaluate", bars).stdout.splitlines())
    assert own["documents"] == "30"
    assert float(own["test_perplexity"]) == pytest.approx(summary(bars)["test_perplexity"], rel=1e-4)
    assert "no word of it is known" in error_line(call("evaluate", bars, "-", stdin=b"nothing here\n"), 1)


def test_inspect_shows_the_topics(bars: Path) -> None:
    shown = good("inspect", bars, "--topics", "--top", 3).stdout.splitlines()
    assert len(shown) == 11 and shown[0].split() == ["topic", "share", "alpha", "umass", "npmi", "words"]
    assert all(len(line.split()) == 8 for line in shown[1:])
    assert "topic 1 " in good("inspect", bars, "--layers").stdout
    assert "--filters: not for a run of lda" in error_line(call("inspect", bars, "--filters"), 2)


# -- mistakes -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "options", "code", "told"),
    [
        (b"", [], 1, "no document in it"),
        (b"\n\n", [], 1, "no document in it"),
        (b"a b\nc\xff d\n", [], 1, "d.txt:2: not UTF-8: byte 0xff at byte 2"),
        (b"the of a\n", ["--stop-words", "english"], 1, "no word in any document (text.tokens"),
        (b"cat dog\nbird\n", [], 1, "in fewer than 2 documents"),
        (b"cat dog\nbird\n", [], 1, "(lower text.no_below)"),
        (b"cat dog\ncat dog\n", [], 1, "in more than 1 of 2 (raise text.no_above)"),
        (b"2\n3\n2\n1 1 1\n", [], 1, "d.txt:3: 2 entries are announced, 1 follow"),
        (b"cat dog\ncat dog\n", ["--gpu"], 2, "no GPU is used"),
        (b"cat dog\ncat dog\n", ["--no-below", "1.5"], 2, "a share lies between 0 and 1"),
        (b"cat dog\ncat dog\n", ["--topics", "0"], 2, "--topics: must be at least 1"),
        (b"cat dog\ncat dog\n", ["--k", "3"], 2, "no option is called --k"),
        (b"cat dog\ncat dog\n", ["--test", "2", "--no-above", "1.0"], 1, "leaves none to train on"),
        (b"cat dog\ncat dog\n", ["--set", "data.fold={index: 0, of: 9}"], 1, "9 folds of 2 documents"),
    ],
)  # fmt: skip
def test_mistakes_are_one_line(tmp_path: Path, text: bytes, options: list[str], code: int, told: str) -> None:
    (tmp_path / "d.txt").write_bytes(text)
    line = error_line(call("lda", tmp_path / "d.txt", *options, "-o", tmp_path / "run", "-q"), code)
    assert told in line, line
    assert not (tmp_path / "run").exists()


def test_a_run_goes_on_with_the_same_documents_only(news: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    good("lda", news, *SMALL, "-o", run)
    good("lda", news, *SMALL, "--epochs", "4", "-o", run, "--resume")
    before = contents(run)
    news.write_text(NEWS.replace("stocks", "shares"), encoding="utf-8")
    assert error_line(call("lda", news, *SMALL, "--epochs", "5", "-o", run, "--resume", "-q"), 1)
    assert contents(run) == before


# -- interruption -------------------------------------------------------------------------------
def test_ctrl_c_and_resume_give_the_same_bytes(tmp_path: Path) -> None:
    command = ["lda", RECIPES / "lda-planted.yaml", "--epochs", "40", "--no-pictures", "--valid", "0.1"]
    good(*command, "-q", "-o", tmp_path / "whole")
    part = tmp_path / "part"
    environment = os.environ | {"DLKIT_CHECKPOINT_SECONDS": "0"}
    line = [sys.executable, "-m", "dlkit", *map(str, command), "-o", str(part), "-q"]
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (part / "checkpoint.h5").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, told = process.communicate(timeout=100)
    if process.returncode == 0:
        pytest.skip("finished before it could be interrupted")
    assert process.returncode == 130, told
    good(*command, "-q", "-o", part, "--resume")
    assert contents(part) == contents(tmp_path / "whole")
