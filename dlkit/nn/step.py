"""One training step, the same for every neural algorithm.

The rows of a batch are shared out to shards; each runs forward and backward on its own tape into its own
flat gradient; the gradients are summed in shard order, clipped, and the optimizer updates the parameters,
column slices shared out to the same threads. The bits depend on the number of shards, not of threads.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from dlkit.autograd import Array, Tape, Variable
from dlkit.backend import Backend
from dlkit.backend.machines import Comm
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.kernels.reduce import squared_norm
from dlkit.nn.optimizer import Optimizer, Piece, Run, call, summed
from dlkit.nn.row_updates import RowUpdates

LossFunction = Callable[[Tape, int, slice], tuple[Variable, Any]]
ALIGNMENT = 2048
"""Pieces of the flat buffer start at multiples of this many numbers (unless weight decay cuts them)."""
SMALL = 32 * ALIGNMENT
NAMES_TOLD = 5
WORTHWHILE = {"batch": 16_000_000, "products": 6_000_000}
"""Multiplications that a shard should have to do in a step, by what is split."""


class NonFiniteLoss(ArithmeticError):
    """A loss that is NaN or infinite, told before it spoilt the parameters.

    value: the loss. arrays: names of arrays that were not finite, the first cause first: "input", parameters
    and activations by their paths, then "gradient of <parameter>".
    """

    def __init__(self, value: float, arrays: list[str]) -> None:
        super().__init__(f"loss is {value}; not finite: {', '.join(arrays) or 'the loss alone'}")
        self.value = value
        self.arrays = arrays


def shard_rows(rows: int, shards: int, shard: int) -> slice:
    """The shard's part of range(rows): contiguous, sizes differing by one at most, the first ones longer."""
    base, longer = divmod(rows, shards)
    start = shard * base + min(shard, longer)
    return slice(start, start + base + (shard < longer))


