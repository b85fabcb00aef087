"""Activations on their own; `dense` has them fused."""

from typing import Any

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.activation import IDENTITY, PRELU, activate, activate_backward


class Activation(Op):
    """y = act(x), element by element."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, *, kind: int, slope: Array) -> Array:
        x = ctx.contiguous(x)
        y = ctx.empty(x.shape, x.dtype)
        ctx.run(activate, x, slope, kind, y)
        ctx.save(x, y, kind, slope)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, y, kind, slope = ctx.saved
        dx = ctx.grad_out(0)
        ctx.run(activate_backward, x, y, ctx.contiguous(dy), slope, kind, dx, ctx.empty((1,), x.dtype))
        return (dx,)


class PRelu(Op):
    """y = x where x > 0, else a x, with learnt a (1,) (He et al. 2015, eq. 1)."""

    @staticmethod
    def forward(ctx: OpContext, x: Array, a: Array) -> Array:
        x = ctx.contiguous(x)
        y = ctx.empty(x.shape, x.dtype)
        ctx.run(activate, x, a, PRELU, y)
        ctx.save(x, y, a)
        return y

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, y, a = ctx.saved
        dx = ctx.grad_out(0) if ctx.needs[0] else ctx.empty(x.shape, x.dtype)
        da = ctx.grad_out(1) if ctx.needs[1] else ctx.empty((1,), x.dtype)
        ctx.run(activate_backward, x, y, ctx.contiguous(dy), a, PRELU, dx, da)
        return dx, da


def activation(tape: Tape, x: Variable, kind: int, slope: float = 0.0) -> Variable:
    """act(x), x of any shape; kind as in dlkit.kernels.activation, slope that of LEAKY_RELU."""
    if kind == IDENTITY:
        return x
    if kind == PRELU:
        raise ValueError("PRELU has a learnt slope: use prelu")
    return tape.apply(Activation, x, kind=kind, slope=tape.scalar(slope))


def prelu(tape: Tape, x: Variable, a: Variable) -> Variable:
    """x where it is positive, else a x. x: any shape, a: (1,)."""
    return tape.apply(PRelu, x, a)
