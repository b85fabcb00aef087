"""What a recipe says under ``data:`` for commands that learn from ratings."""

import codecs
from typing import Annotated, ClassVar, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from dlkit.readers.source_spec import SourceSpec
from dlkit.readers.spec import FoldSpec, Part, Reference, a_part_of
from dlkit.recipe.schema import Spec


def _encoding(value: str) -> str:
    try:
        codecs.lookup(value)
    except LookupError as error:
        raise ValueError(f"no encoding is called {value} (utf-8, latin-1, shift_jis, ...)") from error
    return value


Encoding = Annotated[str, AfterValidator(_encoding)]


def _delimiter(value: str | None) -> str | None:
    if value is None:
        return None
    value = {"tab": "\t", "\\t": "\t", "whitespace": " ", "blank": " "}.get(value, value)
    one = len(value) == 1 and value.isascii() and value not in '"\r\n\0' and not value.isalnum()
    if value != "::" and not one:
        raise ValueError("expected one character (no letter, digit or quote), ::, tab, or whitespace")
    return value


Delimiter = Annotated[str | None, AfterValidator(_delimiter)]


class ColumnsSpec(Spec):
    """Which column holds what; by name where the file has a header, else by index from 0."""

    user: Reference | None = Field(None, description="Column of the user; null: by its name, else the first.")
    item: Reference | None = Field(
        None, description="Column of the item; null: by its name, else the second."
    )
    rating: Reference | None = Field(
        None, description="Column of the rating; null: by its name, else the third. With two columns: 1 each."
    )
    time: Reference | None = Field(
        None,
        description="Column of the time: a number, or YYYY-MM-DD[ hh:mm[:ss]]; null: by name, or the fourth.",
    )


class TitlesSpec(Spec):
    """A file that gives items names."""

    SHORTHAND: ClassVar[str | None] = "file"

    file: str = Field(description="Table with a line an item: its id as in the ratings, its title.")
    id: Reference = Field(0, description="Column of the item's id: name or index from 0.")
    title: Reference = Field(1, description="Column of the title: name or index from 0.")
    delimiter: Delimiter = Field(None, description="What separates its columns; null: found from the file.")
    encoding: Encoding = Field("utf-8", description="Encoding of the file: utf-8, latin-1, shift_jis, ...")


class RatingsSpec(SourceSpec):
    """Where the ratings are, and which of them are kept for validation and test."""

    train: str = Field(
        description="Ratings: a line user, item, rating[, time], separated by comma, tab, :: or whatever is "
        "found; header or not, .gz or not; - for standard input."
    )
    valid: Part = Field(
        None,
        description="Validation ratings: a file, a number, or a share (0 to 1); as split says.",
        json_schema_extra={"flag": "--valid", "aka": ["validation", "val", "dev"]},
    )
    test: Part = Field(
        None,
        description="Test ratings: a file, a number, or a share (0 to 1); as split says.",
        json_schema_extra={"flag": "--test"},
    )
    split: Literal["random", "time", "leave_out", "leave_latest"] = Field(
        "random",
        description="What a number or share takes: random ratings, the latest of all (time), or that many "
        "of each user's, drawn (leave_out) or the latest (leave_latest).",
        json_schema_extra={"flag": "--split-by"},
    )
    fold: FoldSpec | None = Field(
        None, description="Cross-validation: which fold is the test set; null: no folds."
    )
    format: Literal["list", "matrix"] = Field(
        "list",
        description="list: a rating a line; matrix: a small table, a row a user and a column an item, "
        "with NaN or nothing where there is no rating.",
        json_schema_extra={"flag": "--format"},
    )
    columns: ColumnsSpec = Field(ColumnsSpec(), description="Which column holds what (format: list).")
    header: bool | Literal["auto"] = Field("auto", description="Does the first row name the columns?")
    delimiter: Delimiter = Field(
        None,
        description="What separates the columns: one character, ::, tab, or whitespace (runs of blanks); "
        "null: found from the first rows.",
        json_schema_extra={"aka": ["separator", "sep"]},
    )
    encoding: Encoding = Field("utf-8", description="Encoding of the ratings: utf-8, latin-1, shift_jis, ...")
    duplicates: Literal["last", "mean", "sum", "error"] = Field(
        "last",
        description="Several ratings of one item by one user: the last line holds, their mean, their sum.",
    )
    scale: list[float] | None = Field(
        None, description="Smallest and largest rating, to which answers are clipped; null: as in training."
    )
    titles: TitlesSpec | None = Field(
        None, description="File that gives items names; null: none.", json_schema_extra={"flag": "--titles"}
    )

    _part = field_validator("valid", "test")(a_part_of("ratings"))

    @field_validator("scale")
    @classmethod
    def _scale(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and (len(value) != 2 or value[0] >= value[1]):
            raise ValueError("expected the smallest and the largest rating, such as [1, 5]")
        return value

    @model_validator(mode="after")
    def _together(self) -> "RatingsSpec":
        if self.test is not None and self.fold is not None:
            raise ValueError("test: the test set is given by fold already")
        if self.split.startswith("leave") and any(isinstance(p, float) for p in (self.valid, self.test)):
            raise ValueError(f"split: {self.split} takes a number of ratings of each user, not a share")
        if self.format == "matrix" and self.split in {"time", "leave_latest"}:
            raise ValueError(f"split: {self.split} needs times, which a matrix has not")
        return self
