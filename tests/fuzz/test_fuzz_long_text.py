"""Spoilt texts through `rnn --dry-run`, as characters and as words.

Garbage is what has a NUL, bytes that are not UTF-8, the mark of UTF-16, or fewer than two symbols; it must
end with code 1 and name the file. What is accepted has as many symbols as the text has, counted by plain
Python.
"""

import re
from pathlib import Path

import pytest
from hypothesis import given

from tests.fuzz.mutations import spoilt_file
from tests.fuzz.program import run, share

TEXT = "Alice was tired.\n「猫」 don't sit\r\nby the bank, 😀 thé\n\n"
GARBAGE = ["", "\n", "\r", "\r\n", "\r\r\n", " ", "\t", "\0", "\ufeff", "x", "\x85", "\u2028", "ß", "İ", "猫"]
TEXTS = spoilt_file(TEXT, GARBAGE)


def symbols_of(data: bytes, tokens: str) -> int | None:
    """How many symbols a text has; None for what is no text."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")) or b"\0" in data:
        return None
    try:
        text = data.removeprefix(b"\xef\xbb\xbf").decode("utf-8")
    except UnicodeDecodeError:
        return None
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if tokens == "characters":
        return len(text)
    return sum(len(line.split()) for line in text.split("\n")) + text.count("\n")


@pytest.mark.parametrize("tokens", ["characters", "blank"])
@share(0.3)
@given(data=TEXTS)
def test_spoilt_texts(tokens: str, data: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder: Path = tmp_path_factory.getbasetemp()
    path = folder / "spoilt.txt"
    path.write_bytes(data)
    how = ["--set", "task=language", "--tokens", tokens, "--min-count", "1", "--units", "2"]
    ended = run("rnn", path, *how, "-o", folder / "none", "--dry-run")
    expected = symbols_of(data, tokens)
    if expected is None or expected < 2:
        assert ended.code == 1, ended
        assert all(str(path) in line for line in ended.errors), ended
        return
    assert ended.code == 0, ended
    found = re.search(r"train ([\d,]+)", ended.stdout + ended.stderr)
    assert found and int(found[1].replace(",", "")) == expected
