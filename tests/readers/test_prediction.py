"""read_for_prediction: matching columns, pieces, labels, standard input."""

import io

import numpy as np
import pytest

from dlkit.errors import DataError
from dlkit.readers import streamed_table
from dlkit.readers.prediction import read_for_prediction
from dlkit.readers.spec import DataSpec
from dlkit.readers.training_data import read_training


@pytest.fixture
def trained(tmp_path, monkeypatch):
    """Write files and read a training file; gives a function that reads another file for prediction."""
    monkeypatch.chdir(tmp_path)

    def train(text, name="train.csv", task="auto", **spec):
        (tmp_path / name).write_text(text, encoding="utf-8")
        data = read_training(DataSpec(train=name, scale=spec.pop("scale", "none"), **spec), task)

        def predict(text, **options):
            path = tmp_path / "p.csv"
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
            return read_for_prediction("p.csv", data.schema, data.preprocess, **options)

        return predict

    return train


NAMED = "a,b,y\n1,2,no\n3,4,yes\n5,6,no\n"
BARE = "1,2,0\n3,4,1\n5,6,0\n7,8,1\n"


def x_of(rows):
    return np.concatenate([part.x for part in rows]).tolist()


@pytest.mark.parametrize(
    "text",
    [
        "a,b,y\n7,8,no\n",
        "b,a\n8,7\n",
        "b,other,y,a\n8,?,never,7\n",
        "7,8,no\n",
        "7,8\n",
        "b\ta\n8\t7\n",
        "7 8\n",
    ],
)
def test_columns_are_matched_by_name_or_by_count(trained, text):
    rows = trained(NAMED)(text)
    parts = list(rows)
    assert x_of(parts) == [[7, 8]]
    assert parts[0].y is None


@pytest.mark.parametrize("text", ["7,8\n", "7,8,1\n", "u,v\n7,8\n", "u,v,w\n7,8,1\n"])
def test_without_names_in_training_columns_are_counted(trained, text):
    assert x_of(trained(BARE)(text)) == [[7, 8]]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("c,y\n7,no\n", {}, 'p.csv: missing columns "a", "b"'),
        ("a,b\n7,8\n", {"need_label": True}, 'p.csv: missing column "y"'),
        ("7,8,9,1\n", {}, "p.csv: expected 2 (or 3 with the label) columns, found 4"),
        ("7,8\n", {"need_label": True}, "p.csv: expected 3 columns, found 2"),
        ("a,b,y\n7,8,no\n7,8,perhaps\n", {"need_label": True}, 'p.csv:3: label y: class "perhaps"'),
        ("a,b\n7,8\n7\n", {}, "p.csv:3: expected 2 columns, found 1"),
        ("a,b\n7,8\n7,x\n", {}, 'p.csv:3: column b: expected a number, found "x"'),
        ("a,b\n", {}, "p.csv: no rows"),
        ("", {}, "p.csv: the file is empty"),
        ("a,b\nx,1\n", {"on_bad_row": "skip"}, "p.csv: no usable row among 1; p.csv:2: column a"),
    ],
)
def test_what_is_refused_and_where(trained, text, options, message):
    with pytest.raises(DataError) as error:
        list(trained(NAMED)(text, **options))
    assert str(error.value).startswith(message)


def test_labels_come_along(trained):
    (part,) = trained(NAMED)("y,b,a\nyes,8,7\n", need_label=True)
    assert (part.y.tolist(), part.labels.tolist(), part.row_lines.tolist()) == ([1], ["yes"], [2])
    (part,) = trained(BARE, task="regression")("7,8,5\n", need_label=True)
    assert part.labels.tolist() == [[5]]
    assert part.y.tolist() == [[9]]  # mean 0.5, standard deviation 0.5


def test_ignored_columns_may_stay_or_go(trained):
    predict = trained("id,a,b,y\n9,1,2,no\n8,3,4,yes\n", ignore=["id"])
    assert (
        x_of(predict("id,a,b,y\nx,7,8,no\n"))
        == x_of(predict("7,8\n"))
        == x_of(predict("3,7,8,no\n"))
        == [[7, 8]]
    )


def test_unseen_categories(trained):
    text = "c,y\nred,no\nblue,yes\n"
    with pytest.raises(DataError, match=r'p\.csv:2: column c: category "pink"'):
        list(trained(text)("c\npink\n"))
    rows = trained(text, unseen="ignore")("c\npink\nred\n")
    assert x_of(rows) == [[0, 0], [0, 1]]
    assert rows.unseen == 1


