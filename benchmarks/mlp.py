"""The network of the train-mlp rows, as sizes and work; standard library only, because peers read it."""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Sizes:
    """inputs-width-width-classes with ReLU, softmax cross-entropy and Adam."""

    batch: int = 128
    width: int = 512
    inputs: int = 784
    classes: int = 10

    @property
    def layers(self) -> tuple[int, ...]:
        return (self.inputs, self.width, self.width, self.classes)

    @property
    def products(self) -> list[str]:
        """Shapes (rows × inner × columns) of the matrix products of a step: forward, weights, inputs."""
        shapes = []
        for index, (n, m) in enumerate(zip(self.layers, self.layers[1:], strict=False)):
            shapes += [f"{self.batch}x{n}x{m}", f"{n}x{self.batch}x{m}"]
            if index:  # nobody asks for the gradient of the data
                shapes.append(f"{self.batch}x{m}x{n}")
        return shapes

    @property
    def flop(self) -> int:
        """Floating-point operations of a step's matrix products."""
        return sum(product_flop(shape) for shape in self.products)


def product_flop(shape: str) -> int:
    """Operations of one product "MxKxN": a multiplication and an addition each."""
    m, k, n = map(int, shape.split("x"))
    return 2 * m * k * n


def parser(description: str | None) -> argparse.ArgumentParser:
    """Options that every contender of these rows takes."""
    made = argparse.ArgumentParser(description=description)
    made.add_argument("--threads", type=int, default=2)
    made.add_argument("--quick", action="store_true", help="fewer and shorter blocks")
    made.add_argument("--batch", type=int, default=Sizes.batch)
    made.add_argument("--width", type=int, default=Sizes.width)
    return made


def arguments(sizes: Sizes, threads: int, *more: str) -> Sequence[str]:
    """The inverse of parser(): the command line of a contender."""
    return ["--threads", str(threads), "--batch", str(sizes.batch), "--width", str(sizes.width), *more]
