"""Plain scalars of YAML 1.2's core schema, read and written.

PyYAML follows YAML 1.1, where ``no`` is false, ``1e-3`` is text, ``012`` is ten and ``1:30`` is
ninety. Here ``no`` is text, ``1e-3`` is a number, ``012`` is twelve and ``1:30`` is text.
"""

import json
import math
import re
from typing import Any

_NULL = {"", "~", "null", "Null", "NULL"}
_BOOL = {word: word.lower() == "true" for word in ("true", "True", "TRUE", "false", "False", "FALSE")}
_INT = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_LONGEST_NUMBER = 400

LARGEST_INT = 2**64
"""Whole numbers have to be smaller than this, sign aside."""


def read_scalar(text: str) -> Any:
    """What a plain (unquoted) scalar means: None, bool, int, float or str.

    Raises ValueError for a number out of range (|int| >= 2**64, float beyond float64).
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.fullmatch(text):
        if len(text) > _LONGEST_NUMBER or abs(value := _whole(text)) >= LARGEST_INT:
            raise ValueError("the number does not fit into 64 bits")
        return value
    if _FLOAT.fullmatch(text):
        number = float(text) if len(text) <= _LONGEST_NUMBER else math.inf
        if math.isinf(number):
            raise ValueError("the number is too large for a float64, or has too many digits")
        return number
    if _SPECIAL.fullmatch(text):
        return float(text.replace(".", "", 1))
    return text


def _whole(text: str) -> int:
    if text.startswith("0o"):
        return int(text[2:], 8)
    return int(text[2:], 16) if text.startswith("0x") else int(text)


# What a plain scalar may not look like, so that it is read back as the same text everywhere in a block.
_PLAIN = re.compile(r"(\.{0,2}/)?[^\W\d_]([\w ./+%()=^*~<>;-]*[\w/+%)=^*~<>;-])?")
# Words that other YAML readers take for something else; quoted for their sake.
_YAML_1_1 = {"y", "n", "yes", "no", "on", "off"}
# Escaped: C0 and C1 controls, the line breaks of YAML 1.1, surrogates, BOM and what is no character.
_ESCAPED = re.compile(
    "[\x00-\x1f\x7f-\xa0\xad\u2028\u2029\u200e\u200f\u202a-\u202e\ud800-\udfff\ufeff\ufffe\uffff]"
)


def write_scalar(value: Any) -> str:
    """The shortest text that `read_scalar` (or a double-quoted YAML scalar) reads as `value`.

    value: None, bool, int, float or str. Raises TypeError for anything else.
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(int(value))
    if isinstance(value, float):
        return _write_float(float(value))
    if isinstance(value, str):
        return value if _is_plain(value) else quoted(value)
    raise TypeError(f"a recipe cannot hold a {type(value).__name__}")


def shown(text: str, limit: int = 40) -> str:
    """`text` for a message: on one line, without control characters, cut at `limit`."""
    cut = text if len(text) <= limit else text[: limit - 1] + "…"
    return "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in cut)


def quoted(text: str) -> str:
    """`text` as a double-quoted YAML scalar on one line."""
    return _ESCAPED.sub(lambda match: f"\\u{ord(match[0]):04x}", json.dumps(text, ensure_ascii=False))


def _write_float(value: float) -> str:
    if math.isnan(value):
        return ".nan"
    if math.isinf(value):
        return ".inf" if value > 0 else "-.inf"
    text = repr(value)
    return text if any(c in text for c in ".e") else f"{text}.0"


def _is_plain(text: str) -> bool:
    if not _PLAIN.fullmatch(text) or len(text) > 1000 or text.lower() in _YAML_1_1 or _ESCAPED.search(text):
        return False
    try:
        return isinstance(read_scalar(text), str)
    except ValueError:
        return False
