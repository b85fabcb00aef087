"""The recipe of bayes-nb."""

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from dlkit.algorithms.nb_text import TextFeaturesSpec
from dlkit.readers.source_spec import SourceSpec
from dlkit.readers.spec import FoldSpec, Part, Reference, a_part_of, one_delimiter
from dlkit.readers.text import Encoding
from dlkit.recipe.schema import TrainingRecipe

Model = Literal["auto", "categorical", "bernoulli", "multinomial", "complement", "gaussian", "mixed"]
ColumnKind = Literal["categorical", "bernoulli", "multinomial", "complement", "gaussian"]
TEXT_MODELS = ("multinomial", "bernoulli", "complement")


class NBDataSpec(SourceSpec):
    """Where the rows or documents are, and how to read them."""

    train: str = Field(
        description="Training data: a table (CSV, TSV, blank-separated), a file of lines label<TAB>text, "
        "or a folder with a folder of documents for each class; each file also .gz; - for standard input."
    )
    test: Part = Field(
        None,
        description="Test set: a file or folder, a number of rows, or a share (0 to 1) of the training rows.",
        json_schema_extra={"flag": "--test"},
    )
    format: Literal["auto", "table", "text"] = Field(
        "auto", description="auto: a folder, or lines label<TAB>words, is text; anything else is a table."
    )
    encoding: Encoding = Field("utf-8", description="Encoding of text; tables are UTF-8.")
    label: Reference | None = Field(
        None,
        description="Label column of a table by name or index; null: the last column.",
        json_schema_extra={"flag": "--label", "aka": ["target", "y"]},
    )
    header: bool | Literal["auto"] = Field("auto", description="Does a table's first row name the columns?")
    delimiter: str | None = Field(
        None,
        description="What separates a table's columns: one character, tab, or whitespace; null: found.",
        json_schema_extra={"aka": ["separator", "sep"]},
    )
    ignore: list[Reference] = Field(
        [],
        description="Columns to leave out, by name or index.",
        json_schema_extra={"aka": ["drop", "exclude"]},
    )
    missing: Literal["ignore", "error"] = Field(
        "ignore",
        description="An empty cell (or ?): left out of counts and evidence and counted, or an error.",
    )
    unseen: Literal["ignore", "smooth", "error"] = Field(
        "ignore",
        description="A category not seen in training: says nothing (and is counted); smooth: as a further "
        "category that no row had; or an error.",
    )
    fold: FoldSpec | None = Field(
        None, description="Cross-validation: which fold is the test set; null: no folds."
    )

    _part = field_validator("test")(a_part_of("rows"))
    _delimiter = field_validator("delimiter")(one_delimiter)

    @model_validator(mode="after")
    def _one_test(self) -> "NBDataSpec":
        if self.test is not None and self.fold is not None:
            raise ValueError("test: the test set is given by fold already")
        return self


class BayesNBRecipe(TrainingRecipe):
    """The recipe of bayes-nb."""

    command: Literal["bayes-nb"] = Field("bayes-nb", description="Command that this recipe is for.")
    data: NBDataSpec = Field(description="Rows or documents to learn from, and how to read them.")
    model: Model = Field(
        "auto",
        description="What P(x|class) is; auto: multinomial for text, categorical or gaussian by column.",
        json_schema_extra={"aka": ["variant", "event_model", "likelihood"]},
    )
    columns: dict[str, ColumnKind] = Field({}, description="Kind of single columns of a table, by name.")
    text: TextFeaturesSpec = Field(TextFeaturesSpec(), description="How text becomes features.")
    alpha: float = Field(
        1.0, ge=0, description="Added to every count: 1 Laplace, less Lidstone, 0 nothing.",
        json_schema_extra={"aka": ["smoothing", "laplace"]},
    )  # fmt: skip
    prior: Literal["learnt", "uniform"] | dict[str, Annotated[float, Field(gt=0)]] = Field(
        "learnt", description="P(class): shares of the training rows, all equal, or given for each class."
    )
    binarize: float = Field(0.0, description="Bernoulli columns: a number above this is there.")
    var_smoothing: float = Field(
        1e-9, ge=0, description="Gaussian: share of the largest variance that is added to every variance."
    )
    norm: bool = Field(False, description="Complement: weights of each class divided by their sum.")
    positive: str | None = Field(
        None, description="Class to be caught (spam): adds the figures caught and blocked; null: none."
    )
    threshold: float | None = Field(
        None, gt=0, lt=1, description="Say `positive` from this probability on; null: the likeliest class."
    )
    epochs: int = Field(1, ge=1, le=1, description="One pass: counts are complete after it.")
    dtype: Literal["float64"] = Field("float64", description="Probabilities are float64.")

    @model_validator(mode="after")
    def _together(self) -> "BayesNBRecipe":
        if self.device != "cpu":
            raise ValueError(
                "device: bayes-nb counts on the CPU, as fast as the text can be read; no GPU is used"
            )
        if self.threshold is not None and self.positive is None:
            raise ValueError("threshold: of which class? give positive")
        if self.model == "complement" and self.alpha == 0:
            raise ValueError("alpha: complement needs some; 1e-10 is next to nothing")
        if self.model not in ("auto", "mixed", *TEXT_MODELS) and self.data.format == "text":
            raise ValueError(f"model: {self.model} is for tables; text takes {', '.join(TEXT_MODELS)}")
        return self
