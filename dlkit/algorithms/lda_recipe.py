"""The recipe of lda."""

from typing import Literal

from pydantic import Field, field_validator, model_validator

from dlkit.readers.documents import DocumentsSpec
from dlkit.readers.words import WordsSpec
from dlkit.recipe.schema import Spec, TrainingRecipe

Bound = int | float


class TopicWordsSpec(WordsSpec):
    """What a text is cut into, and which of the words the topics are made of."""

    no_below: Bound = Field(
        2,
        ge=0,
        description="Leave out words of fewer documents: a number (2, 5, ...) or a share (0.01).",
        json_schema_extra={"flag": "--no-below", "aka": ["min_df", "min_count"]},
    )
    no_above: Bound = Field(
        0.5,
        ge=0,
        description="Leave out words of more documents: a share (0.5), or a number; 1.0: none.",
        json_schema_extra={"flag": "--no-above", "aka": ["max_df"]},
    )
    most_words: int | None = Field(
        None,
        ge=1,
        description="Keep the words of most documents only; null: all.",
        json_schema_extra={"aka": ["max_features", "keep_n", "vocabulary_size"]},
    )

    @field_validator("no_below", "no_above")
    @classmethod
    def _share(cls, value: Bound) -> Bound:
        if isinstance(value, float) and value > 1:
            raise ValueError("a share lies between 0 and 1; a number of documents is a whole number")
        return value


class TopicFilesSpec(Spec):
    """Which files a run leaves besides topics.csv and coherence.csv."""

    csv: bool | Literal["auto"] = Field(
        "auto", description="doc_topics.csv, the topics of each document; auto: up to 4 million numbers."
    )
    npz: bool = Field(True, description="doc_topics.npz: theta, phi and names as NumPy arrays.")
    words: int = Field(30, ge=1, description="Words of each topic in topics.csv.")


class LDARecipe(TrainingRecipe):
    """The recipe of lda."""

    command: Literal["lda"] = Field("lda", description="Command that this recipe is for.")
    data: DocumentsSpec = Field(description="Documents to learn from, and how to read them.")
    text: TopicWordsSpec = Field(TopicWordsSpec(), description="What counts as a word, and which are kept.")
    topics: int = Field(
        20,
        ge=1,
        le=65536,
        description="Number of topics.",
        json_schema_extra={"aka": ["k", "n_topics", "num_topics", "n_components"]},
    )
    alpha: float = Field(
        0.1, gt=0, description="Prior of each topic in a document: small for few topics a document."
    )
    learn_alpha: Literal["asymmetric", "symmetric", "fixed"] = Field(
        "asymmetric",
        description="After each epoch alpha is fitted: one for each topic, one for all, or it stays.",
        json_schema_extra={"aka": ["optimize_alpha"]},
    )
    beta: float = Field(
        0.01, gt=0, description="Prior of each word in a topic: small for topics of few words.",
        json_schema_extra={"aka": ["eta"]},
    )  # fmt: skip
    learn_beta: bool = Field(False, description="Fit beta too after each epoch.")
    sweeps: int = Field(
        10, ge=1, description="Passes over all words in an epoch; figures are taken after each epoch."
    )
    epochs: int = Field(
        20,
        ge=1,
        description="Epochs of so many sweeps.",
        json_schema_extra={"aka": ["iterations", "iter"]},
    )
    rounds: int = Field(50, ge=1, description="Rounds of EM that fit the topics of a new document (fold-in).")
    top_words: int = Field(
        10, ge=2, le=100, description="Words of a topic in figures of coherence, pictures and inspect."
    )
    relevance: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Order of a topic's words: 1 = by p(w|topic), less = also by p(w|topic)/p(w): words that "
        "are everywhere go down.",
        json_schema_extra={"aka": ["lambda"]},
    )
    pictures: bool = Field(True, description="Draw the topics' words, if matplotlib is there.")
    files: TopicFilesSpec = Field(TopicFilesSpec(), description="Files besides the checkpoint.")

    @model_validator(mode="after")
    def _on_the_host(self) -> "LDARecipe":
        if self.device != "cpu":
            raise ValueError("device: lda samples word after word on the CPU; no GPU is used")
        return self
