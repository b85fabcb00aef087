"""A starter recipe: every key with its description and default, made from the schema."""

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic.fields import FieldInfo

from dlkit.recipe.emit import block, ordered_fields
from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.recipe.shape import Shape, field_shape, shape_of

WIDTH = 96


def starter(Recipe: type[TrainingRecipe], *, head: str = "", source_key: str = "") -> str:
    """A commented recipe with all defaults; what has none gets an example value and says so.

    head: text of the first comment; source_key: dotted path whose example is a data file.
    """
    lines = list(_comment(head))
    for name in ordered_fields(Recipe):
        if lines:
            lines.append("")
        lines += _field(Recipe, name, None, path=name, source_key=source_key)
    return "\n".join(lines) + "\n"


def _field(spec: type[Spec], name: str, holder: Spec | None, *, path: str, source_key: str) -> Iterator[str]:
    """Comment and value of one field; holder: the spec that has its value, None for the field's default."""
    field = spec.model_fields[name]
    shape = field_shape(field)
    yield from _comment(_about(field, shape))
    held = _default(field) if holder is None else getattr(holder, name)
    inner = type(held) if isinstance(held, Spec) else None
    if inner is None and field.is_required() and shape.specs:
        inner = shape.specs[0]
    if inner is not None:
        yield f"{name}:"
        inside = held if isinstance(held, Spec) else None
        for one in inner.model_fields:
            for line in _field(inner, one, inside, path=f"{path}.{one}", source_key=source_key):
                yield f"  {line}"
    elif field.is_required() and holder is None:
        yield from block({name: _example(field, shape, path == source_key)})
    else:
        yield from block(spec.model_construct(**{name: held}).model_dump(include={name}))


def _about(field: FieldInfo, shape: Shape) -> str:
    text = field.description or ""
    if field.is_required():
        text += " Required: it has no default."
    choices = [str(choice) for choice in shape.choices if isinstance(choice, str)]
    kinds = [kind for family in shape.families for kind in family.kinds]
    if shape.item is not None and not shape.keyed:
        kinds += [kind for family in shape_of(shape.item).families for kind in family.kinds]
    if len(choices) > 1:
        text += f" One of: {', '.join(choices)}."
    if kinds:
        text += f" Known: {', '.join(kinds)}."
    if shape.specs and not field.is_required() and not isinstance(field.default, Spec):
        text += f" Keys: {', '.join(shape.specs[0].model_fields)}."
    return text


def _comment(text: str) -> Iterator[str]:
    for line in text.splitlines():
        for part in textwrap.wrap(line, WIDTH, break_long_words=False) or [""]:
            yield f"# {part}".rstrip()


def _default(field: FieldInfo) -> Any:
    return None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})


def _example(field: FieldInfo, shape: Shape, is_source: bool) -> Any:
    if field.examples:
        return field.examples[0]
    if is_source:
        return "data.csv"
    if shape.item is not None:
        return {} if shape.keyed else []
    for kind in (kind for family in shape.families for kind in family.kinds):
        return kind
    if shape.choices:
        return shape.choices[0]
    return {int: 1, float: 1.0, bool: True}.get(shape.scalars[0] if shape.scalars else str, "text")