def test_pieces_have_the_right_lines_and_counts(trained, monkeypatch):
    monkeypatch.setattr("dlkit.readers.opening.BLOCK", 700)
    monkeypatch.setattr(streamed_table, "_HEAD", 500)
    monkeypatch.setattr(streamed_table, "PIECE", 700)
    lines = ["c,a"] + [f'"r{i % 3}\n{i}",{i}' if i % 7 == 0 else f"r{i % 3},{i}" for i in range(2000)]
    predict = trained("a,c,y\n1,r0,no\n2,r1,yes\n3,r2,no\n", unseen="ignore")
    rows = predict("\n".join(lines), chunk=64)
    parts = list(rows)
    x = np.concatenate([part.x for part in parts])
    assert x[:, 0].tolist() == list(range(2000))
    assert max(map(len, parts)) <= 64
    assert (rows.rows, rows.unseen, rows.skipped) == (2000, 286, 0)
    assert x[1:7, 1:].argmax(axis=1).tolist() == [1, 2, 0, 1, 2, 0]
    at = np.concatenate([part.row_lines for part in parts])
    assert at.tolist() == [2 + i + (i + 6) // 7 for i in range(2000)]
    lines[1500] = "r0,oops"
    with pytest.raises(DataError) as error:
        list(predict("\n".join(lines)))
    assert str(error.value).startswith(f"p.csv:{at[1499]}: column a: expected a number")
    rows = predict("\n".join(lines), on_bad_row="skip")
    assert (sum(map(len, rows)), rows.skipped) == (1999, 1)


def test_a_quote_left_open_is_an_error_in_bounded_memory(trained, monkeypatch):
    monkeypatch.setattr("dlkit.readers.opening.BLOCK", 1000)
    monkeypatch.setattr(streamed_table, "_HEAD", 500)
    monkeypatch.setattr(streamed_table, "PIECE", 700)
    monkeypatch.setattr(streamed_table, "LONGEST_ROW", 20_000)
    with pytest.raises(DataError, match=r"p\.csv:\d+: a row of more than .* quote left open"):
        list(trained(NAMED)("a,b\n" + "1,2\n" * 1000 + '1,"2\n' + "1,2\n" * 10_000))


def test_standard_input(trained, monkeypatch):
    predict = trained(NAMED)
    rows = predict("")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"b,a\n8,7\n")))
    assert x_of(read_for_prediction("-", rows.schema, rows.preprocess)) == [[7, 8]]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"b,a\n8\n")))
    with pytest.raises(DataError, match="standard input:2: expected 2 columns"):
        list(read_for_prediction("-", rows.schema, rows.preprocess))


def test_a_file_that_is_not_there_is_told_at_once(trained):
    rows = trained(NAMED)("")
    with pytest.raises(DataError, match="no such file"):
        read_for_prediction("nowhere.csv", rows.schema, rows.preprocess)


@pytest.mark.parametrize("shape", [(5, 4, 3), (5, 12), (5, 4, 3, 2)])
def test_images_with_and_without_labels(tmp_path, monkeypatch, shape):
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    np.save("x_train.npy", x)
    np.save("y_train.npy", np.array([3, 5, 3, 5, 5]))
    data = read_training(DataSpec(train="x_train.npy"))
    assert (data.train.x.dtype, data.preprocess.kind) == (np.uint8, "range")
    assert data.schema.input_shape == {3: (4, 3, 1), 2: (12,), 4: (4, 3, 2)}[len(shape)]
    np.save("new.npy", x[:2])
    (part,) = read_for_prediction("new.npy", data.schema, data.preprocess)
    np.testing.assert_allclose(part.inputs(), x[:2].reshape(2, -1) / 255, rtol=1e-6)
    np.savez("new.npz", x=x[:3], y=[5, 5, 3])
    (part,) = read_for_prediction("new.npz", data.schema, data.preprocess, need_label=True)
    assert part.labels.tolist() == ["5", "5", "3"]
    with pytest.raises(DataError, match="no labels were found"):
        list(read_for_prediction("new.npy", data.schema, data.preprocess, need_label=True))
    np.save("new.npy", x[:, :2])
    with pytest.raises(DataError, match="expected rows of shape"):
        list(read_for_prediction("new.npy", data.schema, data.preprocess))


def test_a_table_model_reads_arrays(trained, tmp_path):
    rows = trained(NAMED)("")
    np.save(tmp_path / "n.npy", np.array([[7.0, 8.0]]))
    assert x_of(read_for_prediction("n.npy", rows.schema, rows.preprocess)) == [[7, 8]]
