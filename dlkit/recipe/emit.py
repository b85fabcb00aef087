"""Recipes as YAML: stable, unicode, block style, read back as an equal recipe."""

from collections.abc import Iterator, Mapping
from typing import Any

from dlkit.recipe.scalars import write_scalar
from dlkit.recipe.schema import TrainingRecipe


def to_yaml(recipe: TrainingRecipe) -> str:
    """The resolved recipe: `command` first, the command's own fields, then those all commands share."""
    data = recipe.model_dump()
    return "".join(f"{line}\n" for name in ordered_fields(type(recipe)) for line in block({name: data[name]}))


def ordered_fields(Recipe: type[TrainingRecipe]) -> list[str]:
    """Field names in the order in which people look for them."""
    shared = TrainingRecipe.model_fields
    return [
        "command",
        *(name for name in Recipe.model_fields if name not in shared),
        *(name for name in shared if name != "command"),
    ]


def block(data: Any) -> Iterator[str]:
    """Lines of plain data (dicts with text keys, lists, tuples, scalars) in block style."""
    if isinstance(data, Mapping) and data:
        for key, value in data.items():
            yield from _after(f"{write_scalar(key)}:", value, "  ")
    elif isinstance(data, list | tuple) and data:
        for value in data:
            yield from _item(value)
    else:
        yield inline(data)


def inline(value: Any) -> str:
    """A scalar, an empty collection or a list of numbers on one line."""
    if isinstance(value, Mapping) and not value:
        return "{}"
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(write_scalar, value))}]"
    return write_scalar(value)


def fits_inline(value: Any) -> bool:
    """Does `inline` write it?"""
    if isinstance(value, list | tuple):
        return len(value) <= 20 and all(isinstance(one, int | float) for one in value)
    return not isinstance(value, Mapping) or not value


def is_literal(value: Any) -> bool:
    """Whether it is a text of several lines that a literal block (``|``) gives back as it is."""
    if not isinstance(value, str) or not value.endswith("\n"):
        return False
    lines = value[:-1].split("\n")
    return (
        len(lines) > 1 and not lines[0].startswith(" ") and all(line and line.isprintable() for line in lines)
    )


def _after(head: str, value: Any, indent: str) -> Iterator[str]:
    if is_literal(value):
        yield f"{head} |"
        yield from (indent + line for line in value[:-1].split("\n"))
        return
    if fits_inline(value):
        yield f"{head} {inline(value)}"
        return
    yield head
    yield from (indent + line for line in block(value))


def _item(value: Any) -> Iterator[str]:
    if fits_inline(value):
        yield f"- {inline(value)}"
        return
    first, *rest = block(value)
    yield f"- {first}"
    yield from (f"  {line}" for line in rest)
