"""Reading baskets: every format, what they are told from, and bad rows with their places."""

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from dlkit.errors import DataError
from dlkit.readers.baskets import Baskets, BasketSpec, read_baskets


def read(folder: Path, text: str | bytes, on_bad_row: Any = "error", **how: Any) -> Baskets:
    path = folder / "baskets.txt"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_baskets(path, BasketSpec(train=str(path), **how), on_bad_row)


def sets(b: Baskets) -> list[list[str]]:
    return [[b.items[c] for c in b.codes[i:j]] for i, j in zip(b.starts, b.starts[1:], strict=False)]


ARTICLE = [["1", "3", "4"], ["2", "3", "5"], ["1", "2", "3", "5"], ["2", "5"]]


@pytest.mark.parametrize(
    ("text", "format", "expected"),
    [
        ("1 3 4\n2 3 5\n1 2 3 5\n2 5\n", "rows", ARTICLE),
        ("1 3 4 \r\n2 3 5 \r\n1 2 3 5 \r\n2 5", "rows", ARTICLE),
        ("1\t3\t4\n2\t3\t5\n1\t2\t3\t5\n2\t5\n", "rows", ARTICLE),
        ("1,3,4,\n2,3,5,\n1,2,3,5\n2,5,,\n", "rows", ARTICLE),
        ("1|3|4\n2|3|5\n1|2|3|5\n2|5\n", "rows", ARTICLE),
        ("\ufeff1;3;4\r2;3;5\r1;2;3;5\r2;5\r", "rows", ARTICLE),
        ("1 1 3 4 3\n2 3 5\n\n \n1 2 3 5\n2 5", "rows", ARTICLE),
        ("basket,item\na,1\na,3\na,4\nb,2\nb,3\nb,5\nc,1\nc,2\nc,3\nc,5\nd,2\nd,5\n", "pairs", ARTICLE),
        ("a 1\na 3\na 4\nb 2\nb 3\nb 5\nc 1\nc 2\nc 3\nc 5\nd 2\nd 5\na 3\n", "pairs", ARTICLE),
        ("牛乳,パン\n0,1\n1,1\n0,0\n", "table", [["パン"], ["牛乳", "パン"], []]),
        ("id,x,y\n17,yes,no\n18,no,yes\n19,yes,yes\n", "table", [["x"], ["y"], ["x", "y"]]),
        ("whole milk\ncream cheese ,whole milk\n", "rows", [["whole milk"], ["cream cheese", "whole milk"]]),
        ('"a, b",c\n"say ""x""",c\n c ,"a, b"\n', "rows", [["a, b", "c"], ['say "x"', "c"], ["c", "a, b"]]),
        ("07 7\n7 +7\n", "rows", [["07", "7"], ["7", "+7"]]),
        ("ビール 紙おむつ\n", "rows", [["ビール", "紙おむつ"]]),
    ],
)
def test_formats_are_told_apart(tmp_path: Path, text: str, format: str, expected: list[list[str]]) -> None:
    for data in (text.encode(), gzip.compress(text.encode())):
        b = read(tmp_path, data)
        assert (b.layout.format, sets(b)) == (format, expected)


def test_lines_are_those_of_the_file(tmp_path: Path) -> None:
    b = read(tmp_path, '"a\nb",c\n\n,\nd,e\n')
    assert b.lines is not None
    assert (sets(b), b.lines.tolist()) == ([["a\nb", "c"], ["d", "e"]], [1, 5])


def test_columns_of_pairs_by_name_and_index(tmp_path: Path) -> None:
    text = "No,Date,What,Who\n1,x,milk,a\n1,y,tea,a\n2,x,milk,b\n"
    expected = [["milk", "tea"], ["milk"]]
    assert sets(read(tmp_path, text, basket="No", item="What")) == expected
    assert sets(read(tmp_path, text, basket=0, item=-2, header=True)) == expected
    with pytest.raises(DataError, match=r'no column "Item" \(there are No, Date, What, Who'):
        read(tmp_path, text, basket="No", item="Item")
    with pytest.raises(DataError, match="no column 9"):
        read(tmp_path, text, basket=0, item=9)


def test_a_format_that_is_named_is_not_guessed(tmp_path: Path) -> None:
    pairs = "a 1\na 2\nb 1\n"
    assert sets(read(tmp_path, pairs, format="rows")) == [["a", "1"], ["a", "2"], ["b", "1"]]
    assert sets(read(tmp_path, "a,1\nb,2\n", format="pairs")) == [["1"], ["2"]]
    assert sets(read(tmp_path, "a,b c\n", delimiter="blanks")) == [["a,b", "c"]]


@pytest.mark.parametrize(
    ("text", "how", "message"),
    [
        ("", {}, "baskets.txt: holds no baskets"),
        ("\n \n", {}, "baskets.txt: holds no baskets"),
        (",,\n,\n", {}, "baskets.txt: holds no items"),
        ('a,b\n"c,d\ne,f\n', {}, "baskets.txt:2: a quote that is opened but not closed"),
        ('a,b\n\n"c" d,e\n', {}, "baskets.txt:3: text after a closing quote"),
        (b"a b\nc \xff d\n", {}, "baskets.txt:2: not UTF-8"),
        (b"a b\nc \x00 d\n", {}, "baskets.txt:2: a NUL byte"),
        ("b,i\n1,x\n2\n", {"format": "pairs"}, "baskets.txt:3: expected 2 columns, found 1"),
        ("b,i\n1,x\n,y\n", {"format": "pairs"}, "baskets.txt:3: the basket is missing"),
        ("b,i\n1,x\n1,\n", {"format": "pairs"}, "baskets.txt:3: the item is missing"),
        ("x,y\n1,0\n1,2\n", {"format": "table"}, 'baskets.txt:3: column y: expected 0 or 1, found "2"'),
        ("x,y\n1,0\n1,0,1\n", {"format": "table"}, "baskets.txt:3: expected 2 columns, found 3"),
        ("x,y,x\n1,0,1\n0,0,1\n", {"format": "table"}, 'baskets.txt: 2 columns are named "x"'),
        ("x\ny\n", {"format": "pairs"}, "baskets.txt: pairs need two columns, found one"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(
    tmp_path: Path, text: str | bytes, how: dict[str, Any], message: str
) -> None:
    with pytest.raises(DataError) as error:
        read(tmp_path, text, **how)
    assert message in str(error.value)


def test_bad_rows_are_left_out_and_counted(tmp_path: Path) -> None:
    b = read(tmp_path, "b,i\n1,x\n2\n1,y\n,z\n", "skip", format="pairs")
    assert (sets(b), b.skipped) == ([["x", "y"]], 2)
    assert b.first_fault.endswith("baskets.txt:3: expected 2 columns, found 1")
    b = read(tmp_path, "x,y\n1,0\n1,2\n0,1\n", "skip", format="table")
    assert (sets(b), b.skipped) == ([["x"], ["y"]], 1)


def test_many_items_and_long_cells(tmp_path: Path) -> None:
    """More distinct items than the hash table begins with; cells that share their beginnings."""
    rng = np.random.default_rng(3)
    rows = [[f"{'長' * 50}{k}" for k in rng.choice(30_000, 40, replace=False)] for _ in range(1500)]
    assert sets(read(tmp_path, "\n".join(map(" ".join, rows)))) == rows


@pytest.mark.parametrize("delimiter", ["", "ab", "é", '"', "\n"])
def test_impossible_delimiters(delimiter: str) -> None:
    with pytest.raises(ValidationError):
        BasketSpec(train="x", delimiter=delimiter)
