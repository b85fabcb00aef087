"""The stand-in is as strict as it says, and offers nothing that the real wheel lacks."""

import inspect
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
from cuda_on_cpu.module import KernelError, missing_compiler
from cupy_stand_in import memory
from cupy_stand_in.counts import counts
from cupy_stand_in.manifest import NAMES
from cupy_stand_in.module import MODULES, cupy, cupyx, installed
from cupy_stand_in.streams import CUDARuntimeError, Device, Event, Stream

OWNERS = {
    **MODULES, "ndarray": cupy.ndarray, "RawModule": cupy.RawModule, "Stream": Stream, "Event": Event,
    "Device": Device, "MemoryPool": memory.MemoryPool, "PinnedMemoryPool": memory.PinnedMemoryPool,
}  # fmt: skip
INTERNAL = {"Stream": {"later", "deliver", "position", "delivered"}, "MemoryPool": {"take"}}
"""Public to the stand-in's own modules."""


@pytest.fixture(autouse=True)
def counted() -> Iterator[None]:
    with installed():
        yield


@pytest.fixture
def x() -> Any:
    return cupy.asarray(np.arange(6, dtype=np.float32).reshape(2, 3))


HOST = np.ones((2, 3), np.float32)
REFUSED: dict[str, tuple[Callable[[Any], Any], type[Exception], str]] = {
    "implicit conversion": (np.asarray, TypeError, "Implicit conversion"),
    "mixing with NumPy": (lambda x: x + HOST, TypeError, "Unsupported type"),
    "mixing, NumPy first": (lambda x: HOST + x, TypeError, "numpy.add on a device array"),
    "mixing in place": (lambda x: x.__iadd__(HOST), TypeError, "Unsupported type"),
    "a ufunc of NumPy": (np.exp, TypeError, "use the backend's module"),
    "a function of NumPy": (np.sum, TypeError, "use the backend's module"),
    "a list to a ufunc": (lambda x: cupy.exp([1.0]), TypeError, "Unsupported type"),
    "NumPy among device arrays": (lambda x: cupy.concatenate([x, HOST]), TypeError, "Unsupported type"),
    "out on the host": (lambda x: cupy.matmul(x, x.T, out=np.empty((2, 2), "f4")), TypeError, "cupy.ndarray"),
    "a parameter CuPy lacks": (
        lambda x: cupy.sum(x, where=x > 0),
        TypeError,
        "unexpected keyword argument 'where'",
    ),
    "a method's parameter": (lambda x: x.sum(initial=1), TypeError, "unexpected keyword argument 'initial'"),
    "a name CuPy lacks": (lambda x: cupy.geomspace(1, 2, 3), AttributeError, "no attribute 'geomspace'"),
    "a name the stand-in lacks": (lambda x: cupy.fuse, AttributeError, "the stand-in does not: add it"),
    "random numbers": (lambda x: cupy.random.default_rng(0), AttributeError, "on the host"),
    "duplicate indices": (lambda x: x.__setitem__([0, 0], x), ValueError, "undefined on a GPU"),
    "duplicate pairs": (
        lambda x: x.__setitem__((cupy.asarray([0, 0]), cupy.asarray([1, 1])), x[0, :2]),
        ValueError,
        "undefined on a GPU",
    ),
    "index out of range": (lambda x: x[cupy.asarray([2])], IndexError, "out of bounds"),
    "NumPy index": (lambda x: x[np.array([0])], TypeError, "index"),
    "negative to unsigned": (lambda x: (x - 1).astype(np.uint8), ValueError, "undefined on a GPU"),
    "0-d as an index": (lambda x: range(x.argmax()), TypeError, "cannot be interpreted as an integer"),
    "0-d iterated": (lambda x: list(x.sum()), TypeError, "0-d"),
    "text": (lambda x: cupy.asarray(["a"]), ValueError, "Unsupported dtype"),
    "a list of device arrays": (lambda x: cupy.asarray([x, x]), TypeError, "stack"),
    "assigning a NumPy array": (lambda x: x.__setitem__(..., HOST), ValueError, "cannot be used for fill"),
    "set of another dtype": (lambda x: x.set(HOST.astype("f8")), TypeError, "cannot be set"),
    "hash": (hash, TypeError, "unhashable"),
    "no such device": (lambda x: cupy.cuda.Device(1), CUDARuntimeError, "invalid device"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused(name: str, x: Any) -> None:
    act, error, message = REFUSED[name]
    with pytest.raises(error, match=message):
        act(x)


def test_results_are_device_arrays_even_of_no_dimension(x: Any) -> None:
    for result in (
        x.sum(),
        cupy.max(x),
        x[0, 0],
        x @ x.T,
        x > 2,
        -x,
        2 * x,
        np.float32(2) * x,
        cupy.where(x > 2, x, 0.0),
    ):
        assert type(result) is cupy.ndarray
    assert x.sum().shape == ()
    assert (2 * x).dtype == (x * np.float32(2)).dtype == np.float32
    assert (x + cupy.zeros(3, np.float64)).dtype == np.float64


def test_values_equal_numpy(x: Any) -> None:
    host = np.arange(6, dtype=np.float32).reshape(2, 3)
    x += 1
    x[cupy.asarray([1])] *= 2
    host += 1
    host[[1]] *= 2
    np.testing.assert_array_equal(x.get(), host)
    np.testing.assert_array_equal(cupy.asnumpy(cupy.exp(x).sum(axis=0)), np.exp(host).sum(axis=0))
    out = cupy.empty((2, 2), np.float32)
    assert cupy.matmul(x, x.T, out=out) is out
    np.testing.assert_array_equal(out.get(), host @ host.T)
    sums = cupy.zeros(2)
    cupyx.scatter_add(sums, cupy.asarray([0, 0, 1]), cupy.asarray([1.0, 2.0, 5.0]))
    np.testing.assert_array_equal(sums.get(), [3, 5])


def test_views_share_memory_and_copies_do_not(x: Any) -> None:
    x[1:][...] = 9
    cupy.asarray(x)[0, 0] = 7
    cupy.array(x)[0, 1] = 5
    np.testing.assert_array_equal(x.get(), [[7, 1, 2], [9, 9, 9]])


WAITING: dict[str, Callable[[Any], Any]] = {
    "get": lambda x: x.get(),
    "asnumpy": cupy.asnumpy,
    "float": lambda x: float(x.sum()),
    "if": lambda x: bool((x > 0).all()),
    "item": lambda x: x[0, 0].item(),
    "format": lambda x: f"{x.sum():.2f}",
    "mask": lambda x: x[x > 1],
    "nonzero": cupy.nonzero,
    "stream": lambda x: cupy.cuda.get_current_stream().synchronize(),
    "device": lambda x: cupy.cuda.Device().synchronize(),
}


@pytest.mark.parametrize("name", WAITING)
def test_waiting_is_counted_with_its_place(name: str, x: Any) -> None:
    assert counts.syncs == 0
    WAITING[name](x)
    assert counts.syncs == 1
    assert next(iter(counts.waits)).split(" at ")[1].startswith("test_stand_in.py:")


def test_computing_does_not_wait(x: Any) -> None:
    y = cupy.where(x > 1, x, 0.0) @ x.T
    y[0] = y.sum(axis=0) + y[cupy.asarray([1, 0])][0]
    assert (counts.syncs, counts.uploads) == (0, 2)


def test_what_is_not_yet_written_is_poison() -> None:
    assert np.isnan(cupy.empty(3, np.float32).get()).all()
    assert np.isnan(cupy.empty_like(cupy.zeros((2, 2))).get()).all()
    assert (cupy.empty(3, np.int32).get() == -1).all()
    assert cupy.empty(2, bool).get().all()


def test_pool_counts_and_limits() -> None:
    pool = cupy.get_default_memory_pool()
    before = pool.used_bytes()
    big = cupy.zeros(1000, np.float32)
    assert pool.used_bytes() - before == 4096
    del big
    assert pool.used_bytes() == before
    assert pool.total_bytes() >= before + 4096
    pool.set_limit(size=before + 8192)
    with pytest.raises(
        memory.OutOfMemoryError, match=r"Out of memory allocating 16,384 bytes \(allocated so far"
    ):
        cupy.zeros(4096, np.float32)


def test_an_asynchronous_copy_has_not_happened_before_it_is_waited_for(x: Any) -> None:
    target = cupyx.empty_pinned((2, 3), np.float32)
    stream = cupy.cuda.Stream(non_blocking=True)
    x.get(stream=stream, out=target, blocking=False)
    x[...] = 0  # the copy has the value of its turn in the stream
    assert np.isnan(target).all()
    assert counts.syncs == 0
    stream.synchronize()
    np.testing.assert_array_equal(target, np.arange(6).reshape(2, 3))
    with pytest.raises(RuntimeError, match="pinned"):
        x.get(out=np.empty((2, 3), np.float32), blocking=False)


def test_a_pinned_source_must_stay_until_its_copy_is_done(x: Any) -> None:
    source = cupyx.zeros_pinned((2, 3), np.float32)
    with cupy.cuda.Stream() as stream:
        x.set(source)
        event = stream.record()
        event.synchronize()
        source[0] = 1
        x.set(source)
        source[0] = 2
        with pytest.raises(RuntimeError, match="changed before its copy"):
            stream.synchronize()


SOURCE = r"""
extern "C" __global__ void fill(float* x, float value, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) x[i] = value;
}"""


@pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))
class TestKernels:
    def fill(self, *args: Any) -> None:
        cupy.RawModule(code=SOURCE, options=("-std=c++17",)).get_function("fill")((1,), (32,), args)

    def test_a_kernel_runs_and_is_counted(self) -> None:
        x = cupy.empty(7, np.float32)
        self.fill(x, np.float32(3), np.int32(7))
        assert x.get().tolist() == [3] * 7
        assert counts.kernels == {"fill": 1}

    @pytest.mark.parametrize("args", [(3.0, np.int32(7)), (np.float32(3), 7), (np.float64(3), np.int32(7))])
    def test_scalars_must_have_the_kernels_type(self, args: tuple[Any, ...]) -> None:
        with pytest.raises(KernelError, match="needs a numpy"):
            self.fill(cupy.empty(7, np.float32), *args)

    def test_arrays_must_be_contiguous_and_on_the_device(self) -> None:
        with pytest.raises(KernelError, match="not C-contiguous"):
            self.fill(cupy.empty((7, 2), np.float32)[:, 0], np.float32(3), np.int32(7))
        with pytest.raises(TypeError, match="Unsupported type"):
            self.fill(np.empty(7, np.float32), np.float32(3), np.int32(7))

    def test_writing_beyond_an_array_is_found(self) -> None:
        with pytest.raises(KernelError, match="argument 0: something was written behind the array"):
            self.fill(cupy.empty(7, np.float32), np.float32(3), np.int32(8))

    def test_a_source_that_does_not_compile(self) -> None:
        with pytest.raises(cupy.cuda.compiler.CompileException, match="value2"):
            cupy.RawModule(code=SOURCE.replace("= value", "= value2")).get_function("fill")


