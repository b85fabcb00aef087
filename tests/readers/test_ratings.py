"""Files of ratings: every separator, every header, bad rows with their place, names of any script."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.readers.ratings import RatingLines, Wanted
from dlkit.readers.ratings_names import Names
from dlkit.readers.ratings_spec import ColumnsSpec, RatingsSpec


def read(path: Path, data: str | bytes, *, wanted: Wanted | None = None, **spec):
    """(rows as (user, item, value[, time]), the lines object)."""
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    users, items = Names(), Names()
    wanted = wanted or Wanted()
    lines = RatingLines(path, RatingsSpec(train=str(path), **spec), users, items, wanted)
    rows = []
    for piece in lines:
        for k in range(len(piece.users)):
            row = (users.text(piece.users[k]), items.text(piece.items[k]), float(piece.values[k]))
            rows.append((*row, float(piece.times[k])) if wanted.time else row)
    return rows, lines


EXPECTED = [("u1", "映画 a", 4.0), ("太郎", "b", 3.5), ("u1", "b", -1.0)]


@pytest.mark.parametrize("separator", [",", "\t", "::", ";", "|"])
@pytest.mark.parametrize("header", ["", "user{0}item{0}rating", "rated by{0}what{0}how much"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["\n", ""])
def test_separators_headers_and_line_ends(tmp_path, separator, header, end, last):
    lines = [f"{u}{separator}{i}{separator}{r:g}" for u, i, r in EXPECTED]
    lines = [header.format(separator), *lines] if header else lines
    rows, _ = read(tmp_path / "r.csv", end.join(lines) + last.replace("\n", end))
    assert rows == EXPECTED


def test_blanks_separate_where_there_is_nothing_else(tmp_path):
    rows, _ = read(tmp_path / "r.txt", " 1  7   3 \n2\t8 4.25\n\n 3 9  5")
    assert rows == [("1", "7", 3.0), ("2", "8", 4.25), ("3", "9", 5.0)]


@pytest.mark.parametrize("blank", [c for c in map(chr, range(0x3001)) if c.isspace() and c not in "\r\n"])
def test_whatever_blank_around_a_name_goes(tmp_path, blank):
    expected = [("u 1", "映画", 4.0), ("é", "b", 3.0)]
    rows, _ = read(tmp_path / "r.csv", f'{blank}u 1,映画{blank * 2},4\n"{blank}é{blank}",b,{blank}3\n')
    assert rows == expected


@pytest.mark.parametrize("separator", [",", "::", " "])
@pytest.mark.parametrize("line", ["a\rx{0}b{0}3", "a{0}b{0}3\r4", '"a\r"{0}b{0}3', "a{0}b{0}3\r "])
def test_a_carriage_return_ends_a_line_or_is_refused(tmp_path, separator, line):
    """In a file that has line feeds; in one that has none it is the line's end."""
    good = f"u{separator}i{separator}1\n"
    bad = line.format(separator) + "\n"
    with pytest.raises(DataError, match=r"r.csv:2: a carriage return in the middle of the line"):
        read(tmp_path / "r.csv", good + bad + good)
    rows, _ = read(tmp_path / "r.csv", good.replace("\n", "\r\r\n") * 2)
    assert rows == [("u", "i", 1.0)] * 2
    rows, _ = read(tmp_path / "r.csv", good.replace("\n", "\r") * 2)
    assert rows == [("u", "i", 1.0)] * 2


def test_a_matrix_taken_for_a_list_is_told(tmp_path):
    hint = r"r.csv:2: column b: the value is missing \(.* --format matrix\)"
    with pytest.raises(DataError, match=hint):
        read(tmp_path / "r.csv", ",a,b,c,d\nu,1,NaN,3,4\nv,1,2,3,4\n")
    with pytest.raises(DataError, match=r"r.csv:2: expected 3 columns, found 2$"):
        read(tmp_path / "r.csv", "a,b,3\nc,d\ne,f,4\n")


def test_two_roles_of_one_column(tmp_path):
    with pytest.raises(DataError, match=r"user and item are to be read from one column \(0\)"):
        read(tmp_path / "r.csv", "a,b,1\n", columns=ColumnsSpec(user=0, item=0))


