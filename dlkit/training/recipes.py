"""Recipes as the driver handles them: text that repeats a run, and the recipe that a stored text means."""

from typing import Any

from dlkit.errors import DataError, RecipeError
from dlkit.recipe.document import parse_document
from dlkit.recipe.emit import to_yaml
from dlkit.recipe.resolve import resolve
from dlkit.recipe.schema import TrainingRecipe

__all__ = ["changed", "recipe_of", "to_yaml"]


def recipe_of(schema: type[TrainingRecipe], text: str, where: str) -> Any:
    """The recipe that a checkpoint carries. Raises DataError when this dlkit does not understand it."""
    try:
        return resolve(schema, parse_document(text, where), [], {})
    except RecipeError as error:
        raise DataError(f"its recipe is not one of this dlkit: {error.problems[0]}", where=where) from error


def changed(recipe: TrainingRecipe, **values: Any) -> Any:
    """A copy with top-level fields replaced by values that are known to be valid."""
    return recipe.model_copy(update=values)
