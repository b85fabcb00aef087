"""Tests of word vectors: analogies (a is to b as c is to d) and pairs of words that people have judged."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.delimited import check_text, without_bom
from dlkit.readers.opening import display, read_bytes

AT_ONCE = 1 << 24
"""Cosines that are held at once."""

Find = Callable[[str], int]


def analogy_figures(path: Path, find: Find, units: np.ndarray) -> dict[str, float]:
    """Accuracy of 3CosAdd, in all and by section; questions with an unknown word are counted and left out.

    The file: a line `: name` begins a section, others are four words. Of the words that may be the answer
    those
    of the question are left out (Mikolov et al. 2013a). Raises DataError with the line.
    """
    sections, questions, unknown = _read_analogies(path, find)
    if not len(questions):
        raise DataError("no question whose four words are all in the vocabulary", where=display(path))
    right = _answered(questions[:, 1:], units)
    figures: dict[str, float] = {
        "test_analogy_accuracy": float(right.mean()),
        "analogy_questions": len(questions),
        "analogy_unknown": unknown,
    }
    for number, name in enumerate(sections):
        mine = questions[:, 0] == number
        if name and mine.any():
            figures[f"analogy[{name}]"] = float(right[mine].mean())
    return figures


def _read_analogies(path: Path, find: Find) -> tuple[list[str], np.ndarray, int]:
    """Names of the sections, (n, 5) section and four words, and how many questions have an unknown word."""
    sections, rows, unknown = [""], [], 0
    for number, line in _lines(path):
        if line.startswith(":"):
            sections.append(line[1:].strip())
            continue
        words = line.split()
        if len(words) != 4:
            raise DataError(f"expected four words, found {len(words)}", where=f"{display(path)}:{number}")
        found = [find(word) for word in words]
        if min(found) < 0:
            unknown += 1
        else:
            rows.append([len(sections) - 1, *found])
    return sections, np.array(rows, np.int64).reshape(-1, 5), unknown


def _answered(questions: np.ndarray, units: np.ndarray) -> np.ndarray:
    """(n,) bool: whether the word nearest to b - a + c is d."""
    right = np.empty(len(questions), bool)
    at_once = max(AT_ONCE // len(units), 1)
    for start in range(0, len(questions), at_once):
        a, b, c, d = questions[start : start + at_once].T
        scores = (units[b] - units[a] + units[c]) @ units.T
        for one in (a, b, c):
            scores[np.arange(len(one)), one] = -np.inf
        right[start : start + at_once] = scores.argmax(axis=1) == d
    return right


def pair_figures(path: Path, find: Find, units: np.ndarray) -> dict[str, float]:
    """Spearman's rank correlation of cosines with what people said; unknown pairs are counted and left out.

    The file: word, word, number (and more columns) between tabs, commas or semicolons; a first line without a
    number is the header, in which a column called score, human, mean, similarity, SimLex999 or the like is
    looked
    for; lines with # are comments. Raises DataError with the line.
    """
    cosines, judged, unknown = [], [], 0
    column: int | None = None
    for number, line in _lines(path):
        if line.startswith("#"):
            continue
        cells = [cell.strip() for cell in _split(line)]
        if column is None:
            column = _score_column(cells)
            if not _is_number(cells[column] if column < len(cells) else ""):
                continue
        if len(cells) <= column or not _is_number(cells[column]):
            found = cells[column] if column < len(cells) else f"{len(cells)} columns"
            raise DataError(f"expected word, word, number; found {found}", where=f"{display(path)}:{number}")
        a, b = find(cells[0]), find(cells[1])
        if min(a, b) < 0:
            unknown += 1
            continue
        cosines.append(float(units[a] @ units[b]))
        judged.append(float(cells[column]))
    name = path.name.removesuffix(".gz").rsplit(".", 1)[0]
    if len(cosines) < 2:
        raise DataError("fewer than two pairs whose words are in the vocabulary", where=display(path))
    return {
        f"test_spearman[{name}]": spearman(np.array(cosines), np.array(judged)),
        f"pairs[{name}]": len(cosines),
        f"pairs_unknown[{name}]": unknown,
    }


def spearman(x: np.ndarray, y: np.ndarray) -> float:
    """Correlation of the ranks, equal values sharing their mean rank; 0 where one of them does not vary."""
    a, b = _ranks(x), _ranks(y)
    a, b = a - a.mean(), b - b.mean()
    norm = float(np.sqrt((a @ a) * (b @ b)))
    return float(a @ b) / norm if norm else 0.0


def _ranks(x: np.ndarray) -> np.ndarray:
    _, inverse, counts = np.unique(x, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


_SCORE = re.compile(r"score|human|mean|sim|rating", re.IGNORECASE)


def _score_column(first: list[str]) -> int:
    """The third column, or the one that a header names."""
    if len(first) > 2 and _is_number(first[2]):
        return 2
    named = [k for k, cell in enumerate(first) if k > 1 and _SCORE.search(cell)]
    return named[0] if named else 2


def _split(line: str) -> list[str]:
    for mark in ("\t", ",", ";"):
        if mark in line:
            return line.split(mark)
    return line.split()


def _is_number(text: str) -> bool:
    try:
        return bool(np.isfinite(float(text)))
    except ValueError:
        return False


def _lines(path: Path) -> list[tuple[int, str]]:
    """The lines that hold something, with their numbers. Raises DataError for what is no text."""
    data = without_bom(read_bytes(path), display(path))
    check_text(data, display(path))
    return [(k, line) for k, line in enumerate(data.decode("utf-8").splitlines(), 1) if line.strip()]
