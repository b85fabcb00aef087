"""Vectors to go on from: an earlier run with its counts and both matrices, or a file of vectors."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Context
from dlkit.errors import DataError, UsageError
from dlkit.readers.paths import find_file_or_folder
from dlkit.readers.word_vectors import read_vectors
from dlkit.training.checkpoint import load
from dlkit.training.rundir import CHECKPOINT


@dataclass
class Start:
    """Words that are known already."""

    words: list[str]
    counts: np.ndarray
    """(n,) int64; 0 from a file of vectors, which has none."""
    matrices: dict[str, np.ndarray]
    """input and, from a run, output."""
    written: str
    objective: str = ""
    files: list[Path] = field(default_factory=list)


def read_start(recipe: Any, context: Context) -> Start | None:
    """What `recipe.start` names; None where it names nothing. Raises DataError, UsageError where it does not
    fit.
    """
    if recipe.start is None:
        return None
    found = find_file_or_folder(recipe.start, context.base)
    if recipe.data.max_vocab is not None:
        raise UsageError(
            "max_vocab and start exclude each other: all words of the start stay", where="data.max_vocab"
        )
    start = _of_run(found.path) if is_run(found.path) else _of_file(found.path, found.written)
    start.written = found.written
    dim = start.matrices["input"].shape[1]
    if dim != recipe.dim:
        text = f"{recipe.start} has vectors of {dim} numbers, the recipe says {recipe.dim}"
        raise UsageError(text, where="dim", hint=f"--dim {dim}")
    start.matrices = {name: rows.astype(context.backend.dtype) for name, rows in start.matrices.items()}
    return start


def is_run(path: Path) -> bool:
    """Whether it is a run directory or a checkpoint, not a file of vectors."""
    return path.is_dir() or path.suffix == ".h5"


def _of_run(path: Path) -> Start:
    file = path / CHECKPOINT if path.is_dir() else path
    if not file.is_file():
        raise DataError("no checkpoint in it", where=str(path))
    state: Any = load(file, command="word2vec").tree.get("state")
    try:
        words, objective = list(state["words"]), str(state["objective"])
        counts, matrices = np.array(state["counts"], np.int64), dict(state["matrices"])
        rows = {"input": matrices["input"][: len(words)], "output": matrices["output"]}
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise DataError("not the checkpoint of a run of word2vec", where=str(file)) from error
    return Start(words, counts, rows, "", objective, [file])


def _of_file(path: Path, name: str) -> Start:
    found = read_vectors(path)
    counts = np.zeros(len(found.words), np.int64)
    return Start(found.words, counts, {"input": found.vectors}, name, files=[path])
