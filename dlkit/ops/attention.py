"""Attention over a source of any length: scores, weights, context (Bahdanau et al. 2015, Luong et al. 2015).

Sequences are time first: queries q (T, B, n) from the words of the target, keys k and values v (S, B, ...)
from those of the source. Scores and weights are (B, T, S). A score is q . k (dot); with keys that went
through a matrix first it is q W k (general); or w . tanh(q + k) (additive).
"""

from typing import Any

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.additive import additive_scores as additive_kernel
from dlkit.kernels.additive import additive_scores_backward
from dlkit.kernels.attention import masked_softmax as softmax_kernel
from dlkit.kernels.attention import masked_softmax_backward


def rows_first(x: Array) -> Array:
    """(B, T, n): a view of x (T, B, n), whose matrices a product takes as they lie."""
    return x.transpose(1, 0, 2)


class Product(Op):
    """y = x W, x (..., n), W (n, m): a dense layer without bias."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, w: Array) -> Array:
        rows = ctx.contiguous(x).reshape(-1, w.shape[0])
        ctx.save(rows, w)
        y = ctx.matmul(rows, w, out=ctx.empty((len(rows), w.shape[1]), w.dtype))
        return y.reshape(*x.shape[:-1], w.shape[1])

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, w = ctx.saved
        dy = ctx.contiguous(dy).reshape(-1, w.shape[1])
        dx = dw = None
        if ctx.needs[0]:
            dx = ctx.grad_out(0)
            ctx.matmul(dy, w.T, out=dx.reshape(x.shape))
        if ctx.needs[1]:
            dw = ctx.matmul(x.T, dy, out=ctx.grad_out(1))
        return dx, dw


class DotScores(Op):
    """s_bts = q_tb . k_sb."""

    @staticmethod
    def forward(ctx: OpContext, q: Array, k: Array) -> Array:
        q, k = rows_first(q), rows_first(k)
        ctx.save(q, k)
        out = ctx.empty((q.shape[0], q.shape[1], k.shape[1]), q.dtype)
        return ctx.xp.matmul(q, k.transpose(0, 2, 1), out=out)

    @staticmethod
    def backward(ctx: OpContext, ds: Array) -> tuple[Any, ...]:
        q, k = ctx.saved
        dq = dk = None
        if ctx.needs[0]:
            dq = ctx.grad_out(0)
            ctx.xp.matmul(ds, k, out=rows_first(dq))
        if ctx.needs[1]:
            dk = ctx.grad_out(1)
            ctx.xp.matmul(ds.transpose(0, 2, 1), q, out=rows_first(dk))
        return dq, dk


class AdditiveScores(Op):
    """s_bts = w . tanh(q_tb + k_sb)."""

    @staticmethod
    def forward(ctx: OpContext, q: Array, k: Array, w: Array) -> Array:
        q, k = ctx.contiguous(q), ctx.contiguous(k)
        s = ctx.empty((q.shape[1], q.shape[0], k.shape[0]), q.dtype)
        additive_kernel(q, k, w, s)
        ctx.save(q, k, w)
        return s

    @staticmethod
    def backward(ctx: OpContext, ds: Array) -> tuple[Any, ...]:
        q, k, w = ctx.saved
        gradients = [
            ctx.grad_out(i) if needed else ctx.empty(a.shape, a.dtype)
            for i, (needed, a) in enumerate(zip(ctx.needs, (q, k, w), strict=True))
        ]
        additive_scores_backward(q, k, w, ctx.contiguous(ds), *gradients)
        return tuple(gradients)


class MaskedSoftmax(Op):
    """Weights of the source's words: softmax over those that are there, 0 for padding."""

    @staticmethod
    def forward(ctx: OpContext, s: Array, *, lengths: Array) -> Array:
        s = ctx.contiguous(s)
        a = ctx.empty(s.shape, s.dtype)
        ctx.run(softmax_kernel, s, lengths, a)
        ctx.save(a)
        return a

    @staticmethod
    def backward(ctx: OpContext, da: Array) -> tuple[Any, ...]:
        (a,) = ctx.saved
        ds = ctx.grad_out(0)
        ctx.run(masked_softmax_backward, a, ctx.contiguous(da), ds)
        return (ds,)


class Context(Op):
    """c_tb = sum_s a_bts v_sb."""

    @staticmethod
    def forward(ctx: OpContext, a: Array, v: Array) -> Array:
        ctx.save(a, v)
        c = ctx.empty((a.shape[1], a.shape[0], v.shape[2]), v.dtype)
        ctx.xp.matmul(a, rows_first(v), out=rows_first(c))
        return c

    @staticmethod
    def backward(ctx: OpContext, dc: Array) -> tuple[Any, ...]:
        a, v = ctx.saved
        dc = rows_first(dc)
        da = dv = None
        if ctx.needs[0]:
            da = ctx.xp.matmul(dc, rows_first(v).transpose(0, 2, 1), out=ctx.grad_out(0))
        if ctx.needs[1]:
            dv = ctx.grad_out(1)
            ctx.xp.matmul(a.transpose(0, 2, 1), dc, out=rows_first(dv))
        return da, dv


def product(tape: Tape, x: Variable, w: Variable) -> Variable:
    """x W. x: (..., n), w: (n, m). Raises ValueError when x does not have rows of n numbers."""
    if x.shape[-1] != w.shape[0]:
        raise ValueError(f"product: expected rows of {w.shape[0]} numbers, actual shape {tuple(x.shape)}")
    return tape.apply(Product, x, w)


def dot_scores(tape: Tape, q: Variable, k: Variable) -> Variable:
    """q . k for every word of the target and of the source. q: (T, B, n), k: (S, B, n); gives (B, T, S).

    Raises ValueError where the two are not of the same rows and width.
    """
    _alike(q, k)
    return tape.apply(DotScores, q, k)


def additive_scores(tape: Tape, q: Variable, k: Variable, w: Variable) -> Variable:
    """w . tanh(q + k). q: (T, B, n), k: (S, B, n), w: (n,); gives (B, T, S). Raises ValueError as above."""
    _alike(q, k)
    return tape.apply(AdditiveScores, q, k, w)


def masked_softmax(tape: Tape, s: Variable, lengths: Array) -> Variable:
    """Weights (B, T, S) from scores (B, T, S); lengths: (B,) int64 words of each source, on the device."""
    return tape.apply(MaskedSoftmax, s, lengths=lengths)


def context(tape: Tape, a: Variable, v: Variable) -> Variable:
    """The weighted sum (T, B, m) of values v (S, B, m); a: (B, T, S) weights."""
    return tape.apply(Context, a, v)


def _alike(q: Variable, k: Variable) -> None:
    if q.shape[1:] != k.shape[1:]:
        raise ValueError(f"attention: expected keys of (S, *{q.shape[1:]}), actual {tuple(k.shape)}")