def worthwhile_shards(products: int, rows: int, threads: int, split: str = "batch") -> int:
    """How many shards a step is worth: `threads`, or fewer where the pieces would be too small.

    products: multiplications of one row's forward pass (for dense layers about the number of parameters).
    Backward costs twice as much again. Waking threads and adding gradients up costs as much as some
    16 million multiplications, measured on two cores.
    """
    return max(min(threads, rows, 3 * products * rows // WORTHWHILE[split]), 1)


class GradientStep:
    """Callable that does one step; holds the tapes, the gradients of the shards and the optimizer.

    clip: largest global norm of the gradient, None: no clipping. comm: sums gradients, losses and batch
    statistics over machines. After a call: `loss` (float, the batch's weighted loss; None on a single GPU,
    where it is not waited for), `tally` (the tallies' sum), `results` (what loss_fn returned beside the
    loss, by shard; arrays of a tape hold until the next call), `norm` (of the gradient before clipping,
    where clip is set).
    """

    def __init__(
        self,
        module: Any,
        optimizer: Optimizer,
        backend: Backend,
        team: Team,
        streams: Streams,
        *,
        clip: float | None = None,
        comm: Comm | None = None,
        stream_name: str = "noise",
    ) -> None:
        self.optimizer = optimizer
        self.backend = backend
        self.team = team
        self.streams = streams
        self.clip = clip
        self.comm = comm if comm and comm.size > 1 else None
        self.stream_name = stream_name
        self.loss: float | None = None
        self.tally: Array = None
        self.norm: float | None = None
        self.results: list[Any] = []
        self.flat = module.flat
        self.gradients = [self.flat.gradient() for _ in range(team.shards)]
        self.tapes = [
            Tape(
                backend,
                g,
                owner=self.flat,
                all_sum=self._all_sum(s) if team.shards > 1 or self.comm else None,
                shard=s,
                product=team.product,
                share=team.share,
                parts=team.parts,
            )
            for s, g in enumerate(self.gradients)
        ]
        self.rows = RowUpdates(optimizer, backend, self.comm)
        pieces = self._pieces()
        hands = team.hands.shards
        self._work = [pieces[s::hands] for s in range(hands)]
        self._squares = backend.zeros((len(pieces), 1), np.float64)

    def __call__(
        self,
        rows: int,
        loss_fn: LossFunction,
        lr: float,
        position: tuple[int, int],
        *,
        total_rows: int | None = None,
        tallies: Array = None,
    ) -> float | None:
        """One step on range(rows); returns `loss`.

        loss_fn(tape, shard, rows_slice) -> (loss, result) must do with an empty slice, which a small last
        batch gives (every op does). The loss is weighted by 1/total_rows, so that the shards' losses add up.
        position: (epoch, step), names the noise of this step. total_rows: rows on all machines; default rows.
        tallies: (shards, k) float64 that loss_fn fills with more to be summed; over machines they travel with
        the loss. Raises NonFiniteLoss, before the update, where the loss is at hand (CPU, several machines).
        """
        total = rows if total_rows is None else total_rows
        shards = self.team.shards
        first = self.comm.rank * shards if self.comm else 0

        def forward_backward(s: int) -> tuple[Array, Any]:
            tape = self.tapes[s]
            tape.begin(training=True, rng=lambda: self._rng(*position, first + s), rows=total)
            with np.errstate(all="ignore"):  # what is not finite is told below, by name
                loss, result = loss_fn(tape, s, shard_rows(rows, shards, s))
                tape.backward(loss)
            return loss.data, result

        outcomes = self.team.map(forward_backward)
        self.results = [result for _, result in outcomes]
        self.tally = None if tallies is None else tallies.sum(0)
        self.loss = self._total_loss([loss for loss, _ in outcomes])
        self._update(lr, position)
        return self.loss

    def _rng(self, *position: int) -> np.random.Generator:
        return self.streams.get(self.stream_name, *position)

    def _total_loss(self, losses: list[Array]) -> float | None:
        if self.backend.name != "cpu" and self.comm is None:
            return None
        total = math.fsum(float(self.backend.to_host(loss)) for loss in losses)
        if self.comm:
            total = self._over_machines(total)
        if not math.isfinite(total):
            raise NonFiniteLoss(total, self._names_of_all())
        return total

    def _over_machines(self, loss: float) -> float:
        """Loss and tally summed in one message: all machines see the same, or one would wait for ever."""
        assert self.comm is not None
        tally = np.zeros(0) if self.tally is None else self.backend.to_host(self.tally)
        message = np.concatenate([[loss], tally])
        self.comm.all_sum(message)
        self.tally = None if self.tally is None else message[1:]
        return float(message[0])

    def _names_of_all(self) -> list[str]:
        """What is not finite, on any machine; one that was given a bad input comes first."""
        found = self.comm.gather(self.not_finite()) if self.comm else [self.not_finite()]
        found.sort(key=lambda names: "input" not in names)
        return list(dict.fromkeys(name for names in found for name in names))[:NAMES_TOLD]

    # -- update --------------------------------------------------------------------------------------
    def _pieces(self) -> list[Piece]:
        """Slices of everything the update touches, made once. They depend on model and shards alone."""
        decay = self.optimizer.spec.weight_decay
        share = -(-self.flat.size // self.team.hands.shards)
        block = max(-(-share // ALIGNMENT) * ALIGNMENT, ALIGNMENT)
        return [
            Piece(
                self.flat.data[lo:hi],
                tuple(g[lo:hi] for g in self.gradients),
                tuple(slot[lo:hi] for slot in self.optimizer.slots.values()),
                decay if decays else 0.0,
            )
            # cut where decay ends the pieces are uneven: small ones can be shared out evenly
            for lo, hi, decays in self.flat.runs(decay > 0, min(block, SMALL) if decay > 0 else block)
        ]

    def _update(self, lr: float, position: tuple[int, int]) -> None:
        self.optimizer.begin(lr, position)
        self.rows.collect(self.tapes)
        added = self.clip is not None or self.comm is not None
        scale = self._sum_and_clip() if added else 1.0

        def update(s: int, run: Run = call) -> None:
            for piece in self._work[s]:
                if scale != 1.0:
                    piece.parts[0].__imul__(scale)
                self.optimizer.update(piece._replace(parts=piece.parts[:1]) if added else piece, lr, run)

        if self.team.share:  # the hands need not ask for the interpreter
            for s in range(self.team.hands.shards):
                update(s, self.team.share)
        else:
            self.team.hands.map(update)
        self.rows.update(lr, scale, self.team.hands)
        self.optimizer.finish(position)

    def _sum_and_clip(self) -> float:
        """Sum the shards' gradients into the first (and over machines); the factor that clips it."""
        hands = self.team.hands

        def add_up(s: int) -> None:
            for piece in self._work[s]:
                summed(piece.parts)

        def square(s: int) -> None:
            for k, piece in enumerate(self._work[s]):
                squared_norm(piece.parts[0], self._squares[s + k * hands.shards])

        hands.map(add_up)
        if self.comm:
            self.comm.all_sum(self.gradients[0])
        if self.clip is None:
            return 1.0
        hands.map(square)
        self.norm = math.sqrt(float(self.backend.to_host(self._squares).sum()) + self.rows.squares())
        return self.clip / self.norm if self.norm > self.clip else 1.0

    # -- what the shards share ---------------------------------------------------------------------
    def _all_sum(self, shard: int) -> Callable[[Array], Array]:
        """Sum over shards, then machines; every shard gets the same bits."""

        def total(array: Array) -> Array:
            mine = self.team.all_sum(shard, array)
            if self.comm is None:
                return mine
            if mine is array:  # a single shard's own, which the op goes on using
                mine = array.copy()
            if shard == 0:
                self.comm.all_sum(mine)
            else:
                mine[...] = 0
            return self.team.all_sum(shard, mine)  # a broadcast of the first shard's

        return total

    def not_finite(self) -> list[str]:
        """Names of arrays of the last step that hold NaN or infinity, causes before consequences."""
        inputs = [(name, a) for tape in self.tapes for name, a in tape.notes if name == "input"]
        layers = [(name, a) for tape in self.tapes for name, a in tape.notes if name not in ("", "input")]
        owned = self.flat.parameters | self.flat.tables
        parameters = [(path, p.data) for path, p in owned.items()]
        gradients = [
            (f"gradient of {path}", self.flat.view(g, p))
            for path, p in self.flat.parameters.items()
            for g in self.gradients
        ]
        xp = self.backend.xp
        bad = [
            name
            for name, a in [*inputs, *parameters, *layers, *gradients]
            if a.dtype.kind == "f" and not bool(xp.isfinite(a).all())
        ]
        return list(dict.fromkeys(bad))[:NAMES_TOLD]
