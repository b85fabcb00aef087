"""The two networks of a GAN, as the recipe lists them: how they begin, how they end, and what they are asked.

The generator turns z (n, latent) into rows with numbers in -1..1; the discriminator gives each row one
number, before any sigmoid. Each has a flat parameter buffer of its own: on the tape of the one, the other's
parameters are constants, whose gradients are never computed.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Context, LayerRow
from dlkit.autograd import Tape, Variable
from dlkit.errors import UsageError
from dlkit.nn.image_layers import Flatten
from dlkit.nn.layer_list import Defaults, build_layers, init_for
from dlkit.nn.layers import Act, BatchNorm, Dense, Sequential
from dlkit.nn.parameter import Flat
from dlkit.nn.summary import layer_table
from dlkit.ops.shape import reshape
from dlkit.recipe.schema import Spec

CHUNK = 256
"""Rows that the generator makes at a time when it is asked; fixed, so that no thread changes a bit."""


class Networks:
    """Generator and discriminator for rows of one shape. `allocate` gives them their parameters."""

    def __init__(self, recipe: Any, shape: tuple[int, ...]) -> None:
        """shape: of a row, (d,) or (height, width, colours). Raises UsageError where layers do not fit."""
        self.recipe = recipe
        self.shape = shape
        self.width = math.prod(shape)
        self.generator = _named("generator", self._generator())
        self.discriminator = _named("discriminator", self._discriminator())
        self.modules = {"generator": self.generator, "discriminator": self.discriminator}
        self.separate = any(isinstance(module, BatchNorm) for _, module in self.discriminator.walk())
        """D normalises by the batch: real and made rows pass through it one after the other."""

    def _generator(self) -> Sequential:
        recipe = self.recipe
        latent = (recipe.latent,)
        model = build_layers(sloped(recipe.generator, recipe), latent, self._defaults(), where="generator")
        out = model.output_shape(latent)
        if len(out) == 1:
            tanh = Act("tanh")
            output = Dense(out[0], self.width, tanh, init_for(recipe.init, tanh))
            model.append(output, f"{len(model.layers)}.output")
        elif out != self.shape:
            found, wanted = ("×".join(map(str, s)) for s in (out, self.shape))
            raise UsageError(
                f"the last layer gives {found}, a row is {wanted}",
                where="generator",
                hint="end with flatten, or with a layer of that shape and activation: tanh",
            )
        return model

    def _discriminator(self) -> Sequential:
        recipe, linear = self.recipe, Act()
        layers = sloped(recipe.discriminator, recipe)
        model = build_layers(layers, self.shape, self._defaults(), where="discriminator")
        if len(model.output_shape(self.shape)) == 3:
            model.append(Flatten())
        width = math.prod(model.output_shape(self.shape))
        model.append(Dense(width, 1, linear, init_for(recipe.init, linear)), f"{len(model.layers)}.output")
        return model

    def _defaults(self) -> Defaults:
        return Defaults(self.recipe.activation, self.recipe.init, self.recipe.unfold_memory)

    # -- sizes ------------------------------------------------------------------------------------
    @property
    def parameters(self) -> int:
        return sum(p.size for net in self.modules.values() for _, p in net.parameters())

    def products(self) -> int:
        """Multiplications of one row's way through both."""
        latent = (self.recipe.latent,)
        return self.generator.products(latent) + self.discriminator.products(self.shape)

    def table(self) -> list[LayerRow]:
        """Layers of both, for the layer table."""
        rows = []
        for net, shape in ((self.generator, (self.recipe.latent,)), (self.discriminator, self.shape)):
            ((name, inner),) = net.layers.items()
            rows += [LayerRow(f"{name}.{row.path}", *row[1:]) for row in layer_table(inner, shape)]
        return rows

    # -- parameters -------------------------------------------------------------------------------
    def allocate(self, context: Context) -> None:
        """Parameters with their first values; none are drawn where the networks are only described."""
        backend, streams = context.backend, context.streams
        self.flats = {
            name: Flat(net, backend)
            if context.describes_only
            else Flat.allocate(net, backend, streams, name=f"init {name}")
            for name, net in self.modules.items()
        }
        self._backend, self._team = backend, context.team
        self._tapes = [
            Tape(backend, product=context.team.product, share=context.team.share, parts=context.team.parts)
            for _ in range(context.team.shards)
        ]

    # -- forward ----------------------------------------------------------------------------------
    def fakes(self, tape: Tape, z: Any) -> Variable:
        """G(z) (n, *shape). z: (n, latent)."""
        made = self.generator(tape, tape.constant(z))
        wanted = (len(z), *self.shape)
        return made if made.shape == wanted else reshape(tape, made, wanted)

    def outputs(self, tape: Tape, rows: Variable) -> Variable:
        """d(x) (n, 1) of rows (n, *shape)."""
        return self.discriminator(tape, rows)

    def generate(self, z: np.ndarray) -> Any:
        """G(z) (n, d) on the device, normalised by the running statistics; the team shares the chunks."""
        out = self._backend.empty((len(z), self.width))
        starts = range(0, len(z), CHUNK)

        def work(shard: int) -> None:
            tape = self._tapes[shard]
            for start in starts[shard :: self._team.shards]:
                tape.begin(training=False)
                part = slice(start, start + CHUNK)
                made = self.generator(tape, tape.constant(self._backend.asarray(z[part])))
                out[part] = made.data.reshape(-1, self.width)

        self._team.map(work)
        return out


def sloped(specs: Iterable[Spec], recipe: Any) -> list[Spec]:
    """The same layers; leaky ones that name no slope get the recipe's."""
    done: list[Spec] = []
    for spec in specs:
        fields = type(spec).model_fields
        change: dict[str, Any] = {}
        if "layers" in fields:
            change["layers"] = sloped(spec.layers, recipe)  # type: ignore[attr-defined]
        if "slope" in fields and spec.slope is None:  # type: ignore[attr-defined]
            said = getattr(spec, "activation", None) or getattr(spec, "name", None)
            if (said or recipe.activation) == "leaky_relu":
                change["slope"] = recipe.slope
        done.append(spec.model_copy(update=change) if change else spec)
    return done


def _named(name: str, inner: Sequential) -> Sequential:
    """A network whose parameters' paths begin with its name: messages then say which of the two is meant."""
    outer = Sequential()
    outer.append(inner, name)
    outer.walk()
    return outer
