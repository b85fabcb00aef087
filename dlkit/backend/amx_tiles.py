"""Compiled code of dlkit.kernels.split_panels: products of numbers in three parts, in the tiles of AMX.

A tile register holds 16 rows of 64 bytes. One instruction multiplies 16 rows of 32 bfloat16 with 16 columns
of 32 and adds the 256 sums to a tile of float32. Where the numbers of a factor lie in memory:

    chunk   32 lines (rows of A, columns of B) of 32 inner indices: three parts, of two tiles each
    tile    A: a row is a line, its 32 numbers side by side. B: a row is a pair of inner indices, and in it
            stand the pairs of 16 lines. One is the other transposed, a pair taken for a number.

Imported when first used: it needs numba, and runs only where dlkit.backend.amx.have_tiles.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from dlkit.backend.native import compiled
from dlkit.backend.tiles import peek, poke, turned

LINES, DEPTH, TILE = 32, 32, 1024
"""Lines and inner indices of a chunk; bytes of a tile."""
PART, CHUNK = 2 * TILE, 6 * TILE
"""Bytes of a chunk's part and of a chunk."""
HALF = LINES // 2
ORDER = ((2, 0), (1, 0), (1, 1), (0, 1), (0, 0), (0, 2))
"""Parts of A and B that are multiplied: from one to the next only one of them is loaded anew. The three
pairs that are left out are smaller than half a unit in the last place of a float32."""

_INT, _LONG, _SHORT, _BYTE = (ir.IntType(bits) for bits in (32, 64, 16, 8))
_BYTES = _BYTE.as_pointer()
_NUMBERS, _BITS = ir.VectorType(ir.FloatType(), 16), ir.VectorType(_INT, 16)


def _every(value: int, like: ir.Type) -> ir.Constant:
    """The value, in each place of a vector of this type."""
    return ir.Constant(like, [value] * 16 if isinstance(like, ir.VectorType) else value)


def _split(builder: Any, x: Any) -> list[Any]:
    """The bits of x as three bfloat16, each the nearest to what those before leave, in the upper halves of
    32 bits. What is not finite stays so."""
    kind = _BITS if isinstance(x.type, ir.VectorType) else _INT
    found = []
    for part in range(3):
        bits = builder.bitcast(x, kind)
        size = builder.and_(bits, _every(0x7FFFFFFF, kind))
        near = builder.select(
            builder.icmp_unsigned("<", size, _every(0x7F7F8000, kind)),  # or rounding would make infinity
            builder.add(bits, _every(0x8000, kind)),
            bits,
        )
        top = builder.and_(near, _every(0xFFFF0000, kind))
        found.append(top)
        if part < 2:
            x = builder.fsub(x, builder.bitcast(top, x.type))
    return found


def _at(builder: Any, address: Any, kind: ir.Type, offset: int = 0) -> Any:
    return builder.inttoptr(builder.add(address, _LONG(offset)), kind.as_pointer())


def _load(builder: Any, address: Any, offset: int = 0) -> Any:
    value = builder.load(_at(builder, address, _NUMBERS, offset))
    value.align = 4
    return value


def _store(builder: Any, value: Any, address: Any, offset: int = 0) -> None:
    builder.store(value, _at(builder, address, value.type, offset)).align = 2


@intrinsic
def split_line(typing, source, to):
    """32 numbers side by side to a row of a tile in each part."""

    def code(context, builder, signature, args):
        source, to = args
        for j in range(2):
            for part, top in enumerate(_split(builder, _load(builder, source, 64 * j))):
                upper = builder.lshr(top, _every(16, _BITS))
                _store(builder, builder.trunc(upper, ir.VectorType(_SHORT, 16)), to, PART * part + 32 * j)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), code


@intrinsic
def split_pair(typing, source, beside, to):
    """Two times 16 numbers to a row of pairs in each part."""

    def code(context, builder, signature, args):
        first, second = (_split(builder, _load(builder, place)) for place in args[:2])
        for part in range(3):
            lower = builder.lshr(first[part], _every(16, _BITS))
            _store(builder, builder.or_(lower, second[part]), args[2], PART * part)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64, types.int64), code


