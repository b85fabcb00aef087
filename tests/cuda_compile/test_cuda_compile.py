"""Every CUDA source compiles with NVIDIA's own compiler for every architecture dlkit speaks of."""

import pytest
from cuda_compile.nvrtc import ARCHITECTURES, OPTIONS, CompileError, compile_for, missing_nvrtc
from cuda_compile.sources import SOURCES, source_of
from cupy_stand_in.module import installed

from dlkit.kernels.launch import cupy_module
from dlkit.kernels.registry import load_all

pytestmark = pytest.mark.skipif(missing_nvrtc() is not None, reason=str(missing_nvrtc()))


OLDEST_AND_NEWEST = (ARCHITECTURES[0], ARCHITECTURES[-1])


@pytest.mark.parametrize("kernel", SOURCES)
@pytest.mark.parametrize(
    ("dtype", "architectures"), [("float32", ARCHITECTURES), ("float64", OLDEST_AND_NEWEST)]
)
def test_compiles_for_every_architecture(kernel: str, dtype: str, architectures: tuple[str, ...]) -> None:
    source = source_of(kernel, dtype)
    declared = set(load_all()[kernel].functions)
    assert declared, "a CUDA source without a __global__ function"
    for architecture in architectures:
        compiled = compile_for(source, architecture)
        assert set(compiled) == declared
        assert all(0 < need.registers <= 255 for need in compiled.values())


def test_the_options_are_those_of_the_launcher() -> None:
    """Beside those CuPy adds (-ftz=true) and the report that is asked for here."""
    with installed():
        module = cupy_module('extern "C" __global__ void k() {}')
    assert set(module.options) | {"-ftz=true", "--ptxas-options=-v"} == set(OPTIONS)


def test_there_is_something_to_compile() -> None:
    assert SOURCES


@pytest.mark.parametrize(
    "body",
    ["x[0] = undefined;", "x[0] = INFINITY;", "__shared__ float s[20000]; s[threadIdx.x] = 1; x[0] = s[5];"],
    ids=["unknown name", "a name of math.h", "too much shared memory"],
)
def test_the_compiler_refuses(body: str) -> None:
    with pytest.raises(CompileError):
        compile_for(f'extern "C" __global__ void k(float* x) {{ {body} }}', "sm_70")


def test_resources_are_read_from_the_report() -> None:
    source = r"""
    extern "C" __global__ void reversed(float* x, int n) {
        float local[100];
        __shared__ double s[32];
        for (int i = 0; i < n; i++) local[i] = x[i];
        s[threadIdx.x] = local[n / 2];
        __syncthreads();
        for (int i = 0; i < n; i++) x[i] = local[n - 1 - i] + s[31 - threadIdx.x];
    }
    extern "C" __global__ void nothing() {}"""
    for architecture in ARCHITECTURES:
        needs = compile_for(source, architecture)
        assert set(needs) == {"reversed", "nothing"}
        assert (needs["reversed"].stack, needs["reversed"].shared) == (400, 256)
        assert needs["reversed"].registers > needs["nothing"].registers > 0
        assert (needs["nothing"].stack, needs["nothing"].shared, needs["nothing"].spilled) == (0, 0, 0)
