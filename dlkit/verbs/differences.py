"""How two runs of one recipe differ: file by file, and in what they ran with."""

import csv
import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.errors import UserError
from dlkit.training.rundir import BEST, CHECKPOINT, COMPARE, ENVIRONMENT, METRICS, RECIPE, SUMMARY

EXACT = (RECIPE, METRICS, CHECKPOINT, BEST, SUMMARY, COMPARE)
"""Files whose bytes the recipe decides; the artifacts are named in environment.json."""
UNLIKE = (
    "started",
    "finished",
    "command_line",
    "directory",
    "inputs",
    "notes",
    "artifacts",
    "recipe_as_given",
    "resumed",
)
"""Entries of environment.json that say when and where, not with what."""


def files_of(run: Path) -> list[str]:
    """Names of the files that the run's recipe decides, of a family those of its members too."""
    names = [name for name in (*EXACT, *_about(run).get("artifacts", [])) if (run / name).is_file()]
    members = sorted(folder for folder in run.iterdir() if (folder / RECIPE).is_file())
    return names + [f"{member.name}/{name}" for member in members for name in files_of(member)]


def _about(run: Path) -> dict[str, Any]:
    try:
        about = json.loads((run / ENVIRONMENT).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return about if isinstance(about, dict) else {}


def started_in(run: Path) -> Path | None:
    """The folder that the run was started in, where it still is."""
    for about in (_about(run), *(_about(folder) for folder in sorted(run.iterdir()) if folder.is_dir())):
        told = about.get("directory")
        if isinstance(told, str) and Path(told).is_dir():
            return Path(told)
    return None


def of_files(before: Path, after: Path) -> Iterator[tuple[str, str | None]]:
    """(name, what differs) of every file of either run; None: the same bytes."""
    names = dict.fromkeys([*files_of(before), *files_of(after)])
    for name in names:
        one, two = before / name, after / name
        if not two.is_file():
            yield name, "was not written this time"
        elif not one.is_file():
            yield name, "was not there before"
        elif one.read_bytes() == two.read_bytes():
            yield name, None
        else:
            yield name, _told(name, one, two)


def _told(name: str, one: Path, two: Path) -> str:
    """The first thing that differs, in words."""
    try:
        if name.endswith(".h5"):
            return _in_checkpoints(one, two)
        first, second = one.read_text(encoding="utf-8"), two.read_text(encoding="utf-8")
        if name.endswith(".csv"):
            return _in_tables(first, second)
        if name.endswith(".json"):
            return _in_figures(json.loads(first), json.loads(second))
        return _in_lines(first, second)
    except (UserError, ValueError):
        return "other bytes"


def _in_tables(first: str, second: str) -> str:
    (head, *rows), (other, *others) = (list(csv.reader(io.StringIO(text))) for text in (first, second))
    if head != other or len(rows) != len(others):
        return f"{len(rows)} rows of {len(head)} columns, now {len(others)} of {len(other)}"
    for number, (row, new) in enumerate(zip(rows, others, strict=True), 1):
        for column, cell, now in zip(head, row, new, strict=False):
            if cell != now:
                return f"row {number}, {column}: {cell}, now {now}"
    return "other bytes"


def _in_figures(first: Any, second: Any) -> str:
    if not isinstance(first, dict) or not isinstance(second, dict):
        return "other bytes"
    for key in dict.fromkeys([*first, *second]):
        if first.get(key) != second.get(key):
            return f"{key}: {first.get(key)}, now {second.get(key)}"
    return "other bytes"


def _in_lines(first: str, second: str) -> str:
    for number, (line, now) in enumerate(zip(first.split("\n"), second.split("\n"), strict=False), 1):
        if line != now:
            return f"line {number}: {line.strip()[:60]}, now {now.strip()[:60]}"
    return "another number of lines"


def _in_checkpoints(one: Path, two: Path) -> str:
    from dlkit.training.checkpoint import load

    first, second = (dict(_leaves(load(path).tree, "")) for path in (one, two))
    if list(first) != list(second):
        changed = sorted(set(first) ^ set(second))
        return f"{changed[0] if changed else 'the order of its parts'} is not in both"
    for path, value in first.items():
        now = second[path]
        if isinstance(value, np.ndarray) and isinstance(now, np.ndarray) and value.shape == now.shape:
            if value.dtype.kind == "f" and not np.array_equal(value, now, equal_nan=True):
                return f"{path}: up to {np.nanmax(np.abs(value - now)):.3g} apart"
            if not np.array_equal(value, now):
                return f"{path}: {np.count_nonzero(value != now):,} of {value.size:,} values"
        elif isinstance(value, str) and isinstance(now, str) and value != now:
            return f"{path}, {_in_lines(value, now)}"
        elif not np.array_equal(value, now):
            return f"{path}: {str(value)[:40]}, now {str(now)[:40]}".replace("\n", " ")
    return "other bytes"


def _leaves(tree: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in tree.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{prefix}{name}/")
        else:
            yield prefix + name, value


def of_circumstances(before: Path, after: Path) -> Iterator[str]:
    """What the two ran with that is not the same: versions, machine, inputs. Of a family, its members."""
    members = [folder.name for folder in sorted(before.iterdir()) if (folder / ENVIRONMENT).is_file()]
    told: dict[str, None] = {}
    for name in ["", *members]:
        old, new = _about(before / name), _about(after / name)
        told |= dict.fromkeys(_unlike(old, new))
    yield from told


def _unlike(old: dict[str, Any], new: dict[str, Any]) -> Iterator[str]:
    for key in dict.fromkeys([*old, *new]):
        if key not in UNLIKE and old.get(key) != new.get(key):
            yield f"{key}: {old.get(key)}, now {new.get(key)}"
    sums = {os.path.normpath(one["path"]): one.get("sha256") for one in new.get("inputs", [])}
    for one in old.get("inputs", []):
        path = os.path.normpath(one["path"])  # found by way of the recipe's folder, or not
        if path not in sums:
            yield f"input {path} was not read this time"
        elif sums[path] != one.get("sha256"):
            yield f"input {path} has changed"
