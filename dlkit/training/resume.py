"""What an earlier run left in a directory, and whether the new command line may go on with it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dlkit.algorithms.protocol import Algorithm, Tree
from dlkit.errors import DataError, UsageError, UserError
from dlkit.recipe.schema import TrainingRecipe
from dlkit.training.checkpoint import load
from dlkit.training.checkpoint.form import misfit
from dlkit.training.recipes import recipe_of
from dlkit.training.record import RunRecord
from dlkit.training.rundir import CHECKPOINT, ENVIRONMENT, SUMMARY, RunDirectory

MAY_CHANGE = {"epochs", "device"}
"""Recipe keys that a resumed run may change; threads are no recipe key and may change too."""


@dataclass
class Earlier:
    """An earlier run: where it stands, its state, its resolved recipe, and environment.json as read."""

    record: RunRecord
    state: Tree
    recipe: TrainingRecipe
    environment: dict[str, Any]
    complete: bool
    """summary.json is there."""

    def nothing_left(self, recipe: TrainingRecipe) -> bool:
        """Whether the run is finished, and `recipe` asks for no more epochs of it."""
        return self.complete and (self.record.stopped or recipe.epochs <= self.recipe.epochs)


def earlier_run(
    directory: RunDirectory, algorithm: type[Algorithm], recipe: TrainingRecipe
) -> Earlier | None:
    """The run in `directory` to go on with; None where nothing was saved yet.

    Raises DataError for a checkpoint that cannot be read, UserError where `recipe` differs from the run's in
    more than MAY_CHANGE.
    """
    path = directory.path / CHECKPOINT
    if not path.exists():
        return None
    tree = load(path, command=algorithm.command).tree
    record = RunRecord.from_tree(tree, [column.name for column in algorithm.METRICS], str(path))
    stored = recipe_of(algorithm.Recipe, tree["recipe"], str(path))
    stopping = stored.early_stopping
    if record.stopped and not record.out_of_patience(stopping and stopping.patience):
        raise DataError(
            "not the checkpoint of a run: it says that early stopping ended it, which its recipe rules out",
            where=str(path),
        )
    environment = directory.read_json(ENVIRONMENT)
    _refuse_other(recipe, stored, environment.get("recipe_as_given"), directory)
    complete = directory.has(SUMMARY)
    return Earlier(record, tree["state"], stored, environment, complete)


def _refuse_other(
    recipe: TrainingRecipe, stored: TrainingRecipe, given: Any, directory: RunDirectory
) -> None:
    """`recipe` must be the run's recipe as it was given then, or as it was resolved."""
    different = differences(recipe.model_dump(mode="json"), stored.model_dump(mode="json"))
    if different and isinstance(given, dict):
        as_given = differences(recipe.model_dump(mode="json"), given)
        different = min(different, as_given, key=len)
    if different:
        problem = f"{directory.path} was run with another recipe; different: {', '.join(different)}"
        raise UserError(problem, hint="--resume may change epochs, device and threads; --force starts anew")


def differences(new: dict[str, Any], old: dict[str, Any]) -> list[str]:
    """Dotted keys in which two recipes differ, those a resumed run may change aside."""
    missing = object()
    a, b = dict(_flat(new, "")), dict(_flat(old, ""))
    found = [key for key in {**a, **b} if a.get(key, missing) != b.get(key, missing)]
    automatic = {key for key in ("shards", "split") if new.get(key) == "auto"}  # settled by the first run
    return [key for key in found if key not in MAY_CHANGE | automatic]


def _flat(value: Any, place: str) -> Iterator[tuple[str, Any]]:
    items = (
        value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    )
    if items is None or not value:
        yield place, value
        return
    for key, item in items:
        yield from _flat(item, f"{place}.{key}" if place else str(key))


@contextmanager
def fitting(command: str, path: Path) -> Iterator[None]:
    """Around the loading of a state: one that lacks a part or has another shape is a DataError, placed."""
    try:
        yield
    except DataError as error:
        problem = error.problems[0]
        if problem.where is not None:
            raise
        raise DataError(problem.text, where=str(path), hint=problem.hint) from error
    except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
        raise DataError(f"its state does not fit {command}: {error!r}", where=str(path)) from error


def refuse_misfit(algorithm: Algorithm, state: Tree) -> None:
    """A state that was loaded whole is the one that would be saved now. Raises ValueError."""
    if fault := misfit(state, algorithm.state()):
        raise ValueError(fault)


def refuse_fewer_epochs(record: RunRecord, epochs: int) -> None:
    """Epochs that are done cannot be undone. Raises UsageError."""
    if record.epoch > epochs or (record.epoch == epochs and record.step):
        raise UsageError(f"epochs: {epochs}, but {record.epoch} are done", hint="--force starts anew")
