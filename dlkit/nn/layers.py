"""The layers of a feed-forward model."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from dlkit.autograd import Array, Tape, Variable
from dlkit.kernels.activation import IDENTITY, LEAKY_RELU, PRELU, RELU, SIGMOID, TANH
from dlkit.nn.init import ONES, ZEROS, Init
from dlkit.nn.module import Module, Passing, shared
from dlkit.nn.parameter import Buffer, Parameter
from dlkit.ops.activations import activation, prelu
from dlkit.ops.dense import dense
from dlkit.ops.noise import drop_connect, dropout, gaussian_dropout
from dlkit.ops.norm import batch_norm, by_columns, layer_norm

KINDS = {
    "identity": IDENTITY,
    "relu": RELU,
    "leaky_relu": LEAKY_RELU,
    "prelu": PRELU,
    "sigmoid": SIGMOID,
    "tanh": TANH,
}


@dataclass(frozen=True)
class Act:
    """An activation by name; slope: on the negative side, fixed for leaky_relu, the first value for prelu."""

    name: str = "identity"
    slope: float = 0.0

    @property
    def kind(self) -> int:
        return KINDS[self.name]

    def parameter(self) -> Parameter | None:
        """The learnt slope of prelu."""
        if self.name != "prelu":
            return None
        return Parameter((1,), Init("constant", value=self.slope), decays=False)


class Dense(Module):
    """act(x W + b), W (n_in, n_out); drop_connect: probability that noise leaves a weight out."""

    kind: ClassVar[str] = "dense"

    def __init__(
        self,
        n_in: int,
        n_out: int,
        act: Act = Act(),
        init: Init = Init("he_normal"),  # noqa: B008
        *,
        drop_connect: float = 0.0,
    ) -> None:
        self.act = act
        self.drop_connect = drop_connect
        self.weight = Parameter((n_in, n_out), init)
        self.bias = Parameter((n_out,), ZEROS, decays=False)
        self.slope = act.parameter()

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return self._product(tape, x)

    def with_next(self, tape: Tape, x: Variable, after: Sequence[Module]) -> tuple[Variable, int] | None:
        """A normalisation takes the bias out again: it need not be added, but moves the running mean."""
        norm, rows = after[0], x.shape
        if self.act.kind != IDENTITY or not isinstance(norm, BatchNorm) or len(rows) != 2:
            return None
        if not by_columns(tape, (rows[0], self.weight.shape[1])):
            return None
        y, taken = norm.bent(tape, self._product(tape, x, centred=True), after[1:], self.bias.data)
        return y, 1 + taken

    def _product(self, tape: Tape, x: Variable, *, centred: bool = False) -> Variable:
        w = drop_connect(tape, tape.parameter(self.weight), self.drop_connect)
        slope = self.act.slope if self.slope is None else tape.parameter(self.slope)
        bias = tape.parameter(self.bias)
        return dense(tape, x, w, bias, kind=self.act.kind, slope=slope, centred=centred)

    @property
    def noisy(self) -> bool:
        return self.drop_connect > 0

    @property
    def noisy_weights(self) -> bool:
        return self.noisy

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        n_in, n_out = self.weight.shape
        if shape[-1:] != (n_in,):
            raise ValueError(f"dense: expected rows of {n_in} numbers, actual shape {shape}")
        return (*shape[:-1], n_out)

    def products(self, shape: tuple[int, ...]) -> int:
        return math.prod(shape[:-1]) * super().products(shape)


class Activation(Module):
    """An activation as a layer of its own."""

    kind: ClassVar[str] = "activation"

    def __init__(self, act: Act) -> None:
        self.act = act
        self.slope = act.parameter()

    def forward(self, tape: Tape, x: Variable) -> Variable:
        if self.slope is not None:
            return prelu(tape, x, tape.parameter(self.slope))
        return activation(tape, x, self.act.kind, self.act.slope)


class Dropout(Module):
    """Zeroes with probability p while noise is on."""

    kind: ClassVar[str] = "dropout"

    def __init__(self, p: float) -> None:
        self.p = p

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return dropout(tape, x, self.p)

    @property
    def noisy(self) -> bool:
        return self.p > 0


class GaussianDropout(Module):
    """Multiplies by N(1, p/(1 - p)) while noise is on."""

    kind: ClassVar[str] = "gaussian_dropout"

    def __init__(self, p: float) -> None:
        self.p = p

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return gaussian_dropout(tape, x, self.p)

    @property
    def noisy(self) -> bool:
        return self.p > 0


class BatchNorm(Module):
    """Normalises each of n columns by the batch's statistics, in prediction by the running ones."""

    kind: ClassVar[str] = "batch_norm"

    def __init__(self, n: int, *, momentum: float = 0.1, eps: float = 1e-5) -> None:
        self.momentum = momentum
        self.eps = eps
        self.gain = Parameter((n,), ONES, decays=False)
        self.bias = Parameter((n,), ZEROS, decays=False)
        self.running_mean = Buffer((n,), 0.0)
        self.running_var = Buffer((n,), 1.0)

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return self.bent(tape, x)[0]

    def with_next(self, tape: Tape, x: Variable, after: Sequence[Module]) -> tuple[Variable, int] | None:
        y, taken = self.bent(tape, x, after)
        return y, taken

    def bent(
        self, tape: Tape, x: Variable, after: Sequence[Module] = (), shift: Array = None
    ) -> tuple[Variable, int]:
        """The result, bent by an activation if that is next (1, else 0). shift: what x lacks (n,), in every
        row: all that it changes is the running mean."""
        act = Act()
        if after and isinstance(after[0], Activation) and after[0].slope is None:
            act = after[0].act
        gain, bias = tape.parameter(self.gain), tape.parameter(self.bias)
        running = (self.running_mean.data, self.running_var.data)
        y = batch_norm(
            tape, x, gain, bias, running, momentum=self.momentum, eps=self.eps, kind=act.kind, slope=act.slope
        )
        if shift is not None:
            self.running_mean.data += self.momentum * shift
        return y, int(act.name != "identity")


