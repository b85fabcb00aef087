"""`dlkit apriori` from outside: the article's tables, formats, answers, mistakes, interruption."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calling import call, contents, error_line, good, sets, summary, table

ARTICLE = "1 3 4\n2 3 5\n1 2 3 5\n2 5\n"


@pytest.fixture
def article(tmp_path: Path) -> Path:
    path = tmp_path / "バスケット.txt"
    path.write_text(ARTICLE, encoding="utf-8")
    return path


def rules(run: Path) -> list[tuple[str, str]]:
    return [(row["body"], row["head"]) for row in table((run / "rules.csv").read_text(encoding="utf-8"))]


def item_sets(run: Path) -> dict[str, int]:
    rows = table((run / "itemsets.csv").read_text(encoding="utf-8"))
    return {row["items"]: int(row["count"]) for row in rows}


def test_the_article(recipes: Path, tmp_path: Path) -> None:
    """{1 3 4} {2 3 5} {1 2 3 5} {2 5} -> {2 3 5}, with the tables C_k and L_k under -v."""
    done = good("apriori", recipes / "apriori-article.yaml", "-o", tmp_path / "run", "-v")
    told = [line.strip() for line in done.stderr.splitlines()]
    first = told.index("C_1 5 items, L_1 4")
    assert told[first + 1 : first + 15] == [
        "{1}  2", "{2}  3", "{3}  3", "{4}  1  (not frequent)", "{5}  3",
        "C_2 6 candidates, L_2 4",
        "{1 2}  1  (not frequent)", "{1 3}  2", "{1 5}  1  (not frequent)", "{2 3}  2", "{2 5}  3",
        "{3 5}  2", "C_3 1 candidates, L_3 1", "{2 3 5}  2",
    ]  # fmt: skip
    assert item_sets(tmp_path / "run") == {
        "2": 3, "3": 3, "5": 3, "1": 2, "2,5": 3, "1,3": 2, "2,3": 2, "3,5": 2, "2,3,5": 2
    }  # fmt: skip
    assert rules(tmp_path / "run") == [("2", "5"), ("5", "2"), ("1", "3"), ("2,3", "5"), ("3,5", "2")]
    figures = summary(tmp_path / "run")
    assert (figures["train_item_sets"], figures["train_rules"], figures["train_longest"]) == (9, 5, 3)


def test_candidates_with_an_infrequent_subset_are_shown_and_not_counted(tmp_path: Path) -> None:
    (tmp_path / "b.txt").write_text("a b\na b\na c\na c\n" + "b\nc\n" * 3, encoding="utf-8")
    done = good(
        "apriori",
        tmp_path / "b.txt",
        "--min-support",
        2,
        "--algorithm",
        "apriori",
        "-v",
        "-o",
        tmp_path / "r",
    )
    assert "C_3 1 candidates, 1 of them not counted, L_3 0" in done.stderr
    assert "{a b c}  -  (a subset is not in L_2)" in done.stderr


@pytest.mark.parametrize("method", ["apriori", "fp-growth", "eclat", "auto"])
def test_every_method_and_any_number_of_threads_writes_the_same(method: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    lines = ["\t".join(f"商品 {k}" for k in np.flatnonzero(rng.random(12) < 0.4)) for _ in range(200)]
    (tmp_path / "b.tsv").write_text("\n".join(lines), encoding="utf-8")
    written = []
    for name, options in (("own", ("--algorithm", method)), ("other", ("--algorithm", "eclat"))):
        for threads in (1, 2):
            run = tmp_path / f"{name}{threads}"
            good("apriori", tmp_path / "b.tsv", "--min-support", 0.05, "--shards", threads,
                 "--threads", threads, *options, "-o", run)  # fmt: skip
            files = contents(run)
            written.append([files[f] for f in ("itemsets.csv", "rules.csv", "rules.png", "network.png")])
    assert all(files == written[0] for files in written)


def test_the_resolved_recipe_repeats_the_run(article: Path, tmp_path: Path) -> None:
    good("apriori", article, "--min-support", 0.5, "--head", "5", "-o", tmp_path / "a")
    good("apriori", tmp_path / "a" / "recipe.yaml", "-o", tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_standard_input_gzip_and_pairs(tmp_path: Path) -> None:
    pairs = "".join(f"t{t},{i}\n" for t, line in enumerate(ARTICLE.splitlines()) for i in line.split())
    good("apriori", "-", "--min-support", 2, "-o", tmp_path / "in", stdin=("t,i\n" + pairs).encode())
    assert item_sets(tmp_path / "in")["2,3,5"] == 2
    assert json.loads((tmp_path / "in" / "environment.json").read_text(encoding="utf-8"))["inputs"] == []


# -- answers ----------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    text = (
        "牛乳,パン\n" * 6
        + "牛乳,パン,バター\n" * 3
        + "ビール,紙おむつ\n" * 4
        + '"a, ""b""",牛乳\n' * 2
        + "茶\n"
    )
    (folder / "b.csv").write_text(text, encoding="utf-8")
    good("apriori", folder / "b.csv", "--min-support", 2, "--min-confidence", 0.3, "-o", folder / "run")
    return folder


def test_recommend_names_the_rule_as_reason(shop: Path) -> None:
    rows = table(good("recommend", shop / "run", "パン").stdout)
    assert [(row["item"], row["because"]) for row in rows] == [("牛乳", "パン"), ("バター", "パン")]
    assert (float(rows[0]["confidence"]), float(rows[0]["lift"])) == (1.0, 16 / 11)
    assert len(table(good("recommend", shop / "run", "パン", "--top", 1).stdout)) == 1
    both = table(good("recommend", shop / "run", 'a, "b"').stdout)
    assert next(csv.reader(io.StringIO(both[0]["because"]))) == ['a, "b"']


