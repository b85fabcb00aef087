"""bayes-nb as a user runs it: recipes, text from files, folders and pipes, mistakes, questions."""

import csv
import gzip
import io
import json
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calling import DATA, RECIPES, call

TEXT = """\
spam\tWin a free prize now
ham\tsee you at home tomorrow
spam\tfree call, claim your prize
ham\tare you home now?
ham\t明日は家にいます
spam\tclaim now now now
"""


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


@pytest.fixture
def messages(tmp_path: Path) -> Path:
    path = tmp_path / "messages.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


def done(*arguments: object, stdin: bytes = b"") -> str:
    finished = call(*arguments, stdin=stdin)
    assert finished.code == 0, finished.stderr
    return finished.stdout


def refused(code: int, *arguments: object, stdin: bytes = b"") -> str:
    finished = call(*arguments, stdin=stdin)
    assert finished.code == code, (finished.stdout, finished.stderr)
    assert finished.stderr.strip().count("\n") <= 1, finished.stderr
    return finished.stderr.strip().splitlines()[-1]


# -- recipes ------------------------------------------------------------------------------------
def test_golf_has_the_textbooks_probabilities(tmp_path: Path) -> None:
    run = tmp_path / "golf"
    done("bayes-nb", RECIPES / "nb-golf.yaml", "-o", run)
    classes = {row["class"]: row for row in table((run / "classes.csv").read_text(encoding="utf-8"))}
    assert float(classes["yes"]["prior"]) == pytest.approx(9 / 14, abs=1e-15)
    features = table((run / "features.csv").read_text(encoding="utf-8"))
    told = {(row["class"], row["feature"]): float(row["probability"]) for row in features}
    assert told["yes", "outlook=overcast"] == pytest.approx(4 / 9)
    # sunny speaks against yes, so it is in the reasons rather than among the telling features
    question = "outlook,temperature,humidity,windy\nsunny,,,\n"
    (answer,) = table(done("predict", run, "-", stdin=question.encode()))
    yes, no = 9 / 14 * 2 / 9, 5 / 14 * 3 / 5
    assert float(answer["P(yes)"]) == pytest.approx(yes / (yes + no), abs=1e-12)
    reasons = table(done("predict", run, "-", "--explain", stdin=question.encode()))
    assert float(reasons[1]["adds"]) == pytest.approx(np.log(3 / 5) - np.log(2 / 9))
    overcast = table(
        done("predict", run, "-", stdin=b"outlook,temperature,humidity,windy\novercast,hot,high,true\n")
    )
    assert float(overcast[0]["P(no)"]) == 0.0


def test_spam_table_with_viagra_and_without_limited(tmp_path: Path) -> None:
    run = tmp_path / "spam"
    done("bayes-nb", RECIPES / "nb-spam-table.yaml", "-o", run)
    question = b"viagra,limited,machine_learning\n1,0,\n"
    (answer,) = table(done("predict", run, "-", stdin=question))
    spam, ham = 7 / 30 * 13 / 30 * 30 / 130, 1 / 100 * 99 / 100 * 100 / 130
    assert float(answer["P(spam)"]) == pytest.approx(spam / (spam + ham), abs=1e-12)


