"""The recipe of word2vec."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from dlkit.readers.corpus_text import Sentences
from dlkit.readers.corpus_words import CorpusWordsSpec
from dlkit.readers.source_spec import SourceSpec
from dlkit.readers.text import Encoding
from dlkit.recipe.schema import Spec, TrainingRecipe

Architecture = Literal["skip-gram", "cbow"]
Objective = Literal["negative", "hierarchical", "softmax"]


class CorpusSpec(SourceSpec, CorpusWordsSpec):
    """Where the text is, how it is read, and which words are learnt."""

    train: str | list[str] = Field(
        description="Text to learn from: a file, a folder with files, or a list of them; each also .gz; - "
        "for "
        "standard input."
    )
    sentences: Sentences = Field(
        "lines",
        description="Windows do not reach beyond: lines; running: text whose paragraphs end with an empty "
        "line; "
        "files.",
        json_schema_extra={"flag": "--sentences"},
    )
    encoding: Encoding = Field("utf-8", description="Encoding of the text.")
    min_count: int = Field(
        5,
        ge=1,
        description="Rarer words are left out, as if they were not in the text.",
        json_schema_extra={"flag": "--min-count"},
    )
    max_vocab: int | None = Field(
        None,
        ge=1,
        description="Only so many of the most frequent words; null: all.",
        json_schema_extra={"flag": "--max-vocab", "aka": ["vocabulary_size", "max_words", "max_final_vocab"]},
    )
    distinct_limit: int = Field(
        10_000_000,
        ge=1000,
        description="Most distinct words held while counting; beyond, the rarest so far are dropped.",
    )
    names: bool = Field(
        False, description="Lines begin with the name of the document and a tab (docs, one a line)."
    )
    cache: str | None = Field(
        None,
        description="Folder for the words as numbers, 4 bytes each, while it runs; null: the system's for "
        "temporary files.",
    )

    @model_validator(mode="after")
    def _names(self) -> "CorpusSpec":
        if self.names and self.sentences != "lines":
            raise ValueError("names: documents with a name are one a line (sentences: lines)")
        if self.names and self.tokens == "tabs":
            raise ValueError("names: a tab ends the name; between items it ends an item (tokens: tabs)")
        return self


class FilesSpec(Spec):
    """Which files a run leaves besides its checkpoint."""

    text: bool | Literal["auto"] = Field(
        "auto", description="vectors.txt in word2vec's text format; auto: up to 20 million numbers."
    )
    binary: bool = Field(False, description="vectors.bin in word2vec's binary format.")


class MapSpec(Spec):
    """A picture of the words in a plane."""

    SHORTHAND: ClassVar[str | None] = "words"

    words: int = Field(120, ge=2, le=1000, description="How many, the most frequent ones.")
    skip: int = Field(0, ge=0, description="So many of the most frequent ones are left out.")


class QuestionsSpec(Spec):
    """What the vectors are tested with at the end."""

    analogies: str | None = Field(
        None, description="File of questions a b c d, one a line; a line ': name' begins a section."
    )
    pairs: list[str] = Field([], description="Files of word1, word2 and how near people find them.")


class Word2VecRecipe(TrainingRecipe):
    """The recipe of word2vec."""

    command: Literal["word2vec"] = Field("word2vec", description="Command that this recipe is for.")
    data: CorpusSpec = Field(description="Text to learn from, how to read it, and which words are learnt.")
    model: Architecture = Field(
        "skip-gram",
        description="skip-gram: each word around answers for the word in the middle; cbow: their mean does.",
        json_schema_extra={"flag": "--model", "aka": ["architecture", "sg"]},
    )
    objective: Objective = Field(
        "negative",
        description="negative: against words drawn at random; hierarchical: along a tree; softmax: against "
        "all "
        "words, exactly.",
        json_schema_extra={"flag": "--objective", "aka": ["loss"]},
    )
    dim: int = Field(
        100,
        ge=1,
        le=10_000,
        description="Numbers of a word's vector.",
        json_schema_extra={"flag": "--dim", "aka": ["vector_size", "size", "embedding_dim"]},
    )
    window: int = Field(
        5,
        ge=1,
        le=100_000,
        description="Words to each side that belong to a window.",
        json_schema_extra={"flag": "--window"},
    )
    dynamic: bool = Field(
        True,
        description="A window reaches 1 to `window` words, equally likely: near words count more.",
        json_schema_extra={"aka": ["shrink_windows", "dynamic_window"]},
    )
    negative: int = Field(
        5,
        ge=1,
        le=1000,
        description="Words drawn against the middle one of a window.",
        json_schema_extra={"flag": "--negative", "aka": ["negatives", "ns"]},
    )
    noise: float = Field(
        0.75,
        description="They are drawn by their count to this power.",
        json_schema_extra={"aka": ["ns_exponent"]},
    )
    sample: float = Field(
        1e-3,
        ge=0,
        le=1,
        description="Words more frequent than this share are dropped by chance (sub-sampling); 0: none.",
        json_schema_extra={"flag": "--sample", "aka": ["subsample", "subsampling", "t"]},
    )
    lr: float = Field(
        0.025,
        gt=0,
        description="Learning rate at the beginning.",
        json_schema_extra={"flag": "--lr", "aka": ["alpha", "learning_rate"]},
    )
    min_lr: float = Field(
        1e-4,
        ge=0,
        description="Learning rate at the end; it falls with the words seen.",
        json_schema_extra={"aka": ["min_alpha"]},
    )
    epochs: int = Field(
        5, ge=1, description="Passes over the text.", json_schema_extra={"aka": ["iterations", "iter"]}
    )
    docs: bool = Field(
        False,
        description="Each sentence has a vector, too: PV-DBOW with skip-gram, PV-DM with cbow.",
        json_schema_extra={"flag": "--docs"},
    )
    doc_words: bool = Field(
        True, description="PV-DBOW: words around learn along with the document; false: only the document."
    )
    combine: Literal["mean", "sum"] = Field("mean", description="cbow: what is taken of the words around.")
    exact_gradient: bool = Field(
        False,
        description="cbow: each word around takes its share of the change, as the mean's gradient has it; "
        "false: all of it, as word2vec.c does.",
    )
    distinct: bool = Field(False, description="softmax: a word counts once in a window.")
    init: Literal["small", "unit"] = Field(
        "small",
        description="First vectors. small: uniform within 0.5 / dim of 0, outputs 0; unit: both uniform in "
        "0..1.",
    )
    start: str | None = Field(
        None,
        description="Vectors to go on from: a run, or a file in word2vec's format; new words are added.",
        json_schema_extra={"flag": "--start", "aka": ["pretrained", "pretrained_vectors"]},
    )
    updates: Literal["rounds", "hogwild"] = Field(
        "rounds",
        description="rounds: pieces of text in parallel, their changes added in order, the same bits each "
        "time; "
        "hogwild: threads write as they come, a little faster and different each time.",
        json_schema_extra={"flag": "--updates", "aka": ["parallel"]},
    )
    pieces: Annotated[int, Field(ge=1, le=65536)] | Literal["auto"] = Field(
        "auto",
        description="Pieces of text a round; the result depends on it, not on threads. auto: 8, or 1 for a "
        "short text.",
    )
    piece_words: int = Field(250, ge=10, le=1_000_000, description="Words of a piece, about.")
    test: QuestionsSpec | None = Field(None, description="Questions asked at the end; null: none.")
    map: MapSpec | None = Field(MapSpec(), description="map.png, the words in a plane; null: no picture.")
    files: FilesSpec = Field(FilesSpec(), description="Files with the vectors, besides the checkpoint.")

    @model_validator(mode="after")
    def _together(self) -> "Word2VecRecipe":
        if self.objective == "softmax" and self.docs:
            raise ValueError("docs: documents learn with objective negative or hierarchical")
        if self.objective == "softmax" and self.device != "cpu":
            raise ValueError("objective: softmax goes window by window: there is no GPU version")
        if self.updates == "hogwild" and self.device != "cpu":
            raise ValueError(
                "updates: hogwild is for CPU threads; on a GPU the pieces of a round run together"
            )
        if self.data.names and not self.docs:
            raise ValueError("data.names: names are for documents: give docs, too")
        if self.min_lr > self.lr:
            raise ValueError(f"min_lr: {self.min_lr} is above lr, {self.lr}")
        return self
