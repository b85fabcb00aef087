"""Delimited text: what is read, and how every fault is reported with its place."""

import gzip
import io

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.readers.cells import kind_of_column
from dlkit.readers.delimited import sniff_delimiter
from dlkit.readers.opening import read_bytes
from dlkit.readers.table import find_column, read_table


def table(text, **options):
    return read_table(text if isinstance(text, bytes) else text.encode(), "x.csv", **options)


def fails(text, **options):
    with pytest.raises(DataError) as error:
        table(text, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def rows(read):
    return [list(row) for row in zip(*(read.column(i) for i in range(len(read.names))), strict=True)]


@pytest.mark.parametrize(
    "text",
    [
        "a,b\n1,2\n3,4\n",
        "a,b\r\n1,2\r\n3,4\r\n",
        "a,b\r1,2\r3,4",
        "\ufeffa,b\n1,2\n3,4",
        "a\tb\n1\t2\n3\t4\n",
        "a;b\n1;2\n3;4\n",
        "a|b\n1|2\n3|4\n",
        "a b\n1   2\n 3 \t 4  \n",
        '"a","b"\n1,2\n3,4\n',
        '"a","b"\n"1","2"\n3, "4"\n',
        "\n\na,b\n\n1,2\n   \n3,4\n\n",
        " a , b \n 1 , 2 \n3,4",
    ],
)
def test_every_spelling_of_one_table(text):
    read = table(text)
    assert read.names == ["a", "b"]
    assert read.header
    assert [read.numbers(0).tolist(), read.numbers(1).tolist()] == [[1, 3], [2, 4]]


@pytest.mark.parametrize(
    ("content", "line"),
    [("a,b,y\r1,2,no\n3,4,yes\n", 1), ("a,b,y\n1,2,no\n3,4,yes\r5,6,no\n", 3), ("\n\rx\n", 2)],
)
def test_a_line_ends_at_a_line_feed_where_there_are_any(content: str, line: int) -> None:
    with pytest.raises(DataError, match=rf"t.csv:{line}: a carriage return in the middle of the line"):
        read_table(content.encode(), "t.csv")


def test_carriage_returns_before_the_line_feed_and_in_quotes() -> None:
    read = read_table(b'a,y\r\r\nx,no\r\n"u\rv",yes\n', "t.csv")
    assert [read.column(k) for k in (0, 1)] == [["x", "u\rv"], ["no", "yes"]]


def test_numbers_only_are_read_as_a_matrix_and_texts_are_not():
    assert table("1,2\n3,4\n").matrix is not None
    mixed = table("n,t\n1,x\n2,y\n3,x\n")
    assert mixed.matrix is None
    assert (mixed.kind(0), mixed.kind(1)) == ("number", "category")


def test_line_numbers_survive_blank_lines_and_cells_of_many_lines():
    assert table("a,b\n\n1,2\n\n\n3,4\n").lines.tolist() == [3, 6]
    assert table('a,b\n1,"x\ny\nz"\n2,w\n').lines.tolist() == [2, 5]
    assert rows(table('a,b\n1,"x\ny, ""z"""\n')) == [["1", 'x\ny, "z"']]


def test_rows_of_another_width_name_the_line():
    text = "a,b,c\n" + "1,2,3\n" * 1040 + "1,2\n" + "1,2,3\n"
    assert fails(text) == "x.csv:1042: expected 3 columns, found 2"
    read = table(text, on_bad_row="skip")
    assert (len(read), read.skipped, read.total) == (1041, 1, 1042)
    assert read.positions[-1] == 1041


def test_first_row_may_be_the_odd_one():
    assert fails("1,2\n1,2,3\n4,5,6\n") == "x.csv:1: expected 3 columns, found 2"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "x.csv: the file is empty"),
        (b" \n\n", "x.csv: the file is empty"),
        (b"a,b\n", "x.csv: a header, but no rows"),
        (b"a,a\n1,2\n", 'x.csv:1: column name "a" stands twice'),
        (b"a,b\n1,\xff\n", "x.csv:2: not UTF-8: byte 0xff at byte 3 of the line (save it as UTF-8)"),
        (b"a,b\n1,2\n3\0,4\n", "x.csv:3: a NUL byte; this is not a text file"),
        ("a,b\n1,2".encode("utf-16"), "x.csv: the text is UTF-16; save it as UTF-8"),
        (b'a,b\n1,"2\n3,4\n', "x.csv:2: a quote that is opened but not closed"),
        (b'a,b\n1,2\n3,"' + b"9" * 200_000 + b'"\n', "x.csv:3: a cell of more than 131,072 characters"),
    ],
)
def test_broken_files(data, message):
    assert fails(data) == message


