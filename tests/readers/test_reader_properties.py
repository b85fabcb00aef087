"""Random tables come back as they were written; random bytes are data or a DataError, never anything else."""

import csv
import gzip
import io

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from dlkit.errors import DataError
from dlkit.readers.cells import MISSING_TEXT
from dlkit.readers.delimited import numeric_matrix, records
from dlkit.readers.idx import parse_idx
from dlkit.readers.npy import Npz, parse_npy
from dlkit.readers.prediction import read_for_prediction
from dlkit.readers.spec import DataSpec
from dlkit.readers.table import read_table
from dlkit.readers.training_data import read_training

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0\r"), min_size=1, max_size=8)
NAME = TEXT.map(str.strip).filter(lambda text: text and text.lower() not in MISSING_TEXT)
FLOAT = st.floats(allow_nan=False, allow_infinity=False, width=32)


def write(rows, **options):
    file = io.StringIO(newline="")
    csv.writer(file, **options).writerows(rows)
    return file.getvalue().encode()


@given(
    hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=6), elements=FLOAT),
    st.sampled_from(",;\t|"),
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)
def test_numbers_come_back(array, delimiter, end, header):
    rows = [[repr(float(value)) for value in row] for row in array]
    names = [f"c{i}" for i in range(array.shape[1])]
    data = write([names] * header + rows, delimiter=delimiter, lineterminator=end)
    read = read_table(data, "x", header=header, delimiter=delimiter)
    np.testing.assert_array_equal(read.matrix, array)
    assert read.lines.tolist() == list(range(1 + header, 1 + header + len(array)))


@given(st.lists(st.tuples(NAME, FLOAT, NAME), min_size=1, max_size=8), st.sampled_from(",;\t|"))
def test_texts_come_back(rows, delimiter):
    data = write([["t", "f", "u"], *rows], delimiter=delimiter, lineterminator="\r\n")
    read = read_table(data, "x", header=True, delimiter=delimiter, as_text=True)
    assert [cell.strip() for cell in read.column(0)] == [t for t, _, _ in rows]
    assert read.numbers(1).tolist() == [f for _, f, _ in rows]
    assert [cell.strip() for cell in read.column(2)] == [u for _, _, u in rows]


@given(st.lists(st.tuples(NAME, FLOAT, st.sampled_from(["ja", "いいえ", "x"])), min_size=2, max_size=12))
def test_a_table_is_trained_on_and_predicted_from(tmp_path_factory, rows):
    assume(len({y for _, _, y in rows}) > 1)
    # one odd number among texts is still text, but a majority of numbers is not
    assume(not any(_number(c) for c, _, _ in rows))
    path = tmp_path_factory.mktemp("t") / "t.csv"
    path.write_bytes(write([["c", "f", "y"], *rows]))
    data = read_training(DataSpec(train=str(path), header=True, scale="none"))
    assert data.train.labels.tolist() == [y for _, _, y in rows]
    x = data.train.x
    codes = x[:, :-1] if len(data.schema.categories) else x
    assert [data.schema.categories["c"][k] for k in codes.argmax(axis=1)] == [c for c, _, _ in rows]
    parts = list(read_for_prediction(str(path), data.schema, data.preprocess, need_label=True, chunk=5))
    np.testing.assert_array_equal(np.concatenate([part.x for part in parts]), x)
    np.testing.assert_array_equal(np.concatenate([part.y for part in parts]), data.train.y)


def _number(text):
    try:
        float(text)
    except ValueError:
        return False
    return True


CSV_LIKE = st.text(st.sampled_from(list("0123456789.,;\t \n\r\"'eE+-naifx日_|#")), max_size=200).map(
    str.encode
)
ANY = st.one_of(
    st.binary(max_size=300),
    CSV_LIKE,
    st.binary(max_size=200).map(lambda b: b"\0\0\x08\x02" + b),
    st.binary(max_size=200).map(lambda b: b"\x93NUMPY\1\0" + b),
    st.binary(max_size=200).map(lambda b: b"PK\3\4" + b),
    st.binary(max_size=200).map(lambda b: b"\x1f\x8b\x08" + b),
    CSV_LIKE.map(gzip.compress),
)


@given(
    ANY,
    st.sampled_from(["auto", "classification", "regression"]),
    st.sampled_from(["error", "skip"]),
    st.booleans(),
)
def test_any_bytes_are_data_or_a_data_error(tmp_path_factory, data, task, on_bad_row, header):
    path = tmp_path_factory.mktemp("f") / "f.csv"
    path.write_bytes(data)
    spec = DataSpec(train=str(path), header="auto" if header else header)
    try:
        read = read_training(spec, task, on_bad_row=on_bad_row)
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert np.isfinite(read.train.inputs()).all()
    assert len(read.train) == len(read.train.y) > 0


SEED = b"a,b,y\n1,2,no\n3,4,yes\n5,6,no\n"


@given(ANY, st.booleans(), st.sampled_from(["error", "skip"]))
def test_any_bytes_are_rows_to_predict_or_a_data_error(tmp_path_factory, data, need_label, on_bad_row):
    folder = tmp_path_factory.mktemp("p")
    (folder / "t.csv").write_bytes(SEED)
    (folder / "p.csv").write_bytes(data)
    trained = read_training(DataSpec(train=str(folder / "t.csv")))
    options = {"need_label": need_label, "on_bad_row": on_bad_row}
    try:
        parts = list(
            read_for_prediction(str(folder / "p.csv"), trained.schema, trained.preprocess, **options)
        )
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert all(part.x.shape[1] == 2 for part in parts)


def npy_bytes(array):
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def npz_bytes(array):
    file = io.BytesIO()
    np.savez_compressed(file, x=array)
    return file.getvalue()


ARRAY = np.arange(24, dtype=np.uint8).reshape(4, 3, 2)
FILES = {
    "idx": (b"\0\0\x08\3" + b"".join(n.to_bytes(4, "big") for n in ARRAY.shape) + ARRAY.tobytes(), parse_idx),
    "npy": (npy_bytes(ARRAY), parse_npy),
    "npz": (npz_bytes(ARRAY), lambda data, name: Npz(data, name).array("x")),
}


@pytest.mark.parametrize("kind", FILES)
@given(
    edits=st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=4), cut=st.integers(0, 400)
)
def test_corrupt_arrays_are_data_or_a_data_error(kind, edits, cut):
    good, parse = FILES[kind]
    data = bytearray(good)
    for at, value in edits:
        data[at % len(data)] = value
    try:
        array = parse(bytes(data[: max(len(data) - cut, 0)] if cut < 200 else data), "f")
    except DataError as error:
        assert "\n" not in str(error)
        return
    assert array.nbytes <= 10 * len(good)


@given(CSV_LIKE, st.sampled_from([",", ";", "\t", " "]))
def test_the_quick_way_and_the_careful_way_read_the_same(data, delimiter):
    width = 2
    quick = numeric_matrix(data, delimiter, width, 1)
    if quick is None:
        return
    rows = list(records(data, delimiter, "x"))
    np.testing.assert_array_equal(quick[0], [[float(cell) for cell in row] for _, row in rows])
    assert quick[1].tolist() == [line for line, _ in rows]
