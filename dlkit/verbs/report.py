"""`dlkit report`: one HTML file about runs, or an index of a folder of runs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlkit.errors import DataError, UserError

if TYPE_CHECKING:
    from dlkit.report.gathered import Run
    from dlkit.report.index import Line

HELP = "One HTML file about one or several runs, to explore offline; of a folder of runs an index."


@click.command(
    "report",
    help=HELP,
    epilog="""\b
Examples:
  dlkit report runs/train-mlp-digits
  dlkit report runs/adam runs/sgd -o compared.html
  dlkit report runs/""",
)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="The page (RUN/report.html; of a folder of runs FOLDER/index.html).",
)
def command(runs: tuple[Path, ...], output: Path | None) -> None:
    """Curves, recipe differences, pictures, timing and provenance; nothing is fetched when it is read.

    An index links the pages of its runs, which are written as RUN/report.html.
    """
    from dlkit.report.gathered import is_run, runs_below

    for run in runs:
        if not run.is_dir():
            raise DataError("no such run", where=str(run))
    if len(runs) == 1 and not is_run(runs[0]):
        _write_index(runs[0], output or runs[0] / "index.html")
        return
    chosen = [one for run in runs for one in ([run] if is_run(run) else runs_below(run))]
    if not chosen:
        raise DataError("no run in it", where=str(runs[0]))
    _write_page(chosen, output or chosen[0] / "report.html")


def _write_page(runs: list[Path], output: Path) -> "Run":
    """A page about runs; says where it is and answers with the first run."""
    from dlkit.report.page import page

    gathered = [one for run in runs for one in gathered_of(run)]
    _write(output, page(gathered))
    return gathered[0]


def _write(path: Path, content: bytes) -> None:
    from dlkit.training.rundir import write_atomic

    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    write_atomic(path, content)
    click.echo(str(path))


def gathered_of(run: Path) -> "list[Run]":
    """A run, or a family and its members, members of members too. Raises DataError."""
    from dlkit.report.gathered import gather, members_of
    from dlkit.training.rundir import METRICS
    from dlkit.verbs.plot import rows_of

    rows = rows_of(run)[str(run)] if (run / METRICS).is_file() else []
    family = [one for member in members_of(run) for one in gathered_of(member)]
    return [gather(run, str(run), rows), *family]


def _write_index(folder: Path, output: Path) -> None:
    """The pages of all runs of a folder, then the index. A run that cannot be read is a line of it."""
    from dlkit.report.gathered import runs_below
    from dlkit.report.index import index

    runs = runs_below(folder)
    if not runs:
        raise DataError("no run in it", where=str(folder))
    lines = [_line(run, folder, output) for run in runs]
    _write(output, index(folder.resolve().name or str(folder), lines))


def _line(run: Path, folder: Path, output: Path) -> "Line":
    from dlkit.report.index import Line

    name = run.relative_to(folder).as_posix()
    page = run / "report.html"
    try:
        first = _write_page([run], page)
    except DataError as error:
        click.echo(f"warning: {error}", err=True)
        return Line(name, None, None, str(error))
    return Line(name, Path(os.path.relpath(page, output.parent)).as_posix(), first)
