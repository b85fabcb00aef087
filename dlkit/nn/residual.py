"""Residual blocks (He, Zhang, Ren & Sun 2016): act(f(x) + shortcut(x))."""

import math
from typing import ClassVar

from dlkit.autograd import Tape, Variable
from dlkit.nn.layers import Act, Activation, Sequential
from dlkit.nn.module import Module, Passing, shared
from dlkit.ops.shape import add

Shape = tuple[int, ...]


class Residual(Module):
    """act(f(x) + s(x)); s: None is the identity, else layers that give f's output shape (eqs. 1 and 2)."""

    kind: ClassVar[str] = "residual"

    def __init__(self, layers: Sequential, shortcut: Sequential | None, act: Act) -> None:
        self.layers = layers
        self.shortcut = shortcut
        self.after = Activation(act)

    def forward(self, tape: Tape, x: Variable) -> Variable:
        y = self.layers(tape, x)
        return self.after(tape, add(tape, y, x if self.shortcut is None else self.shortcut(tape, x)))

    def output_shape(self, shape: Shape) -> Shape:
        y = self.layers.output_shape(shape)
        s = shape if self.shortcut is None else self.shortcut.output_shape(shape)
        if s != y:
            told = ("×".join(map(str, one)) for one in (y, s))
            raise ValueError("residual: the layers give {}, the shortcut {}".format(*told))
        return y

    def products(self, shape: Shape) -> int:
        return self.layers.products(shape) + (0 if self.shortcut is None else self.shortcut.products(shape))

    def activation_size(self, shape: Shape) -> int:
        """That of both branches, the sum and the activation with their gradients, and what is added up.

        The gradient of the sum is that of both branches' ends; those of x, one a branch, become a third.
        """
        inner, output = self.layers.activation_size(shape), super().activation_size(shape)
        if self.shortcut is None:
            return inner + 2 * output
        return inner + self.shortcut.activation_size(shape) + output + 2 * math.prod(shape)

    def scratch(self, shape: Shape, passing: Passing) -> dict[str, int]:
        branches = [self.layers] if self.shortcut is None else [self.layers, self.shortcut]
        return shared(*(branch.scratch(shape, passing) for branch in branches))
