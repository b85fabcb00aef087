"""A small finished run and what it was trained on."""

from dataclasses import dataclass, field
from pathlib import Path

from tests.fuzz.program import run

SMALL = ["-q", "--set", "model=[{dense: 3}, batch_norm, {dropout: 0.5}]", "--set", "batch=8", "--seed", "3"]


@dataclass(frozen=True)
class Trained:
    """`source` is the training file, `directory` the run."""

    source: Path
    directory: Path
    arguments: list[str] = field(repr=False)

    @property
    def checkpoint(self) -> bytes:
        return (self.directory / "checkpoint.h5").read_bytes()


def train(folder: Path, name: str, content: bytes, *options: str) -> Trained:
    """Write the file, train on it, and be sure that this went well."""
    source, directory = folder / name, folder / "run"
    source.write_bytes(content)
    arguments = ["train-mlp", str(source), "-o", str(directory), *SMALL, *options]
    assert run(*arguments, "--epochs", "2").code == 0
    return Trained(source, directory, arguments)
