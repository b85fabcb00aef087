"""Recurrent networks over whole sequences, time first: x (T, B, n), all states y (T, B, m).

The product of the input with its weights is taken once for all steps; a step is then one product of the state
before and one kernel. Back-propagation goes through every step (Werbos 1990); a recipe that cuts it feeds the
state of one call into the next as a constant. The gradients of the weights are products over all steps.

mask: (T, B) uint8, 0 where a sequence has no symbol. There the state stays what it was, so that y repeats it
and the last state is that of the sequence's end; no gradient comes from such a step. Weights of several
gates stand beside each other: LSTM i, f, k, o; GRU k, r, z for the input and r, z, q for the state.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlkit.autograd import Array, Op, OpContext, Tape, Variable
from dlkit.kernels.batch_norm import column_sums
from dlkit.kernels.gru import gru_step, gru_step_backward
from dlkit.kernels.lstm import lstm_step, lstm_step_backward
from dlkit.kernels.simple_rnn import tanh_step, tanh_step_backward
from dlkit.ops import products

GATES = {"tanh": 1, "gru": 3, "lstm": 4}
"""Parts of a cell's weight matrices."""


LONG = 4
"""Steps from which on packing the weights pays."""


class Sequence:
    """What the cells share: the walk over time, the products, the states.

    states: (T + 1, B, m), the first state at one end (`before` the first step of the walk). mask: rows of
    (T, B) or None. keep: (B, m) factors of the state on its way into the product, the same at all steps
    (Gal & Ghahramani 2016), or None.
    """

    def __init__(
        self, ctx: OpContext, x: Array, u: Array, h0: Array, mask: Array, keep: Array, reverse: bool
    ) -> None:
        self.ctx, self.u, self.mask, self.keep, self.reverse = ctx, u, mask, keep, reverse
        self.x = ctx.contiguous(x)
        self.t, self.b = x.shape[:2]
        self.m = u.shape[0]
        self.dtype = x.dtype
        self.states = self.track(h0)
        self.kept = None if keep is None else ctx.empty((self.t, self.b, self.m), x.dtype)
        self._every = ctx.empty((self.b,), np.uint8)
        self._every.fill(1)
        self.packed = self._pack(u)

    def steps(self) -> Iterator[tuple[int, int, int]]:
        """(step, place of the state before it, of the state after it) in the order of the walk."""
        times = range(self.t - 1, -1, -1) if self.reverse else range(self.t)
        return ((t, t + self.reverse, t + 1 - self.reverse) for t in times)

    def back(self) -> Iterator[tuple[int, int, int]]:
        """The walk from its end, for products with U^T."""
        self.packed = self._pack(self.u.T)
        return reversed(list(self.steps()))

    def _pack(self, u: Array) -> products.Packed | products.Split | None:
        if self.t < LONG:
            return None
        return products.pack(self.ctx, u, "packed weights", rows=self.b, times=self.t)

    def track(self, first: Array) -> Array:
        """(T + 1, B, m) with the first state in its place."""
        track = self.ctx.empty((self.t + 1, self.b, self.m), self.dtype)
        track[self.t if self.reverse else 0] = first
        return track

    def ends(self, track: Array) -> tuple[Array, Array]:
        """(T, B, m) the states after each step, (B, m) the last of the walk."""
        return (track[:-1], track[0]) if self.reverse else (track[1:], track[-1])

    def mask_at(self, t: int) -> Array:
        return self._every if self.mask is None else self.mask[t]

    # -- forward ----------------------------------------------------------------------------------
    def inputs(self, w: Array) -> Array:
        """(T, B, g m): x W at every step."""
        rows = self.t * self.b
        g = self.ctx.empty((rows, w.shape[1]), self.dtype)
        products.multiply(self.ctx, self.x.reshape(rows, self.x.shape[2]), w, g, "input weights")
        return g.reshape(self.t, self.b, w.shape[1])

    def product(self, before: int, t: int) -> Array:
        """(B, g m): the state before step t times U."""
        h = self.states[before]
        if self.kept is not None:
            h = self.ctx.xp.multiply(h, self.keep, out=self.kept[t])
        out = self.ctx.scratch("recurrent product", (self.b, self.u.shape[1]), self.dtype)
        if self.packed is not None:
            return products.times(self.ctx, h, self.packed, out)
        return self.ctx.matmul(h, self.u, out=out)

    # -- backward ---------------------------------------------------------------------------------
    def start(self, last: Array) -> Array:
        """(B, m): what arrives at the last state from outside."""
        carry = self.ctx.empty((self.b, self.m), self.dtype)
        carry[...] = 0 if last is None else last
        return carry

    def above(self, dy: Array) -> Array:
        """(T, B, m) what arrives at the states; zeros that take one step's memory where nothing does."""
        if dy is not None:
            return self.ctx.contiguous(dy)
        none = self.ctx.scratch("no gradient", (self.b, self.m), self.dtype)
        none.fill(0)
        return [none] * self.t

    def later(self) -> Array:
        """(B, m) zeros: no product follows the last step."""
        none = self.ctx.empty((self.b, self.m), self.dtype)
        none.fill(0)
        return none

    def back_product(self, d: Array, out: Array) -> Array:
        """out (B, m) = d U^T: what arrives at the state before through the product."""
        if self.packed is not None:
            products.times(self.ctx, d, self.packed, out)
        else:
            self.ctx.matmul(d, self.u.T, out=out)
        if self.keep is not None:
            out *= self.keep
        return out

    def recurrent_gradient(self, d: Array, i: int) -> Array:
        """The gradient of U, input i: states before, transposed, times d (T B, g m)."""
        if not self.ctx.needs[i]:
            return None
        before = self.kept
        if before is None:
            before = self.states[1:] if self.reverse else self.states[:-1]
        turned = before.reshape(self.t * self.b, self.m).T
        return products.multiply(self.ctx, turned, d, self.ctx.grad_out(i), "gates' gradients")

    def input_gradients(self, d: Array, w: Array) -> tuple[Array, Array]:
        """The gradients of x and W, inputs 0 and 1; d (T B, g m)."""
        ctx = self.ctx
        rows = self.t * self.b
        dx = dw = None
        if ctx.needs[1]:
            turned = self.x.reshape(rows, self.x.shape[2]).T
            dw = products.multiply(ctx, turned, d, ctx.grad_out(1), "gates' gradients")
        if ctx.needs[0]:
            dx = ctx.grad_out(0)
            products.multiply(ctx, d, w.T, dx.reshape(rows, self.x.shape[2]), "input weights")
        return dx, dw

    def bias_gradient(self, d: Array, i: int) -> Array:
        """Sums of d (T B, g m) over its rows."""
        if not self.ctx.needs[i]:
            return None
        out = self.ctx.grad_out(i)
        if d.flags.c_contiguous:
            self.ctx.run(column_sums, d, out)
        else:
            d.sum(axis=0, out=out)
        return out


