"""The recipe reference: a page in Markdown for every command that trains, made from its schema."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from dlkit.cli import cli
from dlkit.recipe.emit import inline, ordered_fields
from dlkit.recipe.flags import flag_fields
from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.recipe.shape import Shape, field_shape, shape_of
from dlkit.recipe.tagged import FAMILIES, Family, Named
from docs.site.examples import examples_of

HEAD = "| key | type | default | meaning | example |\n|---|---|---|---|---|\n"
CANDIDATES: tuple[Any, ...] = (
    *(5, 1, 2, 0.5, 0.1, 10, 0.9, 100, 0, 1_000_000),
    *("4GiB", "gpu", ";", "shift_jis", "name", [1], [1, 2], ["name"]),
    *({"name": {"seed": 2}}, {"name": 1}),
)
"""Tried where no recipe has the key and the schema names no choices; the first that fits is shown."""


def commands() -> list[str]:
    """Commands that train, in the order of the program's help."""
    return [name for name, entry in cli.table.items() if entry.section == "Train"]


def source_of(command: str) -> str:
    """The page's path, as if it were a file."""
    return f"docs/reference/{command}.md"


@dataclass
class _Writer:
    """Tables of one command's keys; what is chosen by name gets a section of its own."""

    flags: dict[str, str]
    examples: Mapping[str, str]
    sections: dict[int, tuple[Family, str]]
    standing: Family | None = None
    """The family whose section is being written: inside it, its root means itself."""

    def rows(
        self, spec: type[Spec], names: list[str], prefix: str, seen: tuple[type[Spec], ...]
    ) -> Iterator[str]:
        properties = _properties(spec)
        for name in names:
            field = spec.model_fields[name]
            shape = field_shape(field)
            path = f"{prefix}{name}"
            inner = shape_of(shape.item) if shape.item is not None else shape
            links = [self.family(family) for family in inner.families]
            kind = self.kind(properties[name], shape)
            kind += "".join(f" or list of {link}" for link in links if link not in kind)
            meaning = (field.description or "").replace("|", "\\|").replace("\n", " ")
            if flag := self.flags.get(path):
                meaning += f" Flag: `{flag}`."
            example = self.examples.get(path) or _example(field, shape)
            yield f"| `{path}` | {kind} | {_shown(field)} | {meaning} | {_code(example)} |\n"
            below = f"{path}[]." if shape.item is not None and not shape.keyed else f"{path}."
            for one in inner.specs:
                if one not in seen:
                    yield from self.rows(one, list(one.model_fields), below, (*seen, one))

    def kind(self, node: Mapping[str, Any], shape: Shape) -> str:
        """The type of a value, with its bounds and choices, in words."""
        kinds = list(dict.fromkeys(self._kinds(node, shape)))
        return " or ".join(kind for kind in kinds if kind != "whole number" or "number" not in kinds)

    def _kinds(self, node: Mapping[str, Any], shape: Shape) -> Iterator[str]:
        for one in node.get("anyOf", [node]):
            if "x-family" in one:
                yield self.family(FAMILIES[one["x-family"]])
            elif "$ref" in one or "allOf" in one:
                yield _short(shape)
            elif one.get("type") == "array":
                inner = shape_of(shape.item) if shape.item is not None else Shape()
                items = one.get("items") or {"anyOf": one.get("prefixItems", [{}])}
                yield f"list of {self.kind(items, inner)}"
            elif one.get("type") == "object":
                inner = shape_of(shape.item) if shape.item is not None else Shape()
                values = one.get("additionalProperties")
                yield (
                    f"names to {self.kind(values, inner)}" if isinstance(values, dict) and values else "keys"
                )
            else:
                yield _scalar(one)

    def family(self, family: Family) -> str:
        if self.standing is not None and self.standing.root is family.root:
            family = self.standing
        title = f"{family.noun}: one of {len(family.kinds)}"
        self.sections.setdefault(family.index, (family, title))
        return f"[{family.noun}](#{title.replace(':', '').replace(' ', '-')})"

    def section(self, family: Family, title: str) -> Iterator[str]:
        """What a family offers: a table for each kind that has keys."""
        self.standing, named = family, isinstance(family, Named)
        how = "`NAME`, or `{name: NAME, key: value}`" if named else "`NAME`, or `{NAME: {key: value}}`"
        yield f"\n## {title}\n\nWritten {how}.\n"
        for kind, spec in family.kinds.items():
            about = (spec.__doc__ or "").split("\n\n")[0].replace("\n", " ").strip()
            names = [name for name in spec.model_fields if not (named and name == "name")]
            short = f" `{kind}: VALUE` sets `{spec.SHORTHAND}`." if spec.SHORTHAND and not named else ""
            yield f"\n### `{kind}`\n\n{about}{short}\n\n"
            if names:
                yield HEAD + "".join(self.rows(spec, names, "", (spec,)))
        self.standing = None