def test_the_reasons_add_up_to_the_log_odds(messages: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("bayes-nb", messages, "-o", run)
    fresh = b"a free home\nprize prize tomorrow unheard\n"
    p = table(done("predict", run, "-", stdin=fresh))
    reasons = table(done("predict", run, "-", "--explain", "--top", 1, stdin=fresh))
    for number, row in enumerate(p, 1):
        lines = [line for line in reasons if line["row"] == str(number)]
        label, other = lines[0]["label"], lines[0]["against"]
        odds = np.log(float(row[f"P({label})"]) / float(row[f"P({other})"]))
        assert sum(float(line["adds"]) for line in lines) == pytest.approx(odds, abs=1e-9)
        assert float(lines[0]["log_odds"]) == pytest.approx(odds, abs=1e-9)
        assert [line["feature"] for line in lines][0::2] == ["(prior)", "(others)"]


# -- sources ------------------------------------------------------------------------------------
def test_file_gzip_pipe_and_folder_give_the_same_model(messages: Path, tmp_path: Path) -> None:
    packed = tmp_path / "messages.gz"
    packed.write_bytes(gzip.compress(messages.read_bytes()))
    for number, line in enumerate(TEXT.splitlines()):
        label, text = line.split("\t")
        document = tmp_path / "folder" / label / f"{number}.txt"
        document.parent.mkdir(parents=True, exist_ok=True)
        document.write_text(text, encoding="utf-8")
    answers = []
    for k, (source, stdin) in enumerate(
        [
            (messages, b""),
            (packed, b""),
            ("-", messages.read_bytes()),
            ("-", packed.read_bytes()),
            (tmp_path / "folder", b""),
        ]
    ):
        done("bayes-nb", source, "-o", tmp_path / f"run{k}", stdin=stdin)
        answers.append(done("predict", tmp_path / f"run{k}", messages))
    assert len(set(answers)) == 1
    with_files = done("predict", tmp_path / "run0", tmp_path / "folder")
    assert table(with_files)[0]["file"].endswith("ham/1.txt")
    assert {row["label"] for row in table(with_files)} == {"spam", "ham"}


def test_labels_before_a_tab_are_not_part_of_the_text(messages: Path, tmp_path: Path) -> None:
    done("bayes-nb", messages, "-o", tmp_path / "run")
    bare = "\n".join(line.split("\t")[1] for line in TEXT.splitlines()) + "\n"
    assert done("predict", tmp_path / "run", "-", stdin=bare.encode()) == done(
        "predict", tmp_path / "run", messages
    )


def test_a_table_from_a_pipe(tmp_path: Path) -> None:
    golf = (DATA / "golf.csv").read_bytes()
    done("bayes-nb", "-", "-o", tmp_path / "run", stdin=golf)
    assert len(table(done("predict", tmp_path / "run", DATA / "golf.csv"))) == 14


def test_latin_1(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("a\tcafé noir\nb\tthé vert\n".encode("latin-1"))
    assert refused(1, "bayes-nb", path, "-o", tmp_path / "r").startswith(
        f"error: {path}:1: not UTF-8: byte 0xe9"
    )
    done("bayes-nb", path, "--set", "data.encoding=latin-1", "-o", tmp_path / "r")
    features = table((tmp_path / "r" / "features.csv").read_text(encoding="utf-8"))
    assert {"café", "thé"} <= {row["feature"] for row in features}


# -- mistakes -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"spam\tone\nham\ttwo\n\nthree\n", ":4: expected label<TAB>text, found no tab"),
        (b"spam\tone\n\ttwo\n", ":2: the label before the tab is missing"),
        (b"spam\tone\nham\tt\xffo\n", ":2: not UTF-8: byte 0xff at byte 6 of the line"),
        (b"spam\tone\nham\tt\0o\n", ":2: a NUL byte"),
        (b"spam\tone two\nspam\tthree four\n", ': one class only, "spam": nothing to tell apart'),
        (b"\n\n", ": no document in it"),
    ],
)
def test_bad_text_is_told_with_its_place_and_costs_nothing(content: bytes, told: str, tmp_path: Path) -> None:
    path, run = tmp_path / "t.txt", tmp_path / "run"
    (tmp_path / "good.txt").write_text(TEXT, encoding="utf-8")
    done("bayes-nb", tmp_path / "good.txt", "-o", run)
    before = (run / "summary.json").read_bytes()
    path.write_bytes(content)
    error = refused(1, "bayes-nb", path, "--set", "data.format=text", "-o", run, "--force")
    assert f"{path}{told}" in error
    assert (run / "summary.json").read_bytes() == before


def test_bad_rows_are_skipped_and_counted(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes(b"spam\tone\nno tab\nham\tt\xffo\nham\ttwo\n\tthree\n")
    run = tmp_path / "run"
    done("bayes-nb", path, "--on-bad-row", "skip", "--set", "data.format=text", "-o", run)
    summary = json.loads((run / "summary.json").read_text(encoding="utf-8"))
    assert (summary["train_rows"], summary["train_skipped"]) == (2, 3)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--threshold", "0.9"], "threshold: of which class? give positive"),
        (["--positive", "yeah"], 'positive: no class is called "yeah"; there are no, yes'),
        (["--set", "prior={yes: 1}"], 'prior: "no" is not both a class and given'),
        (["--set", "columns={wind: gaussian}"], 'there is no feature column "wind"'),
        (["--model", "complement", "--alpha", "0"], "alpha: complement needs some"),
        (["--epochs", "2"], "epochs"),
        (["--gpu"], "bayes-nb counts on the CPU"),
        (["--test", "14"], "leaves none to train on"),
    ],
)
def test_wrong_settings(arguments: list[str], told: str, tmp_path: Path) -> None:
    finished = call("bayes-nb", DATA / "golf.csv", *arguments, "-o", tmp_path / "run")
    assert finished.code in (1, 2)
    assert told in finished.stderr
    assert "Traceback" not in finished.stderr
    assert not (tmp_path / "run").exists()


def test_a_line_without_a_tab_makes_no_table_of_a_text(tmp_path: Path) -> None:
    """A table's last column is the class: each text would have been one."""
    path = tmp_path / "m.txt"
    path.write_text("spam\tbuy now\nham\thello there\nbroken line\nspam\tmore to buy\n", encoding="utf-8")
    told = refused(1, "bayes-nb", path, "-o", tmp_path / "run")
    assert told == f"error: {path}:3: expected label<TAB>text, found no tab"
    finished = call("bayes-nb", path, "-o", tmp_path / "run", "--on-bad-row", "skip")
    assert finished.code == 0 and "1 bad row skipped" in finished.stderr and "2 classes" in finished.stderr


