"""What the command of a run has to show of it in a report."""

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from dlkit.errors import UserError
from dlkit.pictures.exhibits import Left, Made

if TYPE_CHECKING:
    from dlkit.report.gathered import Run


class Learnt(NamedTuple):
    """Of one run."""

    left: tuple[Left, ...] = ()
    previews: tuple[str, ...] = ()
    made: tuple[Made, ...] = ()
    notes: tuple[str, ...] = ()
    """What could not be made, and why."""


def learnt_of(run: "Run", *, opened: bool) -> Learnt:
    """`opened`: its checkpoint is opened too. What cannot be shown is told in the notes, never raised."""
    from dlkit.algorithms.protocol import Algorithm
    from dlkit.training.driver import algorithm_of
    from dlkit.training.rundir import chosen_checkpoint

    try:
        algorithm = algorithm_of(run.command, str(run.path))
    except UserError:
        return Learnt()  # the recipe is missing or another program's; the report says so
    if algorithm.exhibits is Algorithm.exhibits or chosen_checkpoint(run.path) is None:
        return Learnt(algorithm.EXHIBITS, algorithm.PREVIEWS)
    if not opened:
        told = "what is made from the checkpoint is left out"
        return Learnt(algorithm.EXHIBITS, algorithm.PREVIEWS, notes=(told,))
    made, notes = _made(run)
    return Learnt(algorithm.EXHIBITS, algorithm.PREVIEWS, tuple(made), tuple(notes))


def _made(run: "Run") -> tuple[list[Made], list[str]]:
    """What is made from the checkpoint, and from the run's rows where they are there and the same."""
    from dlkit.training.driver import open_run
    from dlkit.verbs.evaluate import refuse_changed

    found: list[tuple[Made, bool]] = []
    notes: list[str] = []
    try:
        algorithm, _ = open_run(run.path)
        algorithm.context.log = lambda line: None
        started = Path(str(run.environment.get("directory")))
        if started.is_dir():  # its data are looked for where they were found
            algorithm.context.base = started
        for one in algorithm.exhibits():
            if isinstance(one, str):
                notes.append(one)
            else:
                found.append((one, _has_rows(algorithm)))
    except UserError as error:
        notes.append(f"left out: {' '.join(str(error).split())}")
    if any(with_rows for _, with_rows in found):
        try:
            if not run.environment:
                raise UserError("without environment.json nothing says whether they are the same")
            refuse_changed(run.path, algorithm.inputs())
        except UserError as error:
            notes.append(f"left out what is made from the rows: {error}")
            found = [(one, with_rows) for one, with_rows in found if not with_rows]
    return [one for one, _ in found], notes


def _has_rows(algorithm: Any) -> bool:
    """Whether it has read the rows that the run began with."""
    return getattr(algorithm, "data", None) is not None
