"""`dlkit similar`: what lies near to an item or a word in a finished run, as CSV."""

from pathlib import Path

import click

from dlkit.verbs.options import RUN, device_options, open_to_ask, understood
from dlkit.verbs.predict import write_answers

HELP = "What is near to an item or a word, nearest first, as CSV."


@click.command(
    "similar",
    help=HELP,
    epilog="""\b
Examples:
  dlkit similar runs/mf-ml100k 50 --top 5
  dlkit similar runs/mf-ml100k "Star Wars (1977)"
  dlkit similar runs/lda-docs 17""",
)
@RUN
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Not to stdout.")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="How many of each  [10]")
@device_options
def command(
    run: Path,
    names: tuple[str, ...],
    output: Path | None,
    top: int | None,
    gpu: bool,
    device: str | None,
    threads: int | None,
) -> None:
    """NAME: an item's id or title (mf), a document of the run by its line, number or file (lda)."""
    algorithm = open_to_ask(run, gpu, device, threads)
    write_answers(algorithm.similar(names, understood(algorithm, "similar", {"top": top})), output)
