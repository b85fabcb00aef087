"""Members side by side: a column NAME_sd is a band of NAME; another column than the epoch may run along."""

import io

import numpy as np
import pytest

from dlkit.training.compare import draw
from dlkit.training.metrics import Column

COLUMNS = tuple(Column(f"train_{name}", "1", name) for name in ("regret", "regret_sd", "labels"))
HEAD = "member,epoch,step,train_regret,train_regret_sd,train_labels\n"
ROWS = "".join(f"{m},{k},{k},{k * slope},{sd},{20 + 10 * k}\n"
               for m, slope, sd in (("一", 1, 0.5), ("b", 2, 3.0)) for k in (1, 2, 3))  # fmt: skip


def picture(text: str, over: str = "epoch") -> np.ndarray:
    from PIL import Image

    pytest.importorskip("matplotlib")
    drawn = draw(text, COLUMNS, over)
    assert drawn is not None
    return np.asarray(Image.open(io.BytesIO(drawn)).convert("RGB"))


def test_a_deviation_is_a_band_and_no_panel_of_its_own() -> None:
    with_band = picture(HEAD + ROWS, "train_labels")
    plain = "\n".join(
        ",".join(line.split(",")[:4] + line.split(",")[5:]) for line in (HEAD + ROWS).splitlines()
    )
    without = picture(plain + "\n", "train_labels")
    assert with_band.shape == without.shape, "as many panels: one"
    coloured = [int((image.std(axis=2) > 5).sum()) for image in (with_band, without)]
    assert coloured[0] > 5 * coloured[1]


def test_what_runs_along_has_no_panel() -> None:
    assert picture(HEAD + ROWS, "epoch").shape[1] > picture(HEAD + ROWS, "train_labels").shape[1]
