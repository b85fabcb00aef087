"""The network of the rnn rows, as sizes and work; standard library only, because peers read it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass, fields

from benchmarks.mlp import product_flop


@dataclass(frozen=True)
class Sizes:
    """A language model: symbols-embedding-LSTM-symbols, `batch` streams of `steps` symbols a step, Adam."""

    symbols: int = 96
    embedding: int = 64
    units: int = 512
    batch: int = 64
    steps: int = 64

    @property
    def products(self) -> list[str]:
        """Shapes (rows × inner × columns) of the matrix products of a step: forward, weights, inputs."""
        n, gates = self.batch * self.steps, 4 * self.units
        pairs = [(self.embedding, gates), (self.units, gates), (self.units, self.symbols)]
        return [
            shape
            for inner, outer in pairs
            for shape in (f"{n}x{inner}x{outer}", f"{inner}x{n}x{outer}", f"{n}x{outer}x{inner}")
        ]

    @property
    def flop(self) -> int:
        """Floating-point operations of a step's matrix products."""
        return sum(product_flop(shape) for shape in self.products)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every contender of the rows takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--threads", type=int, default=2)
    for field in fields(Sizes):
        made.add_argument(f"--{field.name}", type=int, default=field.default)
    return made


def sizes_of(asked: argparse.Namespace) -> Sizes:
    """The sizes among parsed options."""
    return Sizes(**{field.name: getattr(asked, field.name) for field in fields(Sizes)})


def arguments(sizes: Sizes, threads: int) -> Sequence[str]:
    """The inverse of parser(): the command line of a contender."""
    given = [part for f in fields(Sizes) for part in (f"--{f.name}", str(getattr(sizes, f.name)))]
    return ["--threads", str(threads), *given]