class LayerNorm(Module):
    """Normalises each row over its n numbers."""

    kind: ClassVar[str] = "layer_norm"

    def __init__(self, n: int, *, eps: float = 1e-5) -> None:
        self.eps = eps
        self.gain = Parameter((n,), ONES, decays=False)
        self.bias = Parameter((n,), ZEROS, decays=False)

    def forward(self, tape: Tape, x: Variable) -> Variable:
        return layer_norm(tape, x, tape.parameter(self.gain), tape.parameter(self.bias), eps=self.eps)


class Sequential(Module):
    """Layers one after the other, under the names "0.dense", "1.dropout", ..."""

    kind: ClassVar[str] = "sequential"

    def __init__(self, *layers: Module) -> None:
        self.layers: dict[str, Module] = {}
        for layer in layers:
            self.append(layer)

    def append(self, layer: Module, name: str | None = None) -> None:
        """Add a layer at the end; name: default "<position>.<kind>"."""
        self.layers[name or f"{len(self.layers)}.{layer.kind}"] = layer

    def forward(self, tape: Tape, x: Variable) -> Variable:
        layers = list(self.layers.values())
        k = 0
        while k < len(layers):
            joined = layers[k].with_next(tape, x, layers[k + 1 :]) if k + 1 < len(layers) else None
            if joined is None:
                x = layers[k](tape, x)
            else:
                x, taken = joined
                k += taken
                tape.note(layers[k].path, x.data)
            k += 1
        return x

    def with_shapes(self, shape: tuple[int, ...]) -> Iterator[tuple[str, Module, tuple[int, ...]]]:
        """(name, layer, shape of one row that comes in) for every layer, in order."""
        for name, layer in self.layers.items():
            yield name, layer, shape
            shape = layer.output_shape(shape)

    def output_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        for layer in self.layers.values():
            shape = layer.output_shape(shape)
        return shape

    def products(self, shape: tuple[int, ...]) -> int:
        return sum(layer.products(s) for _, layer, s in self.with_shapes(shape))

    def activation_size(self, shape: tuple[int, ...]) -> int:
        total, layers = 0, list(self.with_shapes(shape))
        while layers:
            (_, layer, s), *layers = layers
            joint = layer.joint_size(s, layers[0][1]) if layers else None
            total += layer.activation_size(s) if joint is None else joint
            del layers[: int(joint is not None)]
        return total

    def scratch(self, shape: tuple[int, ...], passing: Passing) -> dict[str, int]:
        return shared(*(layer.scratch(s, passing) for _, layer, s in self.with_shapes(shape)))
