"""What a GAN can be asked once it is trained: new images, and figures of them beside real ones."""

import math
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms import gan_judged
from dlkit.algorithms.gan_collapse import MOST_ROWS, Watch
from dlkit.algorithms.gan_grids import as_bytes
from dlkit.algorithms.gan_networks import Networks
from dlkit.algorithms.protocol import File
from dlkit.algorithms.rows import RowReader
from dlkit.backend.streams import Streams
from dlkit.errors import DataError, UsageError
from dlkit.pictures.tiles import png, tiled
from dlkit.readers.dataset import Dataset, joined
from dlkit.readers.preprocess import Preprocess
from dlkit.readers.schema import Schema

JUDGED = 10_000
"""Samples that `evaluate` judges unless it is told how many."""
DRAWN, PAIRS, ACROSS = 64, 8, 10
"""Samples that `sample` draws; rows and pictures a row of an interpolation."""


class AskedGAN(RowReader):
    """The networks, and what is needed to read real images and to write made ones."""

    networks: Networks
    input_shape: tuple[int, ...]
    """Shape of a row: (d,) or (height, width, colours)."""
    UNIT: ClassVar[str] = "images"
    ASKED: ClassVar[Mapping[str, frozenset[str]]] = {
        "sample": frozenset({"n", "seed", "interpolate"}),
        "evaluate": frozenset({"classifier", "n"}),
        "export": frozenset({"format"}),
    }

    # -- data -------------------------------------------------------------------------------------
    def _take(self, schema: Schema, preprocess: Preprocess) -> None:
        self.schema, self.preprocess = schema, preprocess
        self.input_shape = schema.input_shape
        self.makes_images = len(self.input_shape) == 3 and self.input_shape[2] in (1, 3)

    def _lay_out(self) -> None:
        self.networks = Networks(self.recipe, self.input_shape)

    def _refuse_too_large(self, size: int, what: str, key: str) -> None:
        """Networks that cannot fit are told before they are allocated. Raises UserError."""
        text = f"{what}{self.networks.parameters:,} parameters"
        self.context.backend.refuse_beyond_memory(size, text, key)

    # -- samples ----------------------------------------------------------------------------------
    def _latents(
        self, stream: str, shape: tuple[int, ...], *position: int, streams: Streams | None = None
    ) -> np.ndarray:
        """z (*shape, latent) of the recipe's prior, a pure function of seed, stream and position."""
        rng = (streams or self.context.streams).get(stream, *position)
        dtype, size = self.context.backend.dtype.type, (*shape, self.recipe.latent)
        if self.recipe.prior == "uniform":
            return rng.random(size, dtype=dtype) * 2 - 1
        return rng.standard_normal(size, dtype=dtype)

    def _made(self, z: np.ndarray) -> np.ndarray:
        """G(z) (n, d) in -1..1 on the host. Raises DataError where it is not finite."""
        samples = np.array(self.context.backend.to_host(self.networks.generate(z)))
        if not np.isfinite(samples).all():
            raise DataError("the generator's samples are not finite")
        return samples

    def _raw(self, samples: np.ndarray) -> np.ndarray:
        """Samples (n, d) in -1..1 in the units of the file: the inverse of its scaling."""
        return ((samples.astype(np.float64) + 1) / 2 - self.preprocess.shift) / self.preprocess.scale

    def sample(self, options: Mapping[str, Any]) -> Iterator[File | str]:
        seed, n = options.get("seed"), options.get("n")
        streams = self.context.streams if seed is None else Streams(seed)
        if options.get("interpolate"):
            start, end = self._latents("sample", (2, n or PAIRS), streams=streams)
            z = between(start, end, self.recipe.prior)
            name, columns = "interpolation.png", ACROSS
        else:
            z = self._latents("sample", (n or DRAWN,), streams=streams)
            name, columns = "samples.png", max(math.isqrt(len(z) - 1) + 1, 1)
        made = self._made(z)
        if self.makes_images:
            yield File(name, png(tiled(as_bytes(np, made).reshape(-1, *self.input_shape), columns)))
        else:
            yield from self._lines(made)

    def export(self, options: Mapping[str, Any]) -> Iterator[File]:
        from dlkit.algorithms import network_export

        return network_export.generator(self, options)

    def _lines(self, made: np.ndarray) -> Iterator[str]:
        """Rows that are no images, as CSV in the units of the training file."""
        yield ",".join(self.schema.encoded_names or [f"x{k}" for k in range(made.shape[1])])
        for row in self._raw(made):
            yield ",".join(f"{value:.7g}" for value in row)

    # -- beside the data --------------------------------------------------------------------------
    @cached_property
    def watch(self) -> Watch:
        """What the samples of a run are held against: some of the training rows, drawn once."""
        return self._watch_on(self.data.train)

    def _watch_on(self, rows: Dataset) -> Watch:
        rng = self.context.streams.get("watch")
        chosen = rng.permutation(len(rows))[:MOST_ROWS]
        labels = None if rows.y is None else rows.y[chosen]
        return Watch(self.recipe.watch, rows.inputs(chosen) * 2 - 1, labels, self.schema.classes, rng)

    def evaluate(self, source: str | None, options: Mapping[str, Any]) -> dict[str, float]:
        """Samples beside real images: the recipe's own, or those of `source`."""
        n, classifier = options.get("n") or JUDGED, options.get("classifier")
        if classifier is not None:
            gan_judged.check_classifier(classifier, self.networks.width)
        real, other, labelled = self._real(source, n)
        made = self._made(self._latents("judged", (n,)))
        if classifier is None:
            return {"samples": n} | self._watch_on(labelled).figures(made)
        ours, theirs, others = (
            gan_judged.judged(classifier, self._raw(rows)) for rows in (made, real, other)
        )
        return {"samples": n} | gan_judged.figures(ours, theirs, others, classifier.schema.classes)

    def _real(self, source: str | None, n: int) -> tuple[np.ndarray, np.ndarray, Dataset]:
        """Two disjoint sets of at most n real rows each, in -1..1, and where the first is from.

        With a test set the second is of that, else both are of the same file.
        """
        if source is None:
            if self.recipe.data.train == "-":
                raise UsageError("the run learnt from standard input; name a file", where="evaluate")
            self.read_data()
            first, second = self.data.train, self.data.test
        else:
            chunks = self._read(source, need_label=False)
            first, second = joined(list(chunks)), None
            self._tell(chunks)
        order = self.context.streams.get("real").permutation(len(first))
        half = len(first) // 2
        if second is None and not half:
            raise DataError("two real images or more are needed", where=first.name)
        count = min(n, len(first) if second is not None else half)
        reference = first.inputs(order[:count]) * 2 - 1
        if second is None:
            return reference, first.inputs(order[half : half + count]) * 2 - 1, first
        others = self.context.streams.get("real", 1).permutation(len(second))[:n]
        return reference, second.inputs(others) * 2 - 1, first


def between(start: np.ndarray, end: np.ndarray, prior: str) -> np.ndarray:
    """Latent vectors on the way from start to end, (n, k) each: (n ACROSS, k), row after row.

    Of a normal prior the way is an arc (White 2016): the middle of a straight line would be shorter than
    any vector that the generator has learnt from. Of a uniform one it is the line.
    """
    t = np.linspace(0, 1, ACROSS, dtype=start.dtype)[None, :, None]
    a, b = start[:, None], end[:, None]
    if prior == "uniform":
        return ((1 - t) * a + t * b).reshape(-1, start.shape[1])
    lengths = np.linalg.norm(a, axis=2, keepdims=True) * np.linalg.norm(b, axis=2, keepdims=True)
    cosine = np.clip((a * b).sum(2, keepdims=True) / np.maximum(lengths, 1e-12), -1, 1)
    angle = np.maximum(np.arccos(cosine), 1e-4)
    arc = (np.sin((1 - t) * angle) * a + np.sin(t * angle) * b) / np.sin(angle)
    return arc.reshape(-1, start.shape[1])
