"""The networks of the train-cnn rows, as sizes and work; standard library only, because peers read it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """LeNet: 5×5 same, pool, 5×5 valid, pool, dense, dense; images of side × side × channels."""

    batch: int = 64
    side: int = 28
    channels: int = 1
    filters: int = 20
    """Of the first convolution; the second has 5/2 as many."""
    units: int = 500
    classes: int = 10

    @property
    def second(self) -> int:
        return self.filters * 5 // 2

    @property
    def flat(self) -> int:
        """Numbers of an image after the second pooling."""
        return ((self.side // 2 - 4) // 2) ** 2 * self.second

    @property
    def layers(self) -> list[tuple[int, int, int]]:
        """(rows, inner, columns) of each layer's forward product."""
        inner = self.side // 2 - 4
        return [
            (self.batch * self.side**2, 25 * self.channels, self.filters),
            (self.batch * inner**2, 25 * self.filters, self.second),
            (self.batch, self.flat, self.units),
            (self.batch, self.units, self.classes),
        ]

    @property
    def products(self) -> list[str]:
        """Shapes (rows × inner × columns) of the matrix products of a step: forward, weights, inputs."""
        shapes = []
        for index, (n, k, m) in enumerate(self.layers):
            shapes += [f"{n}x{k}x{m}", f"{k}x{n}x{m}"]
            if index:  # nobody asks for the gradient of the data
                shapes.append(f"{n}x{m}x{k}")
        return shapes

    @property
    def forward_flop(self) -> int:
        """Floating-point operations of a forward pass's products."""
        return sum(2 * n * k * m for n, k, m in self.layers)

    @property
    def flop(self) -> int:
        """Of a step's products."""
        n, k, m = self.layers[0]
        return 3 * self.forward_flop - 2 * n * k * m


FIELDS = ("batch", "side", "channels", "filters")


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every contender of these rows takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--forward", action="store_true", help="predictions alone, no training step")
    made.add_argument("--quick", action="store_true", help="fewer and shorter blocks")
    for name in FIELDS:
        made.add_argument(f"--{name}", type=int, default=getattr(Sizes, name))
    return made


def sizes_of(asked: argparse.Namespace) -> Sizes:
    return Sizes(**{name: getattr(asked, name) for name in FIELDS})


def arguments(sizes: Sizes, threads: int, *more: str) -> Sequence[str]:
    """The inverse of parser(): the command line of a contender."""
    given = [text for name in FIELDS for text in (f"--{name}", str(getattr(sizes, name)))]
    return ["--threads", str(threads), *given, *more]
