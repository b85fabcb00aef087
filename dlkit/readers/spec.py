"""What a recipe says under ``data:`` for commands that learn from rows (tables, images, arrays)."""

from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dlkit.readers.images import Form
from dlkit.readers.source_spec import SourceSpec
from dlkit.recipe.schema import Spec

Reference = str | int
"""A column: its name, or its index from 0; a negative index counts from the right."""

Part = str | int | float | None
"""A set of rows: a file, a number of rows (>= 1) or a share (0 < share < 1) of the training file."""


Side = Annotated[int, Field(ge=1, le=1 << 16)]


def a_part_of(what: str) -> Callable[[Part], Part]:
    """A validator of Part; `what` its numbers count, for the message."""

    def check(value: Part) -> Part:
        if isinstance(value, float) and not 0 < value < 1:
            raise ValueError(f"a share lies between 0 and 1; a number of {what} is a whole number")
        if isinstance(value, int) and value < 1:
            raise ValueError(f"a number of {what} is 1 or more; null for none")
        return value

    return check


def one_delimiter(value: str | None) -> str | None:
    """A delimiter as one character, words for it undone. Raises ValueError."""
    if value is None:
        return None
    value = {"tab": "\t", "whitespace": " ", "blank": " ", "\\t": "\t"}.get(value, value)
    if len(value) != 1 or value in '"\r\n\0' or value.isalnum():
        raise ValueError("expected one character (no letter, digit or quote), tab, or whitespace")
    return value


class FoldSpec(Spec):
    """One part of a cross-validation: fold `index` of `of` is the test set."""

    index: int = Field(ge=0, description="Which fold is the test set, from 0.")
    of: int = Field(ge=2, description="Number of folds.")

    @model_validator(mode="after")
    def _inside(self) -> "FoldSpec":
        if self.index >= self.of:
            raise ValueError(f"fold {self.index} of {self.of}: index counts from 0")
        return self


