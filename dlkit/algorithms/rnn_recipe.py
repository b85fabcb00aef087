"""The recipe of rnn."""

from typing import Literal

from pydantic import Field, model_validator

from dlkit.nn.optimizers import AdamSpec, OptimizerSpec, SgldSpec
from dlkit.readers.sequence_spec import SequencesSpec
from dlkit.recipe.schema import Spec, TrainingRecipe


class RecurrentSpec(Spec):
    """The network: sizes and kinds."""

    cell: Literal["lstm", "gru", "tanh"] = Field(
        "lstm", description="Recurrent cell; tanh: the simple one.", json_schema_extra={"flag": "--cell"}
    )
    embedding: int | Literal["one_hot"] = Field(
        64,
        description="Numbers that stand for a symbol; one_hot: a 1 at the symbol's place, nothing learnt.",
        json_schema_extra={"flag": "--embedding", "aka": ["embedding_dim", "embed"]},
    )
    units: int = Field(
        256,
        ge=1,
        description="Units of a layer, in each direction.",
        json_schema_extra={"flag": "--units", "aka": ["hidden", "hidden_size", "size"]},
    )
    layers: int = Field(
        1, ge=1, le=64, description="Recurrent layers.", json_schema_extra={"flag": "--layers"}
    )
    bidirectional: bool = Field(
        False, description="Read in both directions: for classes, where the whole sequence is known."
    )
    dropout: float = Field(
        0.0,
        ge=0,
        lt=1,
        description="Probability that a number is zeroed: of embeddings, between layers, before the output.",
        json_schema_extra={"flag": "--dropout"},
    )
    variational: bool = Field(
        False, description="Dropout leaves out the same numbers at all steps of a sequence."
    )
    recurrent_dropout: float = Field(
        0.0, ge=0, lt=1, description="The same for the state on its way to the next step."
    )
    output: Literal["softmax", "tied", "hierarchical"] = Field(
        "softmax",
        description="Next symbol: a full softmax; tied, with the embeddings as its weights; or along the "
        "branches of a Huffman tree.",
    )
    by_rows: bool | Literal["auto"] = Field(
        "auto",
        description="Update only the embeddings that a step uses; auto: where there are more symbols than "
        "a step reads.",
        json_schema_extra={"aka": ["sparse"]},
    )

    @model_validator(mode="after")
    def _together(self) -> "RecurrentSpec":
        if isinstance(self.embedding, int) and self.embedding < 1:
            raise ValueError("embedding: 1 or more numbers, or one_hot")
        if self.output == "tied" and self.embedding != self.units:
            raise ValueError(
                f"output: tied weights serve both ends, so embedding ({self.embedding}) and units "
                f"({self.units}) must be equal"
            )
        return self


class RNNRecipe(TrainingRecipe):
    """The recipe of rnn."""

    command: Literal["rnn"] = Field("rnn", description="Command that this recipe is for.")
    data: SequencesSpec = Field(description="A long text or labelled sequences, and how to read them.")
    task: Literal["auto", "language", "classification"] = Field(
        "auto",
        description="language: foretell each next symbol of a text; classification: the class of each "
        "sequence; auto: lines label<TAB>words and folders are sequences, anything else is a text.",
    )
    model: RecurrentSpec = Field(RecurrentSpec(), description="The network.")
    steps: int = Field(
        64,
        ge=1,
        description="Symbols of a text after which back-propagation through time is cut.",
        json_schema_extra={"aka": ["bptt", "seq_length", "sequence_length"]},
    )
    carry: bool = Field(
        True, description="The state goes on from one piece of a text to the next; false: it begins at 0."
    )
    start: str | None = Field(
        None,
        description="Weights to begin with: an .npz file as dlkit export writes it, or a run.",
        json_schema_extra={"aka": ["weights", "pretrained", "init_from"]},
    )
    optimizer: OptimizerSpec = Field(AdamSpec(lr=2e-3, clip=5.0), description="How the weights are updated.")
    epochs: int = Field(
        10,
        ge=1,
        description="Passes over the training data.",
        json_schema_extra={"aka": ["iterations"]},
    )
    batch: int = Field(
        64,
        ge=1,
        description="Places at which a text is read side by side, or sequences of a gradient step.",
        json_schema_extra={"aka": ["batch_size"]},
    )

    @model_validator(mode="after")
    def _one_task(self) -> "RNNRecipe":
        if self.task == "language" and self.model.bidirectional:
            raise ValueError("model.bidirectional: a language model must not read what it is to foretell")
        if self.task == "classification" and self.model.output != "softmax":
            raise ValueError(f"model.output: {self.model.output} foretells symbols; classes take softmax")
        if isinstance(self.optimizer, SgldSpec) and self.model.by_rows is True:
            raise ValueError("model.by_rows: sgld moves every number at every step")
        return self
