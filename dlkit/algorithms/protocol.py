"""What every algorithm offers, so that the driver and the verbs exist once.

An algorithm never opens the run directory, never prints, never catches a signal:
it reads its data, trains step by step, answers questions, and hands over its state.
One-pass algorithms (counting) have one epoch whose steps are the chunks of the file.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

from dlkit.backend import Backend
from dlkit.backend.machines import Alone, Comm
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.pictures.exhibits import Left, Made
from dlkit.recipe.schema import TrainingRecipe
from dlkit.training.metrics import Column
from dlkit.training.rundir import Content

Tree = dict[str, Any]
"""Nested dict of arrays, texts, numbers, truth values, None and lists of texts: what a checkpoint holds."""


@dataclass
class Context:
    """All that an algorithm is given; nothing is global."""

    backend: Backend
    streams: Streams
    team: Team
    base: Path | None = None
    """Folder of the recipe: second place where relative data paths are looked for."""
    log: Callable[[str], None] = lambda line: None
    """A line to the user (stderr), for what is worth knowing."""
    detail: Callable[[str], None] = lambda line: None
    """The same for what -v asks for."""
    comm: Comm = field(default_factory=Alone)
    """The other machines. `train_epoch`, `end_epoch`, `test` and `artifacts` are called on all of them alike
    and may use it; `state` is called on one."""
    describes_only: bool = False
    """--dry-run: the model is built to be described and never run, so its weights need not be drawn."""


class Progress(NamedTuple):
    """What a step tells the driver."""

    step: int
    """Steps done in this epoch, from 1."""
    steps: int
    """Steps in the epoch (0: unknown)."""
    examples: int
    """Examples (rows, words, ratings) of this step."""
    loss: float | None = None
    """Mean loss of the step, where it is known without waiting for the device."""


class LayerRow(NamedTuple):
    """A line of the layer table; `shape` is that of one row's output, as text."""

    path: str
    kind: str
    shape: str
    parameters: int


@dataclass
class Description:
    """What `--dry-run` and `inspect` show."""

    data: str = ""
    """One line: rows of each split, shape, classes."""
    layers: list[LayerRow] = field(default_factory=list)
    parameters: int = 0
    step_bytes: int = 0
    """Estimated memory of one training step: parameters, gradients, optimizer state, activations."""
    facts: dict[str, str] = field(default_factory=dict)
    """Anything else worth a line, label -> text."""


class Answer(NamedTuple):
    """A piece of a prediction: column names and equally long columns."""

    header: list[str]
    columns: list[Any]


class File(NamedTuple):
    """A file that an algorithm hands over to be written; it never writes one itself."""

    name: str
    """Its name; folders in it are made."""
    content: str | bytes


class NonFinite(ArithmeticError):
    """A loss that is NaN or infinite: its value and the first array that was not finite."""

    def __init__(self, value: float, array: str) -> None:
        super().__init__(f"{value} first in {array}")
        self.value = value
        self.array = array


