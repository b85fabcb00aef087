"""Hierarchical softmax: the loss of symbols along their paths in a binary tree (kernels/hierarchical.py)."""

from typing import Any, NamedTuple

import numpy as np

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.hierarchical import path_loss
from dlkit.ops.embedding import row_gradient
from dlkit.ops.losses import weighted


class Paths(NamedTuple):
    """A tree's paths from the root: that of symbol v is starts[v] .. starts[v + 1] - 1; on the host."""

    nodes: np.ndarray
    """(S,) int64 inner nodes."""
    branches: np.ndarray
    """(S,) uint8: 0 where sigma(z) is the branch's probability, 1 where sigma(-z)."""
    starts: np.ndarray
    """(symbols + 1,) int64."""


class HierarchicalLoss(Op):
    """Row loss -log p(label) of h (N, n) with the inner nodes' w (K, n) and b (K, 1)."""

    @staticmethod
    def forward(
        ctx: OpContext, h: Array, w: Array, b: Array, *, labels: np.ndarray, paths: Paths,
        on_device: tuple[Array, Array, Array], weight: float, rows: tuple[Array, Array],
        by_rows: tuple[str | None, str | None],
    ) -> Array:  # fmt: skip
        h, w = ctx.contiguous(h), ctx.contiguous(w)
        lengths = np.where(labels < 0, 0, paths.starts[labels + 1] - paths.starts[labels])
        first = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        dh, dz = ctx.empty(h.shape, h.dtype), ctx.empty((int(first[-1]),), h.dtype)
        asarray = ctx.backend.asarray
        path_loss(
            h, w, ctx.contiguous(b).reshape(-1), *on_device, asarray(labels), weight, asarray(first), dh, dz,
            *rows,
        )  # fmt: skip
        source = np.repeat(np.arange(len(labels)), lengths)
        used = paths.nodes[paths.starts[labels[source]] + np.arange(len(source)) - first[source]]
        ctx.save(h, dh, dz, source, used, by_rows)
        return weighted(ctx, rows[0], weight)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        h, dh, dz, source, used, by_rows = ctx.saved
        if not ctx.is_seed(dy):
            dh *= dy
            dz *= dy
        one = ctx.empty((1, 1), h.dtype)
        one.fill(1)
        dw = db = None
        if ctx.needs[1]:
            dw = row_gradient(ctx, 1, used, source, dz, h, by_rows[0])
        if ctx.needs[2]:
            db = row_gradient(ctx, 2, used, np.zeros(len(used), np.int64), dz, one, by_rows[1])
        return dh, dw, db


def hierarchical_loss(
    tape: Tape, h: Variable, w: Variable, b: Variable, labels: np.ndarray, paths: Paths,
    on_device: tuple[Array, Array, Array], weight: float, *,
    by_rows: tuple[str | None, str | None] = (None, None),
) -> tuple[Variable, Array, Array]:  # fmt: skip
    """Weighted sum of -log p of symbols. h: (N, n), w: (K, n), b: (K, 1); labels: (N,) int64 on the host, -1
    for none; on_device: the arrays of `paths` there; by_rows: `row_path` of w and of b.

    Returns (loss, row losses (N,), whether the likelier branches lead to the symbol (N,) uint8).
    """
    if h.shape[1:] != w.shape[1:] or len(h.shape) != 2 or labels.shape != h.shape[:1]:
        raise ValueError(
            f"hierarchical loss: {tuple(h.shape)}, {tuple(w.shape)} and {labels.shape} labels do not fit"
        )
    rows = tape.empty((h.shape[0],)), tape.empty((h.shape[0],), np.uint8)
    loss = tape.apply(
        HierarchicalLoss, h, w, b, labels=labels, paths=paths, on_device=on_device, weight=weight, rows=rows,
        by_rows=by_rows,
    )  # fmt: skip
    return loss, *rows
