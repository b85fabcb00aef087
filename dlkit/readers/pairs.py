"""Parallel texts: two files whose lines belong together, or one with source and target between tabs.

Every pair is a line that both sides have. A line that is empty, too long or cannot be read is told with its
file and number, or its pair is left out and counted; files of different lengths are always an error, for then
nobody knows which lines belong together.
"""

from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import OnBadRow
from dlkit.readers.lines import LineRules, Lines, read_lines
from dlkit.readers.opening import STDIN, display
from dlkit.readers.pair_spec import PairsSpec
from dlkit.readers.paths import Found, resolve_path
from dlkit.readers.text import TAB

Name = str | list[str]


@dataclass
class PairLines:
    """Source and target of every line of one set, as they stand in the files."""

    name: str
    source: Lines
    target: Lines
    files: list[Path] = field(default_factory=list)
    written: Name = ""
    """How a recipe has to name the set so that it is found from the current folder again."""
    faults: dict[int, tuple[str, str]] = field(default_factory=dict)
    """Bad pairs by number from 0: place and reason, the first one found."""

    def __len__(self) -> int:
        return len(self.source)

    def fault(self, pair: int, text: str, *, target: bool, on_bad_row: OnBadRow) -> None:
        """Pair number `pair` is bad because of one side. Raises DataError where that is an error."""
        where = f"{(self.target if target else self.source).name}:{pair + 1}"
        if on_bad_row == "error":
            raise DataError(text, where=where)
        self.faults.setdefault(pair, (where, text))

    def good(self) -> np.ndarray:
        """Numbers of the pairs that are not bad."""
        keep = np.ones(len(self), bool)
        keep[list(self.faults)] = False
        return np.flatnonzero(keep)

    def note(self) -> str:
        """What was left out, with the first reason; empty where nothing was."""
        if not self.faults:
            return ""
        where, text = self.faults[min(self.faults)]
        return f"{len(self.faults)} bad pairs left out; the first: {where}: {text}"


def read_pairs(name: Name, spec: PairsSpec, on_bad_row: OnBadRow, base: Path | None) -> PairLines:
    """All pairs of one set. Raises DataError with file:line."""
    rules = LineRules(spec.encoding, spec.nfkc, strict=on_bad_row == "error")
    written: Name
    if isinstance(name, str) and (name == STDIN or spec.source is None):
        found = resolve_path(name, base)
        pairs = _with_tabs(read_lines(found.path, rules), spec, on_bad_row)
        files, written = [found], found.written
    else:
        sides = _sides(name, spec, base)
        if all(side.is_stdin for side in sides):
            raise DataError("source and target cannot both be standard input", where=str(name))
        source, target = (read_lines(side.path, rules) for side in sides)
        pairs, files = _side_by_side(source, target, on_bad_row), list(sides)
        written = (
            [side.written for side in sides] if isinstance(name, list) else _prefix(sides[0], name, spec)
        )
    if not len(pairs):
        raise DataError("holds no pairs", where=pairs.name)
    paths = [one.path for one in files if not one.is_stdin]
    return replace(pairs, name=display_name(name), files=paths, written=written)


# -- two files ------------------------------------------------------------------------------------------
def _sides(name: Name, spec: PairsSpec, base: Path | None) -> tuple[Found, Found]:
    if isinstance(name, list):
        return resolve_path(name[0], base), resolve_path(name[1], base)
    return _with_ending(name, spec.source or "", base), _with_ending(name, spec.target or "", base)


def _with_ending(name: str, ending: str, base: Path | None) -> Found:
    """NAME.ending, or NAME.ending.gz where only that is there."""
    try:
        return resolve_path(f"{name}.{ending}", base)
    except DataError:
        try:
            return resolve_path(f"{name}.{ending}.gz", base)
        except DataError:
            pass
        raise


def _prefix(side: Found, name: str, spec: PairsSpec) -> str:
    """What the names of the files found have in common."""
    return side.written.removesuffix(".gz").removesuffix(f".{spec.source}") or name


def _side_by_side(source: Lines, target: Lines, on_bad_row: OnBadRow) -> PairLines:
    if len(source) != len(target):
        text = f"{len(source):,} lines, but {target.name} has {len(target):,}"
        raise DataError(text, where=source.name, hint="line k of one belongs to line k of the other")
    pairs = PairLines(f"{source.name} + {target.name}", source, target)
    for k in sorted({*source.faults, *target.faults}):
        on_target = k not in source.faults
        text = (target if on_target else source).faults[k]
        pairs.fault(k, text, target=on_target, on_bad_row=on_bad_row)
    return pairs


# -- one file with tabs -----------------------------------------------------------------------------------
def _with_tabs(lines: Lines, spec: PairsSpec, on_bad_row: OnBadRow) -> PairLines:
    """Source and target as parts of each line."""
    tabs = np.append(np.flatnonzero(lines.data == TAB), len(lines.data))
    first = np.searchsorted(tabs, lines.starts)
    found = np.searchsorted(tabs, lines.ends) - first
    source, target = (_column(lines, column, tabs, first, found) for column in spec.columns)
    pairs = PairLines(lines.name, source, target)
    for k in sorted(lines.faults):
        pairs.fault(k, lines.faults[k], target=False, on_bad_row=on_bad_row)
    needed = max(spec.columns)
    for k in np.flatnonzero(found < needed).tolist():
        if k not in lines.faults:
            columns = "no tab" if not found[k] else f"{found[k] + 1} columns"
            text = f"expected {needed + 1} columns with tabs between them, found {columns}"
            pairs.fault(k, text, target=False, on_bad_row=on_bad_row)
    return pairs


def _column(lines: Lines, column: int, tabs: np.ndarray, first: np.ndarray, found: np.ndarray) -> Lines:
    """One column of lines with tabs; empty where a line has fewer. tabs: places of all of them; first: (n,)
    number of each line's first tab among them; found: (n,) how many it has."""
    there = found >= column
    starts, ends = lines.starts.copy(), lines.starts.copy()
    if column:
        starts[there] = tabs[first[there] + column - 1] + 1
    last = np.minimum(tabs[np.minimum(first + column, len(tabs) - 1)], lines.ends)
    ends[there] = last[there]
    return Lines(lines.name, lines.data, starts, np.maximum(starts, ends))


def display_name(name: Name) -> str:
    """A set as messages call it."""
    return display(name) if isinstance(name, str) else " + ".join(map(display, name))
