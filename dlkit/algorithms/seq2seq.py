"""seq2seq: An encoder and a decoder with attention that learn to turn one sentence into another.

    log p(y | x) = sum_t log p(y_t | y_1 .. y_{t-1}, x)      (Sutskever et al. 2014, eq. 1)

The network is in seq2seq_network.py, equation by equation; what an epoch does in seq2seq_training.py, how a
translation is found in seq2seq_search.py, what a trained model can be asked in seq2seq_asked.py;
docs/seq2seq.md has the mathematics.
"""

from collections.abc import Iterable, Mapping
from typing import ClassVar

from dlkit.algorithms.rows import named
from dlkit.algorithms.seq2seq_asked import AskedTranslator
from dlkit.algorithms.seq2seq_figures import available, need_sacrebleu
from dlkit.algorithms.seq2seq_recipe import Seq2SeqRecipe
from dlkit.algorithms.started import Started
from dlkit.nn.module import Module
from dlkit.training.metrics import Column


def _columns(split: str, text: str) -> Iterable[Column]:
    yield Column(f"{split}_loss", "nats a word", f"{text}: cross-entropy, in training with label smoothing")
    yield Column(f"{split}_perplexity", "1", f"{text}: exp of -log p a word, without label smoothing")
    yield Column(f"{split}_token_accuracy", "fraction", f"{text}: words foretold from the true words before")


class Seq2Seq(Started, AskedTranslator):
    """Sentences to sentences."""

    command = "seq2seq"
    SPLIT = "products"
    Recipe = Seq2SeqRecipe
    UNIT = "words"
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("lr", "1", "learning rate of the epoch's last step"),
        *_columns("train", "over the epoch, noise on"),
        Column("valid_bleu", "0 to 100", "validation pairs, greedy: BLEU; with judge: bleu"),
        *_columns("valid", "validation pairs"),
        Column("valid_sequence_accuracy", "fraction", "validation pairs, greedy: sentences that are right"),
        Column("valid_chrf", "0 to 100", "validation pairs, greedy: chrF; with judge: bleu"),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit seq2seq pairs.tsv --valid 500                       lines source<TAB>target
  dlkit seq2seq corpus/train --source ja --target en --valid corpus/dev
  dlkit seq2seq --set 'data.train=[a.ja, b.en]'             two files, line k of one and of the other
  dlkit seq2seq recipes/seq2seq-reverse.yaml                digits turned round, a minute
  dlkit predict runs/seq2seq-seq2seq-reverse - --beam 5     lines in, lines out"""

    def read_data(self) -> None:
        if self.recipe.judge == "bleu":
            need_sacrebleu("judge")
        super().read_data()

    def network_to_start(self) -> Module:
        return self.network

    def end_epoch(self, epoch: int) -> dict[str, float]:
        row = self.trained()
        valid = self.data.valid
        if valid is not None:
            scores = self.recipe.judge == "bleu"
            found = self.judged(valid, beam=1, alpha=self.recipe.length_penalty, scores=scores)
            row |= named("valid", self.measured(valid) | found)
        return row

    def epoch_recorded(self, row: Mapping[str, float]) -> None:
        self.schedule.observe(row.get("valid_loss", row["train_loss"]))

    def test(self) -> dict[str, float]:
        test, recipe = self.data.test, self.recipe
        if test is None:
            return {}
        found = self.judged(test, beam=recipe.beam, alpha=recipe.length_penalty, scores=available())
        return named("test", self.measured(test) | found)


ALGORITHM = Seq2Seq
