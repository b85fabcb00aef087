"""From states to words: the output layer of a large vocabulary and its cross-entropy as one operation.

Logits of all words for all places would be by far the largest array of a step. They are made for some rows
at a time, turned into their gradient where they lie, and multiplied on at once; so the memory of a step grows
with its words, not with words times vocabulary.
"""

from typing import Any

import numpy as np

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.backend import Backend
from dlkit.kernels.word_loss import word_loss as word_loss_kernel
from dlkit.ops import products
from dlkit.ops.losses import weighted

LOGITS = 8 << 20
"""Most logits held at once (32 MiB in float32)."""


def rows_at_once(words: int) -> int:
    """Rows whose logits over a vocabulary of so many words are made together."""
    return max(LOGITS // words, 1)


def work_numbers(backend: Backend, words: int, width: int, rows: int) -> int:
    """About how many numbers of work space a step takes beside its rows: logits, and W in parts, twice."""
    logits = min(rows_at_once(words), rows) * words
    split = backend.dtype == np.float32 and products.splits(backend, words, width)
    return logits + (3 * words * width if split else 0)


class WordLoss(Op):
    """Smoothed cross-entropy of softmax(h W^T + b), W (V, n): one row a word."""

    @staticmethod
    def forward(
        ctx: OpContext, h: Array, w: Array, b: Array, *, labels: Array, smoothing: float, weight: float,
        rows: tuple[Array, Array, Array],
    ) -> Array:  # fmt: skip
        h = ctx.contiguous(h)
        step = rows_at_once(len(w))
        dh = ctx.grad_out(0) if ctx.needs[0] else None
        dw = ctx.grad_out(1) if ctx.needs[1] else None
        db = ctx.grad_out(2) if ctx.needs[2] else ctx.empty(b.shape, b.dtype)
        db.fill(0)
        if dw is not None and not len(h):
            dw.fill(0)
        for lo in range(0, len(h), step):
            mine = slice(lo, min(lo + step, len(h)))
            z = ctx.scratch("logits", (mine.stop - lo, len(w)), h.dtype)
            products.multiply(ctx, h[mine], w.T, z, "words by columns")
            some = ctx.scratch("sums of rows", b.shape, b.dtype)
            measures = (each[mine] for each in rows)
            ctx.run(word_loss_kernel, z, b, labels[mine], smoothing, weight, some, *measures)
            db += some
            if dh is not None:
                products.multiply(ctx, z, w, dh[mine], "words by rows")
            if dw is not None and lo == 0:
                products.multiply(ctx, z.T, h[mine], dw, "rows of h")
            elif dw is not None:
                more = ctx.scratch("more of W", dw.shape, dw.dtype)
                dw += products.multiply(ctx, z.T, h[mine], more, "rows of h")
        ctx.save(dh, dw, db if ctx.needs[2] else None)
        return weighted(ctx, rows[0], weight)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        if not ctx.is_seed(dy):
            for gradient in filter(lambda g: g is not None, ctx.saved):
                gradient.__imul__(dy)
        return ctx.saved


def word_loss(
    tape: Tape,
    h: Variable,
    w: Variable,
    b: Variable,
    labels: Array,
    weight: float,
    *,
    smoothing: float = 0.0,
) -> tuple[Variable, Array, Array, Array]:
    """Weighted sum of the smoothed cross-entropies of words. h: (N, n), w: (V, n), b: (V,); labels: (N,)
    int64 in 0..V-1, or -1 where there is no word; smoothing: the share spread evenly over the vocabulary
    (Szegedy et al. 2016).

    Returns (loss, smoothed row losses (N,), -log p of the words (N,), whether the largest logit is the
    word's (N,) uint8). Raises ValueError for shapes that do not fit.
    """
    if h.shape[1:] != w.shape[1:] or len(h.shape) != 2:
        raise ValueError(f"word loss: expected rows of {w.shape[1]} numbers, actual shape {tuple(h.shape)}")
    if tuple(labels.shape) != h.shape[:1]:
        raise ValueError(f"word loss: expected {h.shape[0]} labels, actual {labels.shape}")
    n = h.shape[0]
    rows = tape.empty((n,)), tape.empty((n,)), tape.empty((n,), np.uint8)
    loss = tape.apply(WordLoss, h, w, b, labels=labels, smoothing=smoothing, weight=weight, rows=rows)
    return loss, *rows
