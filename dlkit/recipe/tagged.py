"""Parts of a recipe that are chosen by name: ``optimizer: adam``, ``- dense: 512``.

Two spellings, one tool. A family is an object that specs join; it is used as an annotation and
works inside lists, optional fields and other specs:

    LAYERS = Keyed("layer")

    @LAYERS.add("dense", aka=("linear", "fc"))
    class DenseSpec(Spec):
        SHORTHAND: ClassVar[str | None] = "units"          # {dense: 512}
        units: int = Field(gt=0, description="Outputs.")
        activation: str | None = Field(None, description="null: the recipe's own.")

    @LAYERS.add("batch_norm")
    class BatchNormSpec(Spec): ...

    @LAYERS.add("repeat")
    class RepeatSpec(Spec):
        times: int = Field(ge=1, description="How often.")
        layers: list["LayerSpec"] = Field(description="What is repeated.")     # a family may nest itself

    LayerSpec = Annotated[Spec, LAYERS]

    OPTIMIZERS = Named("optimizer", default="adam")

    @OPTIMIZERS.add()                                       # the names stand in the spec's `name` field
    class AdamSpec(Spec):
        name: Literal["adam"] = Field("adam", description="Kingma & Ba 2015.")
        lr: float = Field(
            1e-3, gt=0, description="Rate.", json_schema_extra={"aka": ["learning_rate"], "flag": "--lr"}
        )

    OptimizerSpec = Annotated[Spec, OPTIMIZERS]

    class MLPRecipe(TrainingRecipe):
        model: list[LayerSpec] = Field(default_factory=..., description="Layers.")
        optimizer: OptimizerSpec = Field(AdamSpec(), description="How it learns.")

`Keyed` reads ``batch_norm``, ``{batch_norm: }``, ``{dense: 512}`` and ``{dense: {units: 512}}``.
`Named` reads ``adam``, ``{name: adam, lr: 1e-3}`` and, where a default is set, ``{lr: 1e-3}``.
Both also take a ready spec of the family. The field then holds the spec (`isinstance` tells the
kind; `kind_of` names it). Written back, it takes the shortest of these forms that says all its values; what
is null by default and in fact is left out.

`extended` makes a family that has more kinds (convolutions for one command only); specs that nest
the parent family take the kinds of the child while a child is being read.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Self, TypeVar, get_args

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, TypeAdapter, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from dlkit.recipe.schema import Spec

S = TypeVar("S", bound=type[Spec])

FAMILIES: "list[Family]" = []
"""Every family; a JSON schema refers to one by its index until it is put in."""

_active: ContextVar[dict["Family", "Family"]] = ContextVar("active families")


def _expected(what: str) -> PydanticCustomError:
    return PydanticCustomError("expected", "{what}", {"what": what})


class Family(ABC):
    """Specs that are alternatives to each other, by name."""

    def __init__(self, noun: str, *, parent: Self | None = None) -> None:
        self.noun = noun
        self.kinds: dict[str, type[Spec]] = dict(parent.kinds) if parent else {}
        self.aka: dict[str, tuple[str, ...]] = dict(parent.aka) if parent else {}
        self.root: Family = parent.root if parent else self
        self.index = len(FAMILIES)
        FAMILIES.append(self)

    @abstractmethod
    def read(self, value: Any) -> Spec:
        """The spec that `value` describes. Raises pydantic.ValidationError or PydanticCustomError."""

    @abstractmethod
    def write(self, spec: Spec) -> Any:
        """Plain data that `read` turns into an equal spec."""

    @abstractmethod
    def open_up(self, value: Any) -> Any:
        """The longest spelling of `value`, so that a key of it can be set; what cannot be opened stays."""

    @abstractmethod
    def chosen(self, value: Any) -> tuple[type[Spec] | None, str | None]:
        """Spec that plain `value` selects, and the key below which its fields lie (None: at once)."""

    def join(self, kind: str, spec: type[Spec], aka: tuple[str, ...] = ()) -> None:
        """Add one kind. Raises ValueError where the name is taken."""
        if kind in self.kinds:
            raise ValueError(f"{self.noun} {kind!r} is there already")
        self.kinds[kind] = spec
        self.aka[kind] = aka

    def kind_of(self, spec: Spec) -> str:
        """Name of a spec's kind. Raises KeyError for a spec of another family."""
        family = self.active()
        for kind, cls in family.kinds.items():
            if type(spec) is cls:
                return kind
        raise KeyError(f"{type(spec).__name__} is no {self.noun}")

    def active(self) -> "Family":
        """The child family being read or written, where this one is its root; else this one."""
        return _active.get({}).get(self, self)

    @contextmanager
    def standing_for_root(self) -> Iterator[None]:
        """While it lasts, the root family has this family's kinds."""
        if self is self.root:
            yield
            return
        token = _active.set({**_active.get({}), self.root: self})
        try:
            yield
        finally:
            _active.reset(token)

    def unknown(self, found: str, loc: tuple[str, ...]) -> ValidationError:
        """The error for a name that no kind has; `loc` ends with the key or value that holds it."""
        context = {"noun": self.noun, "kinds": self.aka, "found": found}
        error = PydanticCustomError("unknown_kind", "unknown {noun} {found}", context)
        return ValidationError.from_exception_data(self.noun, [{"type": error, "loc": loc, "input": found}])

    def _validate(self, value: Any) -> Spec:
        family = self.active()
        if isinstance(value, Spec):
            if type(value) in family.kinds.values():
                return value
            raise _expected(f"a {family.noun}")
        with family.standing_for_root():
            return family.read(value)

    def _serialize(self, spec: Any) -> Any:
        if not isinstance(spec, Spec):  # a default that was never validated
            return spec
        family = self.active()
        with family.standing_for_root():
            return family.write(spec)

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(self._serialize),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"x-family": self.index}


