"""``--set a.b=value`` and flags, laid over plain data along the schema."""

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import Any

from dlkit.errors import Problem, RecipeError
from dlkit.recipe.document import parse_document
from dlkit.recipe.placed import Trail
from dlkit.recipe.scalars import shown
from dlkit.recipe.schema import Spec
from dlkit.recipe.shape import Shape, inside, open_up, spec_at
from dlkit.recipe.tagged import Keyed


@dataclass(frozen=True)
class Override:
    """One value put over the recipe, and who says so."""

    path: Trail
    value: Any
    label: str
    """Where it was given: ``--set``, ``--epochs``, ``recipe.yaml:12:3``."""
    written: str | None = None
    """The value as it was typed, where that is known."""
    origin: Trail | None = None
    """Path in the document where the value itself stands (a variant's key)."""


def dotted(path: Trail) -> str:
    """``model.0.units``."""
    return shown(".".join(map(str, path)), 80)


def parse_set(text: str) -> Override:
    """``key.sub=value`` with value in YAML (flow) spelling. Raises RecipeError."""
    name, equals, value = text.partition("=")
    keys = name.strip().split(".")
    if not equals or not all(keys):
        raise RecipeError([Problem(f'expected key=value, found "{text}"', "--set")])
    if "\n" in value or "\r" in value:
        raise RecipeError([Problem(f"{name}: a value is one line", "--set")])
    try:
        document = parse_document(value, "--set")
    except RecipeError as error:
        problems = [
            Problem(f"{name.strip()}: {problem.text}", "--set", problem.hint) for problem in error.problems
        ]
        raise RecipeError(problems) from error
    return Override(tuple(keys), document.data, "--set", document.written.get(()))


def apply(data: dict[str, Any], override: Override, spec: type[Spec]) -> Override:
    """Put the value into `data` (in place); list indices become ints in the path of the result.

    What the recipe leaves out starts from the field's default, so that ``optimizer.lr=1`` keeps the
    default optimizer; a short spelling is opened first. Raises RecipeError for a list index out of range
    and for a path through a plain value.
    """
    here: Any = data
    shape: Shape | None = Shape(specs=(spec,))
    path: list[str | int] = []
    for position, name in enumerate(override.path):
        key: Any = _index(here, str(name), override, path) if isinstance(here, list) else str(name)
        if not isinstance(here, dict | list):
            raise _problem(
                override, f"{dotted(tuple(path)) or 'the recipe'} is a single value, nothing is below it"
            )
        path.append(key)
        if position == len(override.path) - 1:
            _put(here, key, override.value, shape)
            break
        if isinstance(here, dict) and key not in here:
            _put(here, key, _default(shape, here, str(key)), shape)
        deeper = inside(shape, here, key)
        here[key] = open_up(deeper, here[key])
        here, shape = here[key], deeper
    return replace(override, path=tuple(path))


def _put(here: Any, key: str | int, value: Any, shape: Shape | None) -> None:
    if isinstance(here, dict) and shape is not None and any(isinstance(f, Keyed) for f in shape.families):
        here.clear()  # {dense: 64} turns into {dropout: 0.5}: a layer has one key
    here[key] = deepcopy(value)


def _index(here: list[Any], name: str, override: Override, path: list[str | int]) -> int:
    if not name.isascii() or not name.isdigit() or len(name) > 9 or int(name) >= len(here):
        last = f"0 to {len(here) - 1}" if here else "none, it is empty"
        raise _problem(override, f"{dotted((*path, name))}: no such item of the list (there are {last})")
    return int(name)


def _default(shape: Shape | None, here: Any, key: str) -> Any:
    """The default of a field that the recipe leaves out, as plain data; {} where there is none."""
    spec, _ = spec_at(shape, here)
    field = spec.model_fields.get(key) if spec else None
    if spec is None or field is None or field.is_required():
        return {}
    # dumped through the spec, whose serializers know families
    value = field.get_default(call_default_factory=True, validated_data={})
    plain = spec.model_construct(**{key: value}).model_dump(include={key})[key]
    return {} if plain is None else plain


def _problem(override: Override, text: str) -> RecipeError:
    return RecipeError([Problem(text, override.label)])
