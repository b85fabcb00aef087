"""Pictures of a VAE: samples, reconstructions, ways from code to code, and the plane of a 2-d code."""

from collections.abc import Iterable
from statistics import NormalDist
from typing import TYPE_CHECKING

import numpy as np

from dlkit.algorithms.protocol import File
from dlkit.errors import UsageError
from dlkit.pictures.tiles import as_bytes, png, tiled
from dlkit.readers.dataset import Dataset

if TYPE_CHECKING:
    from dlkit.algorithms.vae_asked import AskedVAE

GRID = 8
"""Columns of a grid of samples, and pairs in a row of reconstructions."""
STEPS = 10
"""Pictures of a way from one code to another, both ends included."""
SHOWN = 64
"""Images that artifacts show."""
MOST_POINTS = 10_000


class Pictures:
    """Draws what `model` decodes. Images are rows of shape (height, width, 1 or 3)."""

    def __init__(self, model: "AskedVAE") -> None:
        self.model = model
        self.shape = model.input_shape
        self.possible = len(self.shape) == 3 and self.shape[2] in (1, 3) and model.preprocess.is_affine

    # -- files of a run ---------------------------------------------------------------------------
    def previews(self, rows: Dataset) -> Iterable[tuple[str, bytes]]:
        """Samples of always the same codes, and the first images beside what becomes of them."""
        if self.possible:
            z = self.model.context.streams.get("samples").standard_normal((SHOWN, self.model.recipe.latent))
            yield "samples.png", self._grid(self.model.decoded(z), GRID)
            yield "reconstructions.png", self._pairs(rows.take(slice(0, SHOWN)))

    def artifacts(self, rows: Dataset) -> Iterable[tuple[str, bytes]]:
        if not self.possible:
            self.model.context.log(
                "no pictures: a row is no image (data.shape: [height, width] makes it one)"
            )
        yield from self.previews(rows)
        if self.model.recipe.latent == 2:
            if self.possible:
                yield "manifold.png", self._manifold(20)
            if picture := self._latent(rows.take(slice(0, MOST_POINTS))):
                yield "latent.png", picture

    # -- files of a verb --------------------------------------------------------------------------
    def samples(self, z: np.ndarray) -> File:
        """One picture for each code (n, k)."""
        self._need_images()
        columns = GRID if len(z) <= GRID * GRID else round(len(z) ** 0.5)
        return File("samples.png", self._grid(self.model.decoded(z), columns))

    def interpolation(self, start: np.ndarray, end: np.ndarray) -> File:
        """A row of pictures for each pair of codes, on the straight line from start to end, (n, k) each."""
        self._need_images()
        t = np.linspace(0, 1, STEPS)[:, None]
        z = np.concatenate([(1 - t) * a + t * b for a, b in zip(start, end, strict=True)])
        return File("interpolation.png", self._grid(self.model.decoded(z), STEPS))

    def manifold(self, side: int) -> File:
        self._need_images()
        if self.model.recipe.latent != 2:
            raise UsageError(f"a plane needs codes of 2 numbers, these have {self.model.recipe.latent}",
                             where="--manifold", hint="train with --latent 2")  # fmt: skip
        return File("manifold.png", self._manifold(side))

    def reconstructions_of(self, rows: Dataset) -> File:
        """Images beside what the decoder makes of their mean codes."""
        self._need_images()
        return File("reconstructions.png", self._pairs(rows))

    def _need_images(self) -> None:
        if not self.possible:
            raise UsageError("this run's rows are no images that can be drawn",
                             hint="data.shape: [height, width] makes them images")  # fmt: skip

    # -- drawing ----------------------------------------------------------------------------------
    def _as_images(self, x: np.ndarray) -> np.ndarray:
        """Rows (n, d) as the network sees them -> (n, height, width, colours) uint8."""
        preprocess, (low, high) = self.model.preprocess, self.model.pixels
        raw = (x.astype(np.float64) - preprocess.shift) / preprocess.scale
        return as_bytes(raw, low, high).reshape(-1, *self.shape)

    def _grid(self, x: np.ndarray, columns: int) -> bytes:
        return png(tiled(self._as_images(x), columns))

    def _pairs(self, rows: Dataset) -> bytes:
        """Each image, and close to its right side what the decoder makes of its mean code."""
        x = rows.inputs()
        tape, backend = self.model._tapes[0], self.model.context.backend
        tape.begin(training=False)
        f = np.array(backend.to_host(self.model.model.encode(tape, tape.constant(backend.asarray(x))).data))
        made = self.model.decoded(f[:, : self.model.recipe.latent])
        return png(tiled(np.concatenate([self._as_images(x), self._as_images(made)], axis=2), GRID))

    def _manifold(self, side: int) -> bytes:
        """Codes at equal steps of probability along both axes (Kingma & Welling 2014, figure 4)."""
        normal = NormalDist()
        steps = [normal.inv_cdf((k + 0.5) / side) for k in range(side)]
        z = np.array([(across, -down) for down in steps for across in steps])
        return png(tiled(self._as_images(self.model.decoded(z)), side, gap=0))

    def _latent(self, rows: Dataset) -> bytes | None:
        """Where images lie in the plane of a 2-d code, coloured by their labels where there are any."""
        try:
            import matplotlib  # noqa: F401
        except ImportError:
            self.model.context.log('latent.png is not drawn: pip install "dlkit[report]"')
            return None
        from dlkit.pictures.scatter import scatter

        mean = self.model.encoded(self.model._rows(rows))[:, :2]
        return scatter(mean, rows.y, self.model.schema.classes, axes=("z_0", "z_1"))
