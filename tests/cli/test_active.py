"""dlkit active as a user meets it: rounds, strategies, a person who answers, mistakes, questions."""

import csv
import io
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
    figures,
    good,
    metrics,
    rows_of,
    sets,
    summary,
    table,
)

NET = "{name: train-mlp, model: [{dense: 16}, {dropout: 0.2}], epochs: 3, batch: 16}"
SMALL = ["--test", 0.5, *sets(learner=NET, epochs=3, start=20, query=5), "-q"]
DIGITS = [DATA / "digits.csv", *SMALL]


@pytest.fixture(scope="module")
def margin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("active") / "margin"
    good("active", *DIGITS, "-o", run, "--strategy", "margin", "--runs", 2, "--set", "target=0.05")
    return run


def test_what_a_run_leaves(margin: Path) -> None:
    rows = metrics(margin)
    assert column(rows, "train_labels").tolist() == [20, 25, 30]
    curve = table((margin / "accuracy.csv").read_text(encoding="utf-8"))
    each = np.array([[float(row["run_1"]), float(row["run_2"])] for row in curve])
    np.testing.assert_allclose(each.mean(1), column(rows, "test_accuracy"))
    np.testing.assert_allclose(each.std(1, ddof=1), column(rows, "test_accuracy_sd"))
    assert (margin / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    told = summary(margin)
    assert told["test_reached"] == 1.0 and told["test_labels_to_target"] == 20


def test_which_rows_were_asked_about(margin: Path) -> None:
    asked = table((margin / "queries.csv").read_text(encoding="utf-8"))
    digits = rows_of("digits")
    for run in ("1", "2"):
        mine = [row for row in asked if row["run"] == run]
        assert [row["round"] for row in mine] == ["0"] * 20 + ["1"] * 5 + ["2"] * 5 + ["3"] * 5
        assert len({row["row"] for row in mine}) == 35, "nobody is asked twice"
        first = [row["label"] for row in mine[:20]]
        assert all(first.count(str(c)) == 2 for c in range(10)), "as many of each class as can be"
    assert all(digits[int(row["place"])]["label"] == row["label"] for row in asked)


def test_the_recipe_of_the_run_repeats_it_on_other_threads(margin: Path, tmp_path: Path) -> None:
    good("active", margin / "recipe.yaml", "-o", tmp_path / "again", "-q", "--threads", 2)
    assert contents(tmp_path / "again") == contents(margin)


@pytest.mark.parametrize("strategy", ["random", "least_confident", "entropy", "mean_std", "bald"])
def test_stopped_and_resumed_it_ends_with_the_same_bytes(strategy: str, tmp_path: Path) -> None:
    given = [
        "active",
        *DIGITS,
        "--strategy",
        strategy,
        "--runs",
        2,
        "--set",
        "candidates=60",
        "--mc-samples",
        3,
    ]
    good(*given, "-o", tmp_path / "whole")
    good(*given, "-o", tmp_path / "parts", "--epochs", 1)
    good(*given, "-o", tmp_path / "parts", "--resume")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")


def test_images_are_learnt_by_convolutions(tmp_path: Path) -> None:
    learner = (
        "{name: train-cnn, model: [{conv: {filters: 4, size: 3}}, {max_pool: 2}, {dropout: 0.2}], epochs: 2}"
    )
    given = [DATA / "digits.csv", "--test", 0.5, "-q", *sets(learner=learner, epochs=2, data__shape="[8,8]")]
    good("active", *given, "-o", tmp_path / "run", "--strategy", "bald", "--query", 7)
    assert column(metrics(tmp_path / "run"), "train_labels").tolist() == [20, 27]
    assert "conv" in good("inspect", tmp_path / "run").stdout


@pytest.mark.parametrize("kind", ["table", "text"])
def test_naive_bayes_learns_too(kind: str, tmp_path: Path) -> None:
    source = DATA / "digits.csv"
    if kind == "text":
        source = tmp_path / "mail.txt"
        words = {"spam": ["安い", "今すぐ", "buy", "now"], "ham": ["家", "明日", "see", "you"]}
        rng = np.random.default_rng(1)
        lines = [
            f"{c}\t{' '.join(rng.choice([*words[c], 'the', 'a'], 4))}"
            for c in rng.choice(["spam", "ham"], 400)
        ]
        source.write_text("\n".join(lines) + "\n", encoding="utf-8")
    given = [
        "active",
        source,
        "--test",
        0.3,
        "-q",
        *sets(learner="bayes-nb", epochs=4, query=10),
        "--runs",
        2,
    ]
    good(*given, "-o", tmp_path / "whole")
    rows = metrics(tmp_path / "whole")
    assert column(rows, "train_labels").tolist() == [20, 30, 40, 50]
    assert float(rows[-1]["test_accuracy"]) > 0.45
    good(*given, "-o", tmp_path / "parts", "--epochs", 2)
    good(*given, "-o", tmp_path / "parts", "--resume")
    assert contents(tmp_path / "parts") == contents(tmp_path / "whole")
    assert "rows" in figures(tmp_path / "whole", source)


def test_uncertainty_beats_chance_on_the_digits(tmp_path: Path) -> None:
    """The recipe's own setting, cut to two strategies, two runs and ten rounds."""
    given = ["active", RECIPES / "active-digits.yaml", "-q", *sets(variants="{}", runs=2, epochs=10)]
    for strategy in ("random", "margin"):
        good(*given, "-o", tmp_path / strategy, "--strategy", strategy)
    chance, margin = (summary(tmp_path / s)["test_accuracy"] for s in ("random", "margin"))
    assert margin > chance + 0.02, (margin, chance)


# -- questions -----------------------------------------------------------------------------------------
def test_the_newest_model_answers(margin: Path) -> None:
    rows = table(good("predict", margin, DATA / "digits.csv").stdout)
    assert len(rows) == 1797 and set(rows[0]) == {"label", *(f"p_{k}" for k in range(10))}
    own, whole = figures(margin), figures(margin, DATA / "digits.csv")
    assert whole["rows"] == 1797
    curve = table((margin / "accuracy.csv").read_text(encoding="utf-8"))
    assert own["test_accuracy"] == pytest.approx(float(curve[-1]["run_1"]))
    answers = table(good("predict", margin, DATA / "digits.csv", "--mc-samples", 3).stdout)
    assert "mutual_information" in answers[0]


# -- a person ------------------------------------------------------------------------------------------
def pool(tmp_path: Path, known: int, rows: int = 120) -> Path:
    """Digits of which the first ones have labels, and all others in test.csv."""
    digits = list(csv.reader((DATA / "digits.csv").open(encoding="utf-8")))
    head, body = digits[0], digits[1:]
    hidden = [[*row[:-1], row[-1] if k < known else ""] for k, row in enumerate(body[:rows])]
    for name, part in (("pool.csv", hidden), ("test.csv", body[rows:])):
        with (tmp_path / name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([head, *part])
    return tmp_path / "pool.csv"


def label(sheet: Path, wrong: str | None = None) -> None:
    """What the person does."""
    digits = rows_of("digits")
    rows = table(sheet.read_text(encoding="utf-8"))
    for row in rows:
        row["label"] = wrong or digits[int(row["row"])]["label"]
    with sheet.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def asking(tmp_path: Path, known: int) -> list[object]:
    path = pool(tmp_path, known)
    return ["active", path, "--set", f"data.test={tmp_path / 'test.csv'}", "--label", "label", "--ask", "-q",
            *sets(learner=NET, epochs=3, query=4, start=20), "-o", tmp_path / "run"]  # fmt: skip


def test_a_person_is_asked_and_answers(tmp_path: Path) -> None:
    given, run = asking(tmp_path, 30), tmp_path / "run"
    done = good(*given)
    assert (
        done.stdout == f"{run / 'ask.csv'}   4 rows to be labelled: fill in the column label, then --resume\n"
    )
    assert not (run / "summary.json").exists(), "not finished"
    sheet = table((run / "ask.csv").read_text(encoding="utf-8"))
    digits = rows_of("digits")
    for row in sheet:
        assert row["label"] == "" and int(row["row"]) >= 30
        assert row["pixel_3_3"] == digits[int(row["row"])]["pixel_3_3"], "the cells of the file"
    before = contents(run)
    assert "ask.csv:2: row " in error_line(call(*given, "--resume"), 1)
    assert contents(run) == before
    label(run / "ask.csv")
    again = good(*given, "--resume")
    assert "4 rows to be labelled" in again.stdout
    other = table((run / "ask.csv").read_text(encoding="utf-8"))
    assert not {row["row"] for row in sheet} & {row["row"] for row in other}
    label(run / "ask.csv")
    assert good(*given, "--resume").stdout.startswith(f"{run}   test_accuracy")
    assert column(metrics(run), "train_labels").tolist() == [30, 34, 38]
    asked = table((run / "queries.csv").read_text(encoding="utf-8"))
    assert {row["row"] for row in [*sheet, *other]} <= {row["row"] for row in asked}
    assert figures(run, tmp_path / "test.csv")["rows"] == 1677


def test_a_label_that_is_no_class_is_told_with_its_line(tmp_path: Path) -> None:
    given = asking(tmp_path, 30)
    good(*given)
    label(tmp_path / "run" / "ask.csv", "７つ")
    said = error_line(call(*given, "--resume"), 1)
    assert 'ask.csv:2: "７つ" is no class; there are 0, 1, 2' in said
    sheet = tmp_path / "run" / "ask.csv"
    label(sheet, "7")
    good_one = sheet.read_text(encoding="utf-8")
    last = good_one.splitlines()[-1].split(",")
    sheet.write_text(f"{good_one}{last[0]},8,{','.join(last[2:])}\n", encoding="utf-8")
    said = error_line(call(*given, "--resume"), 1)
    assert f"ask.csv:6: row {last[0]} has another label than in line 5" in said
    sheet.write_text(good_one.replace(",", ";"), encoding="utf-8")
    assert "a comma stands between two columns" in error_line(call(*given, "--resume"), 1)
    (tmp_path / "run" / "ask.csv").unlink()
    assert "are not there" in error_line(call(*given, "--resume"), 1)


def test_without_labels_the_first_rows_are_asked_about_by_chance(tmp_path: Path) -> None:
    given = [*asking(tmp_path, 0), *sets(classes="[a, b]", data__test="null")]
    done = good(*given)
    assert "20 rows to be labelled" in done.stdout
    sheet = tmp_path / "run" / "ask.csv"
    rows = table(sheet.read_text(encoding="utf-8"))
    lines = ["row,label", *(f"{row['row']},{'ab'[k % 2]}" for k, row in enumerate(rows))]
    sheet.write_text("\n".join(lines) + "\n", encoding="utf-8")
    assert "4 rows to be labelled" in good(*given, "--resume").stdout
    assert metrics(tmp_path / "run") == [{"epoch": "1", "step": "7", "train_labels": "20"}], (
        "nothing to judge by"
    )


def test_a_file_of_answers_is_looked_into_first(tmp_path: Path) -> None:
    given, run = asking(tmp_path, 30), tmp_path / "run"
    answers = tmp_path / "答え.csv"
    good(*given, "--answers", answers)
    digits = rows_of("digits")
    lines = ["label,row", *(f"{digits[k]['label']},{k}" for k in range(120))]
    answers.write_text("\n".join(lines) + "\n", encoding="utf-8")
    done = good(*given, "--answers", answers, "--resume")
    assert done.stdout.startswith(f"{run}   test_accuracy"), "nobody had to be asked"


# -- mistakes ------------------------------------------------------------------------------------------
def refused(code: int, *arguments: object) -> str:
    return error_line(call("active", *arguments), code)


def test_recipes_that_cannot_be(tmp_path: Path) -> None:
    digits, out = DATA / "digits.csv", ["-o", tmp_path / "run", "-q"]
    assert "accuracy is measured on test rows" in refused(2, digits, *out)
    plain = sets(learner="{name: train-mlp, model: [{dense: 4}]}")
    assert "this network has no dropout" in refused(
        2, digits, *out, "--test", 0.5, *plain, "--strategy", "bald"
    )
    assert "bayes-nb has none" in refused(
        2, digits, *out, "--test", 0.5, *sets(learner="bayes-nb"), "--strategy", "mean_std"
    )
    assert "the pool has 899 rows" in refused(1, digits, *out, "--test", 0.5, "--query", 100)
    assert "candidates: 3 rows" in refused(2, digits, *out, "--test", 0.5, "--candidates", 3)
    assert "a person answers one run" in refused(2, digits, *out, "--ask", "--runs", 2)
    assert "name a file of labelled rows" in refused(2, digits, *out, "--ask", "--test", 0.5)
    assert "learner.lr: unknown key" in refused(
        2, digits, *out, "--test", 0.5, "--set", "learner={name: train-mlp, lr: 1}"
    )
    assert "valid: labels are too dear" in refused(2, digits, *out, "--test", 0.5, "--valid", 0.1)
    assert not (tmp_path / "run").exists()


def test_a_run_without_a_finished_round_has_no_answer(tmp_path: Path) -> None:
    good(*asking(tmp_path, 0), *sets(classes='["0", "1", "2"]', data__test="null"))
    done = call("predict", tmp_path / "run", DATA / "digits.csv")
    assert "no round is finished yet" in error_line(done, 1)


def test_help_names_its_own_keys() -> None:
    shown = good("active", "--help").stdout
    for flag in ("--strategy", "--ask", "--query", "--answers", "--mc-samples"):
        assert flag in shown
    assert io.StringIO(shown).readline().startswith("Usage")