@intrinsic
def split_number(typing, x, to):
    """One number to its place in each part."""

    def code(context, builder, signature, args):
        for part, top in enumerate(_split(builder, args[0])):
            upper = builder.trunc(builder.lshr(top, _INT(16)), _SHORT)
            _store(builder, upper, args[1], PART * part)
        return context.get_dummy_value()

    return types.none(types.float32, types.int64), code


def _tiled(builder: Any, name: str, *args: Any) -> None:
    """An instruction on tiles: numbers of tiles, then addresses and bytes from row to row."""
    values = [_BYTE(a) if isinstance(a, int) else a for a in args]
    module, full = builder.module, f"llvm.x86.{name}"
    kind = ir.FunctionType(ir.VoidType(), [v.type for v in values])
    builder.call(module.globals.get(full) or ir.Function(module, kind, full), values)


def _configuration(module: ir.Module) -> Any:
    """64 bytes: eight tiles of 16 rows of 64 bytes."""
    name = "dlkit_tile_configuration"
    known = module.globals.get(name)
    if known is None:
        content = [1, *[0] * 15, *[64, 0] * 8, *[0] * 16, *[16] * 8, *[0] * 8]
        known = ir.GlobalVariable(module, ir.ArrayType(_BYTE, 64), name)
        known.linkage, known.global_constant = "internal", True
        known.initializer = ir.Constant(known.type.pointee, content)
    return known


@intrinsic
def begin_tiles(typing):
    """Before the first product on a thread."""

    def code(context, builder, signature, args):
        _tiled(builder, "ldtilecfg", builder.bitcast(_configuration(builder.module), _BYTES))
        return context.get_dummy_value()

    return types.none(), code


@intrinsic
def end_tiles(typing):
    """After the last: a thread without tiles is cheaper to put aside."""

    def code(context, builder, signature, args):
        _tiled(builder, "tilerelease")
        return context.get_dummy_value()

    return types.none(), code


