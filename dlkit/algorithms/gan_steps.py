"""One step of the discriminator and one of the generator, with their optimizers and the sums of an epoch.

Each network has a flat parameter buffer, an optimizer and a gradient step of its own (nn/step.py):

- D's step: fakes are made on D's own tape, where G's parameters are constants, so that nothing of G is
  recorded;
  the gradient stops at D's inputs. Real and made rows pass side by side, as one batch of 2n rows; where D
  has batch normalisation they pass one after the other, each normalised by its own statistics.
- G's step: made rows pass through G and D; D's parameters are constants there, so that the gradient goes
  through
  D without those of its weights.

Batch normalisation uses the statistics of the batch at hand in all of these passes, and each pass moves the
running ones, as when both networks stay in training mode throughout. The running ones serve samples and
grids.
"""

import math
from typing import Any, NamedTuple

import numpy as np

from dlkit.algorithms.gan_losses import LOSSES
from dlkit.algorithms.gan_networks import Networks
from dlkit.algorithms.protocol import Context, NonFinite, Tree
from dlkit.algorithms.rows import Rows
from dlkit.autograd import Tape
from dlkit.kernels.gather import gather_rows
from dlkit.nn import optimizers, schedules
from dlkit.nn.step import GradientStep, NonFiniteLoss
from dlkit.ops.shape import add

G, D = "generator", "discriminator"
SUMS = ("d_loss", "real_right", "fake_right", "g_loss")


class Share(NamedTuple):
    """This rank's share of a batch."""

    number: int
    rows: int
    """Rows of the whole batch, on all ranks."""
    table: Rows
    index: Any
    """(m,) int64 on the device: rows of the table."""
    z: Any
    """(passes, m, latent) on the device: latent vectors of the first pass through G and of a second."""


