"""predict as a user meets it: answers, their spread, where rows come from, where answers go."""

import gzip
import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from dlkit.training.checkpoint import load
from tests.cli.calling import (
    DATA,
    ROOT,
    call,
    column,
    error_line,
    figures,
    good,
    rows_of,
    sets,
    table,
    train,
)

MC = ("--mc-samples", 40)


# -- answers --------------------------------------------------------------------------------------------
def test_classes_and_their_probabilities(digits: Path) -> None:
    told = table(good("predict", digits, DATA / "digits.csv").stdout)
    truth = rows_of("digits")
    assert list(told[0]) == ["label", *(f"p_{k}" for k in range(10))]
    p = np.stack([column(told, f"p_{k}") for k in range(10)], axis=1)
    np.testing.assert_allclose(p.sum(1), 1, atol=1e-6)
    assert [row["label"] for row in told] == [str(k) for k in p.argmax(1)]
    y = column(truth, "label").astype(int)
    found = figures(digits, DATA / "digits.csv")
    assert found["rows"] == len(told) == len(y)
    assert found["test_accuracy"] == np.mean(p.argmax(1) == y)
    assert found["test_loss"] == pytest.approx(-np.log(p[np.arange(len(y)), y]).mean(), rel=1e-4)


def test_answers_are_numpys(digits: Path) -> None:
    """From the checkpoint's arrays alone: scaling, running statistics, dropout off."""
    state = load(digits / "best.h5").tree["state"]
    pixels = np.loadtxt(DATA / "digits.csv", delimiter=",", skiprows=1)[:, :-1]
    model = {path: array.astype(np.float64) for path, array in state["model"].items()}
    assert [*model] == [
        *("0.dense.weight", "0.dense.bias", "1.batch_norm.gain", "1.batch_norm.bias"),
        *("3.output.weight", "3.output.bias", "1.batch_norm.running_mean", "1.batch_norm.running_var"),
    ]
    w, b, gain, shift, v, c, mean, var = model.values()
    x = pixels * state["preprocess"]["scale"] + state["preprocess"]["shift"]
    z = (np.maximum(x @ w + b, 0) - mean) / np.sqrt(var + 1e-5) * gain + shift
    e = np.exp(z @ v + c)
    told = table(good("predict", digits, DATA / "digits.csv").stdout)
    p = np.stack([column(told, f"p_{k}") for k in range(10)], axis=1)
    np.testing.assert_allclose(p, e / e.sum(1, keepdims=True), atol=2e-5)


@pytest.mark.parametrize("name", ["constant", "learnt"])
def test_numbers_and_their_spread(name: str, runs: dict[str, Path]) -> None:
    told = table(good("predict", runs[name], DATA / "diabetes.csv").stdout)
    assert list(told[0]) == ["mean", "std"]
    y, mean, std = column(rows_of("diabetes"), "progression"), column(told, "mean"), column(told, "std")
    assert (std > 10).all()
    assert (len(np.unique(std)) == 1) == (name == "constant")
    found = figures(runs[name], DATA / "diabetes.csv")
    assert found["test_rmse"] == pytest.approx(np.sqrt(np.mean((mean - y) ** 2)), rel=1e-5)
    if name == "learnt":
        density = -0.5 * (np.log(2 * np.pi * std**2) + (y - mean) ** 2 / std**2)
        assert found["test_log_likelihood"] == pytest.approx(density.mean(), rel=1e-5)


def test_constant_noise_is_the_most_likely_one_on_held_out_rows(runs: dict[str, Path]) -> None:
    """With one pass it is the root mean squared error of the validation rows, known to the checkpoint."""
    (std,) = {row["std"] for row in table(good("predict", runs["constant"], DATA / "diabetes.csv").stdout)}
    known = json.loads((runs["constant"] / "summary.json").read_text(encoding="utf-8"))
    assert float(std) == pytest.approx(known["valid_rmse"], rel=1e-4)
    done = good("predict", runs["constant"] / "checkpoint.h5", DATA / "diabetes.csv")
    if known["best_epoch"] != known["epochs"]:  # the noise belongs to best.h5
        assert "noise is fitted when a run is finished" in done.stderr
        assert table(done.stdout)[0]["std"] == "nan"


