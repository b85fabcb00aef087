"""Options that the verbs share: where the run is, where answers go, what computes them."""

import io
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, TextIO

import click

from dlkit.errors import UsageError, UserError

RUN = click.argument("run", type=click.Path(path_type=Path), metavar="RUN")


Command = Callable[..., Any]


def device_options(command: Command) -> Command:
    """--gpu, --device and --threads, as on the commands that train."""
    for option in (
        click.option("--threads", type=click.IntRange(min=1), metavar="N", help="Threads (all granted)."),
        click.option("--device", metavar="cpu|gpu|gpu:N", help="Device (cpu)."),
        click.option("--gpu", is_flag=True, help="Short for --device gpu."),
    ):
        command = option(command)
    return command


def chosen_device(gpu: bool, device: str | None) -> str:
    """The device that the two flags ask for: --gpu alone means the first GPU. Raises UsageError."""
    if gpu and device == "cpu":
        raise UsageError("--gpu and --device cpu exclude each other")
    return device or ("gpu" if gpu else "cpu")


def open_to_ask(run: Path, gpu: bool, device: str | None, threads: int | None) -> Any:
    """The trained algorithm of a run; what it has to say besides its answers goes to standard error."""
    from dlkit.training.driver import open_run
    from dlkit.verbs.vectors import names_vectors, open_vectors

    if names_vectors(run):
        algorithm = open_vectors(run)
    else:
        algorithm, _ = open_run(run, device=chosen_device(gpu, device), threads=threads)
    algorithm.context.log = lambda line: click.echo(line, err=True)
    return algorithm


def understood(algorithm: Any, verb: str, given: Mapping[str, Any]) -> dict[str, Any]:
    """The special options of a verb that the algorithm knows, with their values.

    given: option name -> value of every special option of the verb; None, False and () mean not given.
    Raises UsageError where the run's command does not know the verb, or an option that was given.
    """
    known = algorithm.ASKED.get(verb, frozenset() if verb == "inspect" else None)
    if known is None:
        verbs = ", ".join(sorted({"inspect", *algorithm.ASKED}))
        raise UsageError(
            f"dlkit {verb} has no answer for a run of {algorithm.command}", hint=f"there are {verbs}"
        )
    for name, value in given.items():
        if not (value is None or value is False or value == ()) and name not in known:
            flag, flags = _flag(name), ", ".join(map(_flag, sorted(known)))
            raise UsageError(
                f"{flag}: not for a run of {algorithm.command}",
                hint=f"{verb} takes {flags}" if flags else None,
            )
    return {name: value for name, value in given.items() if name in known}


def _flag(name: str) -> str:
    """An option as it is written: -n, --mc-samples."""
    return f"-{name}" if len(name) == 1 else f"--{name.replace('_', '-')}"


@contextmanager
def answer_file(path: Path | None) -> Iterator[TextIO]:
    """Standard output, or `path` written whole or not at all (temporary file, fsync, rename).

    A device or a pipe is written to as it is: a rename would put a file in its place.
    """
    if path is None or str(path) == "-":
        if isinstance(sys.stdout, io.TextIOWrapper):  # CSV is UTF-8 whatever the terminal speaks
            sys.stdout.reconfigure(encoding="utf-8")
        yield sys.stdout
        return
    special = path.exists() and not path.is_file()
    target = Path(os.path.realpath(path))  # behind a link, which stays
    temporary = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        if special:
            with path.open("w", encoding="utf-8", newline="") as file:
                yield file
            return
        with temporary.open("w", encoding="utf-8", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise UserError(f"cannot write: {error.strerror or error}", where=str(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
