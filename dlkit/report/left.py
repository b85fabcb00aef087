"""The files that a run left in its folder, as what is shown of it."""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from dlkit.pictures.exhibits import Drawn, Left, Made, Sheet, shares_of_rows
from dlkit.report.gathered import Run, is_run
from dlkit.report.markup import number
from dlkit.report.pictures import Source
from dlkit.report.thin import evenly
from dlkit.training.rundir import COMPARE_PICTURE

FRAMES = 24
"""Most pictures of a sequence."""
OTHERS = 12
"""Most pictures of one folder that no command speaks for."""
ROWS, COLUMNS, LETTERS = 20, 12, 120
"""Of a table in a file: rows, columns and letters of a cell that are shown."""
SQUARE = 40
"""Rows and columns of a shaded table."""
COUNTED = 20_000_000
"""Bytes of a table up to which its rows are counted."""
FAMILY = Left(COMPARE_PICTURE, "Comparison", "The figures of all runs of the family, side by side.")


class Shown(NamedTuple):
    """One thing that is shown of a run: pictures (several are a sequence) or what was made."""

    title: str
    told: str
    pictures: Sequence[Source] = ()
    made: Made | None = None
    gallery: bool = False
    """The pictures are no sequence."""


def things_of(run: Run) -> tuple[list[Shown], list[str]]:
    """All that is shown of a run, in order, and what is left out of it, in words."""
    things: list[Shown] = []
    notes: list[str] = list(run.notes)
    taken: set[Path] = set()
    for left in (FAMILY, *run.left):
        files = _matching(run.path, left.pattern)
        taken |= set(files)
        things += _of_files(run.path, left, files, notes)
    finished = run.state == "finished"
    taken |= {run.path / name for name in run.previews if finished}
    for made in run.made:
        if isinstance(made, Drawn):
            things.append(Shown(made.title, made.told, [Source(made.title, made.png)]))
        else:
            things.append(Shown(made.title, made.told, made=made))
    if others := _others(run.path, taken, notes):
        told = "Pictures that are in the run's folder besides."
        things.append(Shown("Other pictures", told, others, gallery=True))
    return things, notes


def _matching(folder: Path, pattern: str) -> list[Path]:
    found = [one for one in folder.glob(pattern) if one.is_file() and not one.is_symlink()]
    return sorted(found, key=lambda one: (len(one.name), one.name))


def _of_files(folder: Path, left: Left, files: list[Path], notes: list[str]) -> Iterator[Shown]:
    if not files:
        return
    if files[0].suffix.lower() == ".csv":
        for path in files:
            try:
                yield Shown(left.title, left.told, made=_table(path, left))
            except (OSError, ValueError, csv.Error) as error:
                notes.append(f"{path.relative_to(folder)}: cannot be read as a table ({error})")
        return
    chosen = [files[at] for at in evenly(len(files), FRAMES)]
    if len(chosen) < len(files):
        notes.append(f"{left.pattern}: {len(chosen)} of its {len(files)} pictures are shown")
    yield Shown(left.title, left.told, [_source(folder, one) for one in chosen])


def _table(path: Path, left: Left) -> Sheet:
    """The first rows of a file. Raises OSError, ValueError, csv.Error."""
    most_rows, most_columns = (SQUARE, SQUARE + 1) if left.shaded else (ROWS, COLUMNS)
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        head = next(reader, [])
        rows = list(islice(reader, most_rows))
        more = sum(1 for _ in reader) if path.stat().st_size <= COUNTED else 0
    cut = [[_cell(cell) for cell in row[:most_columns]] for row in rows]
    told = left.told
    if more:
        told += f" The first {len(rows)} of {len(rows) + more:,} rows of {path.name}."
    if len(head) > most_columns:
        told += f" The first {most_columns} of {len(head):,} columns."
    shades = (
        shares_of_rows([[float(cell) for cell in row[1:most_columns]] for row in rows]) if left.shaded else []
    )
    return Sheet(left.title, told, head[:most_columns], cut, shades)


def _cell(cell: str) -> str:
    """A number in six digits; words cut where they are long."""
    try:
        return number(int(cell) if cell.lstrip("-").isdecimal() and not cell.startswith("0") else float(cell))
    except ValueError:
        return cell if len(cell) <= LETTERS else cell[: LETTERS - 1] + "…"


def _source(folder: Path, path: Path) -> Source:
    return Source(path.relative_to(folder).as_posix(), path)


def _others(folder: Path, taken: set[Path], notes: list[str]) -> list[Source]:
    """Pictures that nothing speaks for, some of each folder."""
    folders: dict[Path, list[Path]] = {}
    for path in _below(folder):
        if path not in taken:
            folders.setdefault(path.parent, []).append(path)
    found = []
    for inside in folders.values():
        kept = evenly(len(inside), OTHERS)
        found += [_source(folder, inside[at]) for at in kept]
        if len(kept) < len(inside):
            where = inside[0].parent.relative_to(folder).as_posix()
            notes.append(f"{where}/: {len(kept)} of its {len(inside)} pictures are shown")
    return found


def _below(folder: Path) -> Iterator[Path]:
    for one in sorted(folder.iterdir()):
        if one.name.startswith(".") or one.is_symlink():
            continue
        if one.is_dir():
            if not is_run(one):
                yield from _below(one)
        elif one.suffix.lower() == ".png":
            yield one