class TanhRnn(Op):
    """h_t = tanh(x_t W + h_{t-1} U + b). Gives all states and the last."""

    @staticmethod
    def forward(
        ctx: OpContext, x: Array, w: Array, u: Array, b: Array, h0: Array, *, mask: Array, keep: Array,
        reverse: bool,
    ) -> tuple[Array, ...]:  # fmt: skip
        seq = Sequence(ctx, x, u, h0, mask, keep, reverse)
        h = seq.states
        g = seq.inputs(w)
        for t, before, after in seq.steps():
            ctx.run(tanh_step, g[t], seq.product(before, t), b, seq.mask_at(t), h[before], h[after])
        ctx.save(seq, w, g)
        return seq.ends(h)

    @staticmethod
    def backward(ctx: OpContext, *arrived: Array) -> tuple[Any, ...]:
        seq, w, dz = ctx.saved  # x W is not needed any more: its place takes the gradient
        above, carry, later = seq.above(arrived[0]), seq.start(arrived[1]), seq.later()
        for t, _, after in seq.back():
            ctx.run(tanh_step_backward, seq.states[after], seq.mask_at(t), above[t], later, carry, dz[t])
            seq.back_product(dz[t], later)
        carry += later
        d = dz.reshape(seq.t * seq.b, dz.shape[2])
        return (*seq.input_gradients(d, w), seq.recurrent_gradient(d, 2), seq.bias_gradient(d, 3), carry)


