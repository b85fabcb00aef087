"""What a recipe says of parallel texts: where they are, and what a sentence is cut into."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dlkit.readers.source_spec import SourceSpec
from dlkit.readers.spec import a_part_of
from dlkit.readers.text import Encoding
from dlkit.recipe.schema import Spec

Column = Annotated[int, Field(ge=0)]


class PairsSpec(SourceSpec):
    """Where the pairs are, and how to read them."""

    train: str | list[str] = Field(
        description="Training pairs: a file of lines source<TAB>target; or a list of two files whose lines "
        "belong together; or, with `source` and `target`, what their names have in common (corpus/train for "
        "corpus/train.ja and corpus/train.en). Each also .gz; - for standard input."
    )
    valid: str | list[str] | int | float | None = Field(
        None,
        description="Validation pairs: named as the training pairs, a number of them, or a share (0 to 1).",
        json_schema_extra={"flag": "--valid", "aka": ["validation", "val", "dev"]},
    )
    test: str | list[str] | int | float | None = Field(
        None,
        description="Test pairs: named as the training pairs, a number of them, or a share (0 to 1).",
        json_schema_extra={"flag": "--test"},
    )
    source: str | None = Field(
        None,
        description="Ending of the source's file names (ja); null: files are named whole.",
        json_schema_extra={"flag": "--source", "aka": ["src", "source_language"]},
    )
    target: str | None = Field(
        None,
        description="Ending of the target's file names (en); null: files are named whole.",
        json_schema_extra={"flag": "--target", "aka": ["tgt", "target_language"]},
    )
    columns: list[Column] = Field(
        [0, 1],
        min_length=2,
        max_length=2,
        description="Columns of source and target in a file of lines with tabs, from 0.",
    )
    encoding: Encoding = Field("utf-8", description="Encoding of the files.")
    nfkc: bool = Field(
        True, description="Normalise to NFKC: full-width digits and half-width kana become usual ones."
    )
    max_length: int = Field(
        100,
        ge=1,
        description="Most words of a sentence; a longer one is a bad row (see on_bad_row).",
        json_schema_extra={"flag": "--max-length", "aka": ["max_len", "longest"]},
    )

    @field_validator("train", "valid", "test")
    @classmethod
    def _two_files(cls, value: str | list[str] | int | float | None) -> str | list[str] | int | float | None:
        if isinstance(value, list):
            if len(value) != 2:
                raise ValueError("expected two files, of the source and of the target")
            return value
        return value if isinstance(value, str) else a_part_of("pairs")(value)

    @model_validator(mode="after")
    def _both_endings(self) -> "PairsSpec":
        if (self.source is None) != (self.target is None):
            raise ValueError("source and target: give the endings of both, or of none")
        if self.source is not None and self.source == self.target:
            raise ValueError("source and target are the same files")
        return self


class SentenceSpec(Spec):
    """What a sentence is cut into, and which words are known."""

    SHORTHAND = "tokens"

    tokens: Literal["blank", "characters", "japanese"] = Field(
        "blank",
        description="blank: what stands between blanks; characters; japanese: words by SudachiPy "
        "(extra [ja]).",
        json_schema_extra={"aka": ["tokenizer", "tokeniser"]},
    )
    lower: bool = Field(False, description="Small letters for capital ones.")
    min_count: int = Field(
        2,
        ge=1,
        description="Words that stand less often in the training pairs are unknown ones, <unk>.",
        json_schema_extra={"aka": ["min_freq"]},
    )
    most_words: int | None = Field(
        None,
        ge=1,
        description="Keep the most frequent words only; null: all.",
        json_schema_extra={"aka": ["vocabulary_size", "max_words"]},
    )
    japanese_mode: Literal["A", "B", "C"] = Field(
        "C", description="SudachiPy's unit: A short, B middle, C long (named entities whole)."
    )
