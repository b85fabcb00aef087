"""From document, --set and flags to a validated recipe: defaults < recipe < --set < flag."""

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any, TypeVar

from pydantic import ValidationError

from dlkit.errors import Problem, RecipeError
from dlkit.recipe.document import mapping_of
from dlkit.recipe.faults import Translator
from dlkit.recipe.overrides import Override, apply, parse_set
from dlkit.recipe.placed import Document
from dlkit.recipe.schema import TrainingRecipe

R = TypeVar("R", bound=TrainingRecipe)


def resolve(
    Recipe: type[R],
    document: Document | None = None,
    sets: Iterable[str] = (),
    flags: Mapping[str, Any] | None = None,
    *,
    labels: Mapping[str, str] | None = None,
) -> R:
    """The recipe that holds. Raises RecipeError with everything that is wrong.

    flags: dotted path -> value; labels: dotted path -> the flag's spelling, for messages. Data paths stay as
    they are written. Each variant is checked too, and that there can be folds.
    """
    if document is not None:
        _check_command(Recipe, document)
    data = deepcopy(mapping_of(document)) if document is not None else {}
    problems: list[Problem] = []
    overrides: list[Override] = []
    for text in sets:
        try:
            overrides.append(parse_set(text))
        except RecipeError as error:
            problems += error.problems
    for name, value in (flags or {}).items():
        overrides.append(Override(tuple(name.split(".")), value, (labels or {}).get(name, name)))
    recipe, found = _validated(Recipe, data, document, overrides)
    problems = found + problems
    if recipe is not None and not problems:
        problems = _variant_problems(recipe, document) or _fold_problems(recipe, document)
    if recipe is None or problems:
        raise RecipeError(problems)
    return recipe


def changed(recipe: R, changes: Mapping[str, Any], *, where: str = "--set") -> R:
    """A copy of `recipe` with other values at dotted paths (a variant, a fold). Raises RecipeError.

    where: what the problems' places say.
    """
    overrides = [Override(tuple(name.split(".")), value, where) for name, value in changes.items()]
    made, problems = _validated(type(recipe), recipe.model_dump(), None, overrides)
    if made is None or problems:
        raise RecipeError(problems)
    return made


def variant(recipe: R, name: str) -> R:
    """One member of the family: the recipe with the variant's changes, and without `variants`."""
    return changed(recipe, {**recipe.variants[name], "variants": {}}, where=f"variants.{name}")


def fold(recipe: R, index: int) -> R:
    """One member of a cross-validation: fold `index` in turn is the test set. Raises RecipeError."""
    changes: dict[str, Any] = {"folds": None, "data.fold": {"index": index, "of": recipe.folds}}
    if getattr(getattr(recipe, "data", None), "test", None) is not None:
        changes["data.test"] = None
    return changed(recipe, changes, where="folds")


def _validated(
    Recipe: type[R], data: dict[str, Any], document: Document | None, overrides: Iterable[Override]
) -> tuple[R | None, list[Problem]]:
    problems: list[Problem] = []
    applied: list[Override] = []
    for override in overrides:
        try:
            applied.append(apply(data, override, Recipe))
        except RecipeError as error:
            problems += error.problems
    try:
        return Recipe.model_validate(data), problems
    except ValidationError as error:
        return None, Translator(Recipe, data, document, applied).problems(error) + problems


def _variant_problems(recipe: TrainingRecipe, document: Document | None) -> list[Problem]:
    problems: list[Problem] = []
    for name, changes in recipe.variants.items():
        data = recipe.model_dump(exclude={"variants"})
        overrides = []
        for key, value in changes.items():
            origin = ("variants", name, key)
            label = document.where(origin) if document is not None else f"variants.{name}"
            known = document is not None and origin in document.values
            path = tuple(key.split("."))
            overrides.append(Override(path, value, label, origin=origin if known else None))
            if path[0] in {"variants", "command"}:
                problems.append(Problem(f"variants.{name}: {path[0]}: no variant can change it", label))
        problems += _validated(type(recipe), data, document, overrides)[1]
    return problems


def _fold_problems(recipe: TrainingRecipe, document: Document | None) -> list[Problem]:
    known = document is not None and ("folds",) in document.values
    place = document.where(("folds",)) if document is not None and known else "folds"
    problems: list[Problem] = []
    for one in [variant(recipe, name) for name in recipe.variants] or [recipe]:
        try:
            if one.folds:
                fold(one, 0)
        except RecipeError as error:
            problems += [Problem(problem.text, place, problem.hint) for problem in error.problems]
    return list(dict.fromkeys(problems))


def _check_command(Recipe: type[TrainingRecipe], document: Document) -> None:
    """A recipe of another command would only give a screen of unknown keys."""
    own = Recipe.model_fields["command"].default
    said = mapping_of(document).get("command", own)
    if isinstance(said, str) and said != own:
        hint = f"dlkit {said} {document.name}"
        raise RecipeError(
            [
                Problem(
                    f"command: this recipe is for {said}, not for {own}", document.where(("command",)), hint
                )
            ]
        )