@pytest.mark.parametrize("name", ["r.csv.gz", "plainly-named"])
def test_gzip_is_known_by_its_content(tmp_path, name):
    rows, _ = read(tmp_path / name, gzip.compress(b"a,b,1\nc,d,2\n"))
    assert rows == [("a", "b", 1.0), ("c", "d", 2.0)]


def test_a_header_puts_columns_in_any_order(tmp_path):
    rows, _ = read(tmp_path / "r.csv", "timestamp,rating,movieId,userId\n9,4,m1,u1\n8,3,m2,u1\n")
    assert rows == [("u1", "m1", 4.0), ("u1", "m2", 3.0)]
    rows, _ = read(tmp_path / "r.csv", "評価,映画,ユーザー\n4,七人の侍,花子\n")
    assert rows == [("花子", "七人の侍", 4.0)]


def test_columns_by_name_and_number(tmp_path):
    text = "a,b,c,d\n1,2,3,4\n"
    rows, _ = read(tmp_path / "r.csv", text, columns=ColumnsSpec(user="d", item="a", rating="b"))
    assert rows == [("4", "1", 2.0)]
    rows, _ = read(tmp_path / "r.csv", "1,2,3,4\n", columns=ColumnsSpec(user=-1, item=0, rating=1))
    assert rows == [("4", "1", 2.0)]
    with pytest.raises(DataError, match=r"r\.csv: no column e for the user \(there are a, b, c, d\)"):
        read(tmp_path / "r.csv", text, columns=ColumnsSpec(user="e"))
    with pytest.raises(DataError, match="no column 7 for the item: there are 4"):
        read(tmp_path / "r.csv", text, columns=ColumnsSpec(item=7))


def test_quotes_are_undone(tmp_path):
    text = 'user,item,rating\n"Smith, J",  "a",4\nplain,"say ""hi""",3\n"","x",1\n'
    with pytest.raises(DataError, match=r"r\.csv:4: column user: the value is missing"):
        read(tmp_path / "r.csv", text)
    rows, lines = read(tmp_path / "r.csv", text, wanted=Wanted(on_bad_row="skip"))
    assert rows == [("Smith, J", "a", 4.0), ("plain", 'say "hi"', 3.0)]
    assert lines.skipped == 1


def test_text_after_a_closing_quote_is_refused(tmp_path):
    for cell in ('"i 1"0', '"a" '):
        with pytest.raises(DataError, match=r"r\.csv:2: .*expected after"):
            read(tmp_path / "r.csv", f"user,item,rating\nu,{cell},4\n")


def test_two_columns_count_one_each(tmp_path):
    rows, lines = read(tmp_path / "r.csv", "u,a\nu,b\n")
    assert rows == [("u", "a", 1.0), ("u", "b", 1.0)]
    assert not lines.has_ratings


def test_times_are_numbers_or_dates(tmp_path):
    text = "u,a,1,100.5\nu,b,2,1970-01-02\nu,c,3,2005-09-06 01:02:03\nu,d,4,2000-02-29T00:01\nu,e,5,1e9\n"
    rows, _ = read(tmp_path / "r.csv", text, wanted=Wanted(time=True))
    assert [row[3] for row in rows] == [100.5, 86400.0, 1125968523.0, 951782460.0, 1e9]
    with pytest.raises(DataError, match=r"r\.csv:2: column 3: expected a number or YYYY-MM-DD"):
        read(tmp_path / "r.csv", "u,a,1,5\nu,b,2,yesterday\n", wanted=Wanted(time=True))
    with pytest.raises(DataError, match="no column of times"):
        read(tmp_path / "r.csv", "u,a,1\n", wanted=Wanted(time=True))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b,1\na,2\n", r"r\.csv:2: expected 3 columns, found 2"),
        ("a,b,1\n\na,c,1,2\n", r"r\.csv:3: expected 3 columns, found 4"),
        ("u,i,r\na,b,1\na,b,good\n", r'r\.csv:3: column r: expected a number, found "good"'),
        ("a,b,1\na,b,nan\n", r"r\.csv:2: column 2: the value is missing"),
        ("a,b,1\na,b,inf\n", r"r\.csv:2: column 2: inf is not a finite number"),
        ("a,b,1\na,b,1e99\n", r"r\.csv:2: column 2: 1e99 is not a finite number"),
        ("a,b,1\na,b,1_000\n", r'r\.csv:2: column 2: expected a number, found "1_000"'),
        ("a,b,1\n ,b,1\n", r"r\.csv:2: column 0: the value is missing"),
        ('a,b,1\n"a,b,1\n', r"r\.csv:2: a quote that is opened but not closed"),
        ("a\nb\n", r"r\.csv:1: expected at least 2 columns, found 1: no item"),
        ("", r"r\.csv: the file is empty"),
        (" \n\n", r"r\.csv: the file is empty"),
        ("user,item,rating\n", r"r\.csv: no usable row among 0"),
        (b"a,b,1\na,\x00,1\n", r"r\.csv:2: a NUL byte"),
        (b"a,b,1\na,\xe9,1\n", r"r\.csv:2: not UTF-8: byte 0xe9"),
        (b"\xff\xfea\x00", r"r\.csv: the text is UTF-16"),
    ],
)
def test_bad_input_is_located(tmp_path, text, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path / "r.csv", text)


