"""The words of error messages about values: what was expected, what was found, what to write instead."""

import re
from collections.abc import Iterable
from typing import Any

from dlkit.recipe.scalars import read_scalar, shown, write_scalar
from dlkit.recipe.suggest import closest

WANTED = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "bool_type": "true or false",
    "list_type": "a list",
    "tuple_type": "a list",
    "dict_type": "a mapping (key: value)",
    "mapping_type": "a mapping (key: value)",
    "model_type": "a mapping (key: value)",
    "model_attributes_type": "a mapping (key: value)",
}
BOUNDS = {
    "greater_than": ("greater than", "gt"),
    "greater_than_equal": ("at least", "ge"),
    "less_than": ("less than", "lt"),
    "less_than_equal": ("at most", "le"),
    "multiple_of": ("a multiple of", "multiple_of"),
}
TRUTH = {"yes": "true", "on": "true", "y": "true", "no": "false", "off": "false", "n": "false"}
TRUTH |= {"true": "true", "false": "false"}


def found_text(value: Any, written: str | None = None) -> str:
    """What was found, in words; written: how a plain scalar was spelled."""
    if value is None:
        return "nothing"
    if isinstance(value, dict | list):
        return "a mapping" if isinstance(value, dict) else "a list"
    if isinstance(value, str):
        return f"text {quoted(value)}"
    return (written or write_scalar(value))[:60]


def bound(value: Any) -> str:
    """A limit as a person writes it: 0, not 0.0."""
    return write_scalar(int(value) if isinstance(value, float) and value.is_integer() else value)


def cure(value: Any, wanted: list[str], choices: list[Any], found: str) -> str | None:
    """What to write instead of `value`, where that can be told."""
    numeric = {"a whole number", "a number"} & set(wanted)
    if isinstance(value, str):
        near = closest(value, [str(choice) for choice in choices])
        if near:
            return f'did you mean "{near}"?'
        if "true or false" in wanted and value.lower() in TRUTH:
            return f"write {TRUTH[value.lower()]}"
        if numeric and (number := as_number(value)) is not None:
            return f"write {number}"
        return "write [...] or a line for each, with - before it" if wanted == ["a list"] else None
    if isinstance(value, float) and wanted == ["a whole number"] and value.is_integer():
        return f"write {int(value)}" if abs(value) < 1e18 else None
    if "text" in wanted and isinstance(value, bool | int | float):
        return f'write "{found}"'
    return None


def choices_in(expected: str) -> list[Any]:
    """The values in pydantic's "'a', 'b' or 3"."""
    found = re.findall(r"'((?:[^'\\]|\\.)*)'|(-?\d+)|(True|False)", expected)
    return [int(number) if number else truth == "True" if truth else text for text, number, truth in found]


def as_number(text: str) -> str | None:
    """`text` as a plain number, where it is one in quotes or with separators."""
    plain = text.strip().replace("_", "").replace(",", "") if re.search(r"\d", text) else ""
    try:
        value = read_scalar(plain)
    except ValueError:
        return None
    return plain if isinstance(value, int | float) and not isinstance(value, bool) else None


def quoted(text: str) -> str:
    """Text in quotes, cut at 40 characters, on one line."""
    return f'"{shown(text)}"'


def listed(names: Iterable[str]) -> str:
    """``a, b and c``."""
    *most, last = names or ["none"]
    return f"{', '.join(most)} and {last}" if most else last


def one_of(words: list[str]) -> str:
    """``a, b or c``."""
    *most, last = words
    return f"{', '.join(most)} or {last}" if most else last
