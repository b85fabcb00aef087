"""JSON schema of a recipe, for editors that complete and check while one types."""

from typing import Any

from dlkit.recipe.schema import Spec, TrainingRecipe
from dlkit.recipe.tagged import FAMILIES, Family, Named

_PRIVATE = {"aka", "flag", "title", "x-shorthand"}


def json_schema(Recipe: type[TrainingRecipe]) -> dict[str, Any]:
    """Draft 2020-12, with every short spelling that dlkit reads; ``$defs`` are sorted by name."""
    writer = _Writer()
    schema = writer.take(Recipe.model_json_schema())
    command = Recipe.model_fields["command"].default
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"recipe of dlkit {command}",
        **schema,
        "$defs": dict(sorted(writer.definitions.items())),
    }


class _Writer:
    """Puts families and shorthands into pydantic's schemas and gathers all definitions in one place."""

    def __init__(self) -> None:
        self.definitions: dict[str, Any] = {}
        self.nouns: dict[str, list[Family]] = {}
        self.standing: dict[Family, Family] = {}
        """Root family -> the child that stands for it."""

    def take(self, schema: dict[str, Any]) -> dict[str, Any]:
        """pydantic's schema of one model; its definitions move into `definitions`."""
        for name, definition in schema.pop("$defs", {}).items():
            self._define(name, definition)
        whole: dict[str, Any] = self._walk(schema)
        return whole

    def _named(self, name: str) -> str:
        """A definition's name; read inside a child family, the same spec means something else."""
        return "_in_".join([name, *(_noun(family) for family in self.standing.values())])

    def _define(self, name: str, definition: dict[str, Any]) -> None:
        name = self._named(name)
        known = self.definitions.get(name)
        self.definitions[name] = {}  # a definition may refer to itself
        self.definitions[name] = self._walk(definition)
        if known and known != self.definitions[name]:
            raise ValueError(f"two different specs are called {name}")

    def _walk(self, node: Any) -> Any:
        if isinstance(node, list):
            return [self._walk(one) for one in node]
        if not isinstance(node, dict):
            return node
        short = node.get("x-shorthand")
        family = node.get("x-family")
        rest: dict[str, Any] = {}
        for key, value in node.items():
            if key == "properties":  # names of fields, which may be called title
                rest[key] = {name: self._walk(one) for name, one in value.items()}
            elif key in {"default", "const", "enum", "examples"}:
                rest[key] = value
            elif key == "$ref":
                rest[key] = f"#/$defs/{self._named(value.removeprefix('#/$defs/'))}"
            elif key not in {*_PRIVATE, "x-family"}:
                rest[key] = self._walk(value)
        if "$ref" in rest and len(rest) > 1:  # siblings of a reference are not read by older tools
            rest = {"allOf": [{"$ref": rest.pop("$ref")}], **rest}
        if family is not None:
            return {"allOf": [self._family(FAMILIES[family])], **rest}
        if short is not None:
            return self._with_shorthand(rest, short)
        return rest

    def _with_shorthand(self, schema: dict[str, Any], short: str) -> dict[str, Any]:
        words: dict[str, Any] = {key: schema.pop(key) for key in ("description", "default") if key in schema}
        return {**words, "anyOf": [schema, schema["properties"][short]]}

    def _name_of(self, family: Family) -> str:
        """The family's noun; of several families with one noun the later ones are numbered."""
        noun = _noun(family)
        known = self.nouns.setdefault(noun, [])
        if not any(one is family for one in known):
            known.append(family)
        number = next(k for k, one in enumerate(known) if one is family)
        return f"{noun}_{number + 1}" if number else noun

    def _family(self, family: Family) -> dict[str, Any]:
        family = self.standing.get(family, family)
        name = self._name_of(family)
        if name not in self.definitions:
            self.definitions[name] = {}
            outer = self.standing
            self.standing = outer if family is family.root else {**outer, family.root: family}
            self.definitions[name] = {"anyOf": self._alternatives(family)}
            self.standing = outer
        return {"$ref": f"#/$defs/{name}"}

    def _alternatives(self, family: Family) -> list[dict[str, Any]]:
        named = isinstance(family, Named)
        bare = [kind for kind, spec in family.kinds.items() if not _required(spec)]
        found: list[dict[str, Any]] = [{"enum": bare}] if bare else []
        for kind, spec in family.kinds.items():
            inner = self._spec(spec)
            if isinstance(family, Named):
                own = {"properties": {"name": {"const": kind}}}
                required = {} if kind == family.default else {"required": ["name"]}
                found.append({"allOf": [inner, {"type": "object", **own, **required}]})
            elif not named:
                inside = {"anyOf": [inner, {"type": "null"}]} if kind in bare else inner
                found.append(
                    {
                        "type": "object",
                        "properties": {kind: inside},
                        "required": [kind],
                        "additionalProperties": False,
                    }
                )
        return found

    def _spec(self, spec: type[Spec]) -> dict[str, Any]:
        name = self._named(spec.__name__)
        if name not in self.definitions:
            self.definitions[name] = {}
            whole = self.take(spec.model_json_schema())
            if whole != {"$ref": f"#/$defs/{name}"}:  # else it is recursive, and defined by now
                self.definitions[name] = whole
        return {"$ref": f"#/$defs/{name}"}


def _noun(family: Family) -> str:
    return family.noun.replace(" ", "_")


def _required(spec: type[Spec]) -> bool:
    return any(field.is_required() for field in spec.model_fields.values())
