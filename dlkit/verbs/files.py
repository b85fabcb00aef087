"""Where the files that a verb makes go: one file, a folder, or a folder of its own in the run directory."""

import sys
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
    """Write the files and print their paths, print the lines, in the order in which they come. Where `output`
    is no folder, lines go there together.

    output: a folder (it is made), a name with an ending for a single file, a device or pipe that exists, or
    "-" for standard output; None: `default`, a folder.
    Every file appears whole or not at all. Raises UserError.
    """
    folder = default if output is None else output
    single = output if output is not None and _names_one(output) else None
    written = 0
    lines: list[str] = []
    for piece in pieces:
        if isinstance(piece, str):
            if output is None or output.is_dir() or str(output) == "-":
                click.echo(piece)
            else:
                lines.append(f"{piece}\n")
            continue
        if single and written:
            raise UsageError(f"{single} is the name of one file, there are more", where="--output")
        path = single or folder / piece.name
        content = piece.content.encode() if isinstance(piece.content, str) else piece.content
        written += 1
        if str(path) == "-":
            sys.stdout.buffer.write(content)
            continue
        _write(path, content)
        click.echo(str(path))
    if lines and output is not None:
        _write(output, "".join(lines).encode())


def _names_one(output: Path) -> bool:
    """Whether it is the name of one file, not of a folder for several."""
    special = output.exists() and not output.is_dir()
    return str(output) == "-" or special or (bool(output.suffix) and not output.is_dir())


def _write(path: Path, content: bytes) -> None:
    """A device or a pipe is written to as it is: a rename would put a file in its place."""
    act = "make the folder"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and not path.is_file():
            act = "write"
            path.write_bytes(content)
            return
    except OSError as error:
        raise UserError(f"cannot {act}: {error.strerror or error}", where=str(path)) from error
    write_atomic(path, content)