class Lstm(Op):
    """The cell of kernels/lstm.py over a sequence. Gives all states h, the last h and the last c."""

    @staticmethod
    def forward(
        ctx: OpContext, x: Array, w: Array, u: Array, b: Array, h0: Array, c0: Array, *, mask: Array,
        keep: Array, reverse: bool,
    ) -> tuple[Array, ...]:  # fmt: skip
        seq = Sequence(ctx, x, u, h0, mask, keep, reverse)
        h, c = seq.states, seq.track(c0)
        g = seq.inputs(w)
        for t, before, after in seq.steps():
            product = seq.product(before, t)
            ctx.run(lstm_step, g[t], product, b, seq.mask_at(t), c[before], h[before], c[after], h[after])
        ctx.save(seq, w, g, c)
        return (*seq.ends(h), seq.ends(c)[1])

    @staticmethod
    def backward(ctx: OpContext, *arrived: Array) -> tuple[Any, ...]:
        seq, w, dz, c = ctx.saved  # the gates give their places to the gradients
        above, carry, dc, later = (
            seq.above(arrived[0]), seq.start(arrived[1]), seq.start(arrived[2]), seq.later()
        )  # fmt: skip
        for t, before, after in seq.back():
            ctx.run(
                lstm_step_backward, dz[t], seq.mask_at(t), c[before], c[after], above[t], later, carry, dc
            )
            seq.back_product(dz[t], later)
        carry += later
        d = dz.reshape(seq.t * seq.b, dz.shape[2])
        bias = seq.bias_gradient(d, 3)
        return (*seq.input_gradients(d, w), seq.recurrent_gradient(d, 2), bias, carry, dc)


class Gru(Op):
    """The cell of kernels/gru.py over a sequence. Gives all states and the last."""

    @staticmethod
    def forward(
        ctx: OpContext, x: Array, w: Array, u: Array, b: Array, bq: Array, h0: Array, *, mask: Array,
        keep: Array, reverse: bool,
    ) -> tuple[Array, ...]:  # fmt: skip
        seq = Sequence(ctx, x, u, h0, mask, keep, reverse)
        h = seq.states
        g = seq.inputs(w)
        parts = ctx.empty((seq.t, seq.b, 4 * seq.m), x.dtype)
        for t, before, after in seq.steps():
            ctx.run(
                gru_step, g[t], seq.product(before, t), b, bq, seq.mask_at(t), h[before], parts[t], h[after]
            )
        ctx.save(seq, w, parts)
        return seq.ends(h)

    @staticmethod
    def backward(ctx: OpContext, *arrived: Array) -> tuple[Any, ...]:
        seq, w, parts = ctx.saved  # they give their places to the gradients
        above, carry, later = seq.above(arrived[0]), seq.start(arrived[1]), seq.later()
        m = seq.m
        for t, before, _ in seq.back():
            ctx.run(gru_step_backward, parts[t], seq.mask_at(t), seq.states[before], above[t], later, carry)
            seq.back_product(parts[t][:, m:], later)
        carry += later
        d = parts.reshape(seq.t * seq.b, 4 * seq.m)
        sums = ctx.empty((4 * m,), d.dtype)
        ctx.run(column_sums, d, sums)
        du = seq.recurrent_gradient(d[:, m:], 2)
        return (*seq.input_gradients(d[:, : 3 * m], w), du, sums[: 3 * m], sums[3 * m :], carry)


