"""Fully connected layer, with its bias and activation in one pass over the result."""

from typing import Any

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.activation import IDENTITY, PRELU
from dlkit.kernels.batch_norm import column_sums
from dlkit.kernels.dense import activation_gradient, bias_activation
from dlkit.ops.activations import prelu


class Dense(Op):
    """y = act(x W + b), x (..., n), W (n, m), b (m,), y (..., m).

    centred: y = x W; the mean over the rows is taken out of it next, and b with it, whose gradient is 0.
    """

    @staticmethod
    def forward(
        ctx: OpContext, x: Array, w: Array, b: Array, *, kind: int, slope: Array, centred: bool = False
    ) -> Array:
        if x.shape[-1] != w.shape[0]:
            raise ValueError(f"dense: expected rows of {w.shape[0]} numbers, actual shape {x.shape}")
        x2 = x if x.ndim == 2 else ctx.contiguous(x).reshape(-1, w.shape[0])
        y = ctx.matmul(x2, w, out=ctx.empty((x2.shape[0], w.shape[1]), w.dtype))
        if not centred:
            ctx.run(bias_activation, y, b, slope, kind)
        ctx.save(x2, w, y, kind, slope, centred)
        return y if x.ndim == 2 else y.reshape(*x.shape[:-1], w.shape[1])

    @staticmethod
    def backward(ctx: OpContext, dy: Array) -> tuple[Any, ...]:
        x, w, y, kind, slope, centred = ctx.saved
        dy = ctx.contiguous(dy).reshape(y.shape)
        db = ctx.grad_out(2)
        if centred:
            dz = dy
            db.fill(0)
        elif kind == IDENTITY:
            dz = dy
            ctx.run(column_sums, dz, db)
        else:
            dz = ctx.empty(y.shape, y.dtype)
            ctx.run(activation_gradient, y, dy, slope, kind, dz, db)
        dx = dw = None
        if ctx.needs[1]:
            dw = ctx.matmul(x.T, dz, out=ctx.grad_out(1))
        if ctx.needs[0]:
            dx = ctx.grad_out(0)
            ctx.matmul(dz, w.T, out=dx.reshape(x.shape))
        return dx, dw, db


def dense(
    tape: Tape, x: Variable, w: Variable, b: Variable, *, kind: int = IDENTITY,
    slope: float | Variable = 0.0, centred: bool = False,
) -> Variable:  # fmt: skip
    """act(x W + b). x: (..., n), w: (n, m), b: (m,); kind: an activation of dlkit.kernels.activation.

    slope: the negative slope of LEAKY_RELU, or the learnt variable (1,) of PRELU. centred: the mean over the
    rows is taken out next, and b with it: x W.
    Raises ValueError when x does not have rows of n numbers.
    """
    if isinstance(slope, Variable):
        return prelu(tape, dense(tape, x, w, b), slope)
    if kind == PRELU:
        raise ValueError("PRELU needs its slope as a variable")
    more = {"centred": True} if centred else {}
    return tape.apply(Dense, x, w, b, kind=kind, slope=tape.scalar(slope), **more)
