"""What a report shows of a run, as data: pictures, tables, texts. How they look is the report's affair."""

from collections.abc import Sequence
from typing import NamedTuple


class Left(NamedTuple):
    """Files that a run left in its folder: PNG are pictures, CSV tables."""

    pattern: str
    """A name, or a pattern (`samples/step-*.png`): several pictures become one sequence."""
    title: str
    told: str
    """What is to be seen, in words; also for those who cannot see it."""
    shaded: bool = False
    """A table of counts: each cell is shaded by its share of its row."""


class Drawn(NamedTuple):
    """A picture made from the checkpoint."""

    title: str
    told: str
    png: bytes


class Sheet(NamedTuple):
    """A table whose first column names its rows."""

    title: str
    told: str
    head: Sequence[str]
    rows: Sequence[Sequence[object]]
    shades: Sequence[Sequence[float]] = ()
    """From 0 (not) to 1 (most) for every cell but the first of every row; none: nothing is shaded."""


class Passage(NamedTuple):
    """Texts, each under a caption, with their line ends."""

    title: str
    told: str
    texts: Sequence[tuple[str, str]]


Made = Drawn | Sheet | Passage


def shares_of_rows(rows: Sequence[Sequence[float]]) -> list[list[float]]:
    """Each number's share of its row's sum; 0 where the row has none."""
    sums = [sum(row) for row in rows]
    return [[x / total if total else 0.0 for x in row] for row, total in zip(rows, sums, strict=True)]


def confusion_sheet(classes: Sequence[str], matrix: Sequence[Sequence[int]], rows: str) -> Sheet:
    """matrix[t][s]: rows of class t that were answered with class s. rows: which ones, in words."""
    right, every = sum(row[k] for k, row in enumerate(matrix)), sum(map(sum, matrix))
    told = f"{right:,} of {every:,} {rows} are right. A row a label, a column an answer; shaded by the row."
    cells = [[name, *row] for name, row in zip(classes, matrix, strict=True)]
    return Sheet("Confusion matrix", told, ["label", *classes], cells, shares_of_rows(matrix))
