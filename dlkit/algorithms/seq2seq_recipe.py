"""The recipe of seq2seq."""

from typing import Literal

from pydantic import Field, model_validator

from dlkit.nn.optimizers import AdamSpec, OptimizerSpec
from dlkit.readers.pair_spec import PairsSpec, SentenceSpec
from dlkit.recipe.schema import Spec, TrainingRecipe


class TranslatorSpec(Spec):
    """The network: sizes and kinds."""

    cell: Literal["gru", "lstm"] = Field("gru", description="Recurrent cell of encoder and decoder.")
    embedding: int = Field(
        256,
        ge=1,
        description="Numbers that stand for a word.",
        json_schema_extra={"flag": "--embedding", "aka": ["embedding_dim", "embed"]},
    )
    units: int = Field(
        256,
        ge=1,
        description="Units of the decoder; a bidirectional encoder has half of them in each direction.",
        json_schema_extra={"flag": "--units", "aka": ["hidden", "hidden_size", "size"]},
    )
    layers: int = Field(
        1,
        ge=1,
        le=64,
        description="Recurrent layers of the encoder, and of the decoder.",
        json_schema_extra={"flag": "--layers"},
    )
    bidirectional: bool = Field(True, description="The encoder reads the source in both directions.")
    attention: Literal["dot", "general", "additive", "none"] = Field(
        "dot",
        description="Score of a word of the source: q·k, q·W k, or w·tanh(W q + U k); none: the decoder "
        "knows the encoder's last state only.",
        json_schema_extra={"flag": "--attention-score"},
    )
    combine: bool = Field(
        True, description="tanh(W [state; context]) before the output layer; false: both as they are."
    )
    relu: bool = Field(False, description="max(0, .) of the words that enter the decoder.")
    tied: bool = Field(False, description="The output layer's weights are the target's embeddings.")
    dropout: float = Field(
        0.2,
        ge=0,
        lt=1,
        description="Probability that a number is zeroed: of embeddings, between layers, before the output.",
        json_schema_extra={"flag": "--dropout"},
    )

    @model_validator(mode="after")
    def _sizes(self) -> "TranslatorSpec":
        if self.bidirectional and self.units % 2:
            raise ValueError("units: a bidirectional encoder has half of them in each direction")
        if self.tied and self.embedding != self.before_output:
            raise ValueError(
                f"tied: the output layer takes {self.before_output} numbers, a word's embedding has "
                f"{self.embedding}"
            )
        return self

    @property
    def before_output(self) -> int:
        """Numbers that the output layer takes."""
        return self.units if self.attention == "none" or self.combine else 2 * self.units


class Seq2SeqRecipe(TrainingRecipe):
    """The recipe of seq2seq."""

    command: Literal["seq2seq"] = Field("seq2seq", description="Command that this recipe is for.")
    data: PairsSpec = Field(description="Pairs of sentences, and how to read them.")
    source_words: SentenceSpec = Field(SentenceSpec(), description="What a source sentence is cut into.")
    target_words: SentenceSpec = Field(SentenceSpec(), description="What a target sentence is cut into.")
    model: TranslatorSpec = Field(TranslatorSpec(), description="The network.")
    teacher_forcing: float = Field(
        1.0,
        ge=0,
        le=1,
        description="Probability that the decoder is fed the true word before, not the one it would say: "
        "drawn for each word.",
        json_schema_extra={"aka": ["teacher_forcing_ratio"]},
    )
    mean_over: Literal["words", "pairs"] = Field(
        "words",
        description="What the loss of a step is the mean over: words; pairs: each the sum over its words.",
        json_schema_extra={"aka": ["reduction"]},
    )
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="Share of the target spread evenly over the vocabulary."
    )
    start: str | None = Field(
        None,
        description="Weights to begin with: an .npz file as dlkit export writes it, or a run.",
        json_schema_extra={"aka": ["weights", "pretrained", "init_from"]},
    )
    optimizer: OptimizerSpec = Field(AdamSpec(clip=5.0), description="How the weights are updated.")
    epochs: int = Field(
        10, ge=1, description="Passes over the training pairs.", json_schema_extra={"aka": ["iterations"]}
    )
    batch: int = Field(
        64, ge=1, description="Most pairs of a gradient step.", json_schema_extra={"aka": ["batch_size"]}
    )
    tokens: int | None = Field(
        None,
        ge=2,
        description="Most places of a gradient step, of both sides, padding included; null: no limit.",
        json_schema_extra={"aka": ["batch_tokens", "max_tokens"]},
    )
    judge: Literal["loss", "bleu"] = Field(
        "loss",
        description="What the best epoch is best at, on the validation pairs; bleu (extra [mt]) translates "
        "them after every epoch.",
    )
    beam: int = Field(
        1,
        ge=1,
        le=1000,
        description="Beams of translations, unless a verb is told another number; 1: greedy.",
    )
    length_penalty: float = Field(
        1.0,
        ge=0,
        description="α: beams are compared by log p / ((5 + length)/6)^α; 0: by log p, shorter then.",
    )
    bleu_tokenize: Literal["none", "13a", "intl", "zh", "char"] = Field(
        "none",
        description="How sacrebleu cuts sentences for BLEU; none: the words that the model works on.",
    )

    @model_validator(mode="after")
    def _something_to_judge_by(self) -> "Seq2SeqRecipe":
        if self.judge == "bleu" and self.data.valid is None:
            raise ValueError("judge: bleu needs data.valid")
        return self
