"""Spoilt files of ratings through `mf --dry-run` and `predict`: Python's csv module, line by line, is the
judge.

What is accepted has as many ratings as csv counts, each with two names and a finite number; what is not ends
with
code 1, one line and its place.
"""

import csv
import io
import math
import re
from pathlib import Path

import pytest
from hypothesis import given

from dlkit.readers.ratings_layout import KNOWN
from tests.fuzz.mutations import NUMBERS, spoilt_file
from tests.fuzz.program import run, share

RATINGS = "user,item,rating,time\n" + "".join(
    f'{"太郎" if k % 3 else "u" + str(k)},"i {k % 5}",{k % 9 / 2},{1000 + k}\n' for k in range(20)
)
GARBAGE = [
    "",
    ",",
    '"',
    '""',
    "\r",
    "\n",
    "\r\n",
    "\t",
    " ",
    "\0",
    "\ufeff",
    "NA",
    "nan",
    "-",
    "é",
    "::",
    "1_0",
    "1e400",
]
FILES = spoilt_file(RATINGS, [*NUMBERS, *GARBAGE])
HOW = ["--set", "data.header=true", "--set", "data.delimiter=','", "--factors", "2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ratings")
    (folder / "good.csv").write_text(RATINGS, encoding="utf-8")
    done = run("mf", folder / "good.csv", *HOW, "--epochs", "2", "-q", "-o", folder / "run")
    assert done.code == 0, done
    return folder


def rows_of(data: bytes) -> list[list[str]] | None:
    """The cells of every line that is not blank; None where a line is not to be read."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return None
    if "\n" not in text:
        text = text.replace("\r", "\n")
    rows = []
    for line in text.split("\n"):
        if not line.strip(" \t\r"):
            continue
        try:
            rows += list(csv.reader([line.rstrip("\r")], skipinitialspace=True, strict=True))
        except csv.Error:
            return None
    return [[cell.strip() for cell in row] for row in rows]


def named_columns(head: list[str]) -> tuple[int, int, int | None]:
    """Where user, item and rating stand: by names that say so, else the usual column where it is free."""
    names = [re.sub(r"[\W_]+", "", name).lower() for name in head]
    named = [next((k for k, name in enumerate(names) if name in KNOWN[role].split()), None) for role in KNOWN]
    user, item, rating, _ = (
        (k if k < len(head) and k not in named else None) if place is None else place
        for k, place in enumerate(named)
    )
    assert user is not None and item is not None, head
    return user, item, rating


def good(row: list[str], head: list[str]) -> bool:
    user, item, rating = named_columns(head)
    if len(row) != len(head) or not row[user] or not row[item]:
        return False
    if rating is None:
        return True
    try:
        value = float(row[rating])
    except ValueError:
        return False
    return math.isfinite(value) and abs(value) < 3.5e38 and "_" not in row[rating]


@share(0.5)
@given(FILES)
def test_spoilt_ratings_to_train_on(trained: Path, data: bytes) -> None:
    path = trained / "spoilt.csv"
    path.write_bytes(data)
    tried = run("mf", path, "--dry-run", *HOW)
    rows = rows_of(data)
    if tried.code:
        assert tried.code == 1 and not tried.stdout, tried
        assert all(error.startswith(f"error: {path}:") for error in tried.errors), tried
        return
    assert rows is not None and all(good(row, rows[0]) for row in rows[1:]), tried
    told = re.match(
        rf"data   {re.escape(str(path))} ([\d,]+) ratings · ([\d,]+) users × ([\d,]+)", tried.stdout
    )
    assert told, tried
    user, item, _ = named_columns(rows[0])
    pairs = {(row[user], row[item]) for row in rows[1:]}
    counted = [int(one.replace(",", "")) for one in told.groups()]
    assert counted == [len(pairs), len({u for u, _ in pairs}), len({i for _, i in pairs})], tried


@share(0.5)
@given(FILES)
def test_spoilt_pairs_to_predict(trained: Path, data: bytes) -> None:
    path = trained / "spoilt.csv"
    path.write_bytes(data)
    answered = run("predict", trained / "run", path)
    rows = rows_of(data)
    if answered.code:
        assert answered.code == 1, answered
        assert all(error.startswith(f"error: {path}:") for error in answered.errors), answered
        return
    assert rows is not None, answered
    answers = list(csv.DictReader(io.StringIO(answered.stdout, newline="")))
    user, item, _ = named_columns(rows[0])
    assert [[one["user"], one["item"]] for one in answers] == [[row[user], row[item]] for row in rows[1:]]
    assert all(0 <= float(one["rating"]) <= 4 for one in answers)
