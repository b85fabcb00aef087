"""The update of tables by rows: work in proportion to the rows that a step has used, whatever the vocabulary.

The pieces of the shards and machines are summed row by row, in their order. The rows used, and the same rows
of the optimizer's slots, are then copied out, updated by the same rule as all other parameters, and copied
back. A row that a step does not use keeps its value and its moments: for sgd and adagrad without decay that
is what a dense gradient would give; momentum, rmsprop and Adam would have let the moments fade and gone on
moving the row by them (this is the "lazy" Adam of TensorFlow's LazyAdam and PyTorch's SparseAdam), and weight
decay would have pulled it. Adam's count of steps for the start from 0 is that of all steps.
"""

from typing import Any

import numpy as np

from dlkit.autograd import Tape
from dlkit.backend import Backend
from dlkit.backend.machines import Comm
from dlkit.backend.threads import Team
from dlkit.nn.optimizer import Optimizer, Piece
from dlkit.ops.embedding import RowPart, RowPlan

Array = Any


class RowUpdates:
    """Row-sparse gradients of one step, and what they do to the tables of optimizer.flat."""

    def __init__(self, optimizer: Optimizer, backend: Backend, comm: Comm | None) -> None:
        self.optimizer = optimizer
        self.backend = backend
        self.comm = comm
        self.tables = optimizer.flat.tables
        self.gradients: dict[str, RowPart] = {}

    def collect(self, tapes: list[Tape]) -> None:
        """Sum what the tapes' backward passes have left, table by table."""
        for path, table in self.tables.items():
            parts = [part for tape in tapes for part in tape.row_parts.get(path, ())]
            mine = self._summed(parts, table.shape[1])
            if self.comm is not None:
                mine = self._over_machines(mine, table.shape[1])
            self.gradients[path] = mine

    def _summed(self, parts: list[RowPart], width: int) -> RowPart:
        if not parts:
            return RowPart(np.zeros(0, np.int64), self.backend.empty((0, width)))
        if len(parts) == 1:
            return parts[0]
        plan = RowPlan.of(np.concatenate([part.rows for part in parts]))
        stacked = self.backend.xp.concatenate([part.sums for part in parts])
        sums = self.backend.empty((len(plan.rows), width))
        plan.sum_into(self.backend, stacked, None, None, np.arange(len(plan.rows)), sums)
        return RowPart(plan.rows, sums)

    def _over_machines(self, mine: RowPart, width: int) -> RowPart:
        assert self.comm is not None
        every = self.comm.gather((mine.rows, self.backend.to_host(mine.sums)))
        parts = [RowPart(rows, self.backend.asarray(sums)) for rows, sums in every]
        return self._summed(parts, width)

    def squares(self) -> float:
        """The sum of squares over all tables' gradients."""
        total = 0.0
        for part in self.gradients.values():
            total += float(self.backend.to_host((part.sums * part.sums).sum(dtype=np.float64)))
        return total

    def update(self, lr: float, scale: float, hands: Team) -> None:
        """One step of the optimizer's rule on the rows used, each of `hands` some of the tables; scale: what
        clipping multiplies gradients by."""
        paths = [path for path, part in self.gradients.items() if len(part.rows)]

        def some(s: int, step: int = hands.shards) -> None:
            for path in paths[s::step]:
                self._update(path, lr, scale)

        if len(paths) < 2:  # not worth waking anybody
            some(0, 1)
        else:
            hands.map(some)

    def _update(self, path: str, lr: float, scale: float) -> None:
        spec, table, (rows, sums) = self.optimizer.spec, self.tables[path], self.gradients[path]
        if scale != 1.0:
            sums.__imul__(scale)
        at = self.backend.asarray(rows)
        slots = list(self.optimizer.row_slots[path].values())
        used = [whole[at] for whole in (table.data, *slots)]
        p, *moments = (a.reshape(-1) for a in used)
        decay = spec.weight_decay if table.decays else 0.0
        spec.update(Piece(p, (sums.reshape(-1),), tuple(moments), decay), lr, self.optimizer.t)
        for whole, rows_of_it in zip((table.data, *slots), used, strict=True):
            whole[at] = rows_of_it
