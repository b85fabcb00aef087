"""start: a network that begins with weights of another program, or of another run."""

from pathlib import Path

import numpy as np
import pytest

from dlkit.training.checkpoint import load
from tests.cli.calling import DATA, call, error_line, good, sets

FLAGS = ["-q", "--test", 4, *sets(model="[{dense: 4}, batch_norm]")]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("起点")
    good("train-mlp", DATA / "golf.csv", "--epochs", 3, *FLAGS, "-o", folder / "run")
    good("export", folder / "run", "--format", "npz", "-o", folder / "w.npz")
    return folder


def weights(run: Path) -> dict[str, np.ndarray]:
    return load(run / "checkpoint.h5").tree["state"]["model"]


def go_on(start: Path, run: Path, *more: object) -> None:
    good(
        "train-mlp",
        DATA / "golf.csv",
        "--epochs",
        1,
        "--lr",
        1e-12,
        *FLAGS,
        "--start",
        start,
        "-o",
        run,
        *more,
    )


@pytest.mark.parametrize("start", ["run", "w.npz", "run/checkpoint.h5"])
def test_it_begins_where_the_other_ended(trained: Path, tmp_path: Path, start: str) -> None:
    go_on(trained / start, tmp_path / "run")
    for path, expected in weights(trained / "run").items():
        if "running" not in path:  # which move without a learning rate
            np.testing.assert_allclose(weights(tmp_path / "run")[path], expected, atol=1e-8, err_msg=path)
    again = good("reproduce", tmp_path / "run").stdout
    assert "the same bytes" in again


def test_some_of_the_weights(trained: Path, tmp_path: Path) -> None:
    first = np.arange(4, dtype=np.float64) / 8
    np.savez(tmp_path / "part.npz", **{"0.dense.bias": first})
    done = good(
        "train-mlp", DATA / "golf.csv", "--epochs", 1, "--lr", 1e-12, *FLAGS[1:],
        "--start", tmp_path / "part.npz", "-o", tmp_path / "run",
    )  # fmt: skip
    assert "leaves 7 of 8 parameters as they are drawn: 0.dense.weight, 1.batch_norm.gain" in done.stderr
    np.testing.assert_allclose(weights(tmp_path / "run")["0.dense.bias"], first, atol=1e-8)


def test_weights_that_do_not_fit(trained: Path, tmp_path: Path) -> None:
    good_ones = weights(trained / "run")
    wide = good_ones["0.dense.weight"]

    def refused(more: dict[str, np.ndarray], *how: object) -> str:
        np.savez(tmp_path / "w.npz", **more)
        run = ["train-mlp", DATA / "golf.csv", *FLAGS, "--start", tmp_path / "w.npz", "-o", tmp_path / "run"]
        return error_line(call(*run, *how), 1)

    assert (
        "0.dens.weight: the network has no parameter of this name (did you mean 0.dense.weight?)"
        in refused({"0.dens.weight": wide})
    )
    assert "PyTorch's Linear keeps (outputs, inputs): save its transpose" in refused(
        {"0.dense.weight": wide.T}
    )
    assert "0.dense.bias: expected shape (4,), found (3,)" in refused(
        {"0.dense.bias": np.zeros(3)}, "--dry-run"
    )
    assert "not finite" in refused({"0.dense.bias": np.full(4, np.nan)})
    assert not (tmp_path / "run").exists()


def test_what_holds_no_weights(tmp_path: Path) -> None:
    run = ["train-mlp", DATA / "golf.csv", *FLAGS, "-o", tmp_path / "run", "--start"]
    assert "nowhere.npz: no such file" in error_line(call(*run, tmp_path / "nowhere.npz"), 1)
    assert "checkpoint" in error_line(call(*run, tmp_path), 1)
    (tmp_path / "x.npz").write_bytes(b"PK\x03\x04 and then nothing")
    assert "broken .npz file" in error_line(call(*run, tmp_path / "x.npz"), 1)