# -- Monte Carlo dropout -----------------------------------------------------------------------------------
def test_monte_carlo_of_classes(digits: Path) -> None:
    told = table(good("predict", digits, DATA / "digits.csv", *MC).stdout)
    plain = table(good("predict", digits, DATA / "digits.csv").stdout)
    assert list(told[0]) == ["label", *(f"p_{k}" for k in range(10)), "entropy", "mutual_information"]
    p = np.stack([column(told, f"p_{k}") for k in range(10)], axis=1)
    entropy, information = column(told, "entropy"), column(told, "mutual_information")
    np.testing.assert_allclose(entropy, -(p * np.log(np.maximum(p, 1e-30))).sum(1), atol=1e-4)
    assert (information >= 0).all()
    assert (information <= entropy + 1e-6).all()
    assert information.mean() > 0.001
    assert np.mean([a["label"] == b["label"] for a, b in zip(told, plain, strict=True)]) > 0.97
    y = column(rows_of("digits"), "label").astype(int)
    found = figures(digits, DATA / "digits.csv", *MC)
    assert found["test_mc_accuracy"] == np.mean(p.argmax(1) == y)
    assert found["test_mc_loss"] == pytest.approx(-np.log(p[np.arange(len(y)), y]).mean(), rel=1e-4)
    assert found["test_accuracy"] == figures(digits, DATA / "digits.csv")["test_accuracy"]


def test_monte_carlo_of_numbers(runs: dict[str, Path]) -> None:
    told = table(good("predict", runs["learnt"], DATA / "diabetes.csv", *MC).stdout)
    plain = table(good("predict", runs["learnt"], DATA / "diabetes.csv").stdout)
    assert list(told[0]) == ["mean", "std", "epistemic_std", "aleatoric_std"]
    mean, epistemic = column(told, "mean"), column(told, "epistemic_std")
    assert (epistemic > 0).all()
    np.testing.assert_allclose(
        column(told, "std") ** 2, epistemic**2 + column(told, "aleatoric_std") ** 2, rtol=1e-5
    )
    away = (mean - column(plain, "mean")) / (epistemic / np.sqrt(40))
    assert np.abs(away).mean() < 3  # dropout after relu biases a little beyond the draws' own error
    assert len(np.unique(epistemic)) > 400


def test_monte_carlo_is_the_same_for_file_pipe_gzip_and_threads(digits: Path, tmp_path: Path) -> None:
    """More rows than are answered at once, in a file larger than one block of input."""
    big, packed = tmp_path / "big.csv", tmp_path / "big.csv.gz"
    head, *lines = (DATA / "digits.csv").read_bytes().splitlines(keepends=True)
    big.write_bytes(head + b"".join(lines[:2] * 9000))
    packed.write_bytes(gzip.compress(big.read_bytes(), 1))
    assert big.stat().st_size > 2 << 20
    whole = good("predict", digits, big, "--mc-samples", 3, "--threads", 2).stdout
    assert good("predict", digits, packed, "--mc-samples", 3, "--threads", 1).stdout == whole
    assert good("predict", digits, "-", "--mc-samples", 3, stdin=big.read_bytes()).stdout == whole
    answers = whole.splitlines()[1:]
    assert len(answers) == 18000
    assert len(set(answers)) > 0.9 * len(answers)  # equal rows, each with noise of its own


def test_monte_carlo_needs_noise(runs: dict[str, Path]) -> None:
    for verb in ("predict", "evaluate"):
        line = error_line(call(verb, runs["golf"], DATA / "golf.csv", *MC), 2)
        assert line == "--mc-samples: this network has no dropout: its passes would be equal"