class Algorithm(ABC):
    """One command. The driver calls, in this order:

    ``read_data``, ``build``, [``load``], then for each epoch ``train_epoch`` (consumed step by
    step) and ``end_epoch``; at the end ``test`` and ``artifacts``. Verbs call ``restore`` and then
    what they need. ``state`` may be asked for after any step.
    """

    command: ClassVar[str]
    Recipe: ClassVar[type[TrainingRecipe]]
    METRICS: ClassVar[tuple[Column, ...]]
    OVER: ClassVar[str] = "epoch"
    """Column of metrics.csv over which the members of a family are drawn side by side."""
    SOURCE_KEY: ClassVar[str] = "data.train"
    """Recipe key that a data file given as SOURCE fills."""
    UNIT: ClassVar[str] = "examples"
    SPLIT: ClassVar[str] = "batch"
    """What `split: auto` means for this command: batch or products."""
    PREVIEWS: ClassVar[tuple[str, ...]] = ()
    """Names of the files that `previews` may give."""
    ANSWERED: ClassVar[str] = ""
    """Name of the file, among PREVIEWS, in which a person is asked and answers (see `waits_for`)."""
    EXHIBITS: ClassVar[tuple[Left, ...]] = ()
    """Files of a run that its report shows, in this order; `exhibits` gives what has to be made for it."""
    EXAMPLES: ClassVar[str] = ""
    """Command lines shown at the end of --help."""
    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {}
    """Verb -> names of the options, among its special ones, that it can be asked with; no entry: the verb
    itself is not understood. Verbs refuse what is not listed here (verbs/options.py)."""

    def __init__(self, recipe: Any, context: Context) -> None:
        self.recipe = recipe
        self.context = context

    # -- training -----------------------------------------------------------------------------
    @abstractmethod
    def read_data(self) -> None:
        """Read all inputs; raises DataError with file:line. Nothing is trained or written."""

    def worthwhile_shards(self, threads: int) -> int:
        """Parts to cut the work into where the recipe says `shards: auto`; asked after `read_data`."""
        return threads

    @abstractmethod
    def build(self) -> None:
        """Make the model from recipe and data; initial weights from the stream "init"."""

    @abstractmethod
    def describe(self) -> Description: ...

    def inputs(self) -> list[Path]:
        """Files read, for provenance (environment.json has their SHA-256)."""
        return []

    def resolved_recipe(self) -> Any:
        """The recipe that repeats this run, with data paths as found; asked for after `read_data`."""
        return self.recipe

    @property
    def epochs(self) -> int:
        return int(self.recipe.epochs)

    @abstractmethod
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        """Train epoch (from 1) without its first `skip` steps (done before a resume); yields after each step.

        Raises NonFinite when the loss is NaN or infinite, before the update it would spoil.
        """

    @abstractmethod
    def end_epoch(self, epoch: int) -> dict[str, float]:
        """This epoch's row of metrics.csv, keyed by the names in METRICS (without epoch, step)."""

    def epoch_recorded(self, row: Mapping[str, float]) -> None:  # noqa: B027 - most need none
        """The row as recorded: the place for schedules that wait for a plateau."""

    def end_training(self) -> None:  # noqa: B027 - most need not
        """No epoch follows: what only training needs may go, before the chosen model is loaded and tested."""

    def test(self) -> dict[str, float]:
        """Final `test_*` figures of the chosen model; empty where there is no test set."""
        return {}

    @abstractmethod
    def state(self) -> Tree:
        """Everything that `load` needs to go on bit for bit, and that `restore` needs to answer questions.

        Includes the sums of an epoch under way. Streams need no state: they are functions of the position.
        An array that is not writeable says that it stays as it is as long as the run lasts: the state of the
        best epoch is kept without a copy of it.
        """

    @abstractmethod
    def load(self, state: Tree) -> None:
        """The inverse of state(), on a built algorithm. Raises DataError when the shapes differ."""

    def artifacts(self) -> Iterable[tuple[str, str | Content]]:
        """Files for the run directory: (name, content)."""
        return ()

    def previews(self) -> Iterable[tuple[str, str | bytes]]:
        """Files that let someone watch a long run, named in PREVIEWS: written whenever the state is saved."""
        return ()

    # -- a person in between ----------------------------------------------------------------------
    def waits_for(self) -> str:
        """What a person has to do before the next epoch can begin; empty: nothing.

        The run then ends with its state and previews saved, without a summary, and --resume goes on.
        """
        return ""

    def answer(self, text: str | None, where: str) -> None:  # noqa: B027 - most ask nobody
        """The file ANSWERED as it was found on --resume, None where there is none. Raises DataError."""

    # -- questions to a finished run ------------------------------------------------------------
    @classmethod
    @abstractmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> "Algorithm":
        """A trained algorithm from recipe and state alone, without its training data."""

    def sample(self, options: Mapping[str, Any]) -> Iterator[File | str]:
        """New examples from the model: pictures as files, text as lines."""
        raise NotImplementedError(f"{self.command} does not sample")

    def similar(self, names: Sequence[str], options: Mapping[str, Any]) -> Iterator[Answer]:
        """What is near to `names` (items, words), nearest first, with the measure of nearness."""
        raise NotImplementedError(f"{self.command} knows no likeness")

    def recommend(self, names: Sequence[str], options: Mapping[str, Any]) -> Iterator[Answer]:
        """What to offer to `names` (users, or the items of a basket), best first, with the reason."""
        raise NotImplementedError(f"{self.command} does not recommend")

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        """What was learnt, in the format `options["format"]` (None: the usual one), for other programs."""
        raise NotImplementedError(f"{self.command} exports nothing")

    def look(self, options: Mapping[str, Any]) -> Iterator[File | str]:
        """What `inspect` shows beyond the layer table when asked with one of its special options."""
        raise NotImplementedError(f"{self.command} has nothing more to show")

    def exhibits(self) -> Iterator[Made | str]:
        """What a report shows of what has been learnt, from the checkpoint; a text says what is left out.

        What needs the run's rows too (`read_data`) comes last, and is left out where it raises.
        """
        return iter(())

    def predict(self, source: str, options: Mapping[str, Any]) -> Iterator[Answer]:
        """Answers for the rows of `source` (path or "-"), piece by piece in bounded memory."""
        raise NotImplementedError(f"{self.command} does not predict")

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        """Figures on labelled data (default: the recipe's test set)."""
        raise NotImplementedError(f"{self.command} does not evaluate")
