"""rnn: A recurrent network that learns to foretell the next symbol of a text, or the class of a sequence.

    log p(s_1 .. s_N) = sum_t log p(s_{t+1} | s_1 .. s_t)

The network is in rnn_network.py, equation by equation; how a text is learnt in rnn_language.py, how classes
in rnn_classes.py, what an epoch does in rnn_training.py; drawing and completing in rnn_writing.py, questions
in rnn_asked.py. docs/rnn.md has the mathematics.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from dlkit.algorithms.rnn_asked import AskedSequences
from dlkit.algorithms.rnn_recipe import RNNRecipe
from dlkit.algorithms.rows import named
from dlkit.algorithms.started import Started
from dlkit.nn.module import Module
from dlkit.training.metrics import Column


def _columns(split: str, text: str) -> Iterable[Column]:
    yield Column(f"{split}_loss", "nats", f"{text}: -log p a symbol, or a sequence's class")
    yield Column(f"{split}_bits", "bits a character", f"{text}: -log2 p a character", higher_is_better=False)
    yield Column(f"{split}_perplexity", "1", f"{text}: exp of the loss of a language model")
    yield Column(f"{split}_accuracy", "fraction", f"{text}: symbols or classes that were the likeliest")


class RNN(Started, AskedSequences):
    """Language models and classes of sequences."""

    command = "rnn"
    SPLIT = "products"
    Recipe = RNNRecipe
    UNIT = "symbols"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("lr", "1", "learning rate of the epoch's last step"),
        *_columns("train", "over the epoch, noise on"),
        *_columns("valid", "validation data"),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit rnn novel.txt --valid 0.05                 characters, an LSTM of 256 units
  dlkit rnn novel.txt --tokens words --units 512 --epochs 20
  dlkit rnn recipes/rnn-hello.yaml && dlkit predict runs/rnn-rnn-hello --complete app
  dlkit rnn sms.tsv --tokens words --valid 500     lines label<TAB>text: a class for each
  dlkit sample runs/rnn-novel --prompt "Alice " --temperature 0.7 --length 500"""

    def network_to_start(self) -> Module:
        return self.network

    def end_epoch(self, epoch: int) -> dict[str, float]:
        row = self.trained()
        if self.data.valid is not None:
            row |= named("valid", self.judged(self.data.valid))
        return row

    def epoch_recorded(self, row: Mapping[str, float]) -> None:
        self.schedule.observe(row.get("valid_loss", row["train_loss"]))

    def test(self) -> dict[str, float]:
        test = self.data.test
        return {} if test is None else named("test", self.judged(test))


ALGORITHM = RNN
