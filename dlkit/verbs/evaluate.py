"""`dlkit evaluate`: the figures of a finished run on labelled data."""

from pathlib import Path

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
  dlkit evaluate runs/train-mlp-digits holdout.csv --mc-samples 100""",
)
@RUN
@click.argument("source", metavar="[INPUT]", required=False)
@click.option("--mc-samples", type=click.IntRange(min=2), metavar="T", help="Also judge T dropout passes.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of lines.")
@device_options
def command(
    run: Path,
    source: str | None,
    mc_samples: int | None,
    as_json: bool,
    gpu: bool,
    device: str | None,
    threads: int | None,
) -> None:
    """Without INPUT the recipe's own test rows are used."""
    algorithm = open_to_ask(run, gpu, device, threads)
    figures = algorithm.evaluate(source, understood(algorithm, "evaluate", {"mc_samples": mc_samples}))
    if source is None:
        _refuse_changed(run, algorithm.inputs())
    if as_json:
        from dlkit.training.rundir import json_text

        click.echo(json_text(figures), nl=False)
        return
    width = max(map(len, figures), default=0)
    for name, value in figures.items():
        click.echo(f"{name:{width}}  {value:.6g}" if isinstance(value, float) else f"{name:{width}}  {value}")


def _refuse_changed(run: Path, files: list[Path]) -> None:
    """The recipe's own test rows are split off, and scaled as, the data that the run began with."""
    from dlkit.training.environment import fingerprints, refuse_changed_inputs
    from dlkit.verbs.inspect import provenance

    refuse_changed_inputs(provenance(run).get("inputs"), fingerprints(files), hint="name a labelled file")
