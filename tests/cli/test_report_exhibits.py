"""What a report shows of each command: pictures, tables and texts, told in words, in two megabytes."""

import csv
import shutil
from pathlib import Path

import pytest

from tests.cli.calling import DATA, RECIPES, ROOT, good, sets
from tests.cli.test_report import Page, page_of

DIGITS = DATA / "digits.csv"
CASES: dict[str, tuple[list[object], list[str]]] = {
    "train-mlp": ([DIGITS, "--epochs", 1, "--test", 0.2], ["Confusion matrix"]),
    "train-mlp regression": (
        [DATA / "diabetes.csv", "--epochs", 1, "--test", 0.2, *sets(model="[{dense: 4}]")],
        ["Answers and targets"],
    ),
    "train-cnn": (
        [RECIPES / "lenet-digits.yaml", "--epochs", 1],
        ["Filters of 0.conv", "Filters of 2.conv", "Confusion matrix", "Mistakes"],
    ),
    "vae": (
        [RECIPES / "vae-digits.yaml", "--epochs", 1],
        ["Samples", "Reconstructions", "Plane of codes", "Map of codes"],
    ),
    "gan": (
        [RECIPES / "gan-digits.yaml", "--epochs", 1, *sets(**{"grid.every": 15})],
        ["Samples through time", "Classes of the samples", "Modes of the samples"],
    ),
    "rnn": ([RECIPES / "rnn-hello.yaml", "--epochs", 1], ["What it writes"]),
    "rnn classes": (["kinds.tsv", "--epochs", 1, "--tokens", "words", "--test", 20], ["Confusion matrix"]),
    "seq2seq": (
        ["pairs.tsv", "--epochs", 1, "--valid", 20],
        ["Translations", "Attention"],
    ),
    "word2vec": (
        [RECIPES / "word2vec-demo.yaml", "--epochs", 1],
        ["Map of words", "Neighbours of words"],
    ),
    "lda": ([RECIPES / "lda-planted.yaml", "--epochs", 1], ["Topics", "Words of the topics"]),
    "bayes-nb": (
        [DATA / "golf.csv", "--test", 0.3],
        ["Confusion matrix", "Classes", "What speaks for a class"],
    ),
    "mf": (["ratings.csv", "--epochs", 2], ["The table, filled", "What is near to what", "Map of items"]),
    "apriori": (
        [RECIPES / "apriori-article.yaml"],
        ["Network of rules", "Rules", "Rules as a table", "Frequent item sets"],
    ),
    "qlearn": (
        [RECIPES / "frozenlake-4x4.yaml", "--epochs", 1],
        ["Policy", "Learning", "Policy as a table"],
    ),
    "bandit": ([RECIPES / "bandit-bernoulli.yaml", "--epochs", 2, *sets(variants="{}")], ["Regret"]),
    "active": (
        [DIGITS, "--test", 0.3, "--strategy", "margin", "--epochs", 2],
        ["Accuracy and labels", "What was asked"],
    ),
}
TABLES = {
    "Confusion matrix",
    "What speaks for a class",
    "Words of the topics",
    "Translations",
    "Rules as a table",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the commands run, with small data that do not come with dlkit."""
    place = tmp_path_factory.mktemp("何を学んだか")
    words = ["あか", "あお", "しろ", "くろ"]
    lines = [f"{words[k % 4]} {words[k % 3]}\t{words[k % 3]} {words[k % 4]}\n" for k in range(80)]
    (place / "pairs.tsv").write_text("".join(lines), encoding="utf-8")
    kinds = [f"{'赤' if k % 2 else '<b>青'}\t{words[k % 2]} {words[k % 3]}\n" for k in range(80)]
    (place / "kinds.tsv").write_text("".join(kinds), encoding="utf-8")
    rated = [f"客{u},<品{i}>,{(u * i) % 5 + 1}\n" for u in range(12) for i in range(12) if (u + i) % 3]
    (place / "ratings.csv").write_text("user,item,rating\n" + "".join(rated), encoding="utf-8")
    return place


@pytest.mark.parametrize("name", CASES)
def test_what_a_command_has_to_show(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    arguments, titles = CASES[name]
    run = folder / "runs" / name
    good(name.partition(" ")[0], *arguments, "-q", "-o", run)
    monkeypatch.chdir(ROOT)  # the data are found where the run was started
    good("report", run)
    page = page_of(run / "report.html")
    shown = headings(page)
    assert [one for one in shown if one in titles] == titles and "Other pictures" not in shown
    assert "left out" not in page.text and (run / "report.html").stat().st_size <= 2_000_000
    for image in page.of("img"):
        assert len(image["alt"]) > 30 and "run " in image["alt"]
    named = [a["aria-label"] for _, a in page.elements if a.get("role") == "region"]
    assert len(set(named)) == len(named)
    if titles[0] in TABLES:
        assert any(a.get("class") == "unseen" for a in page.of("caption"))


def headings(page: Page) -> list[str]:
    """Titles of what was learnt."""
    words = [word.strip() for word in page.words]
    at = words.index("What was learnt", words.index("What was learnt") + 1)
    titles = {title for _, titles in CASES.values() for title in titles} | {"Other pictures"}
    return list(dict.fromkeys(word for word in words[at:] if word in titles))


def test_a_matrix_is_the_one_of_the_rows(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts of a report add up to the accuracy that the run recorded."""
    monkeypatch.chdir(folder)
    run = folder / "judged"
    good("train-mlp", DIGITS, "-q", "--epochs", 2, "--test", 0.2, "-o", run)
    told = dict(line.split() for line in good("evaluate", run).stdout.splitlines())
    good("report", run)
    page = page_of(run / "report.html")
    (words,) = (word for word in page.words if "test rows are right" in word)
    right, every = (int(words.split()[k].replace(",", "")) for k in (0, 2))
    assert every == 359 and abs(right / every - float(told["test_accuracy"])) < 1e-4


def test_rows_that_have_changed_or_gone(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    shutil.copy(DATA / "golf.csv", "mine.csv")
    good("train-mlp", "mine.csv", "-q", "--epochs", 1, "--test", 4, *sets(model="[{dense: 2}]"), "-o", "mine")
    rows = list(csv.reader((folder / "mine.csv").open(encoding="utf-8")))
    (folder / "mine.csv").write_text("\n".join(map(",".join, [*rows, rows[-1]])) + "\n", encoding="utf-8")
    good("report", "mine")
    text = page_of(folder / "mine" / "report.html").text
    assert "left out what is made from the rows" in text and "are right" not in text
    (folder / "mine.csv").unlink()
    good("report", "mine")
    text = page_of(folder / "mine" / "report.html").text
    assert "left out: mine.csv: no such file" in text
    good("report", "mine", "--quick")
    assert "what is made from the checkpoint is left out" in page_of(folder / "mine" / "report.html").text
