"""Residual blocks (He, Zhang, Ren & Sun 2016): act(f(x) + shortcut(x))."""

from typing import ClassVar

from dlkit.autograd import Tape, Variable
from dlkit.nn.layers import Act, Activation, Sequential
from dlkit.nn.module import Module
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
        """That of both branches, and the sum and the activation with their gradients."""
        inner = self.layers.activation_size(shape)
        inner += 0 if self.shortcut is None else self.shortcut.activation_size(shape)
        return inner + 2 * super().activation_size(shape)

    def workspace(self, shape: Shape, rows: int, itemsize: int) -> int:
        branches = [self.layers] if self.shortcut is None else [self.layers, self.shortcut]
        return max(branch.workspace(shape, rows, itemsize) for branch in branches)
