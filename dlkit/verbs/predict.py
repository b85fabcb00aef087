"""`dlkit predict`: answers of a finished run for new rows, as CSV."""

import csv
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import click

from dlkit.errors import UsageError
from dlkit.verbs.files import run_folder, write_files
from dlkit.verbs.options import RUN, answer_file, device_options, open_to_ask, understood

HELP = "Answers of a finished run for new rows, as CSV on standard output or in a file."


@click.command(
    "predict",
    help=HELP,
    epilog="""\b
Examples:
  dlkit predict runs/train-mlp-digits data/digits.csv -o answers.csv
  tail -n +2 new.csv | dlkit predict runs/train-mlp-digits - | cut -d, -f1
  dlkit predict runs/train-mlp-sine/best.h5 x.csv --mc-samples 200""",
)
@RUN
@click.argument("source", metavar="[INPUT]", required=False)
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Not to stdout.")
@click.option(
    "--mc-samples",
    type=click.IntRange(min=2),
    metavar="T",
    help="T draws of the weights (dropout passes, or samples that sgld has kept); adds what is not known.",
)
@click.option("--explain", is_flag=True, help="(bayes-nb) What each feature adds to the log odds, in lines.")
@click.option(
    "--top", type=click.IntRange(min=1), metavar="N", help="(bayes-nb) Features a row explained (10)."
)
@click.option("--positive", metavar="CLASS", help="(bayes-nb) Class that --threshold is about.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="P",
    help="(bayes-nb) Say the positive class from this probability on.",
)
@click.option(
    "--ratings",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="(mf) Ratings of users who were not trained: they are folded in.",
)
@click.option(
    "--reconstruct", is_flag=True, help="(vae) A PNG of images beside what the model makes of them, no CSV."
)
@click.option(
    "-n",
    "n",
    type=click.IntRange(min=1),
    metavar="N",
    help="(vae) Images that it shows (64); (rnn) completions (10).",
)
@click.option(
    "--complete", metavar="TEXT", help="(rnn) The likeliest ends of the text's last word, no INPUT."
)
@click.option(
    "--beam", type=click.IntRange(1, 1000), metavar="N", help="(seq2seq) Beams; 1: greedy (the recipe's)."
)
@click.option(
    "--n-best",
    type=click.IntRange(1, 1000),
    metavar="N",
    help="(seq2seq) The best N translations of each line with their scores, as CSV.",
)
@click.option(
    "--length-penalty",
    type=click.FloatRange(min=0),
    metavar="A",
    help="(seq2seq) Beams are compared by log p / ((5 + length)/6)^A (the recipe's).",
)
@click.option("--keep-unk", is_flag=True, help="(seq2seq) Leave <unk>, not the word it was read from.")
@click.option(
    "--attention", is_flag=True, help="(seq2seq) Also a PNG a line: which word was written looking at which."
)
@click.option(
    "--passes", type=click.IntRange(min=1), metavar="N", help="(word2vec) Passes over a new document (10)."
)
@device_options
def command(
    run: Path,
    source: str | None,
    output: Path | None,
    gpu: bool,
    device: str | None,
    threads: int | None,
    **special: Any,
) -> None:
    """Open the run, answer piece by piece, write each piece as it comes."""
    if source is None and special["complete"] is None:
        raise UsageError("Missing argument 'INPUT'.", hint="a file of rows, or - for standard input")
    algorithm = open_to_ask(run, gpu, device, threads)
    pieces = algorithm.predict(source, understood(algorithm, "predict", special))
    if special["reconstruct"] or special["attention"]:
        folder = "attention" if special["attention"] else "predicted"
        write_files(pieces, run_folder(run) / folder, output)
    else:
        write_answers(pieces, output)


def write_answers(pieces: Iterator[Any], output: Path | None) -> None:
    """Answers as one CSV: the first one's header, then the rows of all of them as they come; texts as lines,
    each at once.
    """
    first = next(pieces, None)  # bad input is found before the output file is touched
    with answer_file(output) as out:
        writer = csv.writer(out, lineterminator="\n")
        if isinstance(first, str):
            for line in chain((first,), pieces):
                out.write(f"{line}\n")
                out.flush()
        elif first is not None:
            writer.writerow(first.header)
            for piece in chain((first,), pieces):
                writer.writerows(rows(piece.columns))


def rows(columns: list[Any]) -> Iterator[tuple[str, ...]]:
    """Columns as rows of text; floats with as many digits as tell their type's values apart."""
    return zip(*(map(str, column) for column in columns), strict=True)
