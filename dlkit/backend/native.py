"""Compiled code of lanes.py: waiting by looking at memory, and bands of work without Python.

A worker that sleeps is woken in some 50 to 100 microseconds, one that looks at a word of memory in less than
one; and a worker that needs the interpreter waits for its lock. Here neither is needed. Imported when first
used: it needs numba.

A board is a row of int64 for each worker. The caller writes SEQUENCE and KIND; the worker DONE and
STATE, on another cache line. A worker that has looked for long enough says ASLEEP and goes; the caller
who finds it so and changes it back to AWAKE must wake it, the worker who changes it back itself need not be.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"

from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

BOARD = 16
SEQUENCE, KIND, WAKE, DONE, STATE = 0, 1, 2, 8, 9
BANDS, CALL = 1, 2
AWAKE, ASLEEP = 0, 1
LOOKS = 5000
"""Looks at memory between two times of giving way."""
# The work: words that begin with the address of a function void f(int64* words, int64 w), which does band w.
ENTRY, ARGUMENTS, WORDS = 0, 8, 256
# Arguments of a matrix product: cblas_?gemm of row-major arrays, and how it is cut.
ADDRESS, WIDE, ITEM, TRANS_A, TRANS_B, M, N, K, A, LDA, B, LDB, C, LDC, BY_ROWS, BAND = range(8, 24)
ROW_MAJOR, PLAIN, TRANSPOSED = 101, 111, 112

_INT, _LONG = ir.IntType(32), ir.IntType(64)
_ENTRY = types.void(types.CPointer(types.int64), types.int64)


def compiled(fn: Any) -> Any:
    """Without the interpreter's lock; kept on disk where there is a place for it."""
    try:
        return numba.njit(nogil=True, cache=True)(fn)
    except RuntimeError:
        return numba.njit(nogil=True)(fn)


def entry(fn: Any) -> Any:
    """Compiled for calls by address."""
    try:
        return numba.cfunc(_ENTRY, cache=True)(fn)
    except RuntimeError:
        return numba.cfunc(_ENTRY)(fn)


def _place(context, builder, signature, args):
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


@intrinsic
def load(typing, words, i):
    """words[i], read from memory each time."""

    def code(context, builder, signature, args):
        return builder.load_atomic(_place(context, builder, signature, args), "seq_cst", 8)

    return types.int64(words, types.int64), code


@intrinsic
def store(typing, words, i, value):
    """words[i] = value, after everything written before."""

    def code(context, builder, signature, args):
        builder.store_atomic(args[2], _place(context, builder, signature, args), "seq_cst", 8)
        return context.get_dummy_value()

    return types.none(words, types.int64, types.int64), code


@intrinsic
def exchange(typing, words, i, old, new):
    """words[i] = new if it was old; 1 if so."""

    def code(context, builder, signature, args):
        place = _place(context, builder, signature, args)
        result = builder.cmpxchg(place, args[2], args[3], "seq_cst", "seq_cst")
        return builder.zext(builder.extract_value(result, 1), _LONG)

    return types.int64(words, types.int64, types.int64, types.int64), code


@intrinsic
def give_way(typing, address):
    """Call int f(void) at an address: sched_yield, for the thread waited for may be on this very core."""

    def code(context, builder, signature, args):
        function = builder.inttoptr(args[0], ir.FunctionType(_INT, []).as_pointer())
        builder.call(function, [])
        return context.get_dummy_value()

    return types.none(types.int64), code


@intrinsic
def enter(typing, words, w):
    """Do band w of the work."""

    def code(context, builder, signature, args):
        place = context.make_array(signature.args[0])(context, builder, args[0]).data
        kind = ir.FunctionType(ir.VoidType(), [place.type, _LONG])
        address = builder.load(builder.gep(place, [_LONG(ENTRY)]))
        builder.call(builder.inttoptr(address, kind.as_pointer()), [place, args[1]])
        return context.get_dummy_value()

    return types.none(words, types.int64), code


def _gemm(real: ir.Type) -> Any:
    """A call of cblas_?gemm at an address, C = A B or, added, C += A B, with 32- or 64-bit sizes."""

    def gemm(typing, address, wide, ta, tb, m, n, k, a, lda, b, ldb, added, c, ldc):
        def code(context, builder, signature, args):
            address, wide, ta, tb, m, n, k, a, lda, b, ldb, added, c, ldc = args
            pointer = real.as_pointer()

            def call(size: ir.Type) -> None:
                def whole(value, kind=size):
                    return value if kind is _LONG else builder.trunc(value, kind)

                def array(value):
                    return builder.inttoptr(value, pointer)

                declared = [_INT] * 3 + [size] * 3 + [real, pointer, size, pointer, size, real, pointer, size]
                function = builder.inttoptr(address, ir.FunctionType(ir.VoidType(), declared).as_pointer())
                sizes = [whole(m), whole(n), whole(k)]
                factors = [ir.Constant(real, 1.0), array(a), whole(lda), array(b), whole(ldb)]
                result = [builder.sitofp(added, real), array(c), whole(ldc)]
                layout = [ir.Constant(_INT, ROW_MAJOR), whole(ta, _INT), whole(tb, _INT)]
                builder.call(function, [*layout, *sizes, *factors, *result])

            with builder.if_else(builder.icmp_signed("!=", wide, ir.Constant(_LONG, 0))) as (then, other):
                with then:
                    call(_LONG)
                with other:
                    call(_INT)
            return context.get_dummy_value()

        return types.none(*[types.int64] * 14), code

    return gemm


