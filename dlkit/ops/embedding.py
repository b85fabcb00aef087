"""Rows of a table chosen by number, and a gradient that is as sparse: only the rows that were chosen.

The table of a large vocabulary is a `RowParameter` (dlkit.nn.parameter): its gradient is a few rows with
their numbers, and the optimizer changes these rows alone, so that no work of a step grows with the
vocabulary. Any other table gets an ordinary gradient, zero but for those rows.
"""

from typing import Any, NamedTuple

import numpy as np

from dlkit.autograd import Array, Op, OpContext, ParameterLike, Tape, Variable
from dlkit.backend import Backend
from dlkit.kernels.gather import gather_rows
from dlkit.kernels.row_sums import sum_rows
from dlkit.ops.shape import reshape


class RowPlan(NamedTuple):
    """Which of n uses of a table's rows go together; on the host.

    order: (n,) the uses sorted by row, as they came within a row; starts: (k + 1,) where each row's begin in
    it; rows: (k,) the rows used, rising.
    """

    order: np.ndarray
    starts: np.ndarray
    rows: np.ndarray

    @classmethod
    def of(cls, ids: np.ndarray) -> "RowPlan":
        """The plan of ids (n,) int64: the row of each use."""
        order = np.argsort(ids, kind="stable")
        sorted_ids = ids[order]
        first = np.ones(len(ids), bool)
        first[1:] = sorted_ids[1:] != sorted_ids[:-1]
        starts = np.append(np.flatnonzero(first), len(ids))
        return cls(order, starts, sorted_ids[first])

    def sum_into(
        self, backend: Backend, x: Array, source: np.ndarray | None, scale: Array, target: np.ndarray,
        out: Array,
    ) -> None:  # fmt: skip
        """out[target[k]] = the sum of scale * x over the uses of the k-th row. source: (n,) the row of x that
        each use takes; None: use i takes row i. scale: (n,) on the device; None: 1."""
        taken = self.order if source is None else source[self.order]
        host = (taken, self.starts, target)
        taken, starts, target = (backend.asarray(np.asarray(a, np.int64)) for a in host)
        factors = backend.xp.ones(len(self.order), x.dtype)
        if scale is not None:
            factors = scale[backend.asarray(self.order)]
        sum_rows(x, taken, factors, starts, target, out)


class RowPart(NamedTuple):
    """A piece of a row-sparse gradient: rows (k,) on the host, rising, each once; sums (k, d)."""

    rows: np.ndarray
    sums: Array


class Embedding(Op):
    """y[i] = E[ids[i]], E (V, d), ids (n,), y (n, d)."""

    @staticmethod
    def forward(ctx: OpContext, table: Array, *, ids: np.ndarray, by_rows: str | None) -> Array:
        table = ctx.contiguous(table)
        y = ctx.empty((len(ids), table.shape[1]), table.dtype)
        on_device = ctx.backend.asarray(ids)
        gather_rows(table, on_device, ctx.tape.scalar(1.0), ctx.tape.scalar(0.0), y)
        ctx.save(ids, by_rows)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        ids, by_rows = ctx.saved
        return (row_gradient(ctx, 0, ids, None, None, ctx.contiguous(dy), by_rows),)


def row_gradient(
    ctx: OpContext, i: int, ids: np.ndarray, source: np.ndarray | None, scale: Array, x: Array,
    by_rows: str | None,
) -> Array:  # fmt: skip
    """The gradient of input i, a table, to which use s of row ids[s] gives scale[s] x[source[s]].

    by_rows: path of the RowParameter that the table is; its part is left with the tape, and None returned.
    """
    plan = RowPlan.of(ids)
    if by_rows:
        sums = ctx.empty((len(plan.rows), x.shape[1]), x.dtype)
        plan.sum_into(ctx.backend, x, source, scale, np.arange(len(plan.rows)), sums)
        ctx.tape.row_parts.setdefault(by_rows, []).append(RowPart(plan.rows, sums))
        return None
    out = ctx.grad_out(i)
    out.fill(0)
    plan.sum_into(ctx.backend, x, source, scale, plan.rows, out)
    return out


def embedding(tape: Tape, table: Variable, ids: Array, *, by_rows: str | None = None) -> Variable:
    """Rows of a table. table: (V, d); ids: int64 of any shape, 0 .. V - 1, best on the host, where the
    gradient is planned; gives (*ids.shape, d). by_rows: `row_path` of the parameter.

    Raises ValueError for an id that the table does not have.
    """
    host = np.ascontiguousarray(tape.backend.to_host(ids), np.int64)
    y = tape.apply(Embedding, table, ids=host.reshape(-1), by_rows=by_rows)
    return y if host.ndim == 1 else reshape(tape, y, (*host.shape, table.shape[1]))


def row_path(tape: Tape, p: ParameterLike) -> str | None:
    """How `embedding` tells that a parameter's gradient is to be row-sparse: its path if it is a
    `RowParameter` and learnt on this tape, else None."""
    return p.name if getattr(p, "by_rows", False) and tape.parameter(p).needs_grad else None  # type: ignore[attr-defined]
