"""`dlkit inspect`: what is in a run - layers, metrics so far, recipe, provenance."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import click

from dlkit.errors import UsageError
from dlkit.verbs.options import RUN

HELP = "What is in a run: layer table, metrics so far, recipe, provenance; pictures of what it has learnt."
SECTIONS = ("layers", "metrics", "recipe", "provenance")
LAST_ROWS = 10


@click.command(
    "inspect",
    help=HELP,
    epilog="""\b
Examples:
  dlkit inspect runs/train-mlp-digits
  dlkit inspect runs/train-mlp-digits/best.h5 --layers
  dlkit inspect runs/train-mlp-digits --json | jq .provenance.inputs
  dlkit inspect runs/lenet --filters --confusion
  dlkit inspect runs/lenet --features seven.png -o pictures""",
)
@RUN
@click.option("--layers", is_flag=True, help="The layer table alone.")
@click.option("--metrics", is_flag=True, help="All rows of the metrics alone.")
@click.option("--recipe", is_flag=True, help="The resolved recipe alone.")
@click.option("--provenance", is_flag=True, help="Versions, device, inputs with their SHA-256 alone.")
@click.option("--json", "as_json", is_flag=True, help="Everything as one JSON object.")
@click.option("--filters", is_flag=True, help="(train-cnn) A picture of each convolution's filters.")
@click.option("--features", metavar="IMAGE", help="(train-cnn) Feature maps of each layer for an image.")
@click.option(
    "--row",
    type=click.IntRange(min=0),
    metavar="N",
    help="(train-cnn) Row of a data file for --features.",
)
@click.option(
    "--confusion",
    is_flag=True,
    help="(train-cnn) Labels against answers; the worst mistakes as a picture.",
)
@click.option(
    "--data", metavar="FILE", help="(train-cnn) Labelled rows for --confusion (the recipe's test rows)."
)
@click.option("--features-of-class", metavar="CLASS", help="(bayes-nb) What speaks for a class, or for all.")
@click.option("--topics", is_flag=True, help="(lda) Words, share, alpha and coherence of each topic.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    help="(bayes-nb) Features of a class (10), (lda) words of a topic.",
)
@click.option("--play", is_flag=True, help="(qlearn) An episode of the best agent, step by step.")
@click.option("--episode", type=click.IntRange(min=1), metavar="N", help="(qlearn) Which one (1).")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Where pictures go (RUN)."
)
def command(run: Path, as_json: bool, output: Path | None, **chosen: Any) -> None:
    """Without a section: all four, the metrics cut to their last rows."""
    sections = {name: chosen.pop(name) for name in SECTIONS}
    if any(value not in (None, False) for value in chosen.values()):
        if as_json or any(sections.values()):
            raise UsageError("pictures are one question, --json and the sections another")
        look(run, chosen, output)
    elif output is not None:
        raise UsageError("only where pictures are made", where="--output")
    else:
        show(run, as_json, sections)


def look(run: Path, asked: dict[str, Any], output: Path | None) -> None:
    """What the run's command shows of what it has learnt."""
    from dlkit.verbs.evaluate import refuse_changed
    from dlkit.verbs.files import run_folder, write_files
    from dlkit.verbs.options import open_to_ask, understood

    algorithm = open_to_ask(run, False, None, None)
    pieces = list(algorithm.look(understood(algorithm, "inspect", asked)))
    if getattr(algorithm, "data", None) is not None:  # it read the rows that the run began with
        refuse_changed(run, algorithm.inputs())
    write_files(pieces, run_folder(run), output)


def show(run: Path, as_json: bool, chosen: dict[str, bool]) -> None:
    """The sections, or all of them as JSON."""
    from dlkit.training.checkpoint import load
    from dlkit.training.describe import layer_table
    from dlkit.training.driver import open_run
    from dlkit.training.record import RunRecord
    from dlkit.training.rundir import CHECKPOINT

    algorithm, checkpoint = open_run(run)
    description = algorithm.describe()
    if (run / CHECKPOINT).is_file():  # it knows the metrics so far; the chosen model may be an earlier one
        checkpoint = load(run / CHECKPOINT)
    names = [column.name for column in algorithm.METRICS]
    RunRecord.from_tree(checkpoint.tree, names, str(run / CHECKPOINT if run.is_dir() else run))
    rows = list(csv.DictReader(io.StringIO(checkpoint.tree["metrics"])))
    about = provenance(run)
    if as_json:
        click.echo(
            json.dumps(
                {
                    "command": checkpoint.command,
                    "position": checkpoint.tree["position"],
                    "best": checkpoint.tree["best"],
                    "parameters": description.parameters,
                    "layers": [row._asdict() for row in description.layers],
                    "metrics": [{k: float(v) for k, v in row.items() if v} for row in rows],
                    "recipe": checkpoint.tree["recipe"],
                    "provenance": about,
                },
                indent=2,
                ensure_ascii=False,
            )
        )
        return
    wanted = [name for name in SECTIONS if chosen[name]] or list(SECTIONS)
    everything = len(wanted) == len(SECTIONS)
    if everything:
        place = checkpoint.tree["position"]
        click.echo(f"{checkpoint.command}: {place['epoch']} epochs, {place['steps']} steps\n")
    shown = {
        "layers": lambda: layer_table(description) + [f"{k:<9} {v}" for k, v in description.facts.items()],
        "metrics": lambda: metrics_lines(rows, None if chosen["metrics"] else LAST_ROWS),
        "recipe": lambda: checkpoint.tree["recipe"].rstrip("\n").split("\n"),
        "provenance": lambda: provenance_lines(about),
    }
    sections = ("\n".join(shown[name]()) for name in wanted)
    click.echo("\n\n".join(section for section in sections if section))


def provenance(run: Path) -> dict[str, Any]:
    """environment.json beside the checkpoint; empty where there is none."""
    from dlkit.training.rundir import ENVIRONMENT, RunDirectory

    return RunDirectory(run if run.is_dir() else run.parent).read_json(ENVIRONMENT)


def metrics_lines(rows: list[dict[str, str]], last: int | None) -> list[str]:
    """The rows as an aligned table, floats to six digits; `last`: only that many, with a note."""
    if not rows:
        return ["no epoch is finished yet"]
    names = list(rows[0])
    shown = rows if last is None else rows[-last:]
    cells = [names, *([short(row[name]) for name in names] for row in shown)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
    lines = ["  ".join(f"{text:>{w}}" for text, w in zip(line, widths, strict=True)) for line in cells]
    if len(shown) < len(rows):
        lines.append(f"(the last {len(shown)} of {len(rows)} rows; --metrics shows all)")
    return lines


def short(text: str) -> str:
    """A figure to six significant digits; counts as they are."""
    try:
        return text if text.lstrip("-").isdigit() else f"{float(text):.6g}"
    except ValueError:
        return text


def provenance_lines(about: dict[str, Any], indent: str = "") -> list[str]:
    """Nested values as indented `key: value` lines."""
    if not about:
        return ["no environment.json beside the checkpoint"]
    lines = []
    for key, value in about.items():
        if key == "recipe_as_given":
            continue
        if isinstance(value, dict) and value:
            lines += [f"{indent}{key}:", *provenance_lines(value, indent + "  ")]
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            lines.append(f"{indent}{key}:")
            for item in value:
                lines.append(f"{indent}  - " + ", ".join(f"{k}: {v}" for k, v in item.items()))
        else:
            lines.append(f"{indent}{key}: {value}")
    return lines
