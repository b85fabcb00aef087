"""Spoilt basket files through `apriori --dry-run`: they end with code 0 or, in one line, with code 1.

What is accepted has the baskets that Python's own tools find, told the format.
"""

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkit.errors import DataError
from dlkit.readers.baskets import BasketSpec, read_baskets
from tests.fuzz.mutations import spoilt_bytes, spoilt_text

ROWS = "".join(f'牛乳,パン {k % 3},"a, b",c{k % 5}\n' for k in range(12)) + "x\ny,z,\n"
PAIRS = "order,item\n" + "".join(f"{k // 3},品 {k % 4}\n" for k in range(18))
TABLE = "牛乳,b,c\n" + "".join(f"{k % 2},{k % 3 % 2},1\n" for k in range(12))
GARBAGE = ["", ",", '"', '""', "\r", "\n", "\r\n", "\t", " ", "\0", "\ufeff", "é", "0", "1", "2", ";", "|"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("baskets")


def expected(data: bytes) -> list[set[str]]:
    """Baskets of comma-separated rows by the csv module: cells stripped, empty ones and rows left out."""
    text = data.decode("utf-8").removeprefix("\ufeff")
    rows = csv.reader(io.StringIO(text, newline=""), skipinitialspace=True, strict=True)
    found = [{cell.strip(" \t") for cell in row} - {""} for row in rows]
    return [basket for basket in found if basket]


@given(
    st.one_of(
        spoilt_text([ROWS], GARBAGE).map(lambda t: t.encode("utf-8", "surrogatepass")),
        spoilt_bytes(ROWS.encode()),
    )
)
def test_rows_are_those_of_the_csv_module(folder: Path, data: bytes) -> None:
    path = folder / "rows.csv"
    path.write_bytes(data)
    spec = BasketSpec(train=str(path), format="rows", delimiter=",")
    try:
        b = read_baskets(path, spec)
    except DataError as error:
        assert "\n" not in str(error)
        return
    found = [{b.items[c] for c in b.codes[i:j]} for i, j in zip(b.starts, b.starts[1:], strict=False)]
    try:
        wanted = expected(data)
    except (csv.Error, UnicodeDecodeError):
        return  # csv is stricter about what follows a quote after blanks
    if b'"' not in data.replace(b',"a, b"', b""):  # a tab before a quote: csv takes the quote as it is
        assert found == wanted


@pytest.mark.parametrize("text", [ROWS, PAIRS, TABLE], ids=["rows", "pairs", "table"])
@given(st.data())
def test_whatever_is_guessed_is_consistent(folder: Path, text: str, data: st.DataObject) -> None:
    path = folder / "any.txt"
    spoilt = data.draw(
        st.one_of(
            spoilt_text([text], GARBAGE).map(lambda t: t.encode("utf-8", "surrogatepass")),
            spoilt_bytes(text.encode()),
        )
    )
    path.write_bytes(spoilt)
    try:
        b = read_baskets(path, BasketSpec(train=str(path)), data.draw(st.sampled_from(["error", "skip"])))
    except DataError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error)
        return
    assert b.starts[0] == 0 and b.starts[-1] == len(b.codes) and (b.starts[1:] >= b.starts[:-1]).all()
    assert len(b.codes) and b.codes.min() >= 0 and b.codes.max() < len(b.items)
    assert len(set(b.items)) == len(b.items) and all(item == item.strip(" \t") for item in b.items)
    for i, j in zip(b.starts, b.starts[1:], strict=False):
        assert len(set(b.codes[i:j].tolist())) == j - i
