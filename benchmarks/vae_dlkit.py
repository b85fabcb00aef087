"""dlkit's side of the vae row: steps of `dlkit vae` as the driver takes them, on images kept as bytes."""

import platform
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import say, step_seconds
from benchmarks.vae import Sizes, parser
from dlkit.algorithms.vae import VAE
from dlkit.recipe.resolve import resolve
from dlkit.training.options import RunOptions
from dlkit.training.progress import Display
from dlkit.training.session import prepare

IMAGES = 6400


def main() -> None:
    parse = parser(__doc__)
    parse.add_argument("--shards", type=int, help="parts of the batch (the command's own choice)")
    asked = parse.parse_args()
    sizes = Sizes(batch=asked.batch)
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images.npy"
        np.save(images, np.random.default_rng(1).integers(0, 256, (IMAGES, 28, 28), np.uint8))
        shards = [] if asked.shards is None else [f"shards={asked.shards}"]
        recipe: Any = resolve(VAE.Recipe, None, shards, {"data.train": str(images), "batch": sizes.batch})
        options = RunOptions(directory=Path(folder), threads=asked.threads)
        prepared = prepare(VAE, recipe, options, Display(quiet=True))
    step = steps(prepared.algorithm)
    took = step_seconds(lambda: next(step))
    used = prepared.algorithm.context.team.shards
    prepared.close()
    say(**took, threads=asked.threads, shards=used, versions={"python": platform.python_version()})


def steps(algorithm: Any) -> Iterator[Any]:
    """The steps of one epoch after the other."""
    epoch = 0
    while True:
        epoch += 1
        yield from algorithm.train_epoch(epoch)


if __name__ == "__main__":
    main()
