"""dlkit's side of the gan row: one step of D and one of G of the default recipe, z drawn anew each time."""

import platform

import numpy as np

from benchmarks.gan import parser
from benchmarks.measure import say, step_seconds
from dlkit.algorithms.gan_networks import Networks
from dlkit.algorithms.gan_recipe import GANRecipe
from dlkit.algorithms.gan_steps import GanSteps, Share
from dlkit.algorithms.protocol import Context
from dlkit.algorithms.rows import Rows
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import ProductTeam, hold_blas_at_one_thread
from dlkit.readers.spec import DataSpec


def main() -> None:
    asked = parser(__doc__).parse_args()
    hold_blas_at_one_thread()
    recipe = GANRecipe(data=DataSpec(train="-"), fakes="once" if asked.once else "fresh")
    backend, streams, passes = open_backend("cpu"), Streams(1), 1 if asked.once else 2
    draw = np.random.default_rng(1)
    rows = Rows(
        draw.random((asked.batch, 784), np.float32), None, np.ones(1, np.float32), np.zeros(1, np.float32)
    )
    index = np.arange(asked.batch)
    with ProductTeam(asked.threads, asked.threads) as team:
        context = Context(backend, streams, team)
        networks = Networks(recipe, (784,))
        networks.allocate(context)
        play = GanSteps(networks, recipe, context, rows.scale * 2, rows.shift * 2 - 1)

        def both() -> None:
            z = draw.standard_normal((passes, asked.batch, recipe.latent), np.float32)
            play(Share(1, asked.batch, rows, index, z), 1, 0.5, with_generator=True)

        took = step_seconds(both)
    say(**took, threads=asked.threads, versions={"python": platform.python_version()})


if __name__ == "__main__":
    main()
