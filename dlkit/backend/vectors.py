"""Vectors for compiled loops: 64 bytes of numbers at a time, in the order in which the loop says so.

A compiler that may reorder sums vectorises some loops and not others; here the loop says what is one
operation. 64 bytes are one register with AVX-512 and two or four elsewhere; what comes out is the same but
for muladd, which rounds once where the processor can. Imported when first used: it needs numba.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def, call-arg, misc, no-any-return"

import math
from typing import Any

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

BYTES = 64


class Vector(types.Type):
    """64 bytes of numbers of one type."""

    def __init__(self, real: Any) -> None:
        self.real = real
        self.lanes = BYTES * 8 // real.bitwidth
        super().__init__(f"Vector({real})")

    @property
    def llvm(self) -> ir.VectorType:
        """The same to the compiler."""
        return ir.VectorType(ir.FloatType() if self.real is types.float32 else ir.DoubleType(), self.lanes)


OF = {real: Vector(real) for real in (types.float32, types.float64)}


@register_model(Vector)
class VectorModel(models.PrimitiveModel):
    """A vector is a value like a number."""

    def __init__(self, manager: Any, fe_type: Vector) -> None:
        super().__init__(manager, fe_type, fe_type.llvm)


def _place(context, builder, signature, args, pointer):
    """The address of table[row, at], as a pointer."""
    table = context.make_array(signature.args[0])(context, builder, args[0])
    wide = cgutils.unpack_tuple(builder, table.shape)[1]
    at = builder.add(builder.mul(args[1], wide), args[2])
    return builder.bitcast(builder.gep(table.data, [at]), pointer)


@intrinsic
def lanes(typing, table):
    """How many numbers of a table's type a vector holds."""

    def code(context, builder, signature, args):
        return ir.Constant(ir.IntType(64), OF[table.dtype].lanes)

    return types.int64(table), code