def test_a_table_with_a_short_row_stays_a_table(tmp_path: Path) -> None:
    path = tmp_path / "t.tsv"
    path.write_text("a b\tc d\tyes\n" * 20 + "short\n" + "e f\tg h\tno\n" * 20, encoding="utf-8")
    told = refused(1, "bayes-nb", path, "-o", tmp_path / "run")
    assert told == f"error: {path}:21: expected 3 columns, found 1"


def test_an_empty_class_is_named(messages: Path, tmp_path: Path) -> None:
    for name in ("ham", "spam", "empty"):
        (tmp_path / "f" / name).mkdir(parents=True)
    (tmp_path / "f" / "ham" / "1").write_text("one", encoding="utf-8")
    (tmp_path / "f" / "spam" / "1").write_text("two", encoding="utf-8")
    finished = call("bayes-nb", tmp_path / "f", "-o", tmp_path / "run")
    assert finished.code == 0
    assert "no document in empty: no class of that name" in finished.stderr


def test_without_sudachipy_the_extra_is_named(
    messages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "sudachipy", None)
    error = refused(2, "bayes-nb", messages, "--tokens", "japanese", "-o", tmp_path / "run")
    assert "needs SudachiPy" in error and "dlkit[ja]" in error


# -- questions ----------------------------------------------------------------------------------
def test_unseen_and_missing_cells_are_counted(tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("bayes-nb", DATA / "golf.csv", "-o", run)
    strange = b"outlook,temperature,humidity,windy\nfoggy,hot,?,true\n"
    finished = call("predict", run, "-", stdin=strange)
    assert "1 empty cells say nothing" in finished.stderr
    assert "1 cell with a category not seen in training: it says nothing" in finished.stderr
    left_out = done("predict", run, "-", stdin=b"outlook,temperature,humidity,windy\n,hot,,true\n")
    assert finished.stdout == left_out


@pytest.mark.parametrize(("unseen", "code"), [("error", 1), ("smooth", 0)])
def test_unseen_categories_as_the_recipe_says(unseen: str, code: int, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("bayes-nb", DATA / "golf.csv", "--set", f"data.unseen={unseen}", "-o", run)
    finished = call("predict", run, "-", stdin=b"outlook,temperature,humidity,windy\nfoggy,,,\n")
    assert finished.code == code
    if code:
        assert (
            'standard input:2: column outlook: category "foggy" was not in the training data'
            in finished.stderr
        )
    else:  # one category more, of which no day was seen
        yes, no = 9 / 14 * 1 / 13, 5 / 14 * 1 / 9
        assert float(table(finished.stdout)[0]["P(yes)"]) == pytest.approx(yes / (yes + no))


def test_evaluate_with_a_threshold(messages: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("bayes-nb", messages, "-o", run)
    figures = json.loads(done("evaluate", run, messages, "--positive", "spam", "--json"))
    assert figures["test_accuracy"] == 1.0 and figures["test_caught"] == 1.0 and figures["test_mcc"] == 1.0
    strict = json.loads(
        done("evaluate", run, messages, "--positive", "spam", "--threshold", "0.999", "--json")
    )
    assert strict["test_caught"] == 0.0 and strict["test_confusion[spam][ham]"] == 3


def test_inspect_shows_what_speaks_for_a_class(messages: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done("bayes-nb", messages, "-o", run)
    assert "spam" in done("inspect", run)
    lines = done("inspect", run, "--features-of-class", "spam", "--top", 3).splitlines()
    assert lines[0] == "class spam" and len(lines) == 5
    assert {line.split()[-1] for line in lines[2:]} == {"free", "now", "prize"}
    assert "class ham" in done("inspect", run, "--features-of-class", "all")


def test_test_rows_are_a_number_a_share_or_a_fold(messages: Path, tmp_path: Path) -> None:
    done("bayes-nb", DATA / "golf.csv", "--test", "4", "-o", tmp_path / "run")
    summary = json.loads((tmp_path / "run" / "summary.json").read_text(encoding="utf-8"))
    assert summary["train_rows"] == 10
    assert json.loads(done("evaluate", tmp_path / "run", "--json"))["rows"] == 4
    done(
        "bayes-nb", DATA / "spam-table.csv", "--model", "bernoulli", "--folds", "3", "-o", tmp_path / "folds"
    )
    rows = [
        json.loads(done("evaluate", tmp_path / "folds" / f"fold-{k}", "--json"))["rows"] for k in (1, 2, 3)
    ]
    assert sum(rows) == 130


def test_repeating_the_resolved_recipe_gives_the_same_bytes(messages: Path, tmp_path: Path) -> None:
    done("bayes-nb", messages, "--ngrams", "2", "-o", tmp_path / "a")
    done("bayes-nb", tmp_path / "a" / "recipe.yaml", "-o", tmp_path / "b")
    for name in (
        "recipe.yaml",
        "metrics.csv",
        "checkpoint.h5",
        "summary.json",
        "features.csv",
        "classes.csv",
    ):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes(), name
