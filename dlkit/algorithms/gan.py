"""gan: A generator that learns to make images like those it is shown, by deceiving a discriminator.

    min_G max_D  V(D, G) = E_x log D(x) + E_z log(1 - D(G(z)))          (Goodfellow et al. 2014, eq. 1)

The recipe is in gan_recipe.py, the networks in gan_networks.py, the losses in gan_losses.py, a step of each
network in gan_steps.py, mode collapse in gan_collapse.py, sample grids in gan_grids.py, what a trained pair
is asked in gan_asked.py; docs/gan.md has the mathematics.
"""

from collections.abc import Iterable, Iterator
from typing import Any, ClassVar

import numpy as np

from dlkit.algorithms.gan_asked import AskedGAN
from dlkit.algorithms.gan_collapse import COLUMNS
from dlkit.algorithms.gan_grids import LATEST, Grids
from dlkit.algorithms.gan_recipe import GANRecipe
from dlkit.algorithms.gan_steps import GanSteps, Share
from dlkit.algorithms.minibatch import GPU_CHECK_STEPS, schema_of
from dlkit.algorithms.protocol import Context, Description, Progress, Tree
from dlkit.algorithms.rows import Rows, named
from dlkit.backend.feeder import Feeder
from dlkit.nn.module import Passing, shared
from dlkit.nn.step import shard_rows, worthwhile_shards
from dlkit.nn.summary import kept_numbers
from dlkit.pictures.exhibits import Left
from dlkit.readers.batches import Batches
from dlkit.training.metrics import Column


