"""The picture of a one-dimensional regression: its numbers, its files, and that resuming keeps its frames."""

import io
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.cli.calling import DATA, column, contents, good, sets, table, train

SETTINGS = sets(
    model="[{dense: 32}, {dropout: 0.2}]",
    band="{low: -2, high: 2, points: 21, samples: 20, every: 3}",
    optimizer__lr=0.01,
    batch=20,
    keep="last",
)


def test_the_band_is_what_predict_answers_on_the_grid(tmp_path: Path) -> None:
    run, grid = tmp_path / "run", tmp_path / "grid.csv"
    train(DATA / "sine.csv", run, "-q", *SETTINGS, "--epochs", 7)
    band = table((run / "band.csv").read_text(encoding="utf-8"))
    assert list(band[0]) == ["x", "mean", "epistemic_std", "aleatoric_std", "std"]
    np.testing.assert_allclose(column(band, "x"), np.linspace(-2, 2, 21))
    grid.write_text("x\n" + "".join(f"{x!r}\n" for x in np.linspace(-2, 2, 21).tolist()), encoding="utf-8")
    told = table(good("predict", run, grid, "--mc-samples", 20).stdout)
    for name in ("mean", "epistemic_std", "aleatoric_std", "std"):
        np.testing.assert_allclose(column(band, name), column(told, name), rtol=1e-6, atol=1e-6)


def test_frames_survive_a_resume(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(DATA / "sine.csv", whole, "-q", *SETTINGS, "--epochs", 7)
    for epochs in (4, 7):
        train(DATA / "sine.csv", parts, "-q", *SETTINGS, "--epochs", epochs, "--resume")
    assert contents(parts) == contents(whole)
    frames = image.open(io.BytesIO((whole / "training.gif").read_bytes())).n_frames
    assert frames == 3  # epochs 1, 3 and 6


def test_without_matplotlib_there_are_numbers_and_a_hint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    done = train(DATA / "sine.csv", tmp_path / "run", *SETTINGS, "--epochs", 1)
    assert 'band.png is not drawn: pip install "dlkit[report]"' in done.stderr
    assert (tmp_path / "run" / "band.csv").exists()
    assert not (tmp_path / "run" / "band.png").exists()
