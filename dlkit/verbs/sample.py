"""`dlkit sample`: new examples from a finished run: pictures as files, text on standard output."""

from pathlib import Path

import click

from dlkit.verbs.files import run_folder, write_files
from dlkit.verbs.options import RUN, device_options, open_to_ask, understood

HELP = "New examples from a finished run: pictures as PNG with their paths, or text, on standard output."


@click.command(
    "sample",
    help=HELP,
    epilog="""\b
Examples:
  dlkit sample runs/vae-vae-mnist -n 100 --seed 7 -o grid.png
  dlkit sample runs/vae-vae-mnist --interpolate -n 8
  dlkit sample runs/vae-vae-mnist --between two.npy
  dlkit sample runs/vae-2d --manifold
  dlkit sample runs/rnn-novel --prompt "Alice " --temperature 0.7 --length 500""",
)
@RUN
@click.option("-n", "n", type=click.IntRange(min=1), metavar="N", help="How many examples, or rows of them.")
@click.option(
    "--seed", type=click.IntRange(0, 2**63 - 1), metavar="N", help="Seed of the draws (the run's own)."
)
@click.option("--interpolate", is_flag=True, help="(vae, gan) Rows of pictures from one code to another.")
@click.option(
    "--between",
    metavar="FILE",
    help="(vae) Interpolate from the first image (or code) of FILE to the second, ...",
)
@click.option(
    "--manifold", is_flag=True, help="(vae) The plane of a 2-d latent space, in steps of probability."
)
@click.option("--prompt", metavar="TEXT", help="(rnn) What the text begins with.")
@click.option(
    "--temperature",
    type=click.FloatRange(min=0),
    metavar="T",
    help="(rnn) Draw from p^(1/T): below 1 the likelier symbols more often, 0 the likeliest always (1).",
)
@click.option(
    "--top-k", type=click.IntRange(min=1), metavar="K", help="(rnn) Draw from the K likeliest symbols alone."
)
@click.option("--length", type=click.IntRange(min=1), metavar="N", help="(rnn) Symbols that are drawn (400).")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    metavar="FILE|DIR",
    help="Where pictures go (RUN/sampled), or the file for text (standard output).",
)
@device_options
def command(
    run: Path,
    output: Path | None,
    gpu: bool,
    device: str | None,
    threads: int | None,
    **asked: float | bool | str | None,
) -> None:
    """Open the run, draw, write."""
    algorithm = open_to_ask(run, gpu, device, threads)
    options = understood(algorithm, "sample", asked)
    write_files(algorithm.sample(options), run_folder(run) / "sampled", output)
