"""`dlkit data`: the data sets that recipes name, fetched and checked."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import click

from dlkit.errors import UsageError, UserError

HELP = "Data sets that recipes name: list them, fetch one and check it, say where it is."
MIRRORS = "DLKIT_MIRROR"


@click.group(
    "data",
    help=HELP,
    epilog="""\b
Examples:
  dlkit data list
  dlkit data get mnist ml-100k
  DLKIT_DATA=/srv/data dlkit data get cifar-10
  dlkit vae "$(dlkit data path fashion-mnist)/train\"""",
)
def command() -> None:
    """Sets live in $DLKIT_DATA, or in a folder of your own; recipes find them in both."""


def _names(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[str]:
    from dlkit.readers.data_sets import DATA_SETS

    return [name for name in DATA_SETS if name.startswith(incomplete)]


def _known(name: str) -> Any:
    from dlkit.readers.data_sets import DATA_SETS
    from dlkit.recipe.suggest import closest

    if name not in DATA_SETS:
        near = closest(name, list(DATA_SETS))
        hint = f"did you mean {near}?" if near else "dlkit data list shows them"
        raise UsageError(f'no data set is called "{name}"', hint=hint)
    return DATA_SETS[name]


@command.command("list")
def list_() -> None:
    """Every set: rows, licence, and where it is if it is here."""
    from dlkit.readers.data_sets import DATA_SETS

    width = max(map(len, DATA_SETS))
    for name, one in DATA_SETS.items():
        root = _root_of(one)
        click.echo(f"{name:{width}}  {one.title}")
        click.echo(f"{'':{width}}  {one.rows} · {one.licence}")
        click.echo(f"{'':{width}}  {one.page}")
        click.echo(f"{'':{width}}  {root / one.folder if root else 'not here: dlkit data get ' + name}")


@command.command("get")
@click.argument("names", nargs=-1, required=True, metavar="NAME...", shell_complete=_names)
@click.option(
    "--to", type=click.Path(path_type=Path), metavar="DIR", help="Data folder ($DLKIT_DATA, or your own)."
)
@click.option(
    "--mirror",
    "mirrors",
    multiple=True,
    metavar="URL",
    help=f"Try URL/SET/FILE before the official address (also ${MIRRORS}, several separated by blanks).",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress, no licence.")
def get(names: tuple[str, ...], to: Path | None, mirrors: tuple[str, ...], quiet: bool) -> None:
    """Fetch sets and check them; a download that broke off goes on.

    What is there and whole stays as it is. Prints the folder of each.
    """
    from dlkit.readers.fetch import fetch
    from dlkit.readers.paths import data_folder

    root = to or data_folder()
    addresses = [*mirrors, *os.environ.get(MIRRORS, "").split()]
    for name, one in [(name, _known(name)) for name in names]:
        if not quiet:
            print(f"{name}: {one.title}\n{name}: licence: {one.licence} ({one.page})", file=sys.stderr)
        with _progress(quiet) as watch:
            folder = fetch(one, root, addresses, watch, lambda line: print(line, file=sys.stderr))
        click.echo(str(folder))


@command.command("path")
@click.argument("name", metavar="NAME", shell_complete=_names)
def path(name: str) -> None:
    """Print the folder of a set that is here; exit 1 where it is not."""
    one = _known(name)
    root = _root_of(one)
    if root is None:
        raise UserError("is not here", where=name, hint=f"dlkit data get {name}")
    click.echo(str(root / one.folder))


def _root_of(one: Any) -> Path | None:
    from dlkit.readers.fetch import present
    from dlkit.readers.paths import data_folders

    return next((root for root in data_folders() if present(one, root)), None)


@contextmanager
def _progress(quiet: bool) -> Any:
    """A bar a file, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    bars: dict[str, Any] = {}

    def watch(name: str, size: int, total: int | None) -> None:
        if name not in bars:
            bars[name] = tqdm(desc=name, total=total, unit="B", unit_scale=True, leave=False)
        bars[name].update(size - bars[name].n)

    try:
        yield watch
    finally:
        for bar in bars.values():
            bar.close()