class GAN(AskedGAN):
    """Rounds of the game: D learns from real and made rows, then G from made rows, through D."""

    command = "gan"
    Recipe = GANRecipe
    SPLIT = "products"
    PREVIEWS = (LATEST,)
    METRICS: ClassVar[tuple[Column, ...]] = (
        Column("lr", "1", "G's learning rate of the epoch's last step"),
        Column("train_d_loss", "1", "D's loss; where it cannot tell: log 2, of least squares 1/4"),
        Column("train_g_loss", "1", "G's loss"),
        Column("train_real_accuracy", "fraction", "real rows that D takes for real"),
        Column("train_fake_accuracy", "fraction", "made rows that D takes for made"),
        *COLUMNS,
    )
    EXHIBITS: ClassVar[tuple[Left, ...]] = (
        Left(
            "samples/step-*.png",
            "Samples through time",
            "What becomes of the same latent vectors after more and more steps.",
        ),
        Left(
            "classes.csv",
            "Classes of the samples",
            "Shares among data and samples; hit: whether samples reach it.",
        ),
        Left("modes.csv", "Modes of the samples", "Groups of like rows: shares among data and samples."),
    )
    EXAMPLES: ClassVar[str] = """\
  dlkit gan recipes/gan-digits.yaml
  dlkit gan recipes/gan-mnist.yaml --loss least_squares -o runs/lsgan
  dlkit gan mnist/train --epochs 20 --discriminator-steps 20
  dlkit evaluate runs/gan-gan-mnist --classifier runs/lenet"""

    # -- model ------------------------------------------------------------------------------------
    def worthwhile_shards(self, threads: int) -> int:
        self._lay_out()
        return worthwhile_shards(self.networks.products(), self._batch_rows(), threads, self.recipe.split)

    def _batch_rows(self) -> int:
        rows, batch = len(self.data.train), self.recipe.batch
        return rows if batch == "full" else min(batch, rows)

    def build(self) -> None:
        recipe, context = self.recipe, self.context
        self._lay_out()
        self._refuse_too_large(self._step_bytes(self._batch_rows()), "a training step of ", "model or batch")
        self.networks.allocate(context)
        self.train = self._rows(self.data.train)
        # what is read as 0..1 becomes -1..1, the range of tanh
        self.play = GanSteps(self.networks, recipe, context, self.train.scale * 2, self.train.shift * 2 - 1)
        self.batches = Batches(len(self.train), recipe.batch, True, context.streams)
        self.feeder = Feeder(context.backend)
        self.grids = Grids(recipe.grid, self.input_shape, context.backend) if self.makes_images else None
        self.warned = 0

    def _step_bytes(self, batch: int) -> int:
        """Estimated bytes of a round on `batch` rows: D's step, which makes fakes, and G's, through both."""
        recipe, networks, team, backend = self.recipe, self.networks, self.context.team, self.context.backend
        itemsize, rows = backend.dtype.itemsize, -(-batch // self.context.comm.size)
        latent, shape, mine = (recipe.latent,), self.input_shape, -(-rows // team.shards)
        g, d = networks.generator, networks.discriminator
        numbers = kept_numbers(g, recipe.optimizer, team.shards)
        numbers += kept_numbers(d, recipe.discriminator_optimizer or recipe.optimizer, team.shards)
        through_g, through_d = g.activation_size(latent), d.activation_size(shape)
        of_d = through_g // 2 + 2 * (networks.width + through_d)  # fakes without a gradient, 2n rows
        of_g = recipe.latent + through_g + through_d
        scratch = 0
        for more in (2, 1):
            once, several = (Passing(k * mine, itemsize, team.parts, backend.name) for k in (1, more))
            scratch += sum(shared(g.scratch(latent, once), d.scratch(shape, several)).values())
        return itemsize * (numbers + rows * (of_d + of_g)) + team.shards * scratch

    def describe(self) -> Description:
        return Description(
            data=self.data.summary() if hasattr(self, "data") else "",
            layers=self.networks.table(),
            parameters=self.networks.parameters,
            step_bytes=self._step_bytes(self.batches.size if hasattr(self, "train") else 1),
        )

    # -- one epoch --------------------------------------------------------------------------------
    def train_epoch(self, epoch: int, skip: int = 0) -> Iterator[Progress]:
        steps = self.batches.steps
        before = (epoch - 1) * steps
        if skip == 0:
            self.play.begin_epoch()
            if epoch == 1:
                self._keep_grid(0)
        for share in self._shares(epoch, skip):
            number = share.number
            due = (before + number) % self.recipe.discriminator_steps == 0
            middle = epoch - 1 + (number - 0.5) / steps
            loss = self.play(share, epoch, middle, with_generator=due)
            if loss is None and number % GPU_CHECK_STEPS == 0:
                self.play.refuse_nonfinite()
            self._keep_grid(before + number)
            yield Progress(number, steps, share.rows, loss)

    def _shares(self, epoch: int, skip: int) -> Iterator[Share]:
        """Each batch's rows and latent vectors; rows that lie on the host are sent one batch ahead."""
        comm, train, asarray = self.context.comm, self.train, self.context.backend.asarray
        parts = [
            (number, len(rows), rows[mine], mine)
            for number, rows in self.batches.epoch(epoch, skip)
            for mine in [shard_rows(len(rows), comm.size, comm.rank)]
        ]
        passes = 1 if self.recipe.fakes == "once" else 2

        def latents(number: int, n: int, mine: slice) -> np.ndarray:
            return np.ascontiguousarray(self._latents("latent", (passes, n), epoch, number)[:, mine])

        if not train.on_host:
            for number, n, rows, mine in parts:
                yield Share(number, n, train, asarray(rows), asarray(latents(number, n, mine)))
            return
        fed = self.feeder((train.x[rows], latents(number, n, mine)) for number, n, rows, mine in parts)
        for (number, n, rows, _), (x, z) in zip(parts, fed, strict=True):
            yield Share(number, n, Rows(x, None, train.scale, train.shift), asarray(np.arange(len(rows))), z)

    def _keep_grid(self, step: int) -> None:
        if self.grids and self.grids.due(step):
            self.grids.keep(step, self.networks.generate(self._latents("grid", (self.recipe.grid.cells,))))

    # -- the end of an epoch, and of the run ------------------------------------------------------
    def end_epoch(self, epoch: int) -> dict[str, float]:
        self.play.refuse_nonfinite()
        seen = self.watch.look(self._watched())
        if not self.warned and epoch > self.recipe.watch.after and self.watch.collapsed(seen):
            self.warned = epoch
            self.context.log(f"mode collapse in epoch {epoch}: {self.watch.told(seen)}")
        return self.play.figures() | named("train", self.watch.named(seen))

    def _watched(self) -> np.ndarray:
        """The samples by which collapse is told: always of the same latent vectors."""
        return self._made(self._latents("samples", (self.recipe.watch.samples,)))

    def artifacts(self) -> Iterable[tuple[str, str | bytes]]:
        if self.grids:
            yield from self.grids.artifacts()
        yield from self.watch.artifacts(self._watched())

    def previews(self) -> Iterable[tuple[str, str | bytes]]:
        return self.grids.latest() if self.grids else ()

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        self.play.refuse_nonfinite()  # a state worth saving
        return {
            "schema": self.schema.to_dict(),
            "preprocess": self.preprocess.state(),
            "networks": {name: net.state() for name, net in self.networks.modules.items()},
            "play": self.play.state(),
            "grids": self.grids.state() if self.grids else None,
            "warned": self.warned,
        }

    def load(self, state: Tree) -> None:
        schema_of(state)
        for name, net in self.networks.modules.items():
            net.load(state["networks"][name])
        self.play.load(state["play"])
        if self.grids:
            self.grids.load(state["grids"])
        self.warned = state["warned"]

    @classmethod
    def restore(cls, recipe: Any, state: Tree, context: Context) -> "GAN":
        self = cls(recipe, context)
        self._take(*schema_of(state))
        self._lay_out()
        itemsize = context.backend.dtype.itemsize
        self._refuse_too_large(self.networks.parameters * itemsize, "networks of ", "networks")
        self.networks.allocate(context)
        for name, net in self.networks.modules.items():
            net.load(state["networks"][name])
        return self


ALGORITHM = GAN
