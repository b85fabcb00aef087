"""Sample grids: what the generator makes of the same latent vectors every so many steps.

The grids are kept as bytes, on the device until they are asked for, so that no step makes the host wait.
Where there would be more than `most`, every second one is given up and the interval doubles.
"""

import io
from collections.abc import Iterable
from typing import Any

import numpy as np
from pydantic import Field

from dlkit.backend import Backend
from dlkit.pictures.tiles import png, tiled
from dlkit.recipe.schema import Spec

LATEST = "samples/latest.png"
FRAME_MS, LAST_MS = 150, 3000


class GridSpec(Spec):
    """Pictures of samples while the networks learn."""

    every: int = Field(400, ge=1, description="Steps between two grids.")
    rows: int = Field(8, ge=1, le=100, description="Rows of a grid.")
    columns: int = Field(8, ge=1, le=100, description="Columns of a grid.")
    most: int = Field(64, ge=2, le=1000, description="Grids kept; beyond it every second one is given up.")

    @property
    def cells(self) -> int:
        """Samples of a grid."""
        return self.rows * self.columns


class Grids:
    """The grids of a run so far. shape: (height, width, colours) of a sample."""

    def __init__(self, spec: GridSpec, shape: tuple[int, ...], backend: Backend) -> None:
        self.spec = spec
        self.shape = (spec.cells, *shape)
        self.backend = backend
        self.every = spec.every
        self.steps: list[int] = []
        self._kept: list[Any] = []

    def due(self, step: int) -> bool:
        """Whether a grid is due after `step` steps of the run; at 0 it shows the untrained generator."""
        return step % self.every == 0 and step not in self.steps[-1:]

    def keep(self, step: int, samples: Any) -> None:
        """samples: (cells, d) on the device, in -1..1."""
        self._kept.append(as_bytes(self.backend.xp, samples))
        self.steps.append(step)
        if len(self.steps) > self.spec.most:
            self.every *= 2
            stay = [k for k, one in enumerate(self.steps) if one % self.every == 0]
            self.steps, self._kept = [self.steps[k] for k in stay], [self._kept[k] for k in stay]

    def images(self) -> np.ndarray:
        """(grids, cells, height, width, colours) uint8 on the host."""
        if not self._kept:
            return np.zeros((0, *self.shape), np.uint8)
        stacked = np.array(self.backend.to_host(self.backend.xp.stack(self._kept)))
        return stacked.reshape(-1, *self.shape)

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> dict[str, Any]:
        return {"images": self.images(), "steps": np.array(self.steps, np.int64), "every": self.every}

    def load(self, state: dict[str, Any]) -> None:
        """The inverse of `state`. Raises ValueError for what it never gives."""
        images, steps, every = state["images"], state["steps"], state["every"]
        good = (
            images.dtype == np.uint8 and images.shape == (len(images), *self.shape),
            steps.dtype == np.int64 and steps.shape == (len(images),) and bool((np.diff(steps) > 0).all()),
            type(every) is int and every > 0 and len(images) <= self.spec.most,
        )
        if not all(good):
            raise ValueError(f"sample grids that are none (rule {good.index(False) + 1})")
        self.every = every
        self.steps = steps.tolist()
        self._kept = [self.backend.asarray(image.reshape(len(image), -1)) for image in images]

    # -- files ------------------------------------------------------------------------------------
    def latest(self) -> Iterable[tuple[str, bytes]]:
        """The newest grid."""
        if self._kept:
            newest = np.array(self.backend.to_host(self._kept[-1])).reshape(self.shape)
            yield LATEST, png(tiled(newest, self.spec.columns))

    def artifacts(self) -> Iterable[tuple[str, bytes]]:
        """Each grid as samples/step-<n>.png, and all of them as samples/training.gif."""
        pages = [tiled(images, self.spec.columns) for images in self.images()]
        digits = len(str(self.steps[-1])) if self.steps else 1
        for step, page in zip(self.steps, pages, strict=True):
            yield f"samples/step-{step:0{digits}d}.png", png(page)
        if len(pages) > 1:
            yield "samples/training.gif", animated(pages)


def as_bytes(xp: Any, samples: Any) -> Any:
    """-1..1 as 0..255, rounded; numbers outside are cut off."""
    return xp.clip(xp.rint(samples * 127.5 + 127.5), 0, 255).astype(np.uint8)


def animated(pages: list[np.ndarray]) -> bytes:
    """A GIF of pictures (height, width) or (height, width, 3) uint8; the last one stays longer."""
    from PIL import Image

    pictures = [Image.fromarray(page) for page in pages]
    pictures = [p if p.mode == "L" else p.quantize(128) for p in pictures]
    out = io.BytesIO()
    durations = [FRAME_MS] * (len(pictures) - 1) + [LAST_MS]
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return out.getvalue()