class Keyed(Family):
    """Spelled as a name or as a mapping with that one key: ``dropout``, ``{dropout: 0.5}``."""

    def extended(self, noun: str | None = None) -> "Keyed":
        """A child family, to which more kinds can be added."""
        return Keyed(noun or self.noun, parent=self)

    def add(self, kind: str, *, aka: tuple[str, ...] = ()) -> Callable[[S], S]:
        """Decorator of a spec: join as `kind`; `aka` are other names, suggested when one is tried."""

        def joined(spec: S) -> S:
            self.join(kind, spec, aka)
            return spec

        return joined

    def read(self, value: Any) -> Spec:
        value = {value: None} if isinstance(value, str) else value
        if not isinstance(value, Mapping) or not value:
            raise _expected(f"a {self.noun}: a name, or a mapping with a name as its only key")
        kind, *more = value
        if kind not in self.kinds:
            raise self.unknown(kind, (kind,))
        if more:
            context = {"noun": self.noun, "kind": kind}
            error = PydanticCustomError("second_key", "a {noun} has one key; {kind} is the first", context)
            raise ValidationError.from_exception_data(
                self.noun, [{"type": error, "loc": (more[0],), "input": value[more[0]]}]
            )
        inner = {} if value[kind] is None else value[kind]
        # read as a dict, so that pydantic itself puts the kind into the error's location
        read: dict[str, Spec] = TypeAdapter(dict[str, self.kinds[kind]]).validate_python({kind: inner})  # type: ignore[name-defined]
        return read[kind]

    def write(self, spec: Spec) -> Any:
        kind = self.kind_of(spec)
        data = spec.model_dump()
        for name, field in type(spec).model_fields.items():
            if data[name] is None and not field.is_required() and field.default is None:
                del data[name]
        if not data and not any(field.is_required() for field in type(spec).model_fields.values()):
            return kind
        value = next(iter(data.values()), None)
        if list(data) == [type(spec).SHORTHAND] and value is not None and not isinstance(value, Mapping):
            return {kind: value}
        return {kind: data}

    def open_up(self, value: Any) -> Any:
        if isinstance(value, str):
            return {value: {}}
        return value

    def chosen(self, value: Any) -> tuple[type[Spec] | None, str | None]:
        kind = next(iter(value), None) if isinstance(value, Mapping) else value
        return (self.active().kinds.get(kind), kind) if isinstance(kind, str) else (None, None)


class Named(Family):
    """Spelled as a name or as a mapping that has a key ``name``: ``adam``, ``{name: adam, lr: 1e-3}``."""

    def __init__(self, noun: str, *, default: str | None = None, parent: "Named | None" = None) -> None:
        super().__init__(noun, parent=parent)
        self.default: str | None = default or (parent.default if parent else None)

    def extended(self, noun: str | None = None, *, default: str | None = None) -> "Named":
        """A child family, to which more kinds can be added."""
        return Named(noun or self.noun, default=default, parent=self)

    def add(self, *, aka: tuple[str, ...] = ()) -> Callable[[S], S]:
        """Decorator of a spec that has ``name: Literal[...]``: it joins as each of these names."""

        def joined(spec: S) -> S:
            names = get_args(vars(spec)["__pydantic_fields__"]["name"].annotation)
            if not names:
                raise TypeError(f"{spec.__name__}.name has to be a Literal")
            for name in names:
                self.join(name, spec, aka)
            return spec

        return joined

    def read(self, value: Any) -> Spec:
        if isinstance(value, str):
            value = {"name": value}
        elif not isinstance(value, Mapping):
            raise _expected(f"a name ({', '.join(self.kinds)}) or a mapping with a name")
        if "name" not in value and self.default is None:
            raise ValidationError.from_exception_data(
                self.noun, [{"type": "missing", "loc": ("name",), "input": dict(value)}]
            )
        name = value.get("name", self.default)
        if not isinstance(name, str):
            raise ValidationError.from_exception_data(
                self.noun, [{"type": "string_type", "loc": ("name",), "input": name}]
            )
        if name not in self.kinds:
            raise self.unknown(name, ("name",))
        return self.kinds[name].model_validate({**value, "name": name})

    def write(self, spec: Spec) -> Any:
        data = spec.model_dump()
        return data["name"] if list(data) == ["name"] else {"name": data.pop("name"), **data}

    def open_up(self, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    def chosen(self, value: Any) -> tuple[type[Spec] | None, str | None]:
        name = value.get("name", self.default) if isinstance(value, Mapping) else value or self.default
        return (self.active().kinds.get(name) if isinstance(name, str) else None), None