def _properties(spec: type[Spec]) -> dict[str, Any]:
    schema = spec.model_json_schema()
    if "$ref" in schema:
        schema = schema["$defs"][schema["$ref"].rsplit("/", 1)[1]]
    found: dict[str, Any] = schema["properties"]
    return found


def _short(shape: Shape) -> str:
    """How a part with keys of its own is written."""
    for spec in shape.specs:
        if spec.SHORTHAND is not None:
            return f"keys below, or `{spec.SHORTHAND}` alone"
    return "keys below"


def _scalar(node: Mapping[str, Any]) -> str:
    if "const" in node:
        return f"`{node['const']}`"
    if "enum" in node:
        return " or ".join(f"`{choice}`" for choice in node["enum"])
    word = {"integer": "whole number", "number": "number", "boolean": "true or false", "null": "null"}
    text = word.get(str(node.get("type")), "text")
    bounds = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    limits = [f"{sign} {_number(node[name])}" for name, sign in bounds.items() if name in node]
    return f"{text} {', '.join(limits)}" if limits else text


def _number(value: float) -> str:
    return "2⁶³" if value == 2**63 else f"{value:g}" if isinstance(value, float) else str(value)


def _shown(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True, validated_data={})
    if isinstance(value, Spec):
        name = getattr(value, "name", None)
        return f"`{name}`" if isinstance(name, str) and "name" in type(value).model_fields else "as below"
    if isinstance(value, list | tuple) and value and isinstance(value[0], Spec):
        return f"{len(value)} of them, see `dlkit recipe new`"
    return _code(inline(value) if not isinstance(value, dict) or not value else str(value))


def _code(text: str) -> str:
    escaped = text.replace("|", "\\|").replace("`", "'")
    return f"`{escaped}`" if escaped else ""


def _example(field: FieldInfo, shape: Shape) -> str:
    """A value that the field takes, other than its default where there is one. Empty for parts with keys."""
    inner = shape_of(shape.item) if shape.item is not None else shape
    kinds = [kind for family in inner.families for kind in family.kinds]
    if kinds:
        return f"[{kinds[0]}: 64]" if shape.item is not None else kinds[-1]
    if inner.specs:
        return ""
    adapter: TypeAdapter[Any] = TypeAdapter(field.rebuild_annotation())
    default = None if field.is_required() else field.get_default(call_default_factory=True, validated_data={})
    given = list(field.examples or [])
    for value in (*given, *reversed(shape.choices), default is False, *CANDIDATES):
        if value == default and type(value) is type(default):
            continue
        try:
            adapter.validate_python(value, strict=isinstance(value, bool))
        except (ValidationError, ValueError):
            continue
        return inline(value) if not isinstance(value, dict) else str(value).replace("'", "")
    return inline(default)


def page(command: str) -> str:
    """The reference page of one command, in Markdown."""
    algorithm = cli.algorithm(command)
    recipe: type[TrainingRecipe] = algorithm.Recipe
    writer = _Writer({one.path: one.name for one in flag_fields(recipe)}, examples_of(command), {})
    shared = TrainingRecipe.model_fields
    names = ordered_fields(recipe)
    own = [name for name in names if name not in shared or name == "command"]
    rest = [name for name in names if name not in own]
    text = [
        f"# Recipe of {command}\n\n",
        f"Every key of a recipe for [{command}](../{command}.md), from the schema that the program reads. ",
        "Keys below others are written with dots, here and in `--set KEY=VALUE`. Examples are from the ",
        "recipes in [recipes/](../../recipes/) where one of them has the key. ",
        f"`dlkit recipe new {command}` prints a commented recipe with all of them, ",
        f"[the JSON schema](../../recipes/schema/{command}.json) lets editors complete them.\n\n",
        f"## Keys of {command}\n\n",
        HEAD,
        *writer.rows(recipe, own, "", ()),
        "\n## Keys of every command\n\n",
        HEAD,
        *writer.rows(recipe, rest, "", ()),
    ]
    done: set[int] = set()
    while todo := [index for index in writer.sections if index not in done]:
        for index in todo:
            done.add(index)
            text += writer.section(*writer.sections[index])
    return "".join(text)


def overview() -> str:
    """The page that leads to all of them."""
    lines = [f"- [{name}](reference/{name}.md): {cli.table[name].help}\n" for name in commands()]
    return "# Recipe reference\n\nEvery key of every recipe, from the schemas.\n\n" + "".join(lines)
