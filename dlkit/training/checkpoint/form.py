"""Whether a tree that was read has the form of one that would be written; a digest does not tell."""

from typing import Any

import numpy as np

from dlkit.training.checkpoint.leaves import Gathered


def misfit(found: Any, expected: Any, place: str = "state") -> str:
    """What about `found` differs in form from `expected`, with its place; empty where nothing does.

    The form: keys, types, shapes of arrays; of texts and lists of texts all of it. Numbers may differ.
    """
    if isinstance(expected, dict):
        if not isinstance(found, dict):
            return f"{place}: a group is expected"
        for key in [*expected, *(key for key in found if key not in expected)]:
            if key not in found or key not in expected:
                return f"{place}/{key} is {'missing' if key in expected else 'not expected'}"
            if fault := misfit(found[key], expected[key], f"{place}/{key}"):
                return fault
        return ""
    if _named(found) != _named(expected):
        return f"{place}: {_named(expected)} is expected, found {_named(found)}"
    if isinstance(expected, str | list) and found != expected:
        return f"{place}: the text is another one"
    return ""


def _named(value: Any) -> str:
    if isinstance(value, np.ndarray | Gathered):
        return f"an array {value.shape} of {value.dtype}"
    return "nothing" if value is None else type(value).__name__
