"""Runs the command line inside the test's process: what a subprocess would show, without its start-up."""

import csv
import io
import json
import sys
import warnings
from contextlib import ExitStack, redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np

from dlkit.cli import main
from tests.conftest import Finished

ROOT = Path(__file__).resolve().parents[2]
DATA = ROOT / "data"
RECIPES = ROOT / "recipes"
CLOCKED = {"timing.csv", "environment.json"}
"""Files of a run that tell when and how fast; everything else is exact."""


def _stream() -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)


def _text(stream: io.TextIOWrapper) -> str:
    stream.flush()
    return stream.buffer.getvalue().decode("utf-8")


def call(*arguments: object, stdin: bytes = b"") -> Finished:
    """One command line. A RuntimeWarning, which a user would see on stderr, is an error."""
    out, err = _stream(), _stream()
    with ExitStack() as stack:
        stack.enter_context(redirect_stdout(out))
        stack.enter_context(redirect_stderr(err))
        stack.enter_context(mock.patch.object(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin))))
        stack.enter_context(warnings.catch_warnings())
        warnings.simplefilter("error", RuntimeWarning)
        code = main([str(argument) for argument in arguments])
    return Finished(code, _text(out), _text(err))


def good(*arguments: object, stdin: bytes = b"") -> Finished:
    """A command line that must end well."""
    done = call(*arguments, stdin=stdin)
    assert done.code == 0, done.stderr
    return done


def train(source: object, directory: Path, *arguments: object) -> Finished:
    """train-mlp into a directory, which must end well."""
    return good("train-mlp", source, "-o", directory, *arguments)


def sets(**keys: object) -> list[str]:
    """--set options; a key's dots are written as two underscores."""
    return [part for key, value in keys.items() for part in ("--set", f"{key.replace('__', '.')}={value}")]


SMALL = sets(model="[{dense: 16}, {dropout: 0.2}]", epochs=3, data__test=0.2, data__valid=0.2)
HELD_OUT = sets(data__test=0.2, data__valid=0.2, epochs=8, optimizer__lr=0.01)


def contents(directory: Path) -> dict[str, bytes]:
    """The exact files of a run or a family."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file() and path.name not in CLOCKED
    }


def error_line(done: Finished, code: int) -> str:
    """The one line of a command that failed with `code`, without its `error: `; stdout is empty."""
    assert (done.code, done.stdout) == (code, ""), done
    assert "Traceback" not in done.stderr, done.stderr
    lines = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, done.stderr
    return lines[0].removeprefix("error: ")


def table(text: str) -> list[dict[str, str]]:
    """Rows of a CSV text."""
    return list(csv.DictReader(io.StringIO(text)))


def figures(run: Path, *arguments: object) -> dict[str, Any]:
    """What `dlkit evaluate` says."""
    return json.loads(good("evaluate", run, *arguments, "--json").stdout)


def column(rows: list[dict[str, str]], name: str) -> np.ndarray:
    """A column of a table as numbers."""
    return np.array([float(row[name]) for row in rows])


def rows_of(name: str) -> list[dict[str, str]]:
    """An embedded table."""
    return table((DATA / f"{name}.csv").read_text(encoding="utf-8"))


def summary(directory: Path) -> dict[str, Any]:
    """summary.json of a run."""
    return json.loads((directory / "summary.json").read_text(encoding="utf-8"))


def metrics(directory: Path) -> list[dict[str, str]]:
    """metrics.csv of a run."""
    return table((directory / "metrics.csv").read_text(encoding="utf-8"))
