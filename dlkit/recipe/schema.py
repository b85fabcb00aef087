"""The base of every recipe: strict pydantic models whose fields all carry a description.

A field may say more in ``json_schema_extra``:

- ``"aka": ["learning_rate"]``: other names people try; they are suggested, never accepted;
- ``"flag": "--lr"``: the field is also a flag of the command. Top-level fields that hold one
  value get a flag anyhow (``--their-name``); ``"flag": False`` takes it away, and those below it.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    model_validator,
)
from pydantic import GetJsonSchemaHandler as JsonHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema


class Spec(BaseModel):
    """A part of a recipe: unknown keys are errors, ``"12"`` is no number, values never change.

    An int is good for a float field. A list does not turn into a tuple by itself: annotate lists.
    """

    model_config = ConfigDict(
        extra="forbid", strict=True, frozen=True, allow_inf_nan=False, validate_default=True
    )

    SHORTHAND: ClassVar[str | None] = None
    """Field that a bare value fills: with ``SHORTHAND = "patience"``, ``5`` means ``{patience: 5}``."""

    @model_validator(mode="before")
    @classmethod
    def _expand_shorthand(cls, value: Any) -> Any:
        if cls.SHORTHAND is not None and not isinstance(value, (Mapping, Spec)):
            return cls.from_bare(value)
        return value

    @classmethod
    def from_bare(cls, value: Any) -> dict[str, Any]:
        """What a bare value stands for, where there is a SHORTHAND."""
        return {str(cls.SHORTHAND): value}

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: JsonHandler, /) -> JsonSchemaValue:
        described = handler(schema)
        if cls.SHORTHAND is None:
            return described
        # the shorthand is put in afterwards, by jsonschema.py: here the object may be a mere reference
        handler.resolve_ref_schema(described)["x-shorthand"] = cls.SHORTHAND
        return described


class TextFault(NamedTuple):
    """One fault inside a text of several lines (a map): its place counts from 0."""

    row: int
    column: int
    text: str
    hint: str | None = None


class TextFaults(ValueError):
    """What a validator raises for a text: each fault is told where it stands in the file.

    key: the field that holds the text, where the validator is one of the whole spec.
    """

    def __init__(self, faults: list[TextFault], key: str = "") -> None:
        super().__init__("; ".join(fault.text for fault in faults))
        self.faults = faults
        self.key = key


_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([kMGT]i?)?B?")
_UNITS = {"": 1, "k": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_UNITS |= {"ki": 2**10, "Mi": 2**20, "Gi": 2**30, "Ti": 2**40}


def _bytes(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    match = _SIZE.fullmatch(value.strip().replace("K", "k"))
    if match is None:
        raise ValueError("expected a size such as 4GiB or 500MB, or a number of bytes")
    return int(float(match[1]) * _UNITS[match[2] or ""])


ByteSize = Annotated[
    int,
    BeforeValidator(_bytes),
    Field(gt=0),
    WithJsonSchema({"anyOf": [{"type": "integer", "exclusiveMinimum": 0}, {"type": "string"}]}),
]
"""A number of bytes, which may be written 4GiB, 500 MB, 64k; always an int after validation."""


def _device(value: str) -> str:
    if not re.fullmatch(r"cpu|gpu(:\d{1,3})?", value):
        raise ValueError("must be cpu, gpu or gpu:N")
    return value


Device = Annotated[
    str, AfterValidator(_device), Field(json_schema_extra={"pattern": r"^(cpu|gpu(:\d{1,3})?)$"})
]
"""``cpu``, ``gpu`` (the first one) or ``gpu:N``."""


def _variant_name(value: str) -> str:
    if not re.fullmatch(r"[^\W_][\w +.,=@-]{0,99}", value) or value[-1] in " .":
        raise ValueError("a variant's name becomes a folder: letters, digits and + - _ . , = @, up to 100")
    return value


VariantName = Annotated[str, AfterValidator(_variant_name)]


class EarlyStopping(Spec):
    """When to stop before the last epoch."""

    SHORTHAND: ClassVar[str | None] = "patience"

    patience: int = Field(10, ge=1, description="Epochs without improvement before training stops.")
    min_delta: float = Field(0.0, ge=0, description="Smallest change that counts as an improvement.")
    metric: str | None = Field(
        None, description="Column of metrics.csv that is watched; null: the algorithm's own choice."
    )


class TrainingRecipe(Spec):
    """What every training command understands.

    A command's recipe derives from it, narrows ``command`` to its own name
    (``command: Literal["mf"] = Field("mf", description=...)``), and adds its fields; one with
    minibatches adds ``batch``.
    """

    command: str = Field("", description="Command that this recipe is for.")
    epochs: int = Field(
        10,
        ge=1,
        description="Passes over the training data.",
        json_schema_extra={"aka": ["iterations", "iter"]},
    )
    seed: int = Field(
        1,
        ge=0,
        lt=2**63,
        description="Seed of all random streams.",
        json_schema_extra={"aka": ["random_state"]},
    )
    device: Device = Field("cpu", description="Where it runs: cpu, gpu or gpu:N.")
    dtype: Literal["float32", "float64"] = Field(
        "float32", description="Floating-point type.", json_schema_extra={"aka": ["precision"]}
    )
    shards: Annotated[int, Field(ge=1, le=1024)] | Literal["auto"] = Field(
        "auto",
        description="Parts the work is cut into; the result depends on it, not on the number of threads.",
    )
    split: Literal["auto", "batch", "products"] = Field(
        "auto",
        description="What is cut into shards: the rows of a batch, or each matrix product and kernel "
        "(faster for every network here); auto: what suits the command.",
    )
    on_bad_row: Literal["error", "skip"] = Field(
        "error", description="What to do about an input row that cannot be read; skipped rows are counted."
    )
    early_stopping: EarlyStopping | None = Field(None, description="Stop early; null: train all epochs.")
    keep: Literal["best", "last"] = Field(
        "best", description="Model that is tested and used: best by validation, or that of the last epoch."
    )
    folds: int | None = Field(
        None,
        ge=2,
        le=1000,
        description="Folds of a cross-validation; null: one run.",
        json_schema_extra={"aka": ["k_fold", "cv"]},
    )
    variants: dict[VariantName, dict[str, Any]] = Field(
        {}, description="Runs to compare: name to the keys it changes; keys may be dotted (optimizer.lr)."
    )
    deterministic: bool = Field(
        True, description="Ranks add up in rank order: the same bytes each time; false: whatever is fastest."
    )
    memory_limit: ByteSize | None = Field(
        None, description="Most device memory to use, bytes or 4GiB; null: what the device has."
    )
    tf32: bool = Field(False, description="Let the GPU multiply with 10-bit mantissas (TensorFloat-32).")
