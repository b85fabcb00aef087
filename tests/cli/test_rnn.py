"""dlkit rnn as a user meets it: texts and classes, training, writing, completing, mistakes."""

import csv
import gzip
import io
import math
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calling import DATA, RECIPES, call, contents, error_line, figures, good, metrics, summary

SMALL = ["--embedding", 12, "--units", 24, "--set", "steps=16", "--batch", 8, "--lr", 0.01, "-q"]


def rows_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """4,000 characters of a story, under a Japanese name."""
    path = tmp_path_factory.mktemp("text") / "物語.txt"
    path.write_text((DATA / "alice.txt").read_text(encoding="utf-8")[:4000], encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def run(text: Path) -> Path:
    """A run that has learnt a little."""
    made = text.parent / "run"
    good("rnn", text, "-o", made, *SMALL, "--valid", 0.1, "--test", 300, "--epochs", 3)
    return made


@pytest.fixture(scope="module")
def words(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run over words, with a hierarchical softmax and embeddings by rows."""
    folder = tmp_path_factory.mktemp("words")
    rng = np.random.default_rng(1)
    phrases = ["the cat sees a dog.", "the dog eats bread.", "a cat eats fish.", "犬 は パン を 食べる 。"]
    chosen = rng.choice(len(phrases), 150).tolist()
    (folder / "w.txt").write_text("".join(f"{phrases[k]}\n" for k in chosen), encoding="utf-8")
    more = ["--tokens", "words", "--set", "model.output=hierarchical", "--set", "model.by_rows=true"]
    good("rnn", folder / "w.txt", "-o", folder / "run", *SMALL, *more, "--cell", "gru", "--epochs", 8)
    return folder / "run"


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """200 lines label<TAB>words: the class is told by the first word or the last one."""
    rng = np.random.default_rng(2)
    path = tmp_path_factory.mktemp("lines") / "l.tsv"
    out = []
    for n in rng.integers(3, 12, 200).tolist():
        label = ["良い", "bad"][n % 2]
        middle = rng.choice(["a b", "c", "d"], n).tolist()
        out.append(f"{label}\t{'yes' if label == '良い' else 'no'} {' '.join(middle)} end\n")
    path.write_text("".join(out), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def classes(lines: Path) -> Path:
    made = lines.parent / "run"
    more = ["--tokens", "blank", "--set", "model.bidirectional=true", "--valid", 0.2, "--test", 30]
    good("rnn", lines, "-o", made, *SMALL, *more, "--epochs", 6)
    return made


# -- a text -------------------------------------------------------------------------------------------
def test_figures_belong_together(run: Path) -> None:
    told = summary(run)
    for split in ("train", "valid", "test"):
        assert told[f"{split}_bits"] == pytest.approx(told[f"{split}_loss"] / math.log(2))
        assert told[f"{split}_perplexity"] == pytest.approx(math.exp(told[f"{split}_loss"]))
        assert 0 < told[f"{split}_accuracy"] < 1
    losses = [float(row["valid_loss"]) for row in metrics(run)]
    assert losses[-1] < losses[0] < math.log(60)


def test_the_toy_learns_the_shares_of_its_lines(tmp_path: Path) -> None:
    good("rnn", RECIPES / "rnn-hello.yaml", "-o", tmp_path / "run", "-q")
    shares = {"apple": 0.4, "application": 0.3, "apply": 0.15, "append": 0.1, "appear": 0.05}
    rows = rows_of(good("predict", tmp_path / "run", "--complete", "app", "-n", 5).stdout)
    assert {row["completion"] for row in rows} == set(shares)
    for row in rows:
        assert float(row["probability"]) == pytest.approx(shares[row["completion"]], abs=0.12)
    eaten = rows_of(good("predict", tmp_path / "run", "--complete", "the dog eats ", "-n", 2).stdout)
    assert [row["completion"] for row in eaten] == ["dog-food", "my-homework"]


def test_a_stopped_run_goes_on_bit_for_bit(text: Path, tmp_path: Path) -> None:
    how = ["--valid", 0.1, "--set", "model.dropout=0.2", "--set", "model.variational=true"]
    good("rnn", text, "-o", tmp_path / "whole", *SMALL, *how, "--epochs", 2)
    good("rnn", text, "-o", tmp_path / "part", *SMALL, *how, "--epochs", 1)
    good("rnn", text, "-o", tmp_path / "part", *SMALL, *how, "--epochs", 2, "--resume")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


@pytest.mark.parametrize("split", ["batch", "products"])
def test_threads_do_not_change_a_bit(split: str, text: Path, tmp_path: Path) -> None:
    how = ["--set", f"split={split}", "--shards", 2, "--epochs", 1, "--valid", 0.1]
    for threads in (1, 2):
        good("rnn", text, "-o", tmp_path / str(threads), *SMALL, *how, "--threads", threads)
    assert contents(tmp_path / "1") == contents(tmp_path / "2")


def test_gzip_a_pipe_and_carriage_returns_give_the_same_run(text: Path, tmp_path: Path) -> None:
    data = text.read_bytes()
    (tmp_path / "a.gz").write_bytes(gzip.compress(data))
    (tmp_path / "dos.txt").write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n"))
    for name in ("a.gz", "dos.txt"):
        good("rnn", tmp_path / name, "-o", tmp_path / name[:1], *SMALL, "--epochs", 1)
    how = ["--set", "task=language", "-o", tmp_path / "s", *SMALL, "--epochs", 1]
    good("rnn", "-", *how, stdin=data)
    rows = [(tmp_path / name / "metrics.csv").read_bytes() for name in "ads"]
    assert rows[0] == rows[1] == rows[2]


def test_a_state_that_is_not_carried_on_is_another_model(text: Path, tmp_path: Path) -> None:
    how = ["--set", "steps=4", "--epochs", 1, "--batch", 8, "-q"]
    for name, carry in (("on", "true"), ("off", "false")):
        good("rnn", text, "-o", tmp_path / name, *SMALL[:4], *how, "--set", f"carry={carry}")
    assert summary(tmp_path / "on")["train_loss"] != summary(tmp_path / "off")["train_loss"]


# -- questions ----------------------------------------------------------------------------------------
def test_samples_begin_with_the_prompt_and_follow_the_seed(run: Path, tmp_path: Path) -> None:
    how = ["sample", run, "--prompt", "Alice", "--length", 30, "--seed", 3]
    first = good(*how).stdout
    assert first == good(*how).stdout != good(*how[:-1], 4).stdout
    assert first.startswith("Alice") and len(first.rstrip("\n")) <= 35
    best = {good("sample", run, "--temperature", 0, "--length", 20, "--seed", s).stdout for s in (1, 2)}
    assert best == {good("sample", run, "--top-k", 1, "--length", 20).stdout}
    good(*how, "-n", 2, "-o", tmp_path / "作.txt")
    written = (tmp_path / "作.txt").read_text(encoding="utf-8")
    assert written.count("Alice") >= 2


def test_completions_are_probabilities(run: Path) -> None:
    rows = rows_of(good("predict", run, "--complete", "she wa", "-n", 4).stdout)
    p = [float(row["probability"]) for row in rows]
    assert p == sorted(p, reverse=True) and 0 < sum(p) <= 1
    assert all(row["completion"].startswith("wa") for row in rows)


def test_lines_are_scored(run: Path) -> None:
    rows = rows_of(good("predict", run, "-", stdin=b"Alice was very tired\nqzqzqzqzqz\n").stdout)
    assert [row["symbols"] for row in rows] == ["21", "11"]
    assert float(rows[0]["perplexity"]) < float(rows[1]["perplexity"])


def test_evaluate(run: Path, text: Path) -> None:
    told = summary(run)
    found = figures(run)
    assert found["test_loss"] == pytest.approx(told["test_loss"], rel=1e-4)
    whole = figures(run, text)
    assert whole["symbols"] == 4000 and whole["test_bits"] < 8


def test_words_and_a_tree(words: Path) -> None:
    told = summary(words)
    assert told["train_loss"] < 1.2
    assert told["train_bits"] < told["train_loss"] / math.log(2)
    rows = rows_of(good("predict", words, "--complete", "the dog eats", "-n", 2).stdout)
    assert rows[0]["completion"] == "bread" and float(rows[0]["probability"]) > 0.5
    line = good("sample", words, "--prompt", "the dog eats", "--length", 2, "--temperature", 0).stdout
    assert line.startswith("the dog eats bread.")
    assert figures(words, words.parent / "w.txt")["test_loss"] < 1.2


# -- classes ------------------------------------------------------------------------------------------
def test_classes_are_told(classes: Path, lines: Path) -> None:
    assert summary(classes)["test_accuracy"] > 0.9
    asked = b"yes a b c end\n\nno c d end\n"
    rows = rows_of(good("predict", classes, "-", stdin=asked).stdout)
    assert [row["label"] for row in rows] == ["良い", "bad"]
    assert sum(float(rows[0][f"p_{name}"]) for name in ("良い", "bad")) == pytest.approx(1, abs=1e-6)
    found = figures(classes, lines)
    assert found["rows"] == 200 and found["test_accuracy"] > 0.9
    assert "rnn" in good("inspect", classes).stdout


def test_classes_stop_and_go_on(lines: Path, tmp_path: Path) -> None:
    how = ["--tokens", "blank", "--set", "model.by_rows=true", "--set", "model.dropout=0.3", "--valid", 0.2]
    good("rnn", lines, "-o", tmp_path / "whole", *SMALL, *how, "--epochs", 2)
    good("rnn", lines, "-o", tmp_path / "part", *SMALL, *how, "--epochs", 1)
    good("rnn", lines, "-o", tmp_path / "part", *SMALL, *how, "--epochs", 2, "--resume")
    assert contents(tmp_path / "part") == contents(tmp_path / "whole")


# -- mistakes -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--set", "model.bidirectional=true", "--set", "task=language"], "must not read what it is to"),
        (["--set", "model.output=tied"], "embedding (12) and units (24) must be equal"),
        (["--embedding", "two"], "--embedding: expected a whole number or one_hot"),
        (["--valid", 3999], "1 symbol is left to train on"),
        (["--valid", "nowhere.txt"], "nowhere.txt"),
    ],
)
def test_recipes_that_cannot_be(arguments: list[str], told: str, text: Path, tmp_path: Path) -> None:
    done = call("rnn", text, "-o", tmp_path / "run", *SMALL, *arguments)
    assert done.code in (1, 2)
    assert told in error_line(done, done.code)
    assert not (tmp_path / "run").exists()


def test_texts_that_are_none(tmp_path: Path) -> None:
    for name, data, told in (
        ("empty", b"", "no text"),
        ("one", b"x", "1 symbol is left"),
        ("bytes", b"ab\ncd\xff\n", "bytes:2: not UTF-8: byte 0xff"),
        ("nul", b"ab\ncd\n\0", "nul:3"),
        ("wide", "ab".encode("utf-16"), "UTF-16"),
    ):
        (tmp_path / name).write_bytes(data)
        done = call("rnn", tmp_path / name, "-o", tmp_path / "run", *SMALL)
        assert done.code == 1 and told in error_line(done, done.code), (name, done.stderr)
    (tmp_path / "bytes").write_bytes(b"ab\ncd\xff\n" * 40)
    done = good(
        "rnn", tmp_path / "bytes", "-o", tmp_path / "run", *SMALL, "--epochs", 1, "--on-bad-row", "skip"
    )
    assert "40 places left out" in done.stderr or done.stderr == ""


def test_questions_that_cannot_be(run: Path, classes: Path, text: Path) -> None:
    for arguments, told in (
        (["sample", run, "--prompt", "ж"], "--prompt: the training text has no"),
        (["predict", run, "--complete", "ж"], "--complete: the training text has no"),
        (["predict", run], "INPUT"),
        (["predict", run, text, "--complete", "a"], "no file is read"),
        (["predict", run, text, "-n", 3], "no --complete"),
        (["sample", classes], "does not write"),
        (["sample", run, "--interpolate"], "--interpolate: not for a run of rnn"),
    ):
        done = call(*arguments)
        assert done.code == 2 and told in error_line(done, done.code), done.stderr
