"""Spoilt CSV files through `train-mlp --dry-run` and `predict`.

Garbage is what Python's csv module, told the delimiter, finds to be no table: not UTF-8, quotes left open,
rows of another width than the header, a column named twice or the label not at all, cells that are empty, or
in a column of numbers no finite number. It must end with code 1. What is accepted has as many rows as csv
counts.
"""

import csv
import io
import math
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import NUMBERS, spoilt_file
from tests.fuzz.program import run, share
from tests.fuzz.trained import SMALL, Trained, train

COLOURS = ["赤", "blue", "緑 green"]
TABLE = "幅,colour,b c,label\n" + "".join(
    f'{i / 4},{COLOURS[i % 3]},"{i * i % 5}",{"yes" if i * i % 7 > 2 else "no"}\n' for i in range(20)
)
HOW = ["--label", "label", "--set", "data.header=true", "--set", "data.delimiter=','"]
GARBAGE = [
    "",
    ",",
    ";",
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
    "?",
    "-",
    "None",
    "é",
    "赤",
    "label",
    "x",
]
TABLES = spoilt_file(TABLE, [*NUMBERS, *GARBAGE])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    return train(tmp_path_factory.mktemp("tables"), "good.csv", TABLE.encode(), *HOW)


def rows_of(data: bytes) -> list[list[str]] | None:
    """The rows that are not blank; None for what csv does not read."""
    try:
        text = data.decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True))
    except (UnicodeDecodeError, csv.Error):
        return None
    rows = [[cell.strip() for cell in row] for row in rows]
    return [row for row in rows if len(row) > 1 or any(row)]


def is_number(cell: str) -> bool:
    try:
        return math.isfinite(float(cell)) and "_" not in cell
    except ValueError:
        return False


def bad_column(cells: list[str]) -> bool:
    """A gap, or something else among a majority of numbers."""
    numbers = sum(map(is_number, cells))
    others = [cell for cell in cells if not is_number(cell)]
    return "" in others or (bool(others) and numbers > len(cells) / 2)


def is_table(rows: list[list[str]] | None) -> bool:
    if not rows or len(rows) < 2 or len({len(row) for row in rows}) > 1:
        return False
    names = [name for name in rows[0] if name]  # a column without a name goes by its number
    if len(set(names)) < len(names) or "label" not in names:
        return False
    return not any(bad_column(list(column)) for column in zip(*rows[1:], strict=True))


@share(0.5)
@given(TABLES)
def test_a_spoilt_table_to_train_on(trained: Trained, data: bytes) -> None:
    path = trained.source.with_name("spoilt.csv")
    path.write_bytes(data)
    tried = run("train-mlp", path, "--dry-run", *SMALL, *HOW)
    rows = rows_of(data)
    if tried.code:
        assert tried.code == 1 and not tried.stdout, tried
        assert all(error.startswith(f"error: {path}:") for error in tried.errors), tried
        return
    assert rows is not None and is_table(rows), tried
    told = re.match(rf"data   {re.escape(str(path))} ([\d,]+) · ", tried.stdout)
    assert told and int(told[1].replace(",", "")) == len(rows) - 1, tried


@share(0.5)
@given(TABLES, st.sampled_from(["predict", "evaluate"]))
def test_a_spoilt_table_to_answer(trained: Trained, data: bytes, verb: str) -> None:
    path = trained.source.with_name("spoilt.csv")
    path.write_bytes(data)
    answered = run(verb, trained.directory, path)
    rows = rows_of(data)
    if answered.code:
        assert answered.code == 1, answered
        assert all(error.startswith(f"error: {path}:") for error in answered.errors), answered
        return
    assert rows and len({len(row) for row in rows}) == 1, answered
    names = TABLE.split("\n", 1)[0].split(",")
    headed = set(names[:3]) <= set(rows[0])
    body = rows[1:] if headed or not any(map(is_number, rows[0])) else rows
    positions = [rows[0].index(name) for name in names[:3]] if headed else [0, 1, 2]
    for row in body:
        width, colour, number = (row[k] for k in positions)
        assert is_number(width) and is_number(number) and colour in COLOURS, (answered, row)
    if verb == "evaluate":
        assert dict(line.split() for line in answered.stdout.splitlines())["rows"] == str(len(body))
        return
    answers = list(csv.DictReader(io.StringIO(answered.stdout)))
    assert len(answers) == len(body), answered
    for answer in answers:
        assert answer["label"] in ("yes", "no")
        assert abs(float(answer["p_yes"]) + float(answer["p_no"]) - 1) < 1e-4


def test_what_is_spoilt_was_good(trained: Trained) -> None:
    assert is_table(rows_of(TABLE.encode()))
    answered = run("predict", trained.directory, trained.source)
    assert answered.code == 0 and len(answered.stdout.splitlines()) == 21
    assert Path(trained.directory / "summary.json").exists()
