"""Command-line flags made from a recipe's fields: one source of truth for schema, flags and help."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import click
from click.shell_completion import CompletionItem
from pydantic.fields import FieldInfo

from dlkit.recipe.scalars import read_scalar, write_scalar
from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.recipe.shape import Shape, extra, field_shape
from dlkit.recipe.wording import cure, found_text, one_of

UNFLAGGED = {"command", "data", "device", "variants"}
"""Fields without a flag of their own: the command line has its own way to say them."""


@dataclass(frozen=True)
class Flag:
    """A field that can be set by a flag."""

    path: str
    """Dotted path in the recipe: ``optimizer.lr``."""
    name: str
    """``--lr``."""
    field: FieldInfo
    shape: Shape
    default: Any
    shared: bool
    """Every training command has it."""


def flag_fields(Recipe: type[TrainingRecipe]) -> list[Flag]:
    """The flags of a recipe in the order of its fields. Raises ValueError for two of the same name.

    Fields below an optional part that is null by default have none, nor those below ``"flag": False``.
    """
    found: dict[str, Flag] = {}
    for flag in _flags_in(Recipe, None, "", Recipe.model_fields.keys()):
        known = found.setdefault(flag.name, flag)
        if known.path != flag.path:
            raise ValueError(f"{flag.name} is the flag of {known.path} and of {flag.path}")
    return list(found.values())


def _flags_in(spec: type[Spec], value: Any, prefix: str, only: Any) -> Iterator[Flag]:
    for name in only:
        field = spec.model_fields[name]
        shape = field_shape(field)
        path = f"{prefix}{name}"
        default = getattr(value, name) if value is not None else _default(field)
        wish = extra(field, "flag")
        single = _single(shape, listed=isinstance(wish, str))
        if wish is not False and single is not None and (wish or (not prefix and name not in UNFLAGGED)):
            shared = not prefix and name in TrainingRecipe.model_fields
            spelled = wish if isinstance(wish, str) else "--" + name.replace("_", "-")
            yield Flag(path, spelled, field, single, default, shared)
        if wish is False or (default is None and not field.is_required()):
            continue  # nothing is there whose fields a flag could set
        kinds = [cls for family in shape.families for cls in dict.fromkeys(family.kinds.values())]
        if type(default) in kinds:  # the default's figures are the ones to show
            kinds.insert(0, type(default))
        for inner in (*shape.specs, *kinds):
            held = default if type(default) is inner else None
            yield from _flags_in(inner, held, f"{path}.", inner.model_fields.keys())


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def _single(shape: Shape, *, listed: bool = False) -> Shape | None:
    """The shape of what a flag's text can say, None for fields that hold more than one value.

    listed: a field that holds one value or a list of them will do; the flag sets the one.
    """
    for spec in shape.specs:
        if spec.SHORTHAND is None:
            return None
        return _single(field_shape(spec.model_fields[spec.SHORTHAND]))
    many = shape.item is not None and not listed
    if shape.families or many or not (shape.scalars or shape.choices):
        return None
    return shape


class FieldType(click.ParamType):
    """A flag's value, read as the field's type: ``auto`` or a whole number, a choice, a number, text."""

    name = "value"

    def __init__(self, shape: Shape) -> None:
        self.shape = shape

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        for choice in self.shape.choices:
            if value == str(choice):
                return choice
        try:
            read = read_scalar(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        scalars = self.shape.scalars
        if type(read) in scalars or (type(read) is int and float in scalars):
            return read
        if str in scalars:
            return value
        if read is None and value and self.shape.nullable:
            return None
        words = {bool: "true or false", int: "a whole number", float: "a number"}
        wanted = [words[one] for one in scalars if one in words]
        found = found_text(read, value)
        hint = cure(value, wanted, list(self.shape.choices), found)
        text = f"expected {one_of([*wanted, *map(str, self.shape.choices)])}, found {found}"
        self.fail(f"{text} ({hint})" if hint else text, param, ctx)

    def get_metavar(self, param: click.Parameter, ctx: click.Context) -> str | None:
        words = [word for cls, word in ((int, "N"), (float, "X"), (str, "TEXT")) if cls in self.shape.scalars]
        return "|".join([*(words[-1:]), *map(str, self.shape.choices)])

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(str(one)) for one in self.shape.choices if str(one).startswith(incomplete)]


class RecipeOption(click.Option):
    """An option that sets a recipe's field; its value is None where it was not given."""

    def __init__(self, flag: Flag) -> None:
        switch = flag.shape.scalars == (bool,) and not flag.shape.choices
        spelled = f"{flag.name}/--no-{flag.name.removeprefix('--')}" if switch else flag.name
        super().__init__(
            [spelled, flag.path.replace(".", "__")],
            type=None if switch else FieldType(flag.shape),
            default=None,
            help=_help(flag),
        )
        self.flag = flag


def _help(flag: Flag) -> str:
    text = flag.field.description or ""
    default = flag.default
    if flag.field.is_required():
        return text
    shown = write_scalar(default) if default is None or isinstance(default, bool | int | float | str) else ""
    return f"{text}  [{shown}]" if shown and shown != "null" else text


def flags_of(Recipe: type[TrainingRecipe]) -> list[click.Option]:
    """A click option for each flag; its parameter name is the path with ``__`` for the dots."""
    return [RecipeOption(flag) for flag in flag_fields(Recipe)]
