"""Spoilt files of labelled text through `bayes-nb --dry-run` and the verbs.

Garbage is what has a line without a tab, or nothing before it, a NUL, bytes that are not UTF-8, or one
class only. It must end with code 1 and a place. What is accepted has as many documents as there are lines
that are not blank.
"""

import csv
import io
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz.mutations import spoilt_file
from tests.fuzz.program import run, share

TEXT = "spam\tfree call now\nham\tsee you, home?\nspam\tcall 0800 日本\nham\tthé vert é\n"
GARBAGE = [
    "",
    "\t",
    "\t\t",
    "\n",
    "\r\n",
    "\r",
    " ",
    "\0",
    "\ufeff",
    "spam\t",
    "\tx",
    "赤\t緑",
    "\x1b[2J",
    "\x85",
    "\u2028",
    "ß",
    "İ",
    "Σ",
]
TEXTS = spoilt_file(TEXT, GARBAGE)
HOW = ["--set", "data.format=text"]


def lines_of(data: bytes) -> list[str] | None:
    """The lines that are not blank; None for what is no text."""
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    if b"\0" in data or data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return None
    try:
        lines = [line.decode("utf-8") for line in data.split(b"\n")]
    except UnicodeDecodeError:
        return None
    return [line for line in (one.removesuffix("\r") for one in lines) if line]


def labels_of(lines: list[str]) -> list[str] | None:
    """The part before the first tab of every line; None where one has none."""
    parts = [line.split("\t", 1) for line in lines]
    return [part[0] for part in parts] if all(len(part) == 2 and part[0] for part in parts) else None


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("texts")
    (made / "good.txt").write_text(TEXT, encoding="utf-8")
    assert run("bayes-nb", made / "good.txt", *HOW, "-q", "-o", made / "run").code == 0
    return made


@share(0.5)
@given(TEXTS)
def test_a_spoilt_text_to_train_on(folder: Path, data: bytes) -> None:
    path = folder / "spoilt.txt"
    path.write_bytes(data)
    tried = run("bayes-nb", path, "--dry-run", *HOW)
    lines = lines_of(data)
    labels = labels_of(lines) if lines else None
    sound = labels is not None and len(set(labels)) > 1
    if tried.code:
        assert tried.code == 1 and not sound, (tried, lines)
        assert all(error.startswith(f"error: {path}:") for error in tried.errors), tried
        return
    assert sound and labels is not None, tried
    told = re.match(rf"data   {re.escape(str(path))} ([\d,]+) · (\d+) classes", tried.stdout)
    assert told and (int(told[1].replace(",", "")), int(told[2])) == (len(labels), len(set(labels))), tried
    assert all(line.isprintable() for line in tried.stdout.rstrip("\n").split("\n")), tried


@share(0.5)
@given(TEXTS, st.sampled_from(["predict", "predict --explain", "evaluate"]))
def test_a_spoilt_text_to_answer(folder: Path, data: bytes, question: str) -> None:
    path = folder / "spoilt.txt"
    path.write_bytes(data)
    verb, *options = question.split()
    answered = run(verb, folder / "run", path, *options)
    lines = lines_of(data)
    if answered.code:
        labels = labels_of(lines) if lines else None
        assert not lines or (verb == "evaluate" and (labels is None or not set(labels) <= {"spam", "ham"})), (
            answered
        )
        assert all(error.startswith(f"error: {path}:") for error in answered.errors), answered
        return
    assert lines, answered
    if verb == "evaluate":
        assert dict(line.split() for line in answered.stdout.splitlines())["rows"] == str(len(lines))
        return
    answers = list(csv.DictReader(io.StringIO(answered.stdout)))
    if options:
        assert len({answer["row"] for answer in answers}) == len(lines)
        return
    assert len(answers) == len(lines), answered
    for answer in answers:
        assert abs(float(answer["P(ham)"]) + float(answer["P(spam)"]) - 1) < 1e-12