# -- where rows come from, where answers go ---------------------------------------------------------------
def test_columns_in_another_order_and_others_between(runs: dict[str, Path], tmp_path: Path) -> None:
    shuffled = tmp_path / "shuffled.csv"
    names = ["windy", "extra", "temperature", "outlook", "humidity"]
    lines = [",".join(row.get(name, "?") for name in names) for row in rows_of("golf")]
    shuffled.write_text("\n".join([",".join(names), *lines]) + "\n", encoding="utf-8")
    expected = good("predict", runs["golf"], DATA / "golf.csv").stdout
    assert len(set(expected.splitlines()[1:])) > 8
    assert good("predict", runs["golf"], shuffled).stdout == expected
    assert good("predict", runs["golf"], "-", stdin=shuffled.read_bytes()).stdout == expected
    no_header = b"\n".join((DATA / "golf.csv").read_bytes().splitlines()[1:])
    assert good("predict", runs["golf"], "-", stdin=no_header).stdout == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("outlook,temperature,windy\nsunny,hot,true\n", 'new.csv: missing column "humidity"'),
        ("outlook,temperature,humidity,windy\nsunny,hot,high,true\nfoggy,hot,high,true\n", "new.csv:3: "),
        ("outlook,temperature,humidity,windy\nsunny,hot,,true\n", "new.csv:2: "),
        ("outlook,temperature,humidity,windy\n", "new.csv: no rows"),
        ("", "new.csv: "),
    ],
)
def test_rows_that_cannot_be_answered(
    text: str, told: str, runs: dict[str, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("new.csv").write_text(text, encoding="utf-8")
    Path("old.csv").write_text("kept", encoding="utf-8")
    line = error_line(call("predict", runs["golf"], "new.csv", "-o", "old.csv"), 1)
    assert line.startswith(told)
    if "foggy" in text:
        assert '"foggy"' in line
    assert Path("old.csv").read_text(encoding="utf-8") == "kept"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.csv", "old.csv"]


def test_a_fault_after_many_rows_leaves_the_old_answers(digits: Path, tmp_path: Path) -> None:
    long, out = tmp_path / "long.csv", tmp_path / "out.csv"
    head, *lines = (DATA / "digits.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    long.write_text(head + "".join(lines * 6) + "1,2\n", encoding="utf-8")
    out.write_text("kept", encoding="utf-8")
    assert "long.csv:10784: expected 65 columns, found 2" in error_line(
        call("predict", digits, long, "-o", out), 1
    )
    assert out.read_text(encoding="utf-8") == "kept"
    assert len([*tmp_path.iterdir()]) == 2


def test_answers_into_a_file(digits: Path, tmp_path: Path) -> None:
    out = tmp_path / "答え.csv"
    done = good("predict", digits, DATA / "digits.csv", "-o", out)
    assert done.stdout == ""
    assert out.read_text(encoding="utf-8") == good("predict", digits, DATA / "digits.csv").stdout
    nowhere = tmp_path / "none" / "x.csv"
    assert f"{nowhere}: cannot write: " in error_line(
        call("predict", digits, DATA / "digits.csv", "-o", nowhere), 1
    )


def test_an_output_that_is_not_finite_is_no_answer(tmp_path: Path) -> None:
    run, far = tmp_path / "run", tmp_path / "far.csv"
    train(DATA / "digits.csv", run, "-q", "--scale", "none", *sets(model="[{dense: 8}]", epochs=1))
    good_row = ",".join(["1"] * 64)
    far.write_text("\n".join([good_row, ",".join(["3e38"] * 64), good_row]) + "\n", encoding="utf-8")
    line = error_line(call("predict", run, far), 1)
    assert line.startswith(f"{far}:2: the network's output for this row is not finite (")


def test_skipped_rows_are_told(tmp_path: Path) -> None:
    run, new = tmp_path / "run", tmp_path / "new.csv"
    train(DATA / "diabetes.csv", run, "-q", "--epochs", 1, "--on-bad-row", "skip")
    lines = (DATA / "diabetes.csv").read_text(encoding="utf-8").splitlines()[:5]
    new.write_text("\n".join([*lines, "1,2", *lines[1:]]) + "\n", encoding="utf-8")
    for verb in ("predict", "evaluate"):
        done = good(verb, run, new)
        assert f"1 bad rows left out; the first: {new}:6: expected 11 columns, found 2" in done.stderr
    assert len(table(good("predict", run, new).stdout)) == 8
    assert figures(run, new)["rows"] == 8


def test_a_closed_pipe_is_quiet(digits: Path, tmp_path: Path) -> None:
    long = tmp_path / "long.csv"
    head, *lines = (DATA / "digits.csv").read_bytes().splitlines(keepends=True)
    long.write_bytes(head + b"".join(lines * 5))
    reader, writer = os.pipe()
    command = [sys.executable, "-m", "dlkit", "predict", str(digits), str(long)]
    with subprocess.Popen(command, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT) as process:
        os.close(writer)
        assert os.read(reader, 6) == b"label,"
        os.close(reader)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told) == (141, b"")


def test_a_file_that_is_not_there(digits: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("DLKIT_DATA", raising=False)
    line = "nope.csv: no such file (looked in the current folder)"
    assert error_line(call("predict", digits, "nope.csv"), 1) == line
    assert error_line(call("evaluate", digits, "nope.csv"), 1) == line


def test_an_output_that_is_no_file_is_not_replaced(runs: dict[str, Path], tmp_path: Path) -> None:
    """`-o /dev/null` of a superuser must leave the device; a pipe and a link stay what they are."""
    expected = good("predict", runs["golf"], DATA / "golf.csv").stdout
    pipe, real, link = tmp_path / "pipe", tmp_path / "real.csv", tmp_path / "link.csv"
    os.mkfifo(pipe)
    with ThreadPoolExecutor() as pool:
        read = pool.submit(pipe.read_text, encoding="utf-8")
        good("predict", runs["golf"], DATA / "golf.csv", "-o", pipe)
        assert read.result() == expected
    assert pipe.is_fifo()
    real.write_text("old", encoding="utf-8")
    link.symlink_to(real.name)
    good("predict", runs["golf"], DATA / "golf.csv", "-o", link)
    assert link.is_symlink() and real.read_text(encoding="utf-8") == expected
    line = error_line(call("predict", runs["golf"], DATA / "golf.csv", "-o", tmp_path), 1)
    assert line == f"{tmp_path}: cannot write: Is a directory"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link.csv", "pipe", "real.csv"]
