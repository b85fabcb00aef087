"""Spoilt tables of arms, contexts, logs and sheets of labels: read soundly, or refused with their place.

What is accepted keeps what its reader promises: arms once each with a mean that can be, actions and classes
with codes, probabilities above 0, finite numbers, a label that is a class.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from dlkit.errors import DataError
from dlkit.readers.decisions import ArmTable, ClassRows, DecisionSpec, Log, read_decisions
from dlkit.readers.pool import read_answers
from dlkit.readers.schema import Schema
from tests.fuzz.mutations import NUMBERS, spoilt_file
from tests.fuzz.program import share

pytestmark = pytest.mark.hypothesis  # within the tests, where it is not seen from outside

ARMS = "arm,mean\n" + "".join(f'"{name}",{k / 10}\n' for k, name in enumerate(["A", "腕 b", "c"]))
GAUSSIAN = "arm,mean,sd\nA,1.5,0.5\nB,-2,1\nC,1e3,0\n"
CLASSES = "tall,colour,kind\n" + "".join(f"{k % 7},{'赤青'[k % 2]},{'xyz'[k % 3]}\n" for k in range(12))
LOG = "tall,colour,action,probability,reward\n" + "".join(
    f"{k % 7},{'赤青'[k % 2]},{'ab'[k % 2]},{0.25 + k % 3 / 4},{k / 4}\n" for k in range(12)
)
SHEET = "row,label,place,pixel\n" + "".join(f"{k},{'xyz'[k % 3]},{k + 2},0.5\n" for k in range(6))
WORDS = [*NUMBERS, "", ",", '"', "\r", "\n", "\t", "\0", "\ufeff", "NA", "?", "A", "action", "é", "\x85"]


def sound(found: Any) -> None:
    """The promises of each kind of table."""
    if isinstance(found, ArmTable):
        assert len(found.arms) == len(set(found.arms)) == len(found.mean) >= 2
        assert np.isfinite(found.mean).all()
        if found.sd is None:
            assert ((found.mean >= 0) & (found.mean <= 1)).all()
        else:
            assert (found.sd >= 0).all() and np.isfinite(found.sd).all()
    elif isinstance(found, ClassRows):
        assert len(found.x) == len(found.y) and np.isfinite(found.x).all()
        assert set(found.y.tolist()) == set(range(len(found.classes)))
        assert all(len(column) == len(found.x) for column in found.cells)
    else:
        assert isinstance(found, Log)
        rows = len(found.x)
        assert rows == len(found.action) == len(found.reward) == len(found.probability) >= 1
        assert np.isfinite(found.x).all() and np.isfinite(found.reward).all()
        assert ((found.probability > 0) & (found.probability <= 1)).all()
        assert ((found.action >= 0) & (found.action < len(found.arms))).all()


@pytest.mark.parametrize("kind", ["arms", "gaussian", "classes", "log"])
@pytest.mark.parametrize("on_bad_row", ["error", "skip"])
def test_decisions(kind: str, on_bad_row: Any, tmp_path: Path) -> None:
    good = {"arms": ARMS, "gaussian": GAUSSIAN, "classes": CLASSES, "log": LOG}[kind]
    path = tmp_path / "d.csv"
    spec = DecisionSpec(train=str(path), kind="arms" if kind == "gaussian" else kind)  # type: ignore[arg-type]

    @share(0.2)
    @given(spoilt_file(good, WORDS))
    def holds(data: bytes) -> None:
        path.write_bytes(data)
        try:
            found = read_decisions(spec, on_bad_row, None, []).what
        except DataError as error:
            assert str(error).startswith(str(path)) and "\n" not in str(error)
        else:
            sound(found)

    path.write_text(good, encoding="utf-8")
    sound(read_decisions(spec, on_bad_row, None, []).what)
    holds()


def test_sheets_of_labels() -> None:
    schema = Schema(task="classification", table=True, classes=["x", "y", "z"])

    @share(0.2)
    @given(spoilt_file(SHEET, WORDS))
    def holds(data: bytes) -> None:
        text = data.decode("utf-8", "replace")
        try:
            found = read_answers(text, "ask.csv", schema, needed={0, 3})
        except DataError as error:
            assert str(error).startswith("ask.csv") and "\n" not in str(error)
        else:
            assert {0, 3} <= set(found)
            assert all(row >= 0 and 0 <= code < 3 for row, code in found.items())

    assert read_answers(SHEET, "ask.csv", schema, needed={5}) == {k: k % 3 for k in range(6)}
    holds()
