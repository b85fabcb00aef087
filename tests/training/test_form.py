"""Whether a tree that was read has the form of one that would be written."""

from typing import Any

import numpy as np
import pytest

from dlkit.training.checkpoint.form import misfit

GOOD: dict[str, Any] = {
    "a": {"w": np.zeros((2, 3), np.float32), "n": 1},
    "t": "text",
    "l": ["x", "y"],
    "e": None,
}


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        ({}, ""),
        ({"a": {"w": np.ones((2, 3), np.float32), "n": 7}}, ""),
        ({"a": 1}, "state/a: a group is expected"),
        ({"a": {"w": GOOD["a"]["w"]}}, "state/a/n is missing"),
        ({"b": 1}, "state/b is not expected"),
        ({"a": GOOD["a"] | {"n": True}}, "state/a/n: int is expected, found bool"),
        ({"a": GOOD["a"] | {"n": None}}, "state/a/n: int is expected, found nothing"),
        ({"e": 0.5}, "state/e: nothing is expected, found float"),
        (
            {"a": GOOD["a"] | {"w": np.zeros((3, 2), np.float32)}},
            "state/a/w: an array (2, 3) of float32 is expected, found an array (3, 2) of float32",
        ),
        (
            {"a": GOOD["a"] | {"w": np.zeros((2, 3))}},
            "state/a/w: an array (2, 3) of float32 is expected, found an array (2, 3) of float64",
        ),
        ({"t": "other"}, "state/t: the text is another one"),
        ({"l": ["x"]}, "state/l: the text is another one"),
    ],
)
def test_misfit(change: dict[str, Any], fault: str) -> None:
    assert misfit(GOOD | change, GOOD) == fault