def test_recommend_for_unknown_items(shop: Path) -> None:
    done = good("recommend", shop / "run", "紙おむ", "茶")
    assert done.stdout == "item,confidence,lift,support,because\n"
    assert '"紙おむ" is not among the frequent items (did you mean "紙おむつ"?)' in done.stderr
    assert '"茶" is not among' in done.stderr


def test_baskets_of_a_file(shop: Path) -> None:
    given = "バター,パン\n茶\nビール\n".encode()
    rows = table(good("recommend", shop / "run", "--baskets", "-", "--top", 1, stdin=given).stdout)
    assert [(row["basket"], row["item"]) for row in rows] == [("1", "牛乳"), ("3", "紙おむつ")]
    answers = table(good("predict", shop / "run", "-", stdin=given).stdout)
    assert [row["item"] for row in answers] == ["牛乳", "", "紙おむつ"]


def test_inspect_shows_the_best_rules(shop: Path) -> None:
    shown = good("inspect", shop / "run", "--layers").stdout
    assert "2 of 16 baskets or more (0.125)" in shown and "{パン} => {牛乳}" in shown


def test_asked_in_the_wrong_way(shop: Path) -> None:
    assert "name the items of a basket" in error_line(call("recommend", shop / "run"), 2)
    assert "not both" in error_line(call("recommend", shop / "run", "茶", "--baskets", "x"), 2)
    assert "no such file" in error_line(call("recommend", shop / "run", "--baskets", "nowhere.csv"), 1)
    line = error_line(call("evaluate", shop / "run"), 2)
    assert "has no answer for a run of apriori (there are inspect, predict, recommend)" in line


# -- mistakes ---------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "code", "told"),
    [
        (["--min-suport", "0.1"], 2, "did you mean --min-support?"),
        (["--min-support", "0"], 2, "--min-support: must be at least 1, found 0"),
        (["--min-support", "1.5"], 2, "--min-support"),
        (["--min-confidence", "2"], 2, "--min-confidence: must be at most 1"),
        (["--algorithm", "fpgrowth"], 2, "fp-growth"),
        (["--min-length", "3", "--max-length", "2"], 2, "must be at least min_length (3)"),
        (["--folds", "3"], 2, "nothing to test rules on"),
        (["--algorithm", "eclat", "--gpu"], 2, "eclat runs on the CPU"),
        (["--head", "9"], 1, 'head: no basket holds "9"'),
        (["--exclude", "Milk"], 1, 'exclude: no basket holds "Milk"'),
        (["--basket", "No"], 1, 'no column "No"'),
        (["--format", "table"], 1, "expected 0 or 1"),
        (["--set", "data.head=1"], 2, "data.head: unknown key"),
    ],
)
def test_mistakes_are_one_line(
    options: list[str], code: int, told: str, article: Path, tmp_path: Path
) -> None:
    line = error_line(call("apriori", article, *options, "-o", tmp_path / "run", "-q"), code)
    assert told in line, line
    assert not (tmp_path / "run" / "summary.json").exists()


def test_dense_data_at_low_support_end_with_a_message(tmp_path: Path) -> None:
    """2^40 sets: told at once, with the machine unharmed and what was there before untouched."""
    path = tmp_path / "dense.txt"
    path.write_text("\n".join(" ".join(map(str, range(40))) for _ in range(50)), encoding="utf-8")
    for method in ("eclat", "fp-growth", "apriori"):
        begun = time.monotonic()
        done = call("apriori", path, "--min-support", 0.5, "--algorithm", method, "--max-sets", 200_000, "-o",
                    tmp_path / method, "-q")  # fmt: skip
        assert "more than 200,000 item sets are in 25 of 50 baskets" in error_line(done, 1)
        assert time.monotonic() - begun < 60


def test_nothing_frequent_is_no_error(article: Path, tmp_path: Path) -> None:
    done = good("apriori", article, "--min-support", 4, "-o", tmp_path / "run")
    assert "no item set is as frequent" in done.stderr
    assert item_sets(tmp_path / "run") == {} and rules(tmp_path / "run") == []
    assert good("recommend", tmp_path / "run", "2").stdout == "item,confidence,lift,support,because\n"
    good("inspect", tmp_path / "run")


# -- interruption -----------------------------------------------------------------------------------
@pytest.mark.parametrize("method", ["eclat", "fp-growth", "apriori"])
def test_ctrl_c_and_resume_give_the_same_bytes(method: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    lines = [" ".join(map(str, np.flatnonzero(rng.random(30) < 0.5))) for _ in range(1000)]
    (tmp_path / "b.txt").write_text("\n".join(lines), encoding="utf-8")
    command = ["apriori", tmp_path / "b.txt", "--min-support", "0.02", "--max-length", "5", "--algorithm",
    method,
               "--min-confidence", "0.9", *sets(shards=2, pictures="false")]  # fmt: skip
    good(*command, "-o", tmp_path / "whole")
    part = tmp_path / "part"
    environment = os.environ | {"DLKIT_CHECKPOINT_SECONDS": "0"}
    line = [sys.executable, "-m", "dlkit", *map(str, command), "-o", str(part), "-q"]
    process = subprocess.Popen(line, env=environment, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not (part / "checkpoint.h5").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    sent = time.monotonic()
    _, told = process.communicate(timeout=100)
    if process.returncode == 0:
        pytest.skip("finished before it could be interrupted")
    assert process.returncode == 130, told
    assert time.monotonic() - sent < 30  # a second, where nothing else runs
    good(*command, "-o", part, "--resume")
    assert contents(part) == contents(tmp_path / "whole")
