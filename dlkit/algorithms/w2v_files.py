"""Files of word2vec's vectors: those that a run leaves, written word by word, and those that export makes."""

import csv
import io
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import BinaryIO

import numpy as np

from dlkit.algorithms.protocol import File
from dlkit.algorithms.w2v_recipe import FilesSpec
from dlkit.errors import UsageError
from dlkit.readers.word_vectors import binary_pieces, text_pieces, to_binary, to_text
from dlkit.training.rundir import Content

MOST_IN_TEXT = 20_000_000
"""Numbers above which vectors.txt is not written unless the recipe says so: 200 MB."""
SUFFIXES = {"word2vec": ".txt", "word2vec-binary": ".bin", "csv": ".csv", "npz": ".npz"}
"""Formats that `export` knows."""
Table = tuple[str, list[str], np.ndarray]
"""Stem of a file's name, words or documents, their vectors (n, dim)."""
Pieces = Callable[[list[str], np.ndarray], Iterator[bytes]]


def written_files(
    files: FilesSpec, tables: list[Table], log: Callable[[str], None]
) -> Iterator[tuple[str, Content]]:
    """Name and content of the files of a run; their bytes are made while they are written."""
    numbers = sum(vectors.size for _, _, vectors in tables)
    chosen: list[tuple[str, Pieces]] = []
    if files.text is True or (files.text == "auto" and numbers <= MOST_IN_TEXT):
        chosen.append((".txt", text_pieces))
    elif files.text == "auto":
        log(f"{numbers:,} numbers: no vectors.txt (files.text: true writes it, so does dlkit export)")
    if files.binary:
        chosen.append((".bin", binary_pieces))
    for suffix, pieces in chosen:
        for stem, names, vectors in tables:
            yield stem + suffix, partial(_write, pieces, names, vectors)


def _write(pieces: Pieces, names: list[str], vectors: np.ndarray, stream: BinaryIO) -> None:
    stream.writelines(pieces(names, vectors))


def exported_files(form: str, tables: Iterable[Table]) -> Iterator[File]:
    """The files of a format that other programs read. Raises UsageError."""
    if form not in SUFFIXES:
        known = ", ".join(SUFFIXES)
        raise UsageError(f"no format is called {form}", where="--format", hint=f"there are {known}")
    for stem, names, vectors in tables:
        yield File(stem + SUFFIXES[form], _exported(form, names, vectors))


def _exported(form: str, names: list[str], vectors: np.ndarray) -> bytes:
    if form == "word2vec":
        return to_text(names, vectors)
    if form == "word2vec-binary":
        return to_binary(names, vectors)
    if form == "npz":
        out = io.BytesIO()
        np.savez(out, words=np.array(names, np.str_), vectors=vectors)
        return out.getvalue()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["word", *(f"x{k + 1}" for k in range(vectors.shape[1]))])
    writer.writerows([word, *map(str, row)] for word, row in zip(names, vectors, strict=True))
    return text.getvalue().encode("utf-8")