def test_bad_rows_are_skipped_and_counted(tmp_path):
    text = "a,b,1\nonly\na,c,x\na,d,2\n,,\n"
    rows, lines = read(tmp_path / "r.csv", text, wanted=Wanted(on_bad_row="skip"))
    assert rows == [("a", "b", 1.0), ("a", "d", 2.0)]
    assert lines.skipped == 3
    assert lines.first_fault.endswith("r.csv:2: expected 3 columns, found 1")
    with pytest.raises(DataError, match=r"no usable row among 2; .*r\.csv:1"):
        read(tmp_path / "r.csv", "x,y,z\nu,v,w\n", header=False, wanted=Wanted(on_bad_row="skip"))


@pytest.mark.parametrize(
    "text", ["3", "+3", "-3.25", "0.1", "007", ".5", "5.", "123456789012345678", "1e2", "-1E-3"]
)
def test_numbers_are_those_of_python(tmp_path, text):
    rows, _ = read(tmp_path / "r.csv", f"a,b,{text}\n", header=False)
    assert rows == [("a", "b", float(np.float32(float(text))))]


def test_other_encodings(tmp_path):
    rows, _ = read(tmp_path / "r.csv", "花子,映画,3\n".encode("shift_jis"), encoding="shift_jis")
    assert rows == [("花子", "映画", 3.0)]
    rows, _ = read(tmp_path / "r.csv", "Zoé,Amélie,3\n".encode("latin-1"), encoding="latin-1")
    assert rows == [("Zoé", "Amélie", 3.0)]
    with pytest.raises(DataError, match="not shift_jis"):
        read(tmp_path / "r.csv", b"a,\x81\n", encoding="shift_jis")


def test_an_old_macintosh_file_and_a_bom(tmp_path):
    rows, _ = read(tmp_path / "r.csv", b"\xef\xbb\xbfa,b,1\rc,d,2\r")
    assert rows == [("a", "b", 1.0), ("c", "d", 2.0)]


def test_many_names_and_many_pieces(tmp_path):
    """The tables grow, lines are cut by the pieces of the file, and nothing is lost."""
    n = 200_000
    rng = np.random.default_rng(0)
    users, items = rng.integers(0, 30_000, n), rng.integers(0, 9_000, n)
    body = "".join(f"user-{u},{i * 7919}-x,{(u + i) % 9 / 2:g}\n" for u, i in zip(users, items, strict=True))
    path = tmp_path / "r.csv"
    path.write_text(body, encoding="utf-8")
    names = Names(), Names()
    pieces = list(RatingLines(path, RatingsSpec(train=str(path)), *names, Wanted()))
    assert len(pieces) > 2
    found = [np.concatenate([piece[k] for piece in pieces]) for k in range(3)]
    user_texts, item_texts = (one.texts() for one in names)
    assert [user_texts[u] for u in found[0]] == [f"user-{u}" for u in users]
    assert [item_texts[i] for i in found[1]] == [f"{i * 7919}-x" for i in items]
    np.testing.assert_array_equal(found[2], ((users + items) % 9 / 2).astype(np.float32))
    assert list(dict.fromkeys(user_texts)) == user_texts


def test_names_find_what_was_put(tmp_path):
    names = Names(f"名{k}" for k in range(5000))
    assert len(names) == 5000
    assert names.find("名4321") == 4321
    assert names.find("名5000") == -1
    assert names.put("名17") == 17
    assert names.put("x" * 300_000) == 5000  # longer than the pool that is there
    assert names.text(5000) == "x" * 300_000
