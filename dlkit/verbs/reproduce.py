"""`dlkit reproduce`: train again from a run's own recipe, and say whether the bytes agree."""

import contextlib
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from dlkit.errors import DataError, UserError

HELP = "Train again from a run's recipe and say whether the bytes agree; if not, what differs."


@click.command(
    "reproduce",
    help=HELP,
    epilog="""\b
Examples:
  dlkit reproduce runs/train-mlp-digits
  dlkit reproduce runs/train-mlp-digits -o runs/again --threads 1""",
)
@click.argument("run", type=click.Path(path_type=Path), metavar="RUN")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), metavar="DIR", help="Keep the second run there."
)
@click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads (all granted).")
def command(run: Path, output: Path | None, threads: int | None) -> None:
    """Exit 0: every file that the recipe decides has the same bytes. Exit 1: some have not."""
    from dlkit.verbs.differences import of_circumstances, of_files

    if output is not None and output.exists() and (not output.is_dir() or any(output.iterdir())):
        raise UserError("is not empty", where=str(output), hint="name a new folder with -o")
    with _folder(output) as again:
        train_again(run, again, threads)
        files = list(of_files(run, again))
        circumstances = list(of_circumstances(run, again))
    for name, difference in files:
        click.echo(f"same     {name}" if difference is None else f"differs  {name}  {difference}")
    for line in circumstances:
        click.echo(f"not as it was: {line}")
    unlike = sum(difference is not None for _, difference in files)
    if unlike:
        raise UserError(f"{unlike} of {len(files)} files differ", where=str(run))
    click.echo(f"{run}: the same bytes in {len(files)} files")


@contextlib.contextmanager
def _folder(output: Path | None) -> Iterator[Path]:
    if output is not None:
        yield output.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="dlkit-reproduce-") as made:
        yield Path(made) / "again"


def train_again(run: Path, again: Path, threads: int | None) -> None:
    """Run RUN/recipe.yaml into `again`, from the folder that the run was started in where it still is.

    Raises DataError for what is no finished run, UserError where its data cannot be read a second time.
    """
    from dlkit.recipe.document import load_document
    from dlkit.recipe.resolve import resolve
    from dlkit.training.driver import algorithm_of
    from dlkit.training.driver import run as train
    from dlkit.training.options import RunOptions
    from dlkit.training.rundir import RECIPE, SUMMARY
    from dlkit.verbs.differences import started_in

    path = run.resolve() / RECIPE
    if not path.is_file():
        raise DataError(f"no run: there is no {RECIPE} in it", where=str(run))
    if not (run / SUMMARY).is_file():
        raise UserError("the run is not finished", where=str(run), hint="--resume goes on with it")
    document = load_document(str(path))
    algorithm = algorithm_of(str(document.data.get("command")), str(path))
    recipe = resolve(algorithm.Recipe, document)
    if _source(recipe, algorithm.SOURCE_KEY) == "-":
        raise UserError("its data came from standard input, which is gone", where=str(run))
    options = RunOptions(again, quiet=True, threads=threads, recipe_path=path)
    told = io.StringIO()  # the result line of the second run
    with contextlib.chdir(started_in(run) or Path.cwd()), contextlib.redirect_stdout(told):
        train(algorithm, recipe, options)


def _source(recipe: Any, key: str) -> Any:
    for name in key.split("."):
        recipe = getattr(recipe, name, None)
    return recipe
