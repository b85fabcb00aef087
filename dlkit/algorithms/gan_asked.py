"""What a GAN can be asked once it is trained: new images, and figures of them beside real ones."""

import math
from collections.abc import Mapping
from functools import cached_property
from typing import ClassVar

import numpy as np

from dlkit.algorithms.gan_collapse import MOST_ROWS, Watch
from dlkit.algorithms.gan_networks import Networks
from dlkit.algorithms.rows import RowReader
from dlkit.errors import UsageError
from dlkit.readers.preprocess import Preprocess
from dlkit.readers.schema import Schema
from dlkit.readers.training_data import read_training

JUDGED = 10_000
"""Samples that `evaluate` judges."""


class AskedGAN(RowReader):
    """The networks, and what is needed to read real images and to write made ones."""

    networks: Networks
    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "sample": frozenset({"n", "seed", "interpolate"}),
        "evaluate": frozenset({"classifier", "n"}),
    }

    # -- data -------------------------------------------------------------------------------------
    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        data = read_training(
            recipe.data, "none", context.streams, recipe.on_bad_row, context.base, dtype=recipe.dtype
        )
        self.data = data
        self._take(data.schema, data.preprocess)
        for note in data.notes:
            context.log(note)

    def _take(self, schema: Schema, preprocess: Preprocess) -> None:
        """Remember how rows are read. Raises UsageError for an image that a row does not hold."""
        self.schema, self.preprocess = schema, preprocess
        shape, width = schema.input_shape, math.prod(schema.input_shape)
        if self.recipe.image is not None:
            shape = (*self.recipe.image, 1)[:3]
            if math.prod(shape) != width:
                found = "×".join(map(str, shape))
                raise UsageError(f"{found} are {math.prod(shape)} numbers, a row has {width}", where="image")
        self.input_shape = shape
        self.makes_images = len(shape) == 3 and shape[2] in (1, 3)

    def _lay_out(self) -> None:
        self.networks = Networks(self.recipe, self.input_shape)

    def _refuse_too_large(self, size: int, what: str, key: str) -> None:
        """Networks that cannot fit are told before they are allocated. Raises UserError."""
        text = f"{what}{self.networks.parameters:,} parameters"
        self.context.backend.refuse_beyond_memory(size, text, key)

    # -- samples ----------------------------------------------------------------------------------
    def _latents(
        self, stream: str, shape: tuple[int, ...], *position: int, seed: int | None = None
    ) -> np.ndarray:
        """z (*shape, latent_dim) of the recipe's distribution, a pure function of stream and position."""
        streams = self.context.streams if seed is None else type(self.context.streams)(seed)
        rng = streams.get(stream, *position)
        dtype, size = self.context.backend.dtype.type, (*shape, self.recipe.latent_dim)
        if self.recipe.latent == "uniform":
            return rng.random(size, dtype=dtype) * 2 - 1
        return rng.standard_normal(size, dtype=dtype)

    def _host_samples(self, n: int, stream: str = "samples") -> np.ndarray:
        """n samples (n, d) in -1..1."""
        made = self.networks.generate(self._latents(stream, (n,)))
        return np.array(self.context.backend.to_host(made))

    def _raw(self, samples: np.ndarray) -> np.ndarray:
        """Samples (n, d) in -1..1 in the units of the file: the inverse of its scaling."""
        x = (samples.astype(np.float64) + 1) / 2
        return (x - self.preprocess.shift) / self.preprocess.scale

    # -- the data's side --------------------------------------------------------------------------
    @cached_property
    def watch(self) -> Watch:
        """What the samples are held against: some of the training rows, drawn once."""
        rows, rng = self.data.train, self.context.streams.get("watch")
        chosen = rng.permutation(len(rows))[:MOST_ROWS]
        labels = None if rows.y is None else rows.y[chosen]
        return Watch(self.recipe.watch, rows.inputs(chosen) * 2 - 1, labels, self.schema.classes, rng)