def tanh_rnn(
    tape: Tape, x: Variable, w: Variable, u: Variable, b: Variable, h0: Variable | None = None, *,
    mask: Array = None, keep: Array = None, reverse: bool = False,
) -> tuple[Variable, Variable]:  # fmt: skip
    """A simple recurrent network. x: (T, B, n), w: (n, m), u: (m, m), b: (m,), h0: (B, m) or None: zeros;
    mask: (T, B) uint8; keep: (B, m), see `Sequence`; reverse: from the last step to the first.

    Returns all states (T, B, m) and the last of the walk (B, m).
    """
    _check("tanh", x, w, u, mask)
    h0 = _first(tape, x, u, h0)
    y, last = tape.apply_many(TanhRnn, x, w, u, b, h0, mask=mask, keep=keep, reverse=reverse)
    return y, last


def lstm(
    tape: Tape, x: Variable, w: Variable, u: Variable, b: Variable, h0: Variable | None = None,
    c0: Variable | None = None, *, mask: Array = None, keep: Array = None, reverse: bool = False,
) -> tuple[Variable, Variable, Variable]:  # fmt: skip
    """An LSTM. w: (n, 4m), u: (m, 4m), b: (4m,), h0, c0: (B, m) or None: zeros; otherwise as `tanh_rnn`.

    Returns all states h (T, B, m), and the last h and c of the walk (B, m).
    """
    _check("lstm", x, w, u, mask)
    h0, c0 = _first(tape, x, u, h0), _first(tape, x, u, c0)
    y, h, c = tape.apply_many(Lstm, x, w, u, b, h0, c0, mask=mask, keep=keep, reverse=reverse)
    return y, h, c


def gru(
    tape: Tape, x: Variable, w: Variable, u: Variable, b: Variable, bq: Variable, h0: Variable | None = None,
    *, mask: Array = None, keep: Array = None, reverse: bool = False,
) -> tuple[Variable, Variable]:  # fmt: skip
    """A GRU. w: (n, 3m), u: (m, 3m), b: (3m,), bq: (m,), h0: (B, m) or None: zeros; otherwise as `tanh_rnn`.

    Returns all states (T, B, m) and the last of the walk (B, m).
    """
    _check("gru", x, w, u, mask)
    h0 = _first(tape, x, u, h0)
    y, last = tape.apply_many(Gru, x, w, u, b, bq, h0, mask=mask, keep=keep, reverse=reverse)
    return y, last


def _first(tape: Tape, x: Variable, u: Variable, h0: Variable | None) -> Variable:
    shape = (x.shape[1], u.shape[0])
    if h0 is None:
        zeros = tape.empty(shape)
        zeros.fill(0)
        return Variable(zeros)
    if tuple(h0.shape) != shape:
        raise ValueError(f"recurrent: expected a first state of shape {shape}, actual {tuple(h0.shape)}")
    return h0


def _check(cell: str, x: Variable, w: Variable, u: Variable, mask: Array) -> None:
    if len(x.shape) != 3 or x.shape[2] != w.shape[0]:
        raise ValueError(f"{cell}: expected x of shape (T, B, {w.shape[0]}), actual {tuple(x.shape)}")
    if u.shape[1] != GATES[cell] * u.shape[0] or w.shape[1] != u.shape[1]:
        raise ValueError(f"{cell}: weights {tuple(w.shape)} and {tuple(u.shape)} do not belong together")
    if mask is not None and (tuple(mask.shape) != tuple(x.shape[:2]) or mask.dtype != np.uint8):
        raise ValueError(
            f"{cell}: expected a mask of {tuple(x.shape[:2])} uint8, actual {tuple(mask.shape)} {mask.dtype}"
        )
