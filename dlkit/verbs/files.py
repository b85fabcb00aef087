"""Where the files that a verb makes go: one file, a folder, or a folder of its own in the run directory."""

from collections.abc import Iterable
from pathlib import Path

import click

from dlkit.algorithms.protocol import File
from dlkit.errors import UsageError, UserError
from dlkit.training.rundir import write_atomic


def run_folder(run: Path) -> Path:
    """The run's directory, also where a checkpoint in it is named."""
    return run if run.is_dir() else run.parent


def write_files(pieces: Iterable[File | str], default: Path, output: Path | None) -> None:
    """Write the files and print their paths, print the lines, in the order in which they come.

    output: a folder (it is made), or a name with an ending for a single file; None: `default`, a folder.
    Every file appears whole or not at all. Raises UserError.
    """
    folder = default if output is None else output
    single = output if output is not None and output.suffix and not output.is_dir() else None
    written = 0
    for piece in pieces:
        if isinstance(piece, str):
            click.echo(piece)
            continue
        if single and written:
            raise UsageError(f"{single} is the name of one file, there are more", where="--output")
        path = single or folder / piece.name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"cannot make the folder: {error.strerror or error}"
            raise UserError(problem, where=str(path.parent)) from error
        write_atomic(path, piece.content.encode() if isinstance(piece.content, str) else piece.content)
        written += 1
        click.echo(str(path))
