"""The network of the seq2seq row, as sizes and work; standard library only, because peers read it."""

import argparse
import random
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.mlp import product_flop


@dataclass(frozen=True)
class Sizes:
    """GRU encoder and decoder with dot attention and a softmax over [state; context], Adam."""

    pairs: int = 64
    steps: int = 12
    """Words of a source, and places of a target."""
    words: int = 8000
    """Words of each vocabulary."""
    units: int = 256
    """Of the GRUs, and numbers of an embedding."""
    translated: int = 512
    """Sentences of the translation."""

    def sentences(self) -> list[int]:
        """Words of the sentences that are translated, in the order of the file: as they are in a corpus of
        short ones, most of some ten words, a few of 25. A translation is as long as its source."""
        draw = random.Random(1)
        lengths = (round(draw.lognormvariate(2.25, 0.4)) for _ in range(self.translated))
        return [min(max(n, 2), 30) for n in lengths]

    @property
    def batch(self) -> int:
        """Words of the target in a step: what is counted."""
        return self.pairs * self.steps

    @property
    def forward(self) -> list[str]:
        """Shapes (rows × inner × columns) of the products of a forward pass, attention's small ones aside."""
        rows, n = self.batch, self.units
        return [f"{rows}x{n}x{3 * n}"] * 4 + [f"{rows}x{2 * n}x{self.words}"]

    @property
    def forward_flop(self) -> int:
        """Floating-point operations of a forward pass's products."""
        return sum(product_flop(shape) for shape in self.forward)

    @property
    def flop(self) -> int:
        """Floating-point operations of a training step's products: twice as many again on the way back."""
        return 3 * self.forward_flop


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every contender of the row takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--translate", action="store_true", help="greedy translation, not training")
    made.add_argument("--beam", type=int, default=1, help="beams of dlkit's translation")
    for name, value in vars(Sizes()).items():
        made.add_argument(f"--{name}", type=int, default=value)
    return made


def sizes_of(asked: argparse.Namespace) -> Sizes:
    """The sizes on the command line."""
    return Sizes(*(getattr(asked, name) for name in vars(Sizes())))


def arguments(sizes: Sizes, threads: int, *more: str) -> Sequence[str]:
    """The inverse of parser(): the command line of a contender."""
    given = [part for name, value in vars(sizes).items() for part in (f"--{name}", str(value))]
    return ["--threads", str(threads), *given, *more]
