"""The inputs of a run as a makefile: `summary.json: data recipe`, to be included by one that trains."""

import json
from pathlib import Path

from dlkit.training.rundir import ENVIRONMENT, SUMMARY, write_atomic


def write_depfile(path: Path, run: Path, recipe: Path | None) -> None:
    """Say that RUN/summary.json depends on every file that the run (or a member of its family) read.

    Each input is a target without a rule too, as compilers write it: make goes on where one is gone.
    """
    inputs = [str(recipe)] if recipe is not None and str(recipe) != "-" else []
    for about in sorted(run.rglob(ENVIRONMENT)):
        told = json.loads(about.read_text(encoding="utf-8"))
        inputs += [one["path"] for one in told.get("inputs", [])]
    names = [_escaped(name) for name in dict.fromkeys(inputs)]
    lines = [f"{_escaped(str(run / SUMMARY))}: {' '.join(names)}".rstrip(), *(f"{name}:" for name in names)]
    write_atomic(path, ("\n".join(lines) + "\n").encode("utf-8"))


def _escaped(name: str) -> str:
    """A file name as make reads it."""
    return name.replace("$", "$$").replace("#", "\\#").replace(" ", "\\ ").replace(":", "\\:")
