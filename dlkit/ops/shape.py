"""Ops that pick and combine without arithmetic of their own."""

from typing import Any

from dlkit.autograd import Array, Op, OpContext, Tape, Variable


class Columns(Op):
    """y = x[..., lo:hi]."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, lo: int, hi: int) -> Array:
        ctx.save(lo, hi)
        return x[..., lo:hi]

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        lo, hi = ctx.saved
        dx = ctx.grad_out(0)
        dx[...] = 0
        dx[..., lo:hi] = dy
        return (dx,)


class Add(Op):
    """y = a + b of equal shapes."""

    @staticmethod
    def forward(ctx: OpContext, a: Array, b: Array) -> Array:
        if a.shape != b.shape:
            raise ValueError(f"add: expected equal shapes, actual {a.shape} and {b.shape}")
        return ctx.xp.add(a, b, out=ctx.empty(a.shape, a.dtype))

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return dy, dy


class Scale(Op):
    """y = c x with a constant c."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, c: float) -> Array:
        ctx.save(c)
        return ctx.xp.multiply(x, c, out=ctx.empty(x.shape, x.dtype))

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return (ctx.xp.multiply(dy, ctx.saved[0], out=ctx.grad_out(0)),)


class Reshape(Op):
    """The same numbers in another shape; no copy where the array is contiguous."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, shape: tuple[int, ...]) -> Array:
        ctx.save(x.shape)
        return ctx.contiguous(x).reshape(shape)

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        return (ctx.contiguous(dy).reshape(ctx.saved[0]),)


class Join(Op):
    """y = the inputs beside each other along the last axis."""

    @staticmethod
    def forward(ctx: OpContext, *xs: Array) -> Array:
        leading = xs[0].shape[:-1]
        if any(x.shape[:-1] != leading for x in xs):
            raise ValueError(f"join: expected equal leading axes, actual {[x.shape for x in xs]}")
        y = ctx.empty((*leading, sum(x.shape[-1] for x in xs)), xs[0].dtype)
        ends = [sum(x.shape[-1] for x in xs[: k + 1]) for k in range(len(xs))]
        for x, end in zip(xs, ends, strict=True):
            y[..., end - x.shape[-1] : end] = x
        ctx.save([(end - x.shape[-1], end) for x, end in zip(xs, ends, strict=True)])
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        parts = enumerate(ctx.saved[0])
        return tuple(dy[..., lo:hi] if ctx.needs[k] else None for k, (lo, hi) in parts)


class Repeat(Op):
    """y (k, ...): x (1, ...) k times."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, k: int) -> Array:
        y = ctx.empty((k, *x.shape[1:]), x.dtype)
        y[...] = x
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        dx = ctx.grad_out(0)
        dy.sum(axis=0, keepdims=True, out=dx)
        return (dx,)


def columns(tape: Tape, x: Variable, lo: int, hi: int) -> Variable:
    """x[..., lo:hi] (a view), x (..., n)."""
    return tape.apply(Columns, x, lo=lo, hi=hi)


def add(tape: Tape, a: Variable, b: Variable) -> Variable:
    """a + b; ValueError unless the shapes are equal."""
    return tape.apply(Add, a, b)


def scale(tape: Tape, x: Variable, c: float) -> Variable:
    """c x."""
    return tape.apply(Scale, x, c=c)


def reshape(tape: Tape, x: Variable, shape: tuple[int, ...]) -> Variable:
    """x in another shape of the same size."""
    return tape.apply(Reshape, x, shape=tuple(shape))


def join(tape: Tape, *xs: Variable) -> Variable:
    """The arrays beside each other along the last axis, (..., n1 + n2 + ...); ValueError unless the other
    axes are equal."""
    return tape.apply(Join, *xs)


def repeat(tape: Tape, x: Variable, k: int) -> Variable:
    """x (1, ...) k times along the first axis: (k, ...)."""
    if x.shape[0] != 1:
        raise ValueError(f"repeat: expected a first axis of length 1, actual shape {x.shape}")
    return tape.apply(Repeat, x, k=k)
