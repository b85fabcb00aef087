"""Strategies that spoil something good: bytes, texts token by token, trees value by value."""

import copy
import re
from typing import Any

from hypothesis import strategies as st

NUMBERS = [
    "0", "-1", "1", "2", "0.5", "1.5", "-0.0", "1e-3", "1e400", "1e-400", "1000000000000", "9" * 19,
    "9" * 400, "9223372036854775807", "9223372036854775808", ".nan", ".inf", "-.inf", "nan", "inf", "1_000",
    "0x10", "0o17", "012", "1.", ".5", "+3", "1:30", "１２",
]  # fmt: skip
YAML = [
    "null", "~", "", "true", "yes", "off", "&a ", "*a", "<<: *a", "!!python/object:os.system x", "!x ", "? ",
    "- ", ": ", "|", ">-", "---\n", "...\n", "%YAML 1.1\n", "#", '"', "'", '"\\x', "[", "]", "{", "}", ",",
    "\t", "\n", "\n  ", "@", "`", "=", "\ufeff", "\u2028", "\x85", "\x07", "\x1b[31m", "\0", "日本語",
    "表\u3000", "\U0001f600", "a" * 300, "[" * 200, "{a: " * 200, "a: &b [*b, *b]", "- &x [1, 2]\n- *x\n",
]  # fmt: skip


@st.composite
def spoilt_bytes(draw: st.DrawFn, good: bytes, changes: int = 4) -> bytes:
    """`good` with a few bytes changed, put in, taken out, repeated, or its end cut off."""
    data = bytearray(good)
    for _ in range(draw(st.integers(1, changes))):
        at = draw(st.integers(0, len(data)))
        length = draw(st.integers(1, 12))
        match draw(st.sampled_from(["change", "insert", "delete", "repeat", "cut", "bit"])):
            case "change":
                data[at : at + length] = draw(st.binary(min_size=1, max_size=length))
            case "insert":
                data[at:at] = draw(st.binary(min_size=1, max_size=length))
            case "delete":
                del data[at : at + length]
            case "repeat":
                data[at:at] = data[at : at + 20 * length]
            case "cut":
                del data[at:]
            case "bit" if at < len(data):
                data[at] ^= 1 << draw(st.integers(0, 7))
    return bytes(data)


def spoilt_file(text: str, words: list[str]) -> st.SearchStrategy[bytes]:
    """A table as a file that is spoilt token by token, or byte by byte with line ends of either kind."""
    return st.one_of(
        spoilt_text([text], words).map(lambda spoilt: spoilt.encode("utf-8", "surrogatepass")),
        spoilt_bytes(text.encode()),
        spoilt_bytes(text.replace("\n", "\r\n").encode("utf-8-sig")),
    )


@st.composite
def spoilt_text(draw: st.DrawFn, goods: list[str], words: list[str], changes: int = 4) -> str:
    """One of `goods` with tokens dropped, doubled, exchanged or replaced, or lines moved and indented."""
    text = draw(st.sampled_from(goods))
    word = st.one_of(st.sampled_from(words), st.text(max_size=3))
    for _ in range(draw(st.integers(1, changes))):
        if draw(st.integers(0, 3)) == 0:
            text = _spoil_lines(draw, text)
            continue
        tokens = re.findall(r"\s+|\w+|[^\w\s]", text) or [""]
        at = draw(st.integers(0, len(tokens) - 1))
        match draw(st.sampled_from(["drop", "double", "put", "insert", "exchange", "glue"])):
            case "drop":
                del tokens[at : at + draw(st.integers(1, 3))]
            case "double":
                tokens[at:at] = tokens[at : at + draw(st.integers(1, 8))]
            case "put":
                tokens[at] = draw(word)
            case "insert":
                tokens.insert(at, draw(word))
            case "exchange":
                other = draw(st.integers(0, len(tokens) - 1))
                tokens[at], tokens[other] = tokens[other], tokens[at]
            case "glue":
                tokens[at] = tokens[at].strip()
        text = "".join(tokens)
    return text


def _spoil_lines(draw: st.DrawFn, text: str) -> str:
    lines = text.split("\n")
    at = draw(st.integers(0, len(lines) - 1))
    match draw(st.sampled_from(["indent", "outdent", "delete", "double", "move"])):
        case "indent":
            lines[at] = draw(st.sampled_from([" ", "  ", "\t"])) + lines[at]
        case "outdent":
            lines[at] = lines[at].lstrip()
        case "delete":
            del lines[at]
        case "double":
            lines.insert(at, lines[at])
        case "move":
            lines.insert(draw(st.integers(0, len(lines) - 1)), lines.pop(at))
    return "\n".join(lines)


def places(tree: Any, here: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The path of every value in nested dicts and lists, the outermost aside."""
    items: list[tuple[Any, Any]] = list(tree.items()) if isinstance(tree, dict) else []
    items += enumerate(tree) if isinstance(tree, list) else []
    return [path for key, value in items for path in [(*here, key), *places(value, (*here, key))]]


@st.composite
def spoilt_tree(
    draw: st.DrawFn, goods: list[Any], values: st.SearchStrategy[Any], keys: list[str], changes: int = 3
) -> Any:
    """One of `goods` with values replaced, taken out, or put in under known and unknown keys."""
    tree = copy.deepcopy(draw(st.sampled_from(goods)))
    values = values.map(copy.deepcopy)
    for _ in range(draw(st.integers(1, changes))):
        found = places(tree)
        if not found:
            break
        *trail, key = draw(st.sampled_from(found))
        parent = tree
        for part in trail:
            parent = parent[part]
        match draw(st.sampled_from(["put", "put", "take", "add"])):
            case "put":
                parent[key] = draw(values)
            case "take":
                del parent[key]
            case "add" if isinstance(parent, dict):
                parent[draw(st.sampled_from(keys))] = draw(values)
            case "add":
                parent.insert(key, draw(values))
    return tree
