"""Compiled code of dlkit.kernels.panels: tiles of a matrix product in the processor's vector registers.

A tile is up to HEIGHTS[0] rows by PAIR vectors of C, kept in registers while one number of A after the other
is multiplied with a row of B's panel (Goto & van de Geijn 2008, section 6). It is written as LLVM's own
vectors, for no compiler makes this of loops; their length is that of the processor numba compiles for.
Imported when first used: it needs numba.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"

from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from dlkit.backend.native import compiled

_FEATURES = cpu_target.target_context.codegen().magic_tuple()[2]
VECTOR = 64 if "+avx512f" in _FEATURES else 32 if "+avx," in _FEATURES else 16
"""Bytes of a vector register."""
PAIR = 2
"""Vectors of a tile's row."""
HEIGHTS = (14, 8, 4, 1) if VECTOR == 64 else (6, 4, 2, 1)
"""Rows of tiles: as many sums as leave registers for two vectors of B and one of A."""

UNROLLED = 4
"""Inner indices in one round of a tile's loop, whose counting takes turns from the multiplications."""

_INT, _LONG = ir.IntType(32), ir.IntType(64)


def width(itemsize: int) -> int:
    """Columns of a panel: numbers of so many bytes in a tile's row."""
    return PAIR * VECTOR // itemsize