sgemm, dgemm = intrinsic(_gemm(ir.FloatType())), intrinsic(_gemm(ir.DoubleType()))


@entry
def product_band(job, j):
    """The j-th band of a product: `BAND` rows or columns of C."""
    item, lo = job[ITEM], j * job[BAND]
    m, n, k, a, b, c = job[M], job[N], job[K], job[A], job[B], job[C]
    if job[BY_ROWS]:
        m = min(job[BAND], m - lo)
        a += lo * item * (job[LDA] if job[TRANS_A] == PLAIN else 1)
        c += lo * item * job[LDC]
    else:
        n = min(job[BAND], n - lo)
        b += lo * item * (1 if job[TRANS_B] == PLAIN else job[LDB])
        c += lo * item
    if m <= 0 or n <= 0:
        return
    ta, tb, lda, ldb, ldc = job[TRANS_A], job[TRANS_B], job[LDA], job[LDB], job[LDC]
    if item == 4:
        sgemm(job[ADDRESS], job[WIDE], ta, tb, m, n, k, a, lda, b, ldb, 0, c, ldc)
    else:
        dgemm(job[ADDRESS], job[WIDE], ta, tb, m, n, k, a, lda, b, ldb, 0, c, ldc)


@compiled
def lay_product(words, entry, *job):
    """Describe a product: its entry and what follows ARGUMENTS."""
    words[ENTRY] = entry
    for i in range(len(job)):
        words[ARGUMENTS + i] = job[i]


@compiled
def multiply(gemm, item, ta, tb, m, n, k, a, lda, b, ldb, added, c, ldc):
    """For kernels: dlkit.kernels.convolve.multiply; gemm: dlkit.backend.blas.Gemm.words."""
    if item == 4:
        sgemm(gemm[0], gemm[2], ta, tb, m, n, k, a, lda, b, ldb, added, c, ldc)
    else:
        dgemm(gemm[1], gemm[2], ta, tb, m, n, k, a, lda, b, ldb, added, c, ldc)


@compiled
def serve(boards, words, w, spins, way):
    """Worker w: do bands until a function is to be called (CALL), or nothing came for long (0: sleep)."""
    at = w * BOARD
    done = load(boards, at + DONE)
    left = spins
    while True:
        if load(boards, at + SEQUENCE) != done:
            if boards[at + KIND] == CALL:
                return CALL
            enter(words, w)
            done += 1
            store(boards, at + DONE, done)
            left = spins
        elif left == 0:
            store(boards, at + STATE, ASLEEP)
            if load(boards, at + SEQUENCE) == done or exchange(boards, at + STATE, ASLEEP, AWAKE) == 0:
                return 0
            left = spins
        else:
            left -= 1
            if way and left % LOOKS == 0:
                give_way(way)


@compiled
def post(boards, workers, kind):
    """Give every worker something to do; returns how many of them must be woken (WAKE says which)."""
    asleep = 0
    for w in range(1, workers):
        at = w * BOARD
        boards[at + KIND] = kind
        store(boards, at + SEQUENCE, load(boards, at + SEQUENCE) + 1)
        wake = load(boards, at + STATE) == ASLEEP and exchange(boards, at + STATE, ASLEEP, AWAKE) == 1
        boards[at + WAKE] = wake
        asleep += wake
    return asleep


@compiled
def called(boards, w):
    """Worker w has called its function; the caller may have posted the next thing already."""
    store(boards, w * BOARD + DONE, load(boards, w * BOARD + DONE) + 1)


@compiled
def ended(boards, workers, spins, way):
    """Look until all workers have done what they were given; 0 if that takes too long."""
    for w in range(1, workers):
        at, left = w * BOARD, spins
        while load(boards, at + DONE) != load(boards, at + SEQUENCE):
            if left == 0:
                return 0
            left -= 1
            if way and left % LOOKS == 0:
                give_way(way)
    return 1


@compiled
def share(boards, words, workers, spins, way):
    """Post the work, do the caller's band, wait. -1: done; 0: not yet; else so many must be woken."""
    asleep = post(boards, workers, BANDS)
    if asleep:
        return asleep
    enter(words, 0)
    return -ended(boards, workers, spins, way)


@compiled
def alone(words, first, bands):
    """Bands first .. of the work, one after the other."""
    for w in range(first, bands):
        enter(words, w)
