"""A first-order tape: record coarse operations as they run, walk back in reverse.

One tape belongs to one shard and lives as long as the training: its buffers are handed out
again in every step, and the gradients of the parameters are written straight into one flat
buffer, so that a step allocates (almost) nothing and the optimizer is one kernel.

    tape.begin(training=True, rng=rng, rows=128)
    loss, _, _ = softmax_cross_entropy(tape, model(tape, tape.constant(x)), labels, 1 / 128)
    tape.backward(loss)

Arrays that a tape hands out are valid until its next `begin`.
"""

import math
from collections.abc import Callable
from typing import Any, ClassVar, Protocol

import numpy as np

from dlkit.backend import Backend

Array = Any
"""A NumPy or CuPy array; which of the two is known at run time only."""


class ParameterLike(Protocol):
    """What the tape needs to know of a parameter: its values and its place in the flat gradient."""

    data: Array
    offset: int
    size: int
    shape: tuple[int, ...]
    owner: Any


class Variable:
    """An array on the tape.

    slot: where the gradient must land (parameters). owned: whether `grad` may be added to in place.
    """

    __slots__ = ("data", "grad", "needs_grad", "owned", "slot")

    def __init__(self, data: Array, needs_grad: bool = False, slot: Array | None = None) -> None:
        self.data = data
        self.needs_grad = needs_grad
        self.slot: Array = slot
        self.grad: Array = None
        self.owned = False

    @property
    def shape(self) -> tuple[int, ...]:
        return self.data.shape


