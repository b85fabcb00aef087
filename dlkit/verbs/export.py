"""`dlkit export`: what a finished run has learnt, in a format that other programs read."""

from pathlib import Path

import click

from dlkit.verbs.files import run_folder, write_files
from dlkit.verbs.options import RUN, open_to_ask, understood

HELP = "What a run has learnt in a format that other programs read; paths on standard output."


@click.command(
    "export",
    help=HELP,
    epilog="""\b
Examples:
  dlkit export runs/word2vec-imdb --format word2vec-binary -o vectors.bin
  dlkit export vectors.bin --format word2vec -o - | head
  dlkit export runs/train-mlp-digits -o digits.onnx
  dlkit export runs/train-mlp-digits --format npz
  dlkit export runs/qlearn-grid -o qtable.csv""",
)
@RUN
@click.option(
    "--format",
    metavar="NAME",
    help="(word2vec) word2vec (text), word2vec-binary, csv, npz  [word2vec]; "
    "(train-mlp, train-cnn, vae, gan) onnx, npz: the weights  [onnx]; (rnn, seq2seq) npz: the weights, csv: "
    "the words  [npz]; (mf, lda, qlearn, bayes-nb, bandit) csv, npz  [csv]; (active) as its learner.",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Where it goes  [RUN/export]",
)
def command(run: Path, format: str | None, output: Path | None) -> None:
    """RUN: a run directory or checkpoint, or (word2vec) a file of vectors."""
    algorithm = open_to_ask(run, False, None, None)
    pieces = algorithm.export(understood(algorithm, "export", {"format": format}))
    write_files(pieces, run_folder(run) / "export", output)
