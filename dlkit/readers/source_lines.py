"""Sentences to translate: lines of a file or pipe, handed on as they come."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from dlkit.readers.cells import OnBadRow
from dlkit.readers.lines import LineRules, line_bounds, read_piece, whole_lines
from dlkit.readers.opening import STDIN, blocks, display
from dlkit.readers.pair_spec import PairsSpec
from dlkit.readers.paths import resolve_path

AT_ONCE = 2048
"""Most lines of a piece: those of one piece are sorted by length for the sake of speed."""


class SourceLine(NamedTuple):
    """A line of the source."""

    number: int
    """From 1."""
    text: str
    place: str
    """file:line."""
    fault: str
    """Why it could not be read, where bad lines are left empty; else nothing."""


def source_lines(source: str, spec: PairsSpec, on_bad_row: OnBadRow) -> Iterator[list[SourceLine]]:
    """The lines of a file ("-": standard input) in pieces, normalised as in training; none is left out.

    Where training pairs came from lines with tabs, a line with tabs gives its source column.
    Raises DataError with file:line for a line that cannot be read, unless bad rows are skipped.
    """
    path = Path(STDIN) if source == STDIN else resolve_path(source).path
    name = display(path)
    rules = LineRules(spec.encoding, spec.nfkc, strict=on_bad_row == "error")
    column = spec.columns[0] if spec.source is None and isinstance(spec.train, str) else None
    number = 0
    for raw in whole_lines(blocks(path, name, as_it_comes=True), name):
        faults: dict[int, str] = {}
        data = read_piece(raw, name, number, rules, faults)
        bounds = zip(*(side.tolist() for side in line_bounds(data)), strict=True)
        lines = [
            SourceLine(
                number + k + 1,
                _column(data[i:j].decode("utf-8"), column),
                f"{name}:{number + k + 1}",
                faults.get(number + k, ""),
            )
            for k, (i, j) in enumerate(bounds)
        ]
        for first in range(0, len(lines), AT_ONCE):
            yield lines[first : first + AT_ONCE]
        number += len(lines)


def _column(line: str, column: int | None) -> str:
    cells = line.split("\t")
    return line if column is None or column >= len(cells) else cells[column]