class OpContext:
    """What an op sees beside its arrays: flags of the step, buffers, and what forward saved for backward."""

    __slots__ = ("inputs", "needs", "saved", "tape")

    def __init__(self, tape: "Tape", inputs: tuple[Variable, ...]) -> None:
        self.tape = tape
        self.inputs = inputs
        self.needs = [v.needs_grad for v in inputs]
        self.saved: tuple[Any, ...] = ()

    def save(self, *values: Any) -> None:
        self.saved = values

    def empty(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        return self.tape.empty(shape, dtype)

    def scratch(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Uninitialised array that all ops share: valid inside this call of forward or backward only."""
        return self.tape.scratch(name, shape, dtype)

    def matmul(self, a: Array, b: Array, out: Array) -> Array:
        """out = a b, two-dimensional; shared out among threads where the step cuts its products."""
        return self.tape.product(a, b, out=out)

    def run(self, kernel: Any, *args: Any) -> None:
        """kernel(*args); its rows are shared out among threads where the step does that."""
        self.tape.share(kernel, *args)

    def contiguous(self, array: Array) -> Array:
        """The array itself, or a C-contiguous copy in a buffer of the tape (kernels take nothing else)."""
        if array.flags.c_contiguous:
            return array
        copy = self.tape.empty(array.shape, array.dtype)
        copy[...] = array
        return copy

    def grad_out(self, i: int) -> Array:
        """Where to write the gradient of input i: the parameter's own place, or a buffer. Return this."""
        v = self.inputs[i]
        if v.slot is not None and v.grad is None:
            v.grad = v.slot
            return v.slot
        return self.tape.empty(v.data.shape, v.data.dtype)

    def is_seed(self, dy: Array) -> bool:
        """Whether dy is the 1 that `backward` started with, so that a loss need not multiply by it."""
        return dy is self.tape.seed

    @property
    def xp(self) -> Any:
        return self.tape.backend.xp

    @property
    def backend(self) -> Backend:
        return self.tape.backend

    @property
    def rng(self) -> np.random.Generator:
        return self.tape.rng

    @property
    def training(self) -> bool:
        return self.tape.training

    @property
    def rows(self) -> int | None:
        return self.tape.rows

    def all_sum(self, array: Array) -> Array:
        """The sum over all shards (and machines), for statistics of the whole batch."""
        return array if self.tape.all_sum is None else self.tape.all_sum(array)


class Op:
    """Forward and its exact adjoint. Neither may write to what it is given; every op is in `Op.ALL`."""

    ALL: ClassVar[dict[str, type["Op"]]] = {}

    def __init_subclass__(cls) -> None:
        Op.ALL[cls.__name__] = cls

    @staticmethod
    def forward(ctx: OpContext, *args: Any, **static: Any) -> Any:
        """The value, or a tuple of them (`Tape.apply_many`); saves what backward needs."""
        raise NotImplementedError

    @staticmethod
    def backward(ctx: OpContext, *dy: Array) -> tuple[Array | None, ...]:
        """The gradient of every input (None where `ctx.needs[i]` is false); dy itself may be returned.

        An op of several values gets a gradient for each, None for one that no loss depends on.
        """
        raise NotImplementedError


def _call(kernel: Any, *args: Any) -> None:
    kernel(*args)


class Tape:
    """The record of one shard's step.

    gradient: flat buffer that receives the parameters' gradients; None for evaluation.
    owner: the flat parameter buffer that `gradient` belongs to; parameters of another owner are constants
    (a generator is trained through a fixed discriminator). None: all parameters belong to it.
    all_sum: array -> its sum over all shards, in shard order, called by every shard alike.
    shard: number of the shard; what exists once (running statistics) is written by shard 0.
    product: product(a, b, out=...) for the matrix products; None: the backend's own.
    share: share(kernel, *args) for kernels, whose rows are shared out in `parts`; None: they are called.

    After `backward`, row_parts has the gradients of parameters by rows: path -> pieces in the order of the
    backward pass (dlkit.ops.embedding.RowPart).
    """

    def __init__(
        self,
        backend: Backend,
        gradient: Array | None = None,
        *,
        owner: Any = None,
        training: bool = False,
        rng: np.random.Generator | Callable[[], np.random.Generator] | None = None,
        all_sum: Callable[[Array], Array] | None = None,
        rows: int | None = None,
        shard: int = 0,
        product: Callable[..., Array] | None = None,
        share: Callable[..., None] | None = None,
        parts: int = 1,
    ) -> None:
        self.backend = backend
        self.product: Callable[..., Array] = product or backend.xp.matmul
        self.share: Callable[..., None] = share or _call
        self.parts = parts
        self.gradient = gradient
        self.owner = owner
        self.all_sum = all_sum
        self.shard = shard
        self.seed = backend.asarray(np.ones((), backend.dtype))
        self._parameters: dict[int, tuple[ParameterLike, Variable]] = {}
        self._constants: dict[tuple[int, float], Array] = {}
        self._counts: dict[int, Array] = {}
        self._scratch: dict[str, Array] = {}
        self._buffers: list[tuple[Array, Array]] = []
        self.begin(training=training, rng=rng, rows=rows)

    def begin(
        self,
        *,
        training: bool,
        noise: bool | None = None,
        rng: np.random.Generator | Callable[[], np.random.Generator] | None = None,
        rows: int | None = None,
    ) -> None:
        """Start a step: forget the record, hand the buffers out from the first one again.

        training: batch normalisation uses (and updates) statistics of the batch. noise: dropout and its
        kin are on (default: as training; Monte Carlo dropout wants training=False, noise=True). rng: host
        generator of this step and shard, or a function that makes it when first needed. rows: rows of the
        whole batch.
        """
        self.training = training
        self.noise = training if noise is None else noise
        self.rows = rows
        self._rng = rng
        self._next = 0
        self._record: list[tuple[type[Op], OpContext, tuple[Variable, ...]]] = []
        self.notes: list[tuple[str, Array]] = []
        self.row_parts: dict[str, list[Any]] = {}
        for _, variable in self._parameters.values():
            variable.grad = None

    @property
    def rng(self) -> np.random.Generator:
        if self._rng is None:
            raise ValueError("this step draws noise, but its tape was begun without rng")
        if not isinstance(self._rng, np.random.Generator):
            self._rng = self._rng()
        return self._rng

    def empty(self, shape: tuple[int, ...], dtype: Any = None) -> Array:
        """Uninitialised array; the k-th request of a step gets the k-th buffer again, grown if need be."""
        dtype = self.backend.dtype if dtype is None else np.dtype(dtype)
        k = self._next
        self._next += 1
        raw = None
        if k < len(self._buffers):
            raw, view = self._buffers[k]
            if view.shape == shape and view.dtype == dtype:
                return view
        size = math.prod(shape) * dtype.itemsize
        if raw is None or raw.size < size:
            raw = self.backend.empty((size,), np.uint8)
        view = raw[:size].view(dtype).reshape(shape)
        self._buffers[k : k + 1] = [(raw, view)]
        return view

    def scratch(self, name: str, shape: tuple[int, ...], dtype: Any) -> Array:
        """Uninitialised array, the same memory at every request by this name, grown if need be."""
        dtype = np.dtype(dtype)
        size = math.prod(shape) * dtype.itemsize
        raw = self._scratch.get(name)
        if raw is None or raw.size < size:
            raw = self._scratch[name] = self.backend.empty((size,), np.uint8)
        return raw[:size].view(dtype).reshape(shape)

    def constant_vector(self, n: int, value: float) -> Array:
        """n times a constant, made once."""
        if (n, value) not in self._constants:
            self._constants[n, value] = self.backend.asarray(np.full((n,), value, self.backend.dtype))
        return self._constants[n, value]

    def count(self, n: int) -> Array:
        """0, 1, ... n - 1 as int64, made once."""
        if n not in self._counts:
            self._counts[n] = self.backend.asarray(np.arange(n))
        return self._counts[n]

    def scalar(self, value: float) -> Array:
        """A constant as an array (1,), made once."""
        return self.constant_vector(1, value)

    def buffer_bytes(self) -> int:
        """Bytes held for activations, their gradients and the ops' own work."""
        return sum(raw.size for raw, _ in self._buffers) + sum(raw.size for raw in self._scratch.values())

    def note(self, name: str, array: Array) -> None:
        """Remember an array by name, to say where a number was first not finite."""
        self.notes.append((name, array))

    def constant(self, array: Array, *, needs_grad: bool = False) -> Variable:
        """An input; with needs_grad its gradient is left in `.grad` (saliency, checks)."""
        self.notes.append(("input", array))
        return Variable(array, needs_grad)

    def parameter(self, p: ParameterLike) -> Variable:
        """The parameter's variable of this tape; its gradient lands in the flat buffer."""
        known = self._parameters.get(id(p))
        if known is not None and known[1].data is p.data:
            return known[1]
        if self.gradient is None or (self.owner is not None and p.owner is not self.owner):
            variable = Variable(p.data)
        elif getattr(p, "by_rows", False):  # ops leave its gradient in row_parts
            variable = Variable(p.data, True)
        else:
            slot = self.gradient[p.offset : p.offset + p.size].reshape(p.shape)
            variable = Variable(p.data, True, slot)
            variable.owned = True
        self._parameters[id(p)] = (p, variable)
        return variable

    def apply(self, op: type[Op], *inputs: Variable, **static: Any) -> Variable:
        """Run the op on the inputs' arrays and record it when a gradient will pass through it."""
        ctx = OpContext(self, inputs)
        y = Variable(op.forward(ctx, *[v.data for v in inputs], **static), True in ctx.needs)
        if y.needs_grad:
            self._record.append((op, ctx, (y,)))
        return y

    def apply_many(self, op: type[Op], *inputs: Variable, **static: Any) -> tuple[Variable, ...]:
        """`apply` of an op that has several values."""
        ctx = OpContext(self, inputs)
        needed = True in ctx.needs
        ys = tuple(Variable(y, needed) for y in op.forward(ctx, *[v.data for v in inputs], **static))
        if needed:
            self._record.append((op, ctx, ys))
        return ys

    def backward(self, *losses: Variable) -> None:
        """Gradients of the sum of the losses (one element each, already scaled; default: the last result).

        A parameter that no loss depends on gets gradient zero. The record is used up.
        """
        for loss in losses or self._record[-1][2]:
            if loss.data.size != 1:
                raise ValueError(f"backward starts at a loss of one element, not at shape {loss.data.shape}")
            if loss.needs_grad:
                loss.grad = self.seed
        while self._record:
            op, ctx, ys = self._record.pop()
            arrived = [y.grad for y in ys]
            if all(dy is None for dy in arrived):
                continue
            for v, gradient in zip(ctx.inputs, op.backward(ctx, *arrived), strict=True):
                if gradient is not None and v.needs_grad:
                    self._accumulate(v, gradient)
        for p, variable in self._parameters.values():
            if variable.slot is None and variable.grad is not None:
                raise TypeError(f"a gradient of {p.shape} for a parameter that takes rows only")
            if variable.slot is not None and variable.grad is None:
                variable.slot[...] = 0

    def _accumulate(self, v: Variable, gradient: Array) -> None:
        if v.slot is not None and gradient is v.slot:  # written in place by way of grad_out
            return
        if v.grad is None and v.slot is None:
            v.grad = gradient
        elif v.grad is None:
            v.slot[...] = gradient
            v.grad = v.slot
        elif v.owned:
            v.grad += gradient
        else:  # the array may be another variable's gradient as well: never add into it
            v.grad = self.backend.xp.add(v.grad, gradient, out=self.empty(v.data.shape, v.data.dtype))
            v.owned = True
