"""A compiled function's call laid down in memory, so that workers do bands of its rows without Python.

`laying(f, ...)` makes a function that stores the arguments of a call of f, as they are inside compiled code,
together with the address of an entry, void entry(words, w): it takes the rows of band w from the arrays that
are cut and calls f. Imported when first used: it needs numba.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def, call-arg, var-annotated"

from collections.abc import Callable
from types import FunctionType
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from dlkit.backend.native import ARGUMENTS, ENTRY, WORDS, compiled

# Words before the arguments. PARTIAL: address of the bands' own sums; FAILED: f raised in some band.
ROWS, BANDS, PARTIAL, FAILED = 1, 2, 3, 4
WHOLE, CUT, OWN, SUM = range(4)
"""What a band gets of an argument: all of it; its part of the rows; its one row; a place for its own sum."""

_BYTE, _LONG = ir.IntType(8), ir.IntType(64)
_BYTES = _BYTE.as_pointer()


def laying(dispatcher: Any, uses: tuple[int, ...]) -> Callable[..., None]:
    """lay(words, rows, bands, partial, *args) for a function compiled by numba.

    uses: WHOLE, CUT, OWN or SUM for each argument; rows: of those that are cut, at least `bands`; partial:
    address of room for what bands 1, 2, ... sum.
    """

    @intrinsic
    def lay(typing, words, args):
        dispatcher.compile(args.types)

        def code(context, builder, signature, values):
            words, args = signature.args
            place = context.make_array(words)(context, builder, values[0]).data
            arguments = context.get_value_type(args)
            if context.get_abi_sizeof(arguments) > (WORDS - ARGUMENTS) * 8:
                raise TypeError(f"{dispatcher.py_func.__name__}: too many arguments to be shared out")
            entry = _entry(context, builder.module, dispatcher, args, uses)
            builder.store(builder.ptrtoint(entry, _LONG), builder.gep(place, [_LONG(ENTRY)]))
            to = builder.bitcast(builder.gep(place, [_LONG(ARGUMENTS)]), arguments.as_pointer())
            builder.store(_unowned(context, builder, args, values[1]), to)
            return context.get_dummy_value()

        return types.none(words, args), code

    made = FunctionType(_call.__code__, {**_call.__globals__, "_lay": lay}, _call.__name__)
    made.__module__ = _call.__module__
    # numba's cache is named after the function, and the kernel's name tells all that it was made of
    made.__qualname__ = f"lay_{''.join(map(str, uses))}_{dispatcher.py_func.__qualname__}"
    layer: Any = compiled(made)
    load = layer.compile

    def load_both(signature: Any) -> Any:
        """What is laid down refers to f by name, so f comes first, also where both come from the cache."""
        dispatcher.compile(tuple(signature[-1]))  # *args as one type
        return load(signature)

    layer.compile = load_both
    _keep_by_callee(layer, dispatcher)
    return layer


def _keep_by_callee(layer: Any, dispatcher: Any) -> None:
    """Numba's names of compiled functions count what a process has compiled before. What is laid down calls f
    by such a name: where f has been compiled anew, by this process or another, the layer on disk is not to be
    found, or it would call what is not there."""
    cache = layer._cache
    if not hasattr(cache, "_index_key"):  # nothing is kept
        return
    key = cache._index_key

    def with_callee(signature: Any, codegen: Any) -> Any:
        args = tuple(signature[-1])
        return (*key(signature, codegen), dispatcher.overloads[args].fndesc.mangled_name)

    cache._index_key = with_callee


def _call(words, rows, bands, partial, *args):
    words[ROWS], words[BANDS], words[PARTIAL], words[FAILED] = rows, bands, partial, 0
    _lay(words, args)  # type: ignore[name-defined]  # noqa: F821


def _entry(context: Any, module: Any, dispatcher: Any, args: Any, uses: tuple[int, ...]) -> Any:
    """void entry(int64* words, int64 w) for these types of arguments."""
    name = f"entry_{dispatcher.py_func.__qualname__}"
    kind = ir.FunctionType(ir.VoidType(), [_LONG.as_pointer(), _LONG])
    function = ir.Function(module, kind, name)
    function.linkage = "internal"
    words, w = function.args
    builder = ir.IRBuilder(function.append_basic_block("entry"))

    def word(k: int) -> Any:
        return builder.load(builder.gep(words, [_LONG(k)]))

    rows, bands = word(ROWS), word(BANDS)
    lo = builder.sdiv(builder.mul(rows, w), bands)
    hi = builder.sdiv(builder.mul(rows, builder.add(w, _LONG(1))), bands)
    stored = context.get_value_type(args).as_pointer()
    given = builder.load(builder.bitcast(builder.gep(words, [_LONG(ARGUMENTS)]), stored))
    first = builder.icmp_signed("==", w, _LONG(0))
    # a band's own sums lie one after the other; band 0 sums where the result is wanted
    sums = builder.inttoptr(word(PARTIAL), _BYTES)
    sizes = [_bytes(context, builder, args[i], given, i) for i, use in enumerate(uses) if use == SUM]
    mine = builder.mul(builder.sub(w, _LONG(1)), _total(builder, sizes))
    passed = []
    for i, (kind_of, use) in enumerate(zip(args, uses, strict=True)):
        value = builder.extract_value(given, i)
        if use == CUT:
            value = _rows(context, builder, kind_of, value, lo, hi)
        elif use == OWN:
            value = _rows(context, builder, kind_of, value, w, builder.add(w, _LONG(1)))
        elif use == SUM:
            place = builder.gep(sums, [mine])
            value = _moved(context, builder, kind_of, value, first, place)
            mine = builder.add(mine, sizes.pop(0))
        passed.append(value)
    # Declared, not linked: a second copy would be optimised a second time, with other last bits.
    callee = context.declare_function(module, dispatcher.get_compile_result(types.void(*args)).fndesc)
    status, _ = context.call_conv.call_function(builder, callee, types.none, args.types, passed)
    with builder.if_then(status.is_error):
        builder.store(_LONG(1), builder.gep(words, [_LONG(FAILED)]))
    builder.ret_void()
    return function


def _unowned(context, builder, kind, value):
    """The arrays without their owner: its count of references ends with the call of `lay`."""
    if isinstance(kind, types.BaseTuple):
        for i, one in enumerate(kind):  # type: ignore[arg-type]
            bare = _unowned(context, builder, one, builder.extract_value(value, i))
            value = builder.insert_value(value, bare, i)
    elif isinstance(kind, types.Array):
        array = context.make_array(kind)(context, builder, value)
        array.meminfo, array.parent = array.meminfo.type(None), array.parent.type(None)
        value = array._getvalue()
    return value


def _total(builder: Any, sizes: list[Any]) -> Any:
    total = _LONG(0)
    for size in sizes:
        total = builder.add(total, size)
    return total


def _bytes(context: Any, builder: Any, kind: Any, given: Any, i: int) -> Any:
    array = context.make_array(kind)(context, builder, builder.extract_value(given, i))
    return builder.mul(array.nitems, array.itemsize)


def _rows(context, builder, kind, value, lo, hi):
    """Rows lo .. hi of an array, or of every array of a tuple."""
    if isinstance(kind, types.BaseTuple):
        for i, one in enumerate(kind):  # type: ignore[arg-type]
            cut = _rows(context, builder, one, builder.extract_value(value, i), lo, hi)
            value = builder.insert_value(value, cut, i)
        return value
    array = context.make_array(kind)(context, builder, value)
    rows = builder.extract_value(array.shape, 0)
    start = builder.mul(lo, builder.extract_value(array.strides, 0))
    array.data = _offset(builder, array.data, start)
    array.nitems = builder.mul(builder.sdiv(array.nitems, rows), builder.sub(hi, lo))
    array.shape = builder.insert_value(array.shape, builder.sub(hi, lo), 0)
    return array._getvalue()


def _moved(context: Any, builder: Any, kind: Any, value: Any, first: Any, place: Any) -> Any:
    """The array itself for the first band, for the others one of its shape at `place`."""
    array = context.make_array(kind)(context, builder, value)
    array.data = builder.select(first, array.data, builder.bitcast(place, array.data.type))
    return array._getvalue()


def _offset(builder: Any, data: Any, bytes_: Any) -> Any:
    return builder.bitcast(builder.gep(builder.bitcast(data, _BYTES), [bytes_]), data.type)
