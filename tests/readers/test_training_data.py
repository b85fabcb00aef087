"""read_training: tasks, labels, preprocessing, splits and lookup, from files to arrays."""

import re

import numpy as np
import pytest
from pydantic import ValidationError

from dlkit.errors import DataError
from dlkit.readers.schema import Schema
from dlkit.readers.spec import DataSpec
from dlkit.readers.training_data import read_training


class Streams:
    def get(self, name, *position):
        return np.random.default_rng([*name.encode(), *position])


@pytest.fixture
def write(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLKIT_DATA", raising=False)

    def put(text, name="x.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return name

    return put


def read(train="x.csv", task="auto", on_bad_row="error", base=None, **spec):
    return read_training(DataSpec(train=train, **spec), task, Streams(), on_bad_row, base)


def fails(*args, **options):
    with pytest.raises(DataError) as error:
        read(*args, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_small_table_in_full(write):
    write("age,colour,城\n10,red,京都\n20,blue,大阪\n30,red,京都\n40,green,大阪\n")
    data = read(scale="range")
    schema = data.schema
    assert (schema.task, schema.columns, schema.kinds) == (
        "classification",
        ["age", "colour"],
        ["number", "category"],
    )
    assert schema.encoded_names == ["age", "colour=blue", "colour=green", "colour=red"]
    assert (schema.label, schema.classes) == (["城"], ["京都", "大阪"])
    np.testing.assert_allclose(
        data.train.x, [[0, 0, 0, 1], [1 / 3, 1, 0, 0], [2 / 3, 0, 0, 1], [1, 0, 1, 0]], rtol=1e-6
    )
    assert data.train.y.tolist() == [0, 1, 0, 1]
    assert data.train.labels.tolist() == ["京都", "大阪", "京都", "大阪"]
    assert data.train.row_lines.tolist() == [2, 3, 4, 5]
    assert data.summary() == "x.csv 4 · 4 inputs · 2 classes"
    assert data.notes == ["task: classification (the label is text)"]


@pytest.mark.parametrize(
    ("labels", "task"),
    [
        ([0, 1, 2] * 5, "classification"),
        ([1.0, 2.0] * 5, "classification"),
        ([0.5, 1.5] * 5, "regression"),
        (range(20), "regression"),
        (list(range(20)) * 2, "classification"),
        (list(range(21)) * 3, "regression"),
        (["a", "b"] * 4, "classification"),
    ],
)
def test_the_task_is_told_from_the_labels(write, labels, task):
    write("".join(f"{i},{label}\n" for i, label in enumerate(labels)))
    assert read().schema.task == task
    assert read().notes[0].startswith(f"task: {task} (")


def test_classes_are_sorted_as_numbers_or_as_text(write):
    write("".join(f"0,{label}\n" for label in (10, 9, 2, 10.0, 9, 2)))
    assert read().schema.classes == ["2", "9", "10"]
    write("".join(f"0,{label}\n" for label in ("b10", "b9", "a")))
    assert read().schema.classes == ["a", "b10", "b9"]
    write("0,1\n0,2\n0,x\n0,1\n")
    assert read(task="classification").schema.classes == ["1", "2", "x"]


@pytest.mark.parametrize("label", ["b", 1, -2, ["b"]])
def test_the_label_by_name_and_by_index(write, label):
    write("a,b,c\n1,2.5,3\n4,5,6\n")
    data = read(label=label)
    assert (data.schema.label, data.schema.columns) == (["b"], ["a", "c"])
    np.testing.assert_allclose(data.train.labels[:, 0], [2.5, 5])


def test_several_targets_are_standardised_each(write):
    write("a,b,c\n1,2,3\n4,5,60\n2,9,1\n")
    data = read(label=["c", "a"])
    assert (data.schema.targets, data.train.y.shape, data.train.y.dtype) == (["c", "a"], (3, 2), np.float32)
    assert data.train.y.mean(axis=0) == pytest.approx([0, 0], abs=1e-6)
    np.testing.assert_allclose(
        data.preprocess.targets.restore_mean(data.train.y), data.train.labels, rtol=1e-5
    )
    assert data.summary().endswith("targets c, a")


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("a,b\n1,\n2,3\n4,5\n", {}, "x.csv:2: column b: the value is missing"),
        ("a,b\n1,2\nNaN,3\n4,5\n", {}, "x.csv:3: column a: the value is missing"),
        ("a,b\n1,2\n1e400,3\n4,5\n", {}, "x.csv:3: column a: 1e400 is not a finite number"),
        ("a,b\n1,2\n3,4\n-inf,5\n", {}, "x.csv:4: column a: -inf is not a finite number"),
        ("a,b\n1,2\n3x,4\n5,5\n", {}, 'x.csv:3: column a: expected a number, found "3x"'),
        ("a,b\nred,2\n,4\nblue,5\n", {}, "x.csv:3: column a: the value is missing"),
        ("a,b\n1,x\n2,x\n", {}, 'x.csv: label b has fewer than two classes: "x"'),
        ("a,b\n1,x\n2,y\n", {"task": "regression"}, 'x.csv:2: column b: expected a number, found "x"'),
        ("a,b\n1,2\n", {"label": "c"}, 'x.csv: there is no column "c"; there are a, b'),
        ("a,b\n1,2\n", {"label": ["a", 0]}, "x.csv: a label column is named twice"),
        ("a,b\n1,2\n", {"ignore": ["b"]}, "x.csv: the label column is among the ignored ones"),
        ("a\n1\n2\n", {}, "x.csv: no feature column is left besides the label"),
        ("1,2\n3,4\n", {"valid": 2}, "x.csv: valid: 2 of 2 rows leaves none to train on"),
        ("1,2\n3,4\n", {"fold": {"index": 0, "of": 3}}, "x.csv: fold: 3 folds of 2 rows"),
        ("a,b\n1e200,2\n-1e200,3\n", {}, "x.csv: the features are too large (or too small) for scale: standard"),  # noqa: E501
        ("a,b\n1e200,2.5\n-1e200,3\n", {"scale": "none"}, "x.csv:2: a value too large for float32"),
        ("a,b,c\n1,2,0\n3,4,1\n", {"label": ["b", "c"], "task": "classification"}, "x.csv: classification"),
    ],
)  # fmt: skip
def test_what_is_refused_and_where(write, text, options, message):
    write(text)
    assert fails(**options).startswith(message)


def test_too_many_categories_are_refused(write):
    write("".join(f"name{i},{i % 2}\n" for i in range(1500)))
    assert "column column_0 has 1,500 categories" in fails()


def test_bad_rows_may_be_skipped(write):
    write("a,b\n1,0\n2\n,1\nx,1\n3,1\n4,0\n5,1\n")
    data = read(on_bad_row="skip", scale="none")
    assert (data.train.x[:, 0].tolist(), data.skipped) == ([1, 3, 4, 5], 3)
    assert data.train.row_lines.tolist() == [2, 6, 7, 8]
    assert data.train.rows.tolist() == [0, 4, 5, 6]
    assert data.notes[-1] == ("x.csv: 3 bad rows skipped, first x.csv:3: expected 2 columns, found 1")
    write("a,b\n1\n2\n3,4,5\n", "y.csv")
    assert fails("y.csv", on_bad_row="skip").startswith("y.csv:")


def test_columns_may_be_ignored_or_forced_to_be_categories(write):
    write("id,zip,n,y\n1,00501,5,a\n?,10115,6,b\n3,00501,7,a\n")
    data = read(ignore=["id"], categories=["zip"])
    assert data.schema.encoded_names == ["zip=00501", "zip=10115", "n"]


def test_statistics_come_from_the_training_rows_alone(write):
    write("".join(f"{i},{i % 2}\n" for i in range(100)))
    data = read(valid=0.2, test=10)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [72, 18, 10]
    rows = [set(part.rows.tolist()) for part in (data.train, data.valid, data.test)]
    assert set.union(*rows) == set(range(100))
    assert np.bincount(data.valid.y).tolist() == [9, 9]
    assert data.train.x.mean() == pytest.approx(0, abs=1e-6)
    assert data.train.x.std() == pytest.approx(1, abs=1e-5)
    assert data.valid.x.mean() != pytest.approx(0, abs=1e-6)
    assert data.summary() == "x.csv 72 + 18 valid + 10 test · 1 inputs · 2 classes"


def test_folds_are_a_partition_and_validation_comes_from_the_rest(write):
    write("".join(f"{i},{i % 3}\n" for i in range(31)))
    tests = [read(fold={"index": k, "of": 4}, valid=5) for k in range(4)]
    assert sorted(r for data in tests for r in data.test.rows.tolist()) == list(range(31))
    assert all(len(data.train) + len(data.valid) + len(data.test) == 31 for data in tests)
    assert not set(tests[0].valid.rows.tolist()) & set(tests[0].test.rows.tolist())


def test_row_files_with_fold(write):
    write("".join(f"{i} \t{i % 7 + 0.5} \n" for i in range(10)), "d/data.txt")
    write("0.0e+00\n1\n2\n3\n", "d/train_1.txt")
    write("9\n8\n", "d/test_1.txt")
    spec = {
        "train_rows": "d/train_{fold}.txt",
        "test_rows": "d/test_{fold}.txt",
        "fold": {"index": 1, "of": 20},
    }
    data = read("d/data.txt", **spec)
    assert (data.train.rows.tolist(), data.test.rows.tolist()) == ([0, 1, 2, 3], [9, 8])
    assert len(data.files) == 3
    write("3\n", "d/test_1.txt")
    assert "row 3 is in train_rows and in test_rows" in fails("d/data.txt", **spec)


def test_other_files_are_matched_by_name_and_held_to_the_schema(write):
    write("a,c,y\n1,red,no\n2,blue,yes\n")
    write("y,extra,c,a\nyes,?,red,3\n", "valid.csv")
    data = read(valid="valid.csv", scale="none")
    assert data.valid.x.tolist() == [[3, 0, 1]]
    assert data.valid.y.tolist() == [1]
    assert data.summary() == "x.csv 2 · valid.csv 1 · 3 inputs · 2 classes"
    write("a,c,y\n1,red,no\n2,blue,maybe\n", "bad.csv")
    assert fails(test="bad.csv") == 'bad.csv:3: label y: class "maybe" was not in the training data'
    write("a,c,y\n1,red,no\n2,green,no\n", "bad.csv")
    assert fails(test="bad.csv") == 'bad.csv:3: column c: category "green" was not in the training data'
    data = read(test="bad.csv", unseen="ignore", scale="none")
    assert (data.test.x[1].tolist(), data.unseen) == ([2, 0, 0], 1)
    write("a,y\n1,no\n", "bad.csv")
    assert fails(test="bad.csv") == 'bad.csv: missing column "c"'


def test_where_files_are_looked_for(write, tmp_path, monkeypatch):
    write("1,2.5\n3,4\n", "recipes/t.csv")
    write("5,6.5\n7,8\n", "sets/s.csv")
    base = tmp_path / "recipes"
    data = read("t.csv", base=base)
    assert data.resolved == {"train": str(base / "t.csv")}
    assert read(data.resolved["train"]).resolved == {}
    message = fails("s.csv", base=base)
    assert message == f"s.csv: no such file (looked in the current folder, {base})"
    monkeypatch.setenv("DLKIT_DATA", str(tmp_path / "sets"))
    assert read("s.csv", base=base).resolved == {}
    assert f"$DLKIT_DATA={tmp_path / 'sets'}" in fails("u.csv", base=base)
    assert fails("recipes") == "recipes: is a folder, not a file"
    assert "cannot be read" in fails("x" * 5000)


def test_schema_survives_a_checkpoint(write):
    write("a,c/d,y\n1,red,no\n2,blue,yes\n")
    schema = read().schema
    assert Schema.from_dict(schema.to_dict()) == schema
    for value in schema.to_dict().values():
        assert isinstance(value, (str, bool, int, np.ndarray)) or all(isinstance(v, str) for v in value)


@pytest.mark.parametrize(
    "spec",
    [
        {"valid": 1.5},
        {"valid": 0},
        {"test": -3},
        {"delimiter": "ab"},
        {"delimiter": '"'},
        {"fold": {"index": 3, "of": 3}},
        {"fold": {"index": 0, "of": 3}, "test": 5},
        {"train_rows": "r", "fold": {"index": 0, "of": 3}},
        {"test": "t.csv", "test_rows": "r"},
        {"components": 3},
        {"scale": "pca", "components": 1.5},
        {"label": []},
        {"scale": "robust"},
    ],
)
def test_impossible_specs(spec):
    with pytest.raises(ValidationError):
        DataSpec(train="x", **spec)


def test_row_files_of_folds_need_a_fold(write):
    write("a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match=re.escape("r_{fold}: {fold} stands for the index of a fold")):
        read(train_rows="r_{fold}")


def test_embedded_digits_golf_diabetes_and_sine(embedded):
    digits = read(str(embedded / "digits.csv"), valid=0.1)
    assert (digits.schema.outputs, digits.schema.input_shape, len(digits.train)) == (10, (64,), 1617)
    golf = read(str(embedded / "golf.csv"))
    assert (golf.schema.classes, golf.schema.kinds, len(golf.train)) == (["no", "yes"], ["category"] * 4, 14)
    diabetes = read(str(embedded / "diabetes.csv"))
    assert (diabetes.schema.task, diabetes.schema.targets, len(diabetes.train)) == (
        "regression",
        ["progression"],
        442,
    )
    sine = read(str(embedded / "sine.csv"), scale="none")
    x, y = sine.train.x[:, 0], sine.train.labels[:, 0]
    assert np.std(y - x - np.sin(5 * x)) == pytest.approx(0.1, abs=0.02)
    assert np.abs(x).min() >= 0.2


def test_mnist_stays_bytes(dlkit_data):
    data = read("mnist/train", test="mnist/test", valid=5000)
    assert data.summary() == "mnist/train 55,000 + 5,000 valid · mnist/test 10,000 · 28×28×1 · 10 classes"
    assert (data.train.x.dtype, data.train.x.shape) == (np.uint8, (55000, 784))
    assert data.train.scale == pytest.approx(1 / 255)
    assert data.train.inputs(slice(0, 4)).max() == 1
    assert np.bincount(data.valid.y).min() > 400
    assert len(data.files) == 4
    assert "try mnist/train, mnist/test" in fails("mnist")


def test_gals_concrete_splits(dlkit_data):
    folder = "uci/concrete/"
    spec = {"train_rows": folder + "index_train_{fold}.txt", "test_rows": folder + "index_test_{fold}.txt"}
    data = read(folder + "data.txt", fold={"index": 19, "of": 20}, **spec)
    assert (len(data.train), len(data.test), data.schema.task) == (927, 103, "regression")
    assert data.schema.input_shape == (8,)


def test_numbers_with_commas_are_not_taken_for_categories(write):
    write("a;b;y\n" + "".join(f"{k},5;{k % 3};{'xy'[k % 2]}\n" for k in range(6)))
    told = "looks like a number written with a comma (write a decimal point, or name it in data.categories)"
    assert fails() == f'x.csv: column a: "0,5" {told}'
    assert read(categories=["a"]).schema.kinds == ["category", "number"]
