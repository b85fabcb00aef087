"""The launcher converts every number to what the source declares, and refuses what it cannot."""

from typing import Any

import numpy as np
import pytest

from dlkit.kernels.launch import Launcher, full_source, launcher, signatures
from dlkit.kernels.registry import load_all

SOURCE = """
extern "C" __global__ void scale(const real* x, const unsigned char* __restrict__ mask, real factor,
                                 double exact, long long n, int kind, real* y) {}
extern "C" __global__ void other(unsigned short* bits, const long long *index) {}
"""
FLOAT = np.dtype(np.float32)


class Module:
    """Records launches."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.launches: list[tuple[Any, ...]] = []

    def get_function(self, name: str) -> Any:
        def launch(grid: Any, block: Any, args: Any, shared_mem: int = 0) -> None:
            self.launches.append((name, grid, block, args, shared_mem))

        return launch


def made(real: np.dtype = FLOAT) -> tuple[Launcher, list[Module]]:
    modules: list[Module] = []

    def load(source: str) -> Module:
        modules.append(Module(source))
        return modules[-1]

    return Launcher(SOURCE, real, load), modules


def arguments(real: type = np.float32) -> list[Any]:
    return [np.ones(3, real), np.ones(3, np.uint8), 0.5, 0.25, 3, 2, np.ones(3, real)]


def test_signatures_are_read() -> None:
    found = signatures(SOURCE, FLOAT)
    assert list(found) == ["scale", "other"]
    assert [p.name for p in found["scale"]] == ["x", "mask", "factor", "exact", "n", "kind", "y"]
    assert [p.dtype.str[1:] for p in found["scale"]] == ["f4", "u1", "f4", "f8", "i8", "i4", "f4"]
    assert [p.pointer for p in found["scale"]] == [True, True, False, False, False, False, True]
    assert [(p.dtype.str[1:], p.pointer) for p in found["other"]] == [("u2", True), ("i8", True)]


@pytest.mark.parametrize("name", sorted(n for n, k in load_all().items() if k.cuda))
def test_every_kernels_source_is_readable(name: str) -> None:
    found = load_all()[name]
    assert tuple(signatures(found.cuda or "", FLOAT)) == found.functions


@pytest.mark.parametrize("real", [np.float32, np.float64])
def test_numbers_have_the_declared_types(real: type) -> None:
    launch, modules = made(np.dtype(real))
    launch("scale", 1000, *arguments(real))
    ((name, grid, block, args, shared),) = modules[0].launches
    assert (name, grid, block, shared) == ("scale", (4,), (256,), 0)
    kinds = [type(a) for a in args[2:6]]
    assert kinds == [real, np.float64, np.int64, np.int32]
    assert ("#define REAL_IS_DOUBLE" in modules[0].source.splitlines()) == (real == np.float64)


def test_grids_and_blocks() -> None:
    launch, modules = made()
    launch("scale", (5, 2), *arguments(), block=(32, 8), shared_mem=64)
    launch("scale", 10**9, *arguments())
    launch("scale", 1, *arguments(), block=128)
    shapes = [(grid, block, shared) for _, grid, block, _, shared in modules[0].launches]
    assert shapes == [((5, 2), (32, 8), 64), ((65535,), (256,), 0), ((1,), (128,), 0)]
    assert len(modules) == 1, "compiled once"


def test_nothing_is_launched_or_compiled_for_nothing() -> None:
    launch, modules = made()
    launch("scale", 0, *arguments())
    launch("scale", (0,), *arguments())
    launch("scale", (4, 0), *arguments())
    assert not modules


@pytest.mark.parametrize(
    ("position", "value", "problem"),
    [
        (0, np.ones(3, np.float64), "x: expected a C-contiguous array of float32, got float64"),
        (0, np.ones(6, np.float32)[::2], "x: expected a C-contiguous array"),
        (0, 1.0, "x: expected a C-contiguous array of float32, got float"),
        (1, np.ones(3, np.int8), "mask: expected a C-contiguous array of uint8"),
        (2, np.ones(1, np.float32), "factor: expected a number, got ndarray"),
        (4, None, "n: expected a number, got NoneType"),
    ],
)
def test_what_does_not_fit_is_refused(position: int, value: Any, problem: str) -> None:
    launch, _ = made()
    args = arguments()
    args[position] = value
    with pytest.raises(TypeError, match=f"scale: {problem}"):
        launch("scale", 3, *args)


def test_number_of_arguments() -> None:
    launch, _ = made()
    with pytest.raises(TypeError, match="scale: takes 7 arguments, got 6"):
        launch("scale", 3, *arguments()[:-1])


def test_integers_too_large_are_refused() -> None:
    launch, _ = made()
    args = arguments()
    args[5] = 2**31
    with pytest.raises(OverflowError):
        launch("scale", 3, *args)


def test_launchers_are_kept() -> None:
    assert launcher(SOURCE, FLOAT) is launcher(SOURCE, FLOAT)
    assert launcher(SOURCE, FLOAT) is not launcher(SOURCE, np.dtype(np.float64))
    assert full_source(SOURCE, FLOAT).endswith(SOURCE)
