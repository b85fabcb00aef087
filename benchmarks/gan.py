"""The networks of the gan row, as sizes and work; standard library only, because peers read it."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

GENERATOR = (100, 128, 256, 512, 1024, 784)
DISCRIMINATOR = (784, 512, 256, 1)


@dataclass(frozen=True)
class Round:
    """One step of D and one of G on `batch` rows; once: D is shown what G made in its own step."""

    batch: int = 64
    once: bool = False

    @property
    def products(self) -> list[str]:
        """Shapes (rows × inner × columns) of the matrix products that the two steps need."""
        n = self.batch
        shapes = [*_forward(GENERATOR, n)] * (1 if self.once else 2)  # fakes for D, fakes of G's own
        shapes += [*_forward(DISCRIMINATOR, 2 * n), *_weights(DISCRIMINATOR, 2 * n)]  # D's step
        shapes += [*_inputs(DISCRIMINATOR[1:], 2 * n)]
        shapes += [*_forward(DISCRIMINATOR, n), *_inputs(DISCRIMINATOR, n)]  # G's step: through D
        return [*shapes, *_weights(GENERATOR, n), *_inputs(GENERATOR[1:], n)]

    @property
    def flop(self) -> int:
        """Floating-point operations of these products."""
        return sum(2 * m * k * n for m, k, n in (map(int, shape.split("x")) for shape in self.products))


def _forward(widths: Sequence[int], n: int) -> Iterator[str]:
    return (f"{n}x{a}x{b}" for a, b in pairwise(widths))


def _weights(widths: Sequence[int], n: int) -> Iterator[str]:
    return (f"{a}x{n}x{b}" for a, b in pairwise(widths))


def _inputs(widths: Sequence[int], n: int) -> Iterator[str]:
    return (f"{n}x{b}x{a}" for a, b in pairwise(widths))


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every contender of this row takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--batch", type=int, default=Round.batch)
    made.add_argument("--once", action="store_true", help="D is shown what G made in its own step")
    return made


def arguments(work: Round, threads: int) -> list[str]:
    """The inverse of parser()."""
    return ["--threads", str(threads), "--batch", str(work.batch), *(["--once"] if work.once else [])]
