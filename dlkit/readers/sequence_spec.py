"""Where the text or the labelled sequences of a recurrent network are, and how they become symbols."""

from typing import Literal

from pydantic import Field, field_validator

from dlkit.readers.source_spec import SourceSpec
from dlkit.readers.spec import Part, a_part_of
from dlkit.readers.text import Encoding


class SequencesSpec(SourceSpec):
    """One long text, or lines ``label<TAB>text``."""

    train: str = Field(
        description="One long text; or labelled sequences: lines label<TAB>text, or a folder with a folder "
        "of documents for each class; each file also .gz; - for standard input."
    )
    valid: Part = Field(
        None,
        description="Validation set: a file, a number, or a share (0 to 1): of a text the symbols at its "
        "end, of labelled sequences some drawn at random.",
        json_schema_extra={"flag": "--valid", "aka": ["validation", "val", "dev"]},
    )
    test: Part = Field(
        None,
        description="Test set, as valid; of one text it comes after the validation set.",
        json_schema_extra={"flag": "--test"},
    )
    tokens: Literal["characters", "words", "blank"] = Field(
        "characters",
        description="A symbol is: a character; a word or punctuation mark; what stands between blanks.",
        json_schema_extra={"flag": "--tokens", "aka": ["tokenizer", "tokeniser", "level"]},
    )
    lower: bool = Field(
        False, description="Small letters for capital ones.", json_schema_extra={"aka": ["lowercase"]}
    )
    encoding: Encoding = Field("utf-8", description="Encoding of the text.")
    min_count: int | None = Field(
        None,
        ge=1,
        description="Rarer symbols of the training text are one unknown symbol; null: 1 for characters, "
        "2 for words.",
        json_schema_extra={"flag": "--min-count", "aka": ["min_freq"]},
    )
    most_symbols: int | None = Field(
        None,
        ge=1,
        description="Most symbols known, the most frequent ones; null: all.",
        json_schema_extra={"aka": ["vocabulary", "vocabulary_size", "max_words"]},
    )
    longest: int = Field(
        400,
        ge=1,
        description="Symbols of a labelled sequence that are read; the rest is left out and counted.",
        json_schema_extra={"flag": "--longest", "aka": ["max_length"]},
    )

    _part = field_validator("valid", "test")(a_part_of("symbols or rows"))

    @property
    def least(self) -> int:
        """Fewest times that a known symbol occurs."""
        if self.min_count is not None:
            return self.min_count
        return 1 if self.tokens == "characters" else 2
