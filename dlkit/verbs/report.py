"""`dlkit report`: one HTML file about runs, or an index of a folder of runs."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from dlkit.errors import DataError, UserError

if TYPE_CHECKING:
    from dlkit.report.gathered import Run
    from dlkit.report.index import Line

MOST_OPENED = 8
"""Runs of one page whose checkpoints are opened."""
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
@click.option("--quick", is_flag=True, help="Only what is in the folders; no checkpoint is opened.")
def command(runs: tuple[Path, ...], output: Path | None, quick: bool) -> None:
    """Curves, recipe differences, what was learnt, timing and provenance; nothing is fetched when it is read.

    An index links the pages of its runs, which are written as RUN/report.html. What cannot be read of a run
    is told in its page.
    """
    from dlkit.report.gathered import is_run, runs_below

    for run in runs:
        if not run.is_dir():
            raise DataError("no such run", where=str(run))
    if len(runs) == 1 and not is_run(runs[0]):
        _write_index(runs[0], output or runs[0] / "index.html", quick)
        return
    chosen = [one for run in runs for one in ([run] if is_run(run) else runs_below(run) or [run])]
    if not any(map(is_run, chosen)):
        raise DataError("no run in it", where=str(runs[0]))
    _write_page(chosen, output or chosen[0] / "report.html", quick)


def _write_page(runs: list[Path], output: Path, quick: bool) -> "Run":
    """A page about runs; says where it is and answers with the first run."""
    from dlkit.report.page import page

    gathered = [one for run in runs for one in gathered_of(run)]
    with_models = [one for one in gathered if not one.members]
    opened = not quick and len(with_models) <= MOST_OPENED
    if not quick and not opened:
        click.echo(f"{len(with_models)} runs: of more than {MOST_OPENED} no checkpoint is opened", err=True)
    gathered = [_with_learnt(one, opened) for one in gathered]
    _write(output, page(gathered))
    for one in gathered:
        for trouble in one.troubles:
            click.echo(f"warning: {one.name}: {trouble}", err=True)
    return gathered[0]


def _with_learnt(run: "Run", opened: bool) -> "Run":
    from dataclasses import replace

    from dlkit.verbs.shown import learnt_of

    if run.members or not run.command:
        return run
    return replace(run, **learnt_of(run, opened=opened)._asdict())


def _write(path: Path, content: bytes) -> None:
    from dlkit.training.rundir import write_atomic

    if not path.parent.is_dir():
        raise UserError(f"cannot write {path}: there is no folder {path.parent}")
    write_atomic(path, content)
    click.echo(str(path))


def gathered_of(run: Path) -> "list[Run]":
    """A run, or a family and its members, members of members too; what cannot be read are its troubles."""
    from dlkit.report.gathered import gather, is_run, members_of
    from dlkit.training.rundir import METRICS
    from dlkit.verbs.plot import rows_of

    troubles, rows = [] if is_run(run) else ["no run in it"], []
    if (run / METRICS).is_file():
        try:
            rows = rows_of(run)[str(run)]
        except DataError as error:
            troubles.append(f"{METRICS}, timing.csv: {error}")
    family = [one for member in members_of(run) for one in gathered_of(member)]
    return [gather(run, str(run), rows, troubles), *family]


def _write_index(folder: Path, output: Path, quick: bool) -> None:
    """The pages of all runs of a folder, then the index."""
    from dlkit.report.gathered import runs_below
    from dlkit.report.index import index

    runs = runs_below(folder)
    if not runs:
        raise DataError("no run in it", where=str(folder))
    lines = [_line(run, folder, output, quick) for run in runs]
    _write(output, index(folder.resolve().name or str(folder), lines))


def _line(run: Path, folder: Path, output: Path, quick: bool) -> "Line":
    from dlkit.report.index import Line

    page = run / "report.html"
    first = _write_page([run], page, quick)
    name = run.relative_to(folder).as_posix()
    return Line(name, Path(os.path.relpath(page, output.parent)).as_posix(), first)
