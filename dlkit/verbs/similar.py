"""`dlkit similar`: what lies near to an item or a word in a finished run, as CSV."""

from pathlib import Path
from typing import Any

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
  dlkit similar runs/word2vec-imdb film --farthest
  dlkit similar runs/word2vec-imdb --analogy king - man + woman
  dlkit similar vectors.txt --odd-one-out breakfast lunch car dinner""",
)
@RUN
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Not to stdout.")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="How many of each  [10]")
@click.option("--farthest", is_flag=True, help="(word2vec) Also what is farthest, farthest first.")
@click.option("--analogy", is_flag=True, help="(word2vec) NAMEs are words with + and - between them.")
@click.option(
    "--method",
    type=click.Choice(["add", "mul"]),
    help="(word2vec) --analogy by sums (3CosAdd) or products (3CosMul)  [add]",
)
@click.option(
    "--odd-one-out", is_flag=True, help="(word2vec) Which of the words does not belong to the others."
)
@click.option("--docs", is_flag=True, help="(word2vec) NAMEs are documents, so are the answers.")
@click.option("--text", is_flag=True, help="(word2vec) NAMEs are texts: documents near to each.")
@device_options
def command(
    run: Path,
    names: tuple[str, ...],
    output: Path | None,
    gpu: bool,
    device: str | None,
    threads: int | None,
    **special: Any,
) -> None:
    """NAME: an item's id or title (mf), a word (word2vec)."""
    algorithm = open_to_ask(run, gpu, device, threads)
    write_answers(algorithm.similar(names, understood(algorithm, "similar", special)), output)
