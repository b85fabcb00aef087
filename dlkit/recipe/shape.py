"""What may stand where in a recipe, read off the specs: for --set, for flags and for did-you-mean."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from pydantic import BeforeValidator
from pydantic.fields import FieldInfo

from dlkit.recipe.placed import Trail
from dlkit.recipe.schema import Spec
from dlkit.recipe.tagged import Family


@dataclass(frozen=True)
class Shape:
    """The alternatives for one value, taken out of unions, Annotated and None."""

    specs: tuple[type[Spec], ...] = ()
    families: tuple[Family, ...] = ()
    item: Any = None
    """Annotation of a list's items, or of a mapping's values (`keyed`)."""
    keyed: bool = False
    scalars: tuple[type, ...] = ()
    """Which of bool, int, float and str it may be."""
    choices: tuple[Any, ...] = ()
    """Values of its Literal."""
    nullable: bool = False


def shape_of(annotation: Any, metadata: tuple[Any, ...] = ()) -> Shape:
    """The shape of an annotation; for a field use `field_shape`."""
    specs: list[type[Spec]] = []
    families: list[Family] = []
    scalars: list[type] = []
    choices: list[Any] = []
    item, keyed, nullable = None, False, False
    for one, notes in _alternatives(annotation, metadata):
        family = next((note for note in notes if isinstance(note, Family)), None)
        origin = get_origin(one)
        if family is not None:
            families.append(family)
        elif one is type(None):
            nullable = True
        elif origin is Literal:
            choices += get_args(one)
        elif origin in (list, tuple, dict):
            item, keyed = get_args(one)[-1 if origin is dict else 0], origin is dict
        elif isinstance(one, type) and issubclass(one, Spec):
            specs.append(one)
        elif one in (bool, int, float, str):
            scalars.append(one)
            if any(isinstance(note, BeforeValidator) for note in notes):
                scalars.append(str)  # such as 4GiB for an int
    return Shape(tuple(specs), tuple(families), item, keyed, tuple(scalars), tuple(choices), nullable)


def field_shape(field: FieldInfo) -> Shape:
    """The shape of a spec's field."""
    return shape_of(field.annotation, tuple(field.metadata))


def _alternatives(annotation: Any, notes: tuple[Any, ...]) -> Iterator[tuple[Any, tuple[Any, ...]]]:
    origin = get_origin(annotation)
    if origin is Annotated:
        inner, *more = get_args(annotation)
        yield from _alternatives(inner, (*notes, *more))
    elif origin in (Union, UnionType):
        for one in get_args(annotation):
            yield from _alternatives(one, notes)
    else:
        yield annotation, notes


def spec_at(shape: Shape | None, data: Any) -> tuple[type[Spec] | None, str | None]:
    """Spec that `data` selects here, and the key below which its fields lie (None: at once).

    data: plain; where it is no mapping, the spec that it abbreviates.
    """
    if shape is None:
        return None, None
    for family in shape.families:
        spec, key = family.chosen(data)
        if spec is not None:
            return spec, key
    return (shape.specs[0] if shape.specs else None), None


def inside(shape: Shape | None, data: Any, key: str | int) -> Shape | None:
    """The shape of ``data[key]``, where the schema knows it."""
    if shape is None:
        return None
    spec, below = spec_at(shape, data)
    if spec is not None:
        if below is not None and key == below:  # {dense: ...}: inside lies the spec itself
            return Shape(specs=(spec,))
        field = spec.model_fields.get(str(key))
        return field_shape(field) if field else None
    return shape_of(shape.item) if shape.item is not None else None


def open_up(shape: Shape | None, data: Any) -> Any:
    """`data` in its longest spelling, so that a key of it can be set: ``adam`` -> ``{name: adam}``."""
    if shape is None or isinstance(data, Mapping | list):
        return data
    for family in shape.families:
        return family.open_up(data)
    for spec in shape.specs:
        if data is None:
            return {}
        if spec.SHORTHAND is not None:
            return spec.from_bare(data)
    return {} if data is None else data


def extra(field: FieldInfo, key: str) -> Any:
    """An entry of the field's ``json_schema_extra``, None where there is none."""
    given = field.json_schema_extra
    return given.get(key) if isinstance(given, dict) else None


def names_in(spec: type[Spec]) -> dict[str, tuple[str, ...]]:
    """A spec's keys, each with the other names people try for it."""
    return {name: tuple(extra(field, "aka") or ()) for name, field in spec.model_fields.items()}


def paths_to(name: str, shape: Shape, data: Any, depth: int = 3) -> Iterator[Trail]:
    """Where else in the recipe a key of this name (or with this other name) is."""
    spec, below = spec_at(shape, data)
    if spec is None or below is not None or depth == 0:
        return
    for key, aliases in names_in(spec).items():
        if name in (key, *aliases):
            yield (key,)
    for key in spec.model_fields:
        inner = inside(shape, data, key)
        if inner is not None:
            held = data.get(key) if isinstance(data, dict) else None
            for path in paths_to(name, inner, held, depth - 1):
                yield (key, *path)