@intrinsic
def load(typing, table, row, at):
    """table[row, at : at + lanes]; table: C-contiguous."""
    vector = OF[table.dtype]

    def code(context, builder, signature, args):
        place = _place(context, builder, signature, args, vector.llvm.as_pointer())
        return builder.load(place, align=vector.real.bitwidth // 8)

    return vector(table, types.int64, types.int64), code


@intrinsic
def store(typing, table, row, at, x):
    """table[row, at : at + lanes] = x."""

    def code(context, builder, signature, args):
        place = _place(context, builder, signature, args, x.llvm.as_pointer())
        builder.store(args[3], place, align=x.real.bitwidth // 8)
        return context.get_dummy_value()

    return types.none(table, types.int64, types.int64, x), code


@intrinsic
def fetch(typing, table, row, at):
    """table[row, at] will be wanted soon: bring it into the cache."""

    def code(context, builder, signature, args):
        byte, word = ir.IntType(8).as_pointer(), ir.IntType(32)
        place = _place(context, builder, signature, args, byte)
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
        builder.call(function, [place, word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.none(table, types.int64, types.int64), code


@intrinsic
def every(typing, value):
    """A vector of one number again and again."""
    vector = OF[value]

    def code(context, builder, signature, args):
        unset = ir.Constant(vector.llvm, ir.Undefined)
        one = builder.insert_element(unset, args[0], ir.IntType(32)(0))
        return builder.shuffle_vector(one, unset, _order([0] * vector.lanes))

    return vector(value), code


@intrinsic
def muladd(typing, x, y, z):
    """x y + z, number by number."""

    def code(context, builder, signature, args):
        kind = ir.FunctionType(x.llvm, [x.llvm] * 3)
        name = f"llvm.fmuladd.v{x.lanes}f{x.real.bitwidth}"
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), args)

    return x(x, x, x), code


@intrinsic
def plus(typing, x, y):
    """x + y, number by number."""
    return x(x, x), lambda context, builder, signature, args: builder.fadd(*args)


@intrinsic
def times(typing, x, y):
    """x y, number by number."""
    return x(x, x), lambda context, builder, signature, args: builder.fmul(*args)


@intrinsic
def logistic(typing, u):
    """(sigma(-u), ln(1 + e^-u)), number by number, for |u| up to some tens; NaN stays NaN.

    e^-|u| = 2^k e^r with |r| <= ln(2)/2 and e^r by its series, ln(1 + t) = 2 artanh(t / (2 + t)) likewise.
    """

    def code(context, builder, signature, args):
        one, u = _Numbers(builder, args[0].type), args[0]
        t = one.exponential(builder.fneg(one.call("fabs", u)))
        above = builder.fcmp_unordered(">=", u, one(0.0))
        whole = builder.fadd(one(1.0), t)
        tail = builder.fdiv(builder.select(above, t, one(1.0)), whole)
        beyond = builder.select(above, one(0.0), builder.fneg(u))
        return context.make_tuple(
            builder, signature.return_type, [tail, builder.fadd(beyond, one.log_one_plus(t))]
        )

    return types.UniTuple(u, 2)(u), code


@intrinsic
def within(typing, x, most):
    """x, or most or -most where it is beyond; NaN stays NaN."""

    def code(context, builder, signature, args):
        least = builder.fneg(args[1])
        x = builder.select(builder.fcmp_ordered(">", args[0], args[1]), args[1], args[0])
        return builder.select(builder.fcmp_ordered("<", x, least), least, x)

    return x(x, x), code


class _Numbers:
    """Functions of vectors, written into code."""

    def __init__(self, builder: Any, kind: ir.VectorType) -> None:
        self.builder, self.kind = builder, kind
        self.single = isinstance(kind.element, ir.FloatType)

    def __call__(self, value: float) -> ir.Constant:
        return ir.Constant(self.kind, [value] * self.kind.count)

    def call(self, name: str, *args: Any) -> Any:
        declared = ir.FunctionType(self.kind, [self.kind] * len(args))
        full = f"llvm.{name}.v{self.kind.count}f{32 if self.single else 64}"
        return self.builder.call(cgutils.get_or_insert_function(self.builder.module, declared, full), args)

    def polynomial(self, x: Any, coefficients: list[float]) -> Any:
        value = self(coefficients[-1])
        for c in reversed(coefficients[:-1]):
            value = self.call("fmuladd", value, x, self(c))
        return value

    def exponential(self, x: Any) -> Any:
        """e^x for x in [-87, 0], or NaN."""
        builder, scale, bits = self.builder, self(1 / math.log(2)), 32 if self.single else 64
        k = self.call("floor", self.call("fmuladd", x, scale, self(0.5)))
        high = 0.693359375 if self.single else 0.693145751953125
        r = self.call("fmuladd", k, self(-high), x)
        r = self.call("fmuladd", k, self(high - math.log(2)), r)
        terms = 8 if self.single else 14
        e = self.polynomial(r, [1 / math.factorial(n) for n in range(terms)])
        whole = ir.VectorType(ir.IntType(bits), self.kind.count)
        known = builder.select(builder.fcmp_ordered("ord", k, k), k, self(0.0))
        power = builder.add(builder.fptosi(known, whole), _same(whole, 127 if self.single else 1023))
        power = builder.bitcast(builder.shl(power, _same(whole, 23 if self.single else 52)), self.kind)
        return builder.fmul(e, power)

    def log_one_plus(self, t: Any) -> Any:
        """ln(1 + t) for t in [0, 1]."""
        builder = self.builder
        s = builder.fdiv(t, builder.fadd(t, self(2.0)))
        series = [2 / (2 * n + 1) for n in range(8 if self.single else 17)]
        return builder.fmul(s, self.polynomial(builder.fmul(s, s), series))


def _same(kind: ir.VectorType, value: int) -> ir.Constant:
    return ir.Constant(kind, [value] * kind.count)


@intrinsic
def totals(typing, x0, x1, x2, x3, x4, x5):
    """A vector that begins with the sums of the numbers of x0, ..., x5; two zeros follow."""

    def code(context, builder, signature, args):
        zero = ir.Constant(x0.llvm, [0.0] * x0.lanes)
        left = [*args, zero, zero]
        while len(left) > 1:
            left = [_neighbours(builder, x, y) for x, y in zip(left[::2], left[1::2], strict=True)]
        total, summed = left[0], 8
        while summed < x0.lanes:
            total, summed = _neighbours(builder, total, total), 2 * summed
        return total

    return x0(*[x0] * 6), code


def _neighbours(builder, x, y):
    """The sums of neighbours in x, then those in y."""
    n = x.type.count
    even = builder.shuffle_vector(x, y, _order(range(0, 2 * n, 2)))
    return builder.fadd(even, builder.shuffle_vector(x, y, _order(range(1, 2 * n, 2))))


def _order(places: Any) -> ir.Constant:
    chosen = list(places)
    return ir.Constant(ir.VectorType(ir.IntType(32), len(chosen)), chosen)
