"""`dlkit recommend`: what a finished run offers to users or beside a basket, as CSV."""

from pathlib import Path

import click

from dlkit.verbs.options import RUN, device_options, open_to_ask, understood
from dlkit.verbs.predict import write_answers

HELP = "What to offer to a user or beside a basket, best first, as CSV."


@click.command(
    "recommend",
    help=HELP,
    epilog="""\b
Examples:
  dlkit recommend runs/mf-ml100k 196 --top 5
  dlkit recommend runs/mf-ml100k --ratings mine.csv
  dlkit recommend runs/mf-ml100k 196 22 -o offers.csv
  dlkit recommend runs/apriori-groceries butter "whole milk" --top 3""",
)
@RUN
@click.argument("names", nargs=-1, metavar="NAME...")
@click.option("-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Not to stdout.")
@click.option("--top", type=click.IntRange(min=1), metavar="N", help="How many of each  [10]")
@click.option(
    "--ratings",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="(mf) Ratings of users who were not trained: they are folded in; without NAME, all of them.",
)
@click.option(
    "--baskets",
    type=click.Path(path_type=Path, allow_dash=True),
    metavar="FILE",
    help="(apriori) A file of baskets, each answered under its number; without NAME.",
)
@click.option("--rated-too", is_flag=True, help="(mf) Offer what the user has rated already, too.")
@device_options
def command(
    run: Path,
    names: tuple[str, ...],
    output: Path | None,
    top: int | None,
    ratings: Path | None,
    baskets: Path | None,
    rated_too: bool,
    gpu: bool,
    device: str | None,
    threads: int | None,
) -> None:
    """NAME: a user (mf), or an item of the basket (apriori)."""
    algorithm = open_to_ask(run, gpu, device, threads)
    special = {"top": top, "ratings": ratings, "baskets": baskets, "rated_too": rated_too}
    write_answers(algorithm.recommend(names, understood(algorithm, "recommend", special)), output)
