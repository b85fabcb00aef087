"""`dlkit evaluate`: the figures of a finished run on labelled data."""

from pathlib import Path
from typing import Any

import click

from dlkit.verbs.options import RUN, device_options, open_to_ask, understood

HELP = "Figures of a finished run on labelled rows, one `name value` a line on standard output."


@click.command(
    "evaluate",
    help=HELP,
    epilog="""\b
Examples:
  dlkit evaluate runs/train-mlp-digits data/digits.csv
  dlkit evaluate runs/train-mlp-digits --json | jq .test_accuracy
  dlkit evaluate runs/train-mlp-digits holdout.csv --mc-samples 100
  dlkit evaluate vectors.txt --analogies questions-words.txt --pairs wordsim353.tsv""",
)
@RUN
@click.argument("source", metavar="[INPUT]", required=False)
@click.option(
    "--mc-samples", type=click.IntRange(min=2), metavar="T", help="Also judge T draws of the weights."
)
@click.option("--positive", metavar="CLASS", help="(bayes-nb) Class whose rows are to be caught.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    metavar="P",
    help="(bayes-nb) Say the positive class from this probability on.",
)
@click.option(
    "--iwae",
    type=click.IntRange(min=1),
    metavar="K",
    help="(vae) Also log p(x), by K importance-weighted draws an image.",
)
@click.option(
    "--classifier",
    type=click.Path(path_type=Path),
    metavar="RUN",
    help="(gan) Judge the samples by a finished classifier of the same images.",
)
@click.option(
    "-n",
    "n",
    type=click.IntRange(min=2),
    metavar="N",
    help="(gan) Samples that are judged, (qlearn) episodes.",
)
@click.option(
    "--beam", type=click.IntRange(1, 1000), metavar="N", help="(seq2seq) Beams; 1: greedy (the recipe's)."
)
@click.option(
    "--length-penalty",
    type=click.FloatRange(min=0),
    metavar="A",
    help="(seq2seq) Beams are compared by log p / ((5 + length)/6)^A (the recipe's).",
)
@click.option(
    "--analogies",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="(word2vec) Questions of four words, a line ': name' begins a section.",
)
@click.option(
    "--pairs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="(word2vec) Pairs of words with what people say of their nearness; more than once.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@device_options
def command(
    run: Path,
    source: str | None,
    as_json: bool,
    gpu: bool,
    device: str | None,
    threads: int | None,
    **special: Any,
) -> None:
    """Without INPUT the recipe's own test rows are used."""
    algorithm = open_to_ask(run, gpu, device, threads)
    options = understood(algorithm, "evaluate", special)
    if options.get("classifier") is not None:
        options["classifier"] = open_to_ask(options["classifier"], gpu, device, threads)
    figures = algorithm.evaluate(source, options)
    if source is None:
        refuse_changed(run, algorithm.inputs())
    if as_json:
        from dlkit.training.rundir import json_text

        click.echo(json_text(figures), nl=False)
        return
    width = max(map(len, figures), default=0)
    for name, value in figures.items():
        click.echo(f"{name:{width}}  {value:.6g}" if isinstance(value, float) else f"{name:{width}}  {value}")


def refuse_changed(run: Path, files: list[Path]) -> None:
    """The recipe's own test rows are split off, and scaled as, the data that the run began with.

    Raises UserError where a file has changed.
    """
    from dlkit.training.environment import fingerprints, refuse_changed_inputs
    from dlkit.verbs.inspect import provenance

    refuse_changed_inputs(provenance(run).get("inputs"), fingerprints(files), hint="name a labelled file")
