"""The one driver: every command that trains goes through `run`, every verb through `open_run`.

A run reads and builds first and touches its directory only then, so that bad input never costs earlier
results. summary.json is removed first and written last.
"""

import importlib
import re
from collections.abc import Callable
from pathlib import Path

from dlkit.algorithms.protocol import Algorithm
from dlkit.backend.machines import Alone, Comm
from dlkit.errors import DataError, Problem, RecipeError, UserError
from dlkit.recipe.schema import TrainingRecipe
from dlkit.recipe.suggest import near_file
from dlkit.training.checkpoint import Checkpoint, load
from dlkit.training.describe import dry_run
from dlkit.training.options import RunOptions
from dlkit.training.outcome import Figures, result_line
from dlkit.training.progress import Display
from dlkit.training.recipes import changed, recipe_of
from dlkit.training.resume import earlier_run, fitting
from dlkit.training.rundir import RECIPE, SUMMARY, RunDirectory, chosen_checkpoint
from dlkit.training.session import Session, open_context, prepare


def run(
    algorithm: type[Algorithm], recipe: TrainingRecipe, options: RunOptions, *, comm: Comm | None = None
) -> None:
    """Train what `recipe` says into `options.directory`; a recipe with folds or variants trains each of them.

    `comm`: the ranks of several machines, which all call this; rank 0 alone writes. None: there is one.
    Raises UserError and its kinds, Interrupted (state saved).
    """
    _check_watched(algorithm, recipe)
    comm = comm or Alone()
    if recipe.folds or recipe.variants:
        from dlkit.training.family import show_family, train_family

        if options.dry_run:
            show_family(algorithm, recipe, options, comm=comm)
        else:
            train_family(algorithm, recipe, options, comm=comm)
    elif options.dry_run:
        show(algorithm, recipe, options, comm=comm)
    else:
        train(algorithm, recipe, options, comm=comm)


def show(algorithm: type[Algorithm], recipe: TrainingRecipe, options: RunOptions, *, comm: Comm) -> None:
    """--dry-run: read, build, print what would be trained; write nothing."""
    display = Display(quiet=options.quiet or comm.rank > 0, verbose=options.verbose)
    prepared = prepare(algorithm, recipe, options, display, comm=comm)
    lines = dry_run(prepared.algorithm.describe(), prepared.recipe, prepared.algorithm.epochs)
    prepared.close()
    if comm.rank == 0:
        print("\n".join(lines), flush=True)


def train(
    algorithm: type[Algorithm],
    recipe: TrainingRecipe,
    options: RunOptions,
    *,
    comm: Comm,
    ready: Callable[[], None] = lambda: None,
) -> Figures:
    """One run. Returns the figures of its summary.json.

    `ready` is called once the data are read and the model is built, before anything is written.
    """
    writes = comm.rank == 0
    display = Display(quiet=options.quiet or not writes, verbose=options.verbose, unit=algorithm.UNIT)
    path = options.directory
    with RunDirectory(path, resume=options.resume, force=options.force, writes=writes) as directory:
        comm.once(directory.check)
        earlier = comm.once(lambda: earlier_run(directory, algorithm, recipe)) if options.resume else None
        if earlier and earlier.nothing_left(recipe):
            display.note(f"{path} is finished (epochs done: {earlier.record.epoch}); nothing to do")
            figures = comm.once(lambda: _summary(directory))
        else:
            if options.resume and earlier is None:
                display.note(f"nothing to resume in {path}: a fresh start")
            prepared = prepare(algorithm, recipe, options, display, earlier, comm)
            try:
                session = Session(prepared, directory, display, options, given=recipe, earlier=earlier)
                trained = session.go(ready)
            finally:
                prepared.close()
            if trained is None:
                if writes:
                    asked = path / prepared.algorithm.ANSWERED
                    display.result(f"{asked}   {prepared.algorithm.waits_for()}")
                return {}
            figures = trained
    if writes:
        display.result(result_line(path, figures, everything=options.verbose))
    return figures


def _check_watched(algorithm: type[Algorithm], recipe: TrainingRecipe) -> None:
    """early_stopping.metric must be a column. Raises RecipeError."""
    stopping = recipe.early_stopping
    names = [column.name for column in algorithm.METRICS]
    if stopping and stopping.metric and stopping.metric not in names:
        problem = f"{stopping.metric} is no column of {algorithm.command}; there are {', '.join(names)}"
        raise RecipeError([Problem(problem, "early_stopping.metric")])


def _summary(directory: RunDirectory) -> Figures:
    summary = directory.read_json(SUMMARY)
    return {name: value for name, value in summary.items() if isinstance(value, int | float)}


# -- a finished run, for the verbs ----------------------------------------------------------------
def open_run(
    path: Path, device: str = "cpu", threads: int | None = None, *, algorithm: type[Algorithm] | None = None
) -> tuple[Algorithm, Checkpoint]:
    """The trained algorithm of a run directory or a checkpoint file, restored without its training data.

    Of a run directory it is the best epoch where the recipe keeps that, else the last.
    `algorithm`: its class; None: found by the command that the checkpoint names.
    Raises DataError for anything that is not a checkpoint or a run.
    """
    file = _checkpoint_of(path)
    checkpoint = load(file, command=algorithm.command if algorithm else None)
    algorithm = algorithm or algorithm_of(checkpoint.command, str(file))
    recipe_text, state = checkpoint.tree.get("recipe"), checkpoint.tree.get("state")
    if not isinstance(recipe_text, str) or not isinstance(state, dict):
        raise DataError("not the checkpoint of a run", where=str(file))
    recipe = changed(recipe_of(algorithm.Recipe, recipe_text, str(file)), device=device)
    recipe, context = open_context(recipe, threads, None, file.parent)
    with fitting(algorithm.command, file):
        return algorithm.restore(recipe, state, context), checkpoint


def _checkpoint_of(path: Path) -> Path:
    """The file itself, or that of a run's chosen model. Raises DataError, UserError."""
    if not path.exists():
        raise DataError("no such run or checkpoint", where=str(path), hint=near_file(path))
    if not path.is_dir():
        return path
    if (chosen := chosen_checkpoint(path)) is not None:
        return chosen
    members = sorted(folder.name for folder in path.iterdir() if (folder / RECIPE).is_file())
    if members:
        raise UserError(f"{path} holds several runs; name one of them", hint=f"{path / members[0]}, ...")
    raise DataError("no checkpoint in it", where=str(path))


def algorithm_of(command: str, where: str) -> type[Algorithm]:
    """The class of a command, from its module (train-mlp: train_mlp or mlp). Raises DataError."""
    if re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", command):
        for name in (command, command.removeprefix("train-")):
            module = f"dlkit.algorithms.{name.replace('-', '_')}"
            try:
                found = getattr(importlib.import_module(module), "ALGORITHM", None)
            except ModuleNotFoundError as error:
                if error.name != module:
                    raise
                continue
            if found is not None and found.command == command:
                return found
    raise DataError(f"a checkpoint of {command!r}, which this dlkit does not know", where=where)