class GanSteps:
    """Callable that plays one round on a batch. scale, shift: what turns a stored row into -1..1."""

    def __init__(self, networks: Networks, recipe: Any, context: Context, scale: Any, shift: Any) -> None:
        self.networks, self.recipe, self.context = networks, recipe, context
        self.scale, self.shift = scale, shift
        self.loss = LOSSES[recipe.loss]
        specs = {G: recipe.optimizer, D: recipe.discriminator_optimizer or recipe.optimizer}
        self.schedules = {name: schedules.build(spec, recipe.epochs) for name, spec in specs.items()}
        self.steps = {
            name: GradientStep(
                networks.modules[name],
                optimizers.build(spec, networks.flats[name]),
                context.backend,
                context.team,
                context.streams,
                clip=spec.clip,
                comm=context.comm,
                stream_name=f"noise {name}",
            )
            for name, spec in specs.items()
        }
        self.sums = context.backend.zeros((context.team.shards, len(SUMS)), np.float64)
        self.rows = {G: 0, D: 0}
        self.lr = float(recipe.optimizer.lr)
        self._targets: dict[tuple[str, int], Any] = {}

    def __call__(self, share: Share, epoch: int, done: float, *, with_generator: bool) -> float | None:
        """D's step and, if wanted, G's; done: epochs trained so far. Returns D's loss where it is at hand."""
        position = (epoch, share.number)
        rates = {name: schedule.lr(done) for name, schedule in self.schedules.items()}
        self.lr = rates[G]
        if self.recipe.fakes == "once":
            self._generator(share, share.z[0], rates[G], position)
            return self._discriminator(share, rates[D], position, self.steps[G].results)
        loss = self._discriminator(share, rates[D], position)
        if with_generator:
            self._generator(share, share.z[1], rates[G], position)
        return loss

    def _discriminator(
        self, share: Share, lr: float, position: tuple[int, int], made: list[Any] | None = None
    ) -> float | None:
        """made: fakes of each shard, where they are there already."""
        sums, weight = self._tallies(), 1 / share.rows

        def loss(tape: Tape, shard: int, rows: slice) -> Any:
            fakes = self.networks.fakes(tape, share.z[0][rows]).data if made is None else made[shard]
            x = self._real_above(tape, share, rows, fakes)
            m = len(x) // 2
            targets = self._real_and_fake(m)
            if self.networks.separate:
                out, total, losses = self._halves(tape, x, targets, weight)
            else:
                outputs = self.networks.outputs(tape, tape.constant(x))
                total, row_losses = self.loss.discriminator(tape, outputs, targets, weight)
                out, losses = (outputs.data[:m], outputs.data[m:]), [row_losses]
            for row_losses in losses:
                sums[shard, 0] += row_losses.sum(dtype=np.float64)
            sums[shard, 1] += self.loss.takes_for_real(out[0]).sum(dtype=np.float64)
            sums[shard, 2] += m - self.loss.takes_for_real(out[1]).sum(dtype=np.float64)
            return total, None

        return self._step(D, share, loss, lr, position, sums)

    def _real_above(self, tape: Tape, share: Share, rows: slice, fakes: Any) -> Any:
        """(2m, ...) the shard's real rows and, below them, as many made ones."""
        m, shape = rows.stop - rows.start, self.networks.shape
        x = tape.empty((2 * m, self.networks.width))
        gather_rows(share.table.x, share.index[rows], self.scale, self.shift, x[:m])
        x[m:] = fakes.reshape(m, self.networks.width)
        return x.reshape(2 * m, *shape)

    def _halves(
        self, tape: Tape, x: Any, targets: Any, weight: float
    ) -> tuple[tuple[Any, Any], Any, list[Any]]:
        """Real rows, then made ones: outputs of both, the loss, the losses of their rows."""
        m = len(x) // 2
        real = self.networks.outputs(tape, tape.constant(x[:m]))
        fake = self.networks.outputs(tape, tape.constant(x[m:]))
        on_real, real_losses = self.loss.discriminator(tape, real, targets[:m], weight)
        on_fake, fake_losses = self.loss.discriminator(tape, fake, targets[m:], weight)
        return (real.data, fake.data), add(tape, on_real, on_fake), [real_losses, fake_losses]

    def _generator(self, share: Share, z: Any, lr: float, position: tuple[int, int]) -> float | None:
        """The step's results are the fakes of each shard."""
        sums, weight = self._tallies(), 1 / share.rows

        def loss(tape: Tape, shard: int, rows: slice) -> Any:
            fakes = self.networks.fakes(tape, z[rows])
            outputs = self.networks.outputs(tape, fakes)
            goal = self._goal(len(outputs.data))
            total, row_losses = self.loss.generator(tape, outputs, goal, weight)
            sums[shard, 3] += row_losses.sum(dtype=np.float64)
            return total, fakes.data

        return self._step(G, share, loss, lr, position, sums)

    def _step(
        self, name: str, share: Share, loss: Any, lr: float, position: tuple[int, int], sums: Any
    ) -> float | None:
        step, several = self.steps[name], self.context.comm.size > 1
        tallies = sums if several else None
        try:
            mean = step(len(share.index), loss, lr, position, total_rows=share.rows, tallies=tallies)
        except NonFiniteLoss as error:
            raise NonFinite(error.value, ", ".join(error.arrays) or f"the {name}'s loss") from error
        if several:
            self.sums[0] += self.context.backend.asarray(step.tally, np.float64)
        self.rows[name] += share.rows
        return mean

    def _tallies(self) -> Any:
        """Where a step adds up: the epoch's sums or, of several machines, an array that travels."""
        if self.context.comm.size == 1:
            return self.sums
        return self.context.backend.zeros(self.sums.shape, np.float64)

    def _real_and_fake(self, m: int) -> Any:
        """(2m, 1) D's targets: real rows, then made ones."""
        if (D, m) not in self._targets:
            targets = np.zeros((2 * m, 1))
            targets[:m] = 1 - self.recipe.label_smoothing
            self._targets[D, m] = self.context.backend.asarray(targets)
        return self._targets[D, m]

    def _goal(self, m: int) -> Any:
        """(m, 1) G's targets."""
        if (G, m) not in self._targets:
            self._targets[G, m] = self.context.backend.asarray(np.full((m, 1), self.loss.goal))
        return self._targets[G, m]

    # -- an epoch's sums --------------------------------------------------------------------------
    def begin_epoch(self) -> None:
        self.sums[...] = 0
        self.rows = {G: 0, D: 0}

    def refuse_nonfinite(self) -> None:
        """Where the device is not waited for at each step, the epoch's sums tell. Raises NonFinite."""
        total = float(self.context.backend.to_host(self.sums).sum())
        if not math.isfinite(total):
            names = [name for step in self.steps.values() for name in step.not_finite()]
            raise NonFinite(total, ", ".join(dict.fromkeys(names)) or "the loss itself")

    def figures(self) -> dict[str, float]:
        """The epoch's means; G's loss is missing where G took no step."""
        d_loss, real, fake, g_loss = self.context.backend.to_host(self.sums).sum(0).tolist()
        row = {"lr": self.lr, "train_d_loss": d_loss * self.loss.share / self.rows[D]}
        if self.rows[G]:
            row["train_g_loss"] = g_loss * self.loss.sign / self.rows[G]
        return row | {
            "train_real_accuracy": real / self.rows[D],
            "train_fake_accuracy": fake / self.rows[D],
        }

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        return {
            "optimizers": {name: step.optimizer.state() for name, step in self.steps.items()},
            "lr": self.lr,
            "sums": np.array(self.context.backend.to_host(self.sums)),
            "rows": dict(self.rows),
        }

    def load(self, state: Tree) -> None:
        """The inverse of `state`. Raises DataError or ValueError for what does not fit."""
        for name, step in self.steps.items():
            step.optimizer.load(state["optimizers"][name])
        rows = {name: state["rows"][name] for name in self.rows}
        whole = all(type(count) is int and count >= 0 for count in rows.values())
        if not whole or not np.isfinite([state["lr"], *state["sums"].flat]).all():
            raise ValueError("sums of an epoch that are not finite or of no number of rows")
        self.lr, self.rows = float(state["lr"]), rows
        self.sums[...] = self.context.backend.asarray(state["sums"], np.float64)
