"""dlkit export of networks: raw rows through onnxruntime are what predict answers; weights as NPZ."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.readers.cells import number
from tests.cli.calling import DATA, RECIPES, call, error_line, good, rows_of, sets

pytest.importorskip("onnx", reason='onnx is not installed: pip install "dlkit[onnx]"')
onnxruntime = pytest.importorskip("onnxruntime", reason="onnxruntime is not installed")

TINY = ["--epochs", 2, "-q"]


def exported(run: Path, name: str = "model") -> Any:
    good("export", run)
    return onnxruntime.InferenceSession(run / "export" / f"{name}.onnx")


def encoded(session: Any, rows: list[dict[str, str]]) -> np.ndarray:
    """Rows of a table as the file says that it wants them: numbers, 1 where a category is the column's."""
    columns = json.loads(session.get_modelmeta().custom_metadata_map["columns"])

    def cell(row: dict[str, str], column: str) -> float:
        name, _, value = column.partition("=")
        return float(row[name] == value) if value else float(number(row[name]) or 0)

    return np.array([[cell(row, column) for column in columns] for row in rows], np.float32)


def answers(run: Path, data: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(good("predict", run, data).stdout)))


@pytest.mark.parametrize("how", ["standard", "range", "none", "pca", "zca"])
def test_a_classifier_of_mixed_columns(tmp_path: Path, how: str) -> None:
    run = tmp_path / "run"
    good("train-mlp", DATA / "golf.csv", *TINY, *sets(data__scale=how), "-o", run)
    session = exported(run)
    (p,) = session.run(None, {"x": encoded(session, rows_of("golf"))})
    classes = json.loads(session.get_modelmeta().custom_metadata_map["classes"])
    expected = [[float(row[f"p_{c}"]) for c in classes] for row in answers(run, DATA / "golf.csv")]
    np.testing.assert_allclose(p, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("noise", ["constant", "learnt"])
def test_a_regression_in_its_own_units(tmp_path: Path, noise: str) -> None:
    run = tmp_path / "run"
    good("train-mlp", DATA / "diabetes.csv", *TINY, "--noise", noise, "-o", run)
    session = exported(run)
    values = session.run(None, {"x": encoded(session, rows_of("diabetes"))})
    found = {output.name: one for output, one in zip(session.get_outputs(), values, strict=True)}
    assert list(found) == (["mean", "std"] if noise == "learnt" else ["mean"])
    for name, values in found.items():
        expected = [float(row[name]) for row in answers(run, DATA / "diabetes.csv")]
        np.testing.assert_allclose(values[:, 0], expected, rtol=1e-5, atol=1e-3)  # of 25 to 346


@pytest.fixture(scope="module")
def digits() -> np.ndarray:
    return np.loadtxt(DATA / "digits.csv", delimiter=",", skiprows=1, dtype=np.float32)


def test_a_convolutional_network(tmp_path: Path, digits: np.ndarray) -> None:
    run = tmp_path / "run"
    good("train-cnn", RECIPES / "lenet-digits.yaml", "--epochs", 1, "-q", "-o", run)
    (p,) = exported(run).run(None, {"x": digits[:50, :-1].reshape(50, 8, 8, 1)})
    expected = [[float(row[f"p_{c}"]) for c in range(10)] for row in answers(run, DATA / "digits.csv")[:50]]
    np.testing.assert_allclose(p, expected, rtol=0, atol=1e-5)


def test_an_autoencoder(tmp_path: Path, digits: np.ndarray) -> None:
    run = tmp_path / "run"
    good("vae", RECIPES / "vae-digits.yaml", *TINY, "-o", run)
    mean, std = exported(run, "encoder").run(None, {"x": digits[:40, :-1].reshape(40, 8, 8, 1)})
    expected = answers(run, DATA / "digits.csv")[:40]
    for part, values in (("mean", mean), ("std", std)):
        told = [[float(row[f"{part}_{j}"]) for j in range(values.shape[1])] for row in expected]
        np.testing.assert_allclose(values, told, rtol=1e-5, atol=1e-5)
    (pixels,) = exported(run, "decoder").run(None, {"z": mean})
    assert pixels.shape == (40, 64) and 0 <= pixels.min() < 0.1 and 0.7 < pixels.max() <= 1


def test_a_generator(tmp_path: Path) -> None:
    run = tmp_path / "run"
    good("gan", RECIPES / "gan-digits.yaml", "--epochs", 1, "-q", "-o", run)
    session = exported(run, "generator")
    rows, width = session.get_inputs()[0].shape
    samples = session.run(None, {"z": np.zeros((5, width), np.float32)})[0]
    assert rows == "rows" and samples.shape == (5, 8, 8, 1)
    assert np.ptp(samples[:, 0, 0]) == 0, "one code, one picture"
    assert samples.min() >= 0 and samples.max() <= 16.001, "ink from 0 to 16"


def test_weights_and_mistakes(tmp_path: Path) -> None:
    run = tmp_path / "run"
    good("train-mlp", DATA / "golf.csv", *TINY, *sets(model="[{dense: 4}, batch_norm]"), "-o", run)
    for _ in range(2):
        done = good("export", run, "--format", "npz", "-o", tmp_path / "w.npz")
        assert done.stdout == f"{tmp_path / 'w.npz'}\n"
        first = (tmp_path / "w.npz").read_bytes()
    with np.load(tmp_path / "w.npz") as arrays:
        assert {"0.dense.weight", "1.batch_norm.running_mean", "2.output.bias"} < set(arrays)
        assert arrays["2.output.weight"].shape == (4, 2)
    good("export", run, "--format", "npz", "-o", tmp_path / "w.npz")
    assert (tmp_path / "w.npz").read_bytes() == first
    line = error_line(call("export", run, "--format", "onx"), 2)
    assert line == "--format: no format onx; there are onnx, npz"
