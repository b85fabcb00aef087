"""`dlkit plot`: columns of runs' metrics as a picture."""

from pathlib import Path
from typing import Any

import click

from dlkit.errors import DataError, UsageError, UserError

HELP = "Curves of one or several runs' metrics as PNG, SVG or PDF."

Rows = list[dict[str, Any]]


@click.command(
    "plot",
    help=HELP,
    epilog="""\b
Examples:
  dlkit plot runs/train-mlp-digits
  dlkit plot runs/train-mlp-digits -x epoch -y valid_loss -o curve.svg
  dlkit plot runs/adam runs/sgd -y train_loss -y valid_loss --log y -o both.pdf
  dlkit plot runs/train-mlp-digits -x seconds -y valid_accuracy""",
)
@click.argument("runs", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="RUN...")
@click.option("-x", "x", default="epoch", metavar="COLUMN", help="What runs along  [epoch]")
@click.option("-y", "ys", multiple=True, metavar="COLUMN", help="A curve; repeat it for more (all but lr).")
@click.option("--log", type=click.Choice(["x", "y", "xy"]), help="Logarithmic axes.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Picture (RUN/curves.png)."
)
def command(
    runs: tuple[Path, ...], x: str, ys: tuple[str, ...], log: str | None, output: Path | None
) -> None:
    """A column of metrics.csv or timing.csv; the folds and variants of a family are curves of their own.

    `seconds` runs from the start of training. The same measure of several splits shares a panel.
    """
    from dlkit.pictures import curves, figures
    from dlkit.training.rundir import write_atomic

    if not figures.available():
        raise UserError(
            "pictures need matplotlib, which is not installed", hint='pip install "dlkit[report]"'
        )
    output = output or runs[0] / "curves.png"
    kind = output.suffix.lower().removeprefix(".")
    if kind not in curves.FORMATS:
        raise UsageError(
            f"-o: {output}: expected a name that ends in {', '.join(f'.{f}' for f in curves.FORMATS)}"
        )
    members = {name: rows for run in runs for name, rows in rows_of(run).items()}
    names = list(ys) or _worth_drawing(members, x)
    for name in (x, *names):
        _refuse_unknown(name, members)
    members = _with_one_of(names, x, members)
    for name in [x] * ("x" in (log or "")) + names * ("y" in (log or "")):
        _tell_unpositive(name, members)
    panels, dashes = panels_of(members, x, names)
    if note := figures.missing_font("".join(members)):
        click.echo(note, err=True)
    told = list(members) if len(members) > 1 else []
    picture = curves.draw(panels, x, told, dashes, log=log or "", format=kind)
    write_atomic(output, picture)
    click.echo(str(output))


def rows_of(run: Path) -> dict[str, Rows]:
    """Rows of metrics.csv and timing.csv of a run by its name, or of each member of a family."""
    from dlkit.training.metrics import read_csv
    from dlkit.training.rundir import METRICS, TIMING

    if not run.is_dir():
        raise DataError("no such run", where=str(run))
    if not (run / METRICS).is_file():
        members = sorted(folder for folder in run.iterdir() if folder.is_dir())
        found = {name: rows for m in members if _holds_metrics(m) for name, rows in rows_of(m).items()}
        if not found:
            raise DataError(f"no {METRICS} in it", where=str(run))
        return found
    rows: Rows = [dict(row) for row in read_csv(_text(run / METRICS), str(run / METRICS))]
    clock, seconds = 0.0, {}
    if (run / TIMING).is_file():
        for row in read_csv(_text(run / TIMING), str(run / TIMING)):
            clock += float(row.get("seconds", 0.0))
            seconds[row["epoch"]] = {**row, "seconds": clock}
    return {str(run): [{**seconds.get(row["epoch"], {}), **row} for row in rows]}


def _holds_metrics(folder: Path) -> bool:
    return any(folder.rglob("metrics.csv"))


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"cannot be read: {error}", where=str(path)) from error


def _columns(members: dict[str, Rows]) -> list[str]:
    return list(dict.fromkeys(key for rows in members.values() for row in rows for key in row))


def _worth_drawing(members: dict[str, Rows], x: str) -> list[str]:
    """Every column of metrics.csv that says how well it went."""
    from dlkit.training.metrics import TIMING

    names = [name for name in _columns(members) if name not in (x, "lr", *TIMING)]
    if not names:
        raise UserError("no column to draw", hint="name one with -y")
    return names


def _refuse_unknown(name: str, members: dict[str, Rows]) -> None:
    from dlkit.recipe.suggest import closest

    columns = _columns(members)
    if name not in columns:
        near = closest(name, columns)
        hint = f"did you mean {near}?" if near else f"there are {', '.join(columns)}"
        raise UsageError(f"no run has a column {name}", hint=hint)


def _with_one_of(names: list[str], x: str, members: dict[str, Rows]) -> dict[str, Rows]:
    """The runs that have something to draw."""
    kept = {
        run: rows
        for run, rows in members.items()
        if any(x in row and name in row for row in rows for name in names)
    }
    if left := len(members) - len(kept):
        click.echo(f"{left} of {len(members)} runs have none of these columns: left out", err=True)
    return kept


def _tell_unpositive(name: str, members: dict[str, Rows]) -> None:
    """A logarithmic axis shows positive numbers. Raises UserError where there are none."""
    values = [row[name] for rows in members.values() for row in rows if name in row]
    left = sum(not 0 < value < float("inf") for value in values)
    if left == len(values):
        raise UserError(f"no value of {name} is positive: a logarithmic axis shows none of them")
    if left:
        click.echo(f"{name}: {left:,} of {len(values):,} values are not positive: left out", err=True)


def panels_of(members: dict[str, Rows], x: str, names: list[str]) -> tuple[list[Any], dict[str, int]]:
    """A panel for each measure, a colour for each run, a dash for each split; and what the dashes mean."""
    from dlkit.pictures.curves import Curve, Panel, dashes_of, split_of

    dashes = dashes_of(names)
    panels: dict[str, list[Any]] = {}
    for name in names:
        split = split_of(name)
        measure = name.removeprefix(f"{split}_") if split else name
        for colour, rows in enumerate(members.values()):
            points = [(row[x], row[name]) for row in rows if x in row and name in row]
            along, up = zip(*points, strict=True) if points else ((), ())
            panels.setdefault(measure, []).append(Curve(along, up, colour, dashes.get(split, 0)))
    return [Panel(label, curves) for label, curves in panels.items()], dashes