@pytest.mark.parametrize("owner", OWNERS)
def test_every_name_is_the_wheels(owner: str) -> None:
    thing = OWNERS[owner]
    names = vars(thing) if inspect.ismodule(thing) else [n for n in dir(thing) if not hasattr(object, n)]
    ours = {name for name in names if not name.startswith("__") and not name.startswith("_")}
    ours -= INTERNAL.get(owner, set()) | {name.rpartition(".")[2] for name in MODULES}
    assert ours <= set(NAMES[owner]), ours - set(NAMES[owner])


@pytest.mark.parametrize("owner", OWNERS)
def test_our_own_functions_take_what_the_wheels_take(owner: str) -> None:
    """Those written out here; the rest are checked against the manifest at each call."""
    for name, (kind, names) in NAMES[owner].items():
        found = vars(OWNERS[owner]).get(name)
        if kind != "function" or names is None or name.startswith("__") or not inspect.isfunction(found):
            continue
        ours = [p.name for p in inspect.signature(found).parameters.values() if p.name != "self"]
        if "kwargs" not in ours and not any(n.startswith("*") for n in names):
            assert [n for n in ours if n not in (*names, "rest")] == [], f"{owner}.{name}"


def test_imports_find_the_stand_in_only_while_installed() -> None:
    import cupy as imported

    assert imported is cupy
    saved = sys.modules.pop("cupy")
    sys.modules["cupy"] = saved
    assert sys.modules["cupyx"] is cupyx
