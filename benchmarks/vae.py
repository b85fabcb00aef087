"""The network of the vae row, as sizes and work; standard library only, because peers read it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.mlp import product_flop


@dataclass(frozen=True)
class Sizes:
    """pixels-width-2·latent and latent-width-pixels with ReLU, Bernoulli pixels and Adam."""

    batch: int = 64
    pixels: int = 784
    width: int = 400
    latent: int = 20

    @property
    def layers(self) -> list[tuple[int, int]]:
        """(inputs, outputs) of every dense layer."""
        p, w, k = self.pixels, self.width, self.latent
        return [(p, w), (w, 2 * k), (k, w), (w, p)]

    @property
    def products(self) -> list[str]:
        """Shapes (rows × inner × columns) of the matrix products of a step: forward, weights, inputs."""
        shapes = []
        for index, (n, m) in enumerate(self.layers):
            shapes += [f"{self.batch}x{n}x{m}", f"{n}x{self.batch}x{m}"]
            if index:  # nobody asks for the gradient of the data
                shapes.append(f"{self.batch}x{m}x{n}")
        return shapes

    @property
    def flop(self) -> int:
        """Floating-point operations of a step's matrix products."""
        return sum(product_flop(shape) for shape in self.products)


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every contender of the row takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--batch", type=int, default=Sizes.batch)
    return made


def arguments(sizes: Sizes, threads: int) -> Sequence[str]:
    """The inverse of parser(): the command line of a contender."""
    return ["--threads", str(threads), "--batch", str(sizes.batch)]