@intrinsic
def multiply_chunks(typing, a, b, c, apart, chunks):
    """C (32, 32) = A B over so many chunks of both; rows of C lie `apart` bytes from each other."""

    def code(context, builder, signature, args):
        a, b, c, apart, chunks = args
        for t in range(4):
            _tiled(builder, "tilezero", t)
        before = builder.block
        loop, end = builder.append_basic_block("loop"), builder.append_basic_block("end")
        builder.cbranch(builder.icmp_signed(">", chunks, _LONG(0)), loop, end)
        builder.position_at_end(loop)
        i = builder.phi(_LONG)
        offset = builder.mul(i, _LONG(CHUNK))
        _multiply_chunk(builder, builder.add(a, offset), builder.add(b, offset))
        following = builder.add(i, _LONG(1))
        i.add_incoming(_LONG(0), before)
        i.add_incoming(following, builder.block)
        builder.cbranch(builder.icmp_signed("<", following, chunks), loop, end)
        builder.position_at_end(end)
        lower = builder.add(c, builder.mul(apart, _LONG(HALF)))
        for t in range(4):
            corner = _at(builder, lower if t // 2 else c, _BYTE, 64 * (t % 2))
            _tiled(builder, "tilestored64", t, corner, apart)
        return context.get_dummy_value()

    return types.none(*[types.int64] * 5), code


def _multiply_chunk(builder: Any, a: Any, b: Any) -> None:
    """Tiles 0 to 3 += the parts of a chunk of A (tiles 4 and 5) times those of B (6 and 7)."""
    there: tuple[Any, Any] = (None, None)
    for parts in ORDER:
        for side, place in enumerate((a, b)):
            if parts[side] != there[side]:
                for half in range(2):
                    source = _at(builder, place, _BYTE, PART * parts[side] + TILE * half)
                    _tiled(builder, "tileloadd64", 4 + 2 * side + half, source, _LONG(64))
        there = parts
        for t in range(4):
            _tiled(builder, "tdpbf16ps", t, 4 + t // 2, 6 + t % 2)


@intrinsic
def add_line(typing, source, to):
    """32 numbers added to those that lie there."""

    def code(context, builder, signature, args):
        source, to = args
        for j in (0, 64):
            _store(builder, builder.fadd(_load(builder, to, j), _load(builder, source, j)), to, j)
        return context.get_dummy_value()

    return types.none(types.int64, types.int64), code


@intrinsic
def clear_row(typing, to):
    """Zeros in a row of a tile of each part."""

    def code(context, builder, signature, args):
        for part in range(3):
            _store(builder, _every(0, _BITS), args[0], PART * part)
        return context.get_dummy_value()

    return types.none(types.int64), code


@compiled
def split_block(like, source, down, across, lines, k, pairs, to, apart):
    """`lines` lines, `down` numbers apart, of k inner indices, `across` numbers apart, to strips of 32 lines
    that begin `apart` bytes from each other, chunk after chunk; zeros beside them. pairs: tiles as B has
    them, else as A. It is read in the order in which it lies."""
    if down == 1:
        _split_columns(like, source, across, lines, k, to, apart)
    else:
        _split_rows(like, source, down, across, lines, k, to, apart)
    if pairs == (down == 1):
        return
    for strip in range((lines + LINES - 1) // LINES):
        for tile in range((k + DEPTH - 1) // DEPTH * 6):
            at = to + strip * apart + tile * TILE
            turned(like, (at, 16, at, 16))


@compiled
def _split_rows(like, source, down, across, lines, k, to, apart):
    """Line by line."""
    for i in range((lines + LINES - 1) // LINES * LINES):
        row = to + i // LINES * apart + i % LINES // HALF * TILE + i % HALF * 64
        for k0 in range(0, k, DEPTH):
            at, place = source + (i * down + k0 * across) * 4, row + k0 // DEPTH * CHUNK
            if i < lines and across == 1 and k0 + DEPTH <= k:
                split_line(at, place)
                continue
            clear_row(place)
            if i < lines:
                for n in range(min(DEPTH, k - k0)):
                    split_number(peek(like, at + n * across * 4), place + 2 * n)


@compiled
def _split_columns(like, source, across, lines, k, to, apart):
    """Two inner indices after two: neighbouring lines lie side by side."""
    for k0 in range(0, (k + DEPTH - 1) // DEPTH * DEPTH, 2):
        row = to + k0 // DEPTH * CHUNK + k0 % DEPTH // 2 * 64
        for i in range(0, (lines + LINES - 1) // LINES * LINES, HALF):
            at, place = source + (i + k0 * across) * 4, row + i // LINES * apart + i % LINES // HALF * TILE
            if i + HALF <= lines and k0 + 2 <= k:
                split_pair(at, at + across * 4, place)
                continue
            clear_row(place)
            for j in range(max(0, min(2, k - k0))):
                for n in range(max(0, min(HALF, lines - i))):
                    split_number(peek(like, at + (n + j * across) * 4), place + 4 * n + 2 * j)


@compiled
def multiply_strips(like, strips, b, c, ldc, rows, chunks, columns, added, edge):
    """C = or += strips of A times one panel of B, of which `columns` are C's; edge: room for 32 by 32. A sum
    is begun anew for these chunks and then added: one of thousands of terms would lose more of its last
    bits."""
    for r in range(0, rows, LINES):
        a, to = strips + r // LINES * chunks * CHUNK, c + r * ldc * 4
        height = min(LINES, rows - r)
        if height == LINES and columns == LINES and not added:
            multiply_chunks(a, b, to, ldc * 4, chunks)
            continue
        multiply_chunks(a, b, edge, LINES * 4, chunks)
        for i in range(height):
            line, at = edge + i * LINES * 4, to + i * ldc * 4
            if columns == LINES and added:
                add_line(line, at)
                continue
            for j in range(columns):
                x = peek(like, line + j * 4)
                poke(like, at + j * 4, x + peek(like, at + j * 4) if added else x)