class DataSpec(SourceSpec):
    """Where the rows are, which column is the label, and what is done to the features."""

    train: str = Field(
        description="Training file: CSV, TSV, blank-separated, IDX, .npy, .npz (each also .gz), HDF5 (a.h5, "
        "or a.h5:/x for a dataset in it) or CIFAR-10 (.bin); a folder with a sub-folder of PNG or JPEG "
        "images for each class; mnist/train for the IDX pair in folder mnist, cifar/train for the batches "
        "of CIFAR-10; - for standard input."
    )
    valid: Part = Field(
        None,
        description="Validation set: a file, a number of rows, or a share (0 to 1) of the training rows.",
        json_schema_extra={"flag": "--valid", "aka": ["validation", "val", "dev"]},
    )
    test: Part = Field(
        None,
        description="Test set: a file, a number of rows, or a share (0 to 1) of the training rows.",
        json_schema_extra={"flag": "--test"},
    )
    label: Reference | list[Reference] | None = Field(
        None,
        description="Label column by name or index (from 0, negative from the right); "
        "a list for several regression targets; null: the last column (without labels: none).",
        json_schema_extra={"flag": "--label", "aka": ["target", "y"]},
    )
    labels: str | None = Field(
        None,
        description="File with the labels of the training rows (IDX, .npy or HDF5); null: found by its name.",
    )
    header: bool | Literal["auto"] = Field("auto", description="Does a table's first row name the columns?")
    delimiter: str | None = Field(
        None,
        description="What separates a table's columns: one character, tab, or whitespace "
        "(runs of blanks); null: found from the first rows.",
        json_schema_extra={"aka": ["separator", "sep"]},
    )
    ignore: list[Reference] = Field(
        [],
        description="Columns to leave out, by name or index.",
        json_schema_extra={"aka": ["drop", "exclude"]},
    )
    categories: list[Reference] = Field(
        [],
        description="Columns to read as categories though they hold numbers, by name or index.",
        json_schema_extra={"aka": ["categorical"]},
    )
    shape: list[Side] | None = Field(
        None,
        min_length=2,
        max_length=3,
        description="Rows are images: [height, width] or [height, width, channels] of a table's or a flat "
        "array's rows, channels last; null: as the file says.",
    )
    color: Literal["auto", "grey", "rgb"] = Field(
        "auto",
        description="Images are made grey or coloured; auto: as they are "
        "(a folder with any coloured image: rgb).",
        json_schema_extra={"aka": ["colour", "mode"]},
    )
    resize: Side | list[Side] | None = Field(
        None,
        description="Side, or [height, width], in pixels, to which 8-bit images are brought; "
        "null: not resized.",
        json_schema_extra={"flag": "--resize"},
    )
    scale: Literal["auto", "none", "range", "image", "channels", "standard", "pca", "zca"] = Field(
        "auto",
        description="Features, fitted on the training rows: range = to 0..1 (8-bit images: /255), "
        "image = to 0..1 by one range for all columns, "
        "standard = mean 0, standard deviation 1 (channels = the same for each colour of an image), "
        "pca or zca = whitened; auto = range for 8-bit images, image for other images and rows without "
        "labels, else standard. Category columns stay 0/1.",
        json_schema_extra={"flag": "--scale", "aka": ["normalize", "preprocess", "scaling", "whiten"]},
    )
    components: int | float | None = Field(
        None,
        gt=0,
        description="Components that pca or zca keeps: a number, or a share (0 to 1) of the variance; "
        "null: all.",
    )
    epsilon: float = Field(
        1e-5,
        ge=0,
        description="Added to the variances in pca and zca whitening, "
        "in squared units of the columns (8-bit images: of pixel/255).",
    )
    unseen: Literal["error", "ignore"] = Field(
        "error",
        description="A category not seen in training: an error, or ignored (all zeros) and counted.",
    )
    train_rows: str | None = Field(
        None,
        description="File with the numbers (from 0) of the training rows; {fold} stands for the fold index.",
    )
    test_rows: str | None = Field(
        None,
        description="File with the numbers (from 0) of the test rows; {fold} stands for the fold index.",
    )
    fold: FoldSpec | None = Field(
        None, description="Cross-validation: which fold is the test set; null: no folds."
    )

    _part = field_validator("valid", "test")(a_part_of("rows"))
    _delimiter = field_validator("delimiter")(one_delimiter)

    @field_validator("components")
    @classmethod
    def _components(cls, value: int | float | None) -> int | float | None:
        if isinstance(value, float) and value >= 1:
            raise ValueError("a share of the variance is below 1; a number of components is a whole number")
        return value

    @field_validator("resize")
    @classmethod
    def _two_sides(cls, value: int | list[int] | None) -> int | list[int] | None:
        if isinstance(value, list) and len(value) != 2:
            raise ValueError("expected a side, or [height, width]")
        return value

    @property
    def form(self) -> Form:
        """What the recipe asks images to be made into."""
        sides = [self.resize, self.resize] if isinstance(self.resize, int) else self.resize
        return Form(self.color, (sides[0], sides[1]) if sides else None)

    @model_validator(mode="after")
    def _together(self) -> "DataSpec":
        rows_given = self.train_rows is not None or self.test_rows is not None
        if self.test is not None and (self.fold is not None or self.test_rows is not None):
            raise ValueError("test: the test set is given by fold or test_rows already")
        if self.fold is not None and rows_given:
            given = [name for name in (self.train_rows, self.test_rows) if name is not None]
            if not all("{fold}" in name for name in given):
                raise ValueError("fold: train_rows and test_rows need {fold} in their names")
        if isinstance(self.label, list) and not self.label:
            raise ValueError("label: an empty list; null means the last column")
        if self.components is not None and self.scale not in {"pca", "zca"}:
            raise ValueError("components: only with scale: pca or zca")
        return self