def _numbers(array: Any) -> tuple[ir.Type, int, ir.Type]:
    """The LLVM type of an array's numbers, how many are in a vector, and the vector."""
    real, count = (
        (ir.FloatType(), VECTOR // 4) if array.dtype.bitwidth == 32 else (ir.DoubleType(), VECTOR // 8)
    )
    return real, count, ir.VectorType(real, count)


def _load(builder: Any, place: Any, vector: ir.Type) -> Any:
    value = builder.load(builder.bitcast(place, vector.as_pointer()))
    value.align = 4
    return value


def _store(builder: Any, value: Any, place: Any) -> None:
    builder.store(value, builder.bitcast(place, value.type.as_pointer())).align = 4


def _vectors(builder: Any, place: Any, vector: ir.Type) -> list[Any]:
    """PAIR vectors that lie there."""
    return [_load(builder, builder.gep(place, [_LONG(j * vector.count)]), vector) for j in range(PAIR)]


def _mask(numbers: Any) -> ir.Constant:
    numbers = list(numbers)
    return ir.Constant(ir.VectorType(_INT, len(numbers)), numbers)


def _fused(module: ir.Module, vector: Any) -> Any:
    """x y + z, in one rounding where the processor can."""
    name = f"llvm.fmuladd.v{vector.count}{vector.element.intrinsic_name}"
    return module.globals.get(name) or ir.Function(module, ir.FunctionType(vector, [vector] * 3), name)


def _called(fill: Callable[..., None]) -> Any:
    """An intrinsic f(like, *numbers): `fill(builder, numbers, real, vector)` is its body, made once for a
    type of `like` and a module and never inlined, so that a kernel is compiled no longer for using it."""

    def f(typing, like, args):
        real, _, vector = _numbers(like)
        count = len(args)

        def code(context, builder, signature, values):
            module = builder.module
            name = f"dlkit_{fill.__name__}_{vector.count}_{real.intrinsic_name}"
            function = module.globals.get(name)
            if function is None:
                function = ir.Function(module, ir.FunctionType(ir.VoidType(), [_LONG] * count), name)
                function.linkage = "internal"
                function.attributes.add("noinline")
                inside = ir.IRBuilder(function.append_basic_block("entry"))
                fill(inside, function.args, real, vector)
                inside.ret_void()
            given = [builder.extract_value(values[1], i) for i in range(count)]
            builder.call(function, given)
            return context.get_dummy_value()

        return types.none(like, args), code

    f.__name__ = fill.__name__
    return intrinsic(f)


def _tile(height: int) -> Callable[..., None]:
    def fill(builder: Any, args: Any, real: ir.Type, vector: Any) -> None:
        """C (height rows, `ldc` numbers apart) = A B, or += where added: A `height` numbers for each of k, B
        PAIR vectors for each of k, and k lines are fetched from `ahead`; addresses in bytes."""
        a, b, c, ldc, k, added, ahead = args
        numbers = real.as_pointer()
        a, b, c = (builder.inttoptr(x, numbers) for x in (a, b, c))
        rows = [builder.gep(c, [builder.mul(ldc, _LONG(r))]) for r in range(height)]
        before = builder.block
        old, start = builder.append_basic_block("old"), builder.append_basic_block("start")
        builder.cbranch(builder.icmp_signed("!=", added, _LONG(0)), old, start)
        builder.position_at_end(old)
        there = [v for row in rows for v in _vectors(builder, row, vector)]
        builder.branch(start)
        builder.position_at_end(start)
        sums = []
        for value in there:
            sum_ = builder.phi(vector)
            sum_.add_incoming(ir.Constant(vector, [0.0] * vector.count), before)
            sum_.add_incoming(value, old)
            sums.append(sum_)
        whole = builder.mul(builder.sdiv(k, _LONG(UNROLLED)), _LONG(UNROLLED))
        place = (a, b, ahead)
        sums = _walk(
            builder, _LONG(0), whole, UNROLLED, sums, lambda i, v: _added(builder, i, v, place, vector)
        )
        sums = _walk(builder, whole, k, 1, sums, lambda i, v: _added(builder, i, v, place, vector))
        for n, value in enumerate(sums):
            _store(builder, value, builder.gep(rows[n // PAIR], [_LONG(n % PAIR * vector.count)]))

    fill.__name__ = f"tile{height}"
    return fill


def _walk(builder: Any, first: Any, last: Any, step: int, values: list[Any], body: Callable[..., Any]) -> Any:
    """for i in range(first, last, step): values = body(i, values), then again for i + 1, ... i + step - 1."""
    before = builder.block
    loop, end = builder.append_basic_block("loop"), builder.append_basic_block("end")
    builder.cbranch(builder.icmp_signed("<", first, last), loop, end)
    builder.position_at_end(loop)
    i = builder.phi(_LONG)
    old = [builder.phi(value.type) for value in values]
    new = old
    for n in range(step):
        new = body(builder.add(i, _LONG(n)), new)
    following = builder.add(i, _LONG(step))
    for phi, start, again in zip((i, *old), (first, *values), (following, *new), strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(again, loop)
    builder.cbranch(builder.icmp_signed("<", following, last), loop, end)
    builder.position_at_end(end)
    made = [builder.phi(value.type) for value in values]
    for phi, start, again in zip(made, values, new, strict=True):
        phi.add_incoming(start, before)
        phi.add_incoming(again, loop)
    return made


def _added(builder: Any, i: Any, sums: list[Any], place: tuple[Any, Any, Any], vector: Any) -> list[Any]:
    """The sums with the i-th column of A times the i-th row of B added."""
    a, b, ahead = place
    height = len(sums) // PAIR
    fused = _fused(builder.module, vector)
    line = builder.gep(b, [builder.mul(i, _LONG(PAIR * vector.count))])
    values = _vectors(builder, line, vector)
    for j in range(PAIR):
        fetched = builder.add(ahead, builder.mul(i, _LONG(PAIR * VECTOR)))
        _fetch(builder, builder.add(fetched, _LONG(j * VECTOR)))
    new = []
    for r in range(height):
        x = builder.load(builder.gep(a, [builder.add(builder.mul(i, _LONG(height)), _LONG(r))]))
        one = builder.insert_element(ir.Constant(vector, ir.Undefined), x, _INT(0))
        every = builder.shuffle_vector(one, one, _mask([0] * vector.count))
        new += [builder.call(fused, [every, v, sums[PAIR * r + j]]) for j, v in enumerate(values)]
    return new


def _fetch(builder: Any, address: Any) -> None:
    """Have the memory there brought into the second cache."""
    module, byte = builder.module, ir.IntType(8).as_pointer()
    name = "llvm.prefetch.p0i8"
    kind = ir.FunctionType(ir.VoidType(), [byte, _INT, _INT, _INT])
    function = module.globals.get(name) or ir.Function(module, kind, name)
    builder.call(function, [builder.inttoptr(address, byte), _INT(0), _INT(2), _INT(1)])


_highest, _high, _low, _lowest = (_called(_tile(height)) for height in HEIGHTS)


def _turned(builder: Any, args: Any, real: ir.Type, vector: Any) -> None:
    """A square of numbers as wide as a vector, transposed: rows `apart` numbers from each other there, `to`
    here. In log2 of its width rounds half of each row changes places with half of another."""
    source, apart, target, to = args
    numbers = real.as_pointer()
    source, target = builder.inttoptr(source, numbers), builder.inttoptr(target, numbers)
    n = vector.count
    v = [_load(builder, builder.gep(source, [builder.mul(apart, _LONG(r))]), vector) for r in range(n)]
    d = n // 2
    while d:
        low = _mask(e if not e & d else n + e - d for e in range(n))
        high = _mask(e + d if not e & d else n + e for e in range(n))
        pairs = {i: (v[i], v[i + d]) for i in range(n) if not i & d}
        for i, (a, b) in pairs.items():
            v[i], v[i + d] = builder.shuffle_vector(a, b, low), builder.shuffle_vector(a, b, high)
        d //= 2
    for r in range(n):
        _store(builder, v[r], builder.gep(target, [builder.mul(to, _LONG(r))]))


def _copied(builder: Any, args: Any, real: ir.Type, vector: Any) -> None:
    """So many vectors that lie `apart` numbers from each other; `to` here."""
    source, apart, target, to, count = args
    numbers = real.as_pointer()
    source, target = builder.inttoptr(source, numbers), builder.inttoptr(target, numbers)
    before = builder.block
    loop, end = builder.append_basic_block("loop"), builder.append_basic_block("end")
    builder.cbranch(builder.icmp_signed(">", count, _LONG(0)), loop, end)
    builder.position_at_end(loop)
    i = builder.phi(_LONG)
    value = _load(builder, builder.gep(source, [builder.mul(apart, i)]), vector)
    _store(builder, value, builder.gep(target, [builder.mul(to, i)]))
    following = builder.add(i, _LONG(1))
    i.add_incoming(_LONG(0), before)
    i.add_incoming(following, loop)
    builder.cbranch(builder.icmp_signed("<", following, count), loop, end)
    builder.position_at_end(end)


turned, copied = _called(_turned), _called(_copied)


@intrinsic
def peek(typing, like, address):
    """The number at an address."""
    real = _numbers(like)[0]

    def code(context, builder, signature, args):
        return builder.load(builder.inttoptr(args[1], real.as_pointer()))

    return like.dtype(like, types.int64), code


@intrinsic
def poke(typing, like, address, value):
    """Write a number to an address."""
    real = _numbers(like)[0]

    def code(context, builder, signature, args):
        builder.store(args[2], builder.inttoptr(args[1], real.as_pointer()))
        return context.get_dummy_value()

    return types.none(like, types.int64, like.dtype), code


@compiled
def tile(like, height, a, b, c, ldc, k, added, ahead):
    """One tile: HEIGHTS has its height."""
    if height == HEIGHTS[0]:
        _highest(like, (a, b, c, ldc, k, added, ahead))
    elif height == HEIGHTS[1]:
        _high(like, (a, b, c, ldc, k, added, ahead))
    elif height == HEIGHTS[2]:
        _low(like, (a, b, c, ldc, k, added, ahead))
    else:
        _lowest(like, (a, b, c, ldc, k, added, ahead))


@compiled
def pack_columns(like, b, across, down, columns, k, to):
    """A panel: for each of k the numbers of `columns` columns of B, zeros beside them. Neighbours in a row of
    B lie `across` numbers from each other, in a column `down`."""
    item = like.itemsize
    lane = VECTOR // item
    w, done = PAIR * lane, 0
    if columns == w and across == 1:
        for j in range(PAIR):
            copied(like, (b + j * VECTOR, down, to + j * VECTOR, w, k))
        done = k
    elif columns == w and down == 1:
        done = k // lane * lane
        for j in range(PAIR):
            for i in range(0, done, lane):
                turned(like, (b + (j * lane * across + i) * item, across, to + i * w * item + j * VECTOR, w))
    zero = like.dtype.type(0)
    for i in range(done, k):
        for j in range(w):
            x = peek(like, b + (i * down + j * across) * item) if j < columns else zero
            poke(like, to + (i * w + j) * item, x)


@compiled
def pack_rows(like, a, down, across, height, there, k, to):
    """A strip: for each of k the numbers of `height` rows of A, of which so many are `there` to be read from
    the first one on. Whole vectors are written, what is too much under what comes next: there must be room
    for a vector behind the strip."""
    item = like.itemsize
    lane, done = VECTOR // item, 0
    if height <= lane <= there and down == 1:
        copied(like, (a, across, to, height, k))
        done = k
    elif 1 < height <= lane <= there and across == 1:
        done = k // lane * lane
        for i in range(0, done, lane):
            turned(like, (a + i * item, down, to + i * height * item, height))
    elif height == 1 and across == 1:
        done = k // lane * lane
        copied(like, (a, lane, to, lane, k // lane))
    for i in range(done, k):
        for r in range(height):
            poke(like, to + (i * height + r) * item, peek(like, a + (r * down + i * across) * item))


@compiled
def height_of(rows):
    """Of the next tile, where so many rows are left."""
    for height in HEIGHTS:
        if rows >= height:
            return height
    return 0


@compiled
def pack_strips(like, a, down, across, rows, there, k, to):
    """All rows of a piece of A, strip after strip."""
    r = 0
    while r < rows:
        height = height_of(rows - r)
        pack_rows(
            like, a + r * down * like.itemsize, down, across, height, there - r, k, to + r * k * like.itemsize
        )
        r += height


@compiled
def panel_tiles(like, strips, b, c, ldc, rows, k, columns, added, edge, ahead):
    """C = or += strips of A times one panel of B, of which `columns` are C's; edge: room for a tile; ahead:
    address of the panel that comes next."""
    item = like.itemsize
    w = PAIR * VECTOR // item
    r = 0
    while r < rows:
        height = height_of(rows - r)
        a, to = strips + r * k * item, c + r * ldc * item
        if columns == w:
            tile(like, height, a, b, to, ldc, k, added, ahead)
        else:
            tile(like, height, a, b, edge, w, k, 0, ahead)
            for i in range(height):
                for j in range(columns):
                    at = to + (i * ldc + j) * item
                    x = peek(like, edge + (i * w + j) * item)
                    poke(like, at, x + peek(like, at) if added else x)
        r += height
