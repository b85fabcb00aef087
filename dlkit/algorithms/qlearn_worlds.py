"""The world that a recipe names: drawn, built in, read from a table, or Gymnasium's."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dlkit.algorithms.qlearn_builtin import named_world
from dlkit.algorithms.qlearn_maps import build
from dlkit.algorithms.qlearn_recipe import QLearnRecipe
from dlkit.algorithms.qlearn_transitions import world_of
from dlkit.algorithms.qlearn_world import World
from dlkit.readers.paths import resolve_path
from dlkit.readers.transitions import read_transitions


@dataclass
class Opened:
    """A world, and where it came from."""

    world: World
    make: Callable[[], Any] | None = None
    """Makes an environment to step through, where there is no table of outcomes."""
    files: list[Path] = field(default_factory=list)
    written: str = ""
    """How the recipe has to name the table."""
    notes: list[str] = field(default_factory=list)


def open_world(recipe: QLearnRecipe, base: Path | None) -> Opened:
    """Raises DataError, UsageError or UserError for a world that cannot be had."""
    if recipe.map is not None:
        return Opened(build(recipe.grid()))
    if recipe.world is not None:
        changes = {
            "slip": recipe.slip,
            "step_cost": recipe.step_cost,
            "goal": recipe.rewards.goal if recipe.rewards else None,
            "pit": recipe.rewards.pit if recipe.rewards else None,
        }
        given = {key: value for key, value in changes.items() if value is not None}
        return Opened(named_world(recipe.world, **given))
    if recipe.gym is not None:
        from dlkit.algorithms.qlearn_gym import gym_world

        return Opened(*gym_world(recipe.gym.id, recipe.gym.options))
    assert recipe.transitions is not None
    found = resolve_path(recipe.transitions, base)
    read = read_transitions(found.path, recipe.on_bad_row)
    notes = (
        [f"{read.name}: {read.skipped:,} bad rows skipped, first {read.first_fault}"] if read.skipped else []
    )
    files = [] if found.is_stdin else [found.path]
    return Opened(world_of(read, recipe.start, recipe.goals), None, files, found.written, notes)