def test_a_bad_byte_far_down_is_found():
    data = b"a,b\n" + b"1,2\n" * 200_000 + b"1,\x83\n"
    assert fails(data).startswith("x.csv:200002: not UTF-8: byte 0x83")


def test_a_line_of_many_megabytes():
    cells = 2_000_000
    read = table(b"1,22, 3," * (cells // 4) + b"4\n")
    assert (len(read), len(read.names)) == (1, cells // 4 * 3 + 1)
    assert "expected 2 columns" in fails(b"a,b\n" + b"1,2," * cells)


@pytest.mark.parametrize(
    ("text", "header"),
    [
        ("1,2\n3,4\n", False),
        ("x,y\n3,4\n", True),
        ("sunny,no\nrainy,yes\nsunny,yes\n", False),
        ("outlook,play\nsunny,no\nrainy,yes\n", True),
        (",x\n0,1\n1,2\n", True),
        ("a,b\n", True),
        ("sunny,1\nrainy,2\n", False),
    ],
)
def test_header_is_told_from_the_first_rows(text, header):
    if text == "a,b\n":
        assert "no rows" in fails(text)
    else:
        assert table(text).header is header


def test_header_may_be_said():
    assert table("1,2\n3,4\n", header=True).names == ["1", "2"]
    assert table("a,b\nc,d\n", header=False).total == 2
    assert table("1,2\n3,4\n").names == ["column_0", "column_1"]


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [
        ("a,b\n", ","),
        ("a;b;c\n1,5;2,5;3\n", ";"),
        ("540.0 \t0.0 \t2\n1 \t2 \t3\n", "\t"),
        ("1\t2\t\n3\t4\t\n", " "),
        ("1 2 3\n4 5 6\n", " "),
        ("x\n1\n2\n", ","),
        ('"a;b",2\n"c",3\n', ","),
        ("new york,3\nparis,4\n", ","),
        ("1,2,3\n1,2\n", ","),
    ],
)
def test_delimiter_is_told_from_the_first_rows(text, delimiter):
    assert sniff_delimiter(text.encode()) == delimiter


def test_a_slip_in_a_column_of_numbers_does_not_make_categories():
    assert kind_of_column(["1", "2", "3", "oops"]) == "number"
    assert kind_of_column(["1", "x", "y"]) == "category"
    assert kind_of_column(["1", "", "?"]) == "number"
    assert kind_of_column(["none", "-"]) == "category"
    assert kind_of_column(["", "?"]) == "number"


def test_numbers_python_reads_but_nobody_means_stay_text():
    assert kind_of_column(["1_000", "2_000"]) == "category"
    assert table("a,b\n1e3,-.5\n+2,3.\n").matrix.tolist() == [[1000, -0.5], [2, 3]]


def test_columns_are_found_by_name_and_by_index():
    names = ["a", "b", "c"]
    assert [find_column(r, names, True, "x") for r in ("b", 0, -1)] == [1, 0, 2]
    for wrong, said in (("d", "there are a, b, c"), (3, "has 3 columns"), (-4, "has 3 columns")):
        with pytest.raises(DataError, match=said):
            find_column(wrong, names, True, "x")
    with pytest.raises(DataError, match="no header"):
        find_column("d", names, False, "x")


def test_gzip_is_known_by_content(tmp_path, monkeypatch):
    packed = gzip.compress(b"1,2\n") + gzip.compress(b"3,4\n") + b"\0" * 9
    path = tmp_path / "日本.csv"
    path.write_bytes(packed)
    assert read_bytes(path) == b"1,2\n3,4\n"
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(packed)))
    assert read_bytes("-") == b"1,2\n3,4\n"


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        (lambda b: b[:-10], "truncated"),
        (lambda b: b[:30] + bytes([b[30] ^ 255]) + b[31:], "broken gzip|truncated"),
        (lambda b: b + b"more", "followed by something else|broken gzip"),
    ],
)
def test_gzip_that_is_broken(tmp_path, cut, message):
    path = tmp_path / "x.csv.gz"
    text = "\n".join(map(str, np.random.default_rng(0).normal(size=5000)))
    path.write_bytes(cut(gzip.compress(text.encode())))
    with pytest.raises(DataError, match=message):
        read_bytes(path)


def test_a_gzip_bomb_is_stopped(tmp_path, monkeypatch):
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    monkeypatch.setattr("dlkit.readers.opening.memory_limit", lambda: 32 << 20)
    with pytest.raises(DataError, match="too much for this machine"):
        read_bytes(path)
