"""The shim itself: right kernels give right numbers in every order, and broken ones are caught."""

from typing import Any

import numpy as np
import pytest
from cuda_on_cpu.module import (
    ORDERS,
    CompileError,
    Function,
    KernelError,
    Module,
    execution,
    missing_compiler,
    sanitizing,
)

pytestmark = pytest.mark.skipif(missing_compiler() is not None, reason=str(missing_compiler()))
WAYS = [{"order": order} for order in ORDERS] + ([] if sanitizing() else [{"checked": True}])
X, Y = np.zeros(4, np.float32), np.zeros(4, np.float32)
never_sanitized = pytest.mark.skipif(sanitizing(), reason="a broken kernel would end the sanitized process")

SOURCE = r"""
extern "C" __global__ void axpy(const float* __restrict__ x, float* y, float a, int n) {
    for (int i = blockIdx.x * blockDim.x + threadIdx.x; i < n; i += gridDim.x * blockDim.x) y[i] += a * x[i];
}

extern "C" __global__ void block_sum(const float* x, float* out, int n) {
    __shared__ float part[64];
    float sum = 0;
    for (int i = threadIdx.x; i < n; i += blockDim.x) sum += x[i];
    part[threadIdx.x] = sum;
    __syncthreads();
    for (int half = blockDim.x / 2; half > 0; half /= 2) {
        if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) out[blockIdx.x] = part[0];
}

// One warp a row, two warps a block, results exchanged through dynamic shared memory.
extern "C" __global__ void row_max(const double* x, double* out, int columns) {
    extern __shared__ double best[];
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    double m = -1e300;
    for (int j = threadIdx.x; j < columns; j += blockDim.x) m = max(m, x[blockIdx.x * columns + j]);
    for (int step = 16; step > 0; step /= 2) m = max(m, __shfl_down_sync(0xffffffffu, m, step));
    if (lane == 0) best[warp] = m;
    __syncthreads();
    if (threadIdx.x == 0) out[blockIdx.x] = max(best[0], best[1]);
}

extern "C" __global__ void histogram(const int* bin, unsigned int* count, int n) {
    int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i < n) atomicAdd(&count[bin[i]], 1);
}

extern "C" __global__ void warp_tools(unsigned int* votes, int* values) {
    int t = threadIdx.x;
    votes[t] = __ballot_sync(0xffffffffu, t % 3 == 0);
    values[t] = __shfl_xor_sync(0xffffffffu, t, 1) + 100 * __shfl_sync(0xffffffffu, t, 5, 8);
    values[t] += 10000 * __syncthreads_count(t < 7);
}
"""
BLOCK_SUM = SOURCE[SOURCE.index('extern "C" __global__ void block_sum') : SOURCE.index("// One warp")]


@pytest.fixture(scope="module")
def module() -> Module:
    return Module(SOURCE)


def kernel(source: str) -> Function:
    made = Module(source)
    return made.function(made.names[0])


def launch_body(body: str, *, threads: int = 32, blocks: int = 1, **ways: Any) -> np.ndarray:
    """Run `body` as a kernel over `float* x` of 64 elements."""
    x = np.zeros(64, np.float32)
    with execution(**ways):
        source = f'extern "C" __global__ void k(float* x) {{ int t = threadIdx.x; {body} }}'
        kernel(source)((blocks,), (threads,), (x,))
    return x


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_right_kernels_are_right_in_every_order(module: Module, way: dict[str, Any]) -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(1003).astype(np.float32)
    with execution(**way):
        y = x.copy()
        module.function("axpy")((5,), (64,), (x, y, np.float32(2.5), np.int32(x.size)))
        np.testing.assert_allclose(y, 3.5 * x, rtol=1e-6)

        out = np.full(3, np.nan, np.float32)
        module.function("block_sum")((3,), (64,), (x, out, np.int32(x.size)))
        np.testing.assert_allclose(out, x.sum(dtype=np.float64), rtol=1e-4)

        rows, best = rng.standard_normal((5, 77)), np.empty(5)
        module.function("row_max")((5,), (64,), (rows, best, np.int32(77)), shared_mem=16)
        np.testing.assert_array_equal(best, rows.max(1))

        bins, count = rng.integers(0, 7, 500).astype(np.int32), np.zeros(7, np.uint32)
        module.function("histogram")((8,), (64,), (bins, count, np.int32(500)))
        np.testing.assert_array_equal(count, np.bincount(bins, minlength=7))

        votes, values = np.zeros(64, np.uint32), np.zeros(64, np.int32)
        module.function("warp_tools")((1,), (64,), (votes, values))
    t = np.arange(64)
    expected = [sum(1 << lane for lane in range(32) if (first + lane) % 3 == 0) for first in (0, 32)]
    np.testing.assert_array_equal(votes, np.repeat(np.array(expected, np.uint32), 32))
    np.testing.assert_array_equal(values, (t ^ 1) + 100 * (t // 8 * 8 + 5) + 10000 * 7)


def test_parameters_are_the_compilers_not_a_guess(module: Module) -> None:
    kinds = [(p.kind, str(p.dtype)) for p in module.function("axpy").parameters]
    assert kinds == [("const", "float32"), ("pointer", "float32"), ("value", "float32"), ("value", "int32")]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((X, Y, 2.5, np.int32(4)), "argument 2: needs a numpy.float32 scalar, got float"),
        ((X, Y, np.float32(1), 4), "argument 3: needs a numpy.int32 scalar, got int"),
        ((np.zeros(4), Y, np.float32(1), np.int32(4)), "argument 0: needs an array of float32"),
        ((np.zeros(8, np.float32)[::2], Y, np.float32(1), np.int32(4)), "not C-contiguous"),
        ((X, Y, np.float32(1)), "takes 4 arguments, got 3"),
    ],
)
def test_wrong_arguments_are_refused(module: Module, arguments: tuple[Any, ...], problem: str) -> None:
    with pytest.raises(KernelError, match=problem):
        module.function("axpy")((1,), (32,), arguments)


@pytest.mark.parametrize(
    ("grid", "block"), [((0,), (32,)), ((1,), (1025,)), ((1, 65536), (1,)), ((1,), (1, 1, 65))]
)
def test_impossible_launches_are_refused(grid: tuple[int, ...], block: tuple[int, ...]) -> None:
    x = np.zeros(1, np.float32)
    with pytest.raises(KernelError, match="invalid launch configuration"):
        kernel('extern "C" __global__ void k(float* x) {}')(grid, block, (x,))


@never_sanitized
def test_a_missing_barrier_changes_the_result_with_the_order() -> None:
    broken = BLOCK_SUM.replace("= sum;\n    __syncthreads();", "= sum;")
    assert broken != BLOCK_SUM
    sums = []
    for order in ORDERS:
        out = np.full(1, np.nan, np.float32)
        with execution(order=order):
            kernel(broken)((1,), (64,), (np.ones(640, np.float32), out, np.int32(640)))
        sums.append(float(out[0]))
    assert any(total != 640 for total in sums), sums


@never_sanitized
def test_the_checker_names_a_missing_barrier() -> None:
    broken = BLOCK_SUM.replace("        __syncthreads();\n", "")
    assert broken != BLOCK_SUM
    out = np.zeros(1, np.float32)
    with execution(checked=True), pytest.raises(KernelError, match=r"race: .* shared memory .*line \d+"):
        kernel(broken)((1,), (64,), (np.ones(640, np.float32), out, np.int32(640)))


BROKEN = {
    "read behind an array": ("x[t] = x[t + 33];", "read of 4 bytes outside every array"),
    "write before an array": ("x[t - 1] = 1;", "write of 4 bytes outside every array"),
    "shared memory never written": (
        "__shared__ float s[32]; if (t) s[t] = 1; __syncthreads(); x[t] = s[t];",
        "read of shared memory that was never written",
    ),
    "all threads write one place": ("x[0] = t;", "race: write of global memory written by thread 0"),
    "read what another thread writes": ("x[t] = x[t + 1];", "race: .* global memory"),
    "blocks are not ordered": ("if (t == 0) x[0] += 1;", "race: .* written by thread 0 of block 0"),
    "plain read of an atomic": (
        "atomicAdd(x, 1.0f); x[1 + t] = x[0];",
        r"race: atomic update .* another thread reads \(in line 1\)",
    ),
    "shuffles do not order memory": (
        "__shared__ float s[32]; s[t] = 1; __shfl_sync(0xffffffffu, 1, 0); x[t] = s[31 - t];",
        "never written|race: read of shared memory",
    ),
}


@never_sanitized
@pytest.mark.parametrize("name", BROKEN)
def test_the_checker_sees_a_broken_kernel(name: str) -> None:
    body, problem = BROKEN[name]
    with pytest.raises(KernelError, match=problem):
        launch_body(body, blocks=2 if "blocks" in name else 1, threads=32, checked=True)


SOUND = {
    "barrier": ("__shared__ float s[64]; s[t] = t; __syncthreads(); x[t] = s[63 - t];", 64),
    "warp barrier": ("__shared__ float s[32]; s[t] = t; __syncwarp(); x[t] = s[31 - t];", 32),
    "atomics": ("atomicAdd(x, 1.0f);", 64),
    "local arrays": ("float a[8]; for (int i = 0; i < 8; i++) a[i] = i; x[t] = a[t % 8];", 64),
    "many read, one writes later": (
        "__shared__ float s; if (!t) s = 1; __syncthreads(); x[t] = s; __syncthreads(); if (t == 9) s = 2;",
        64,
    ),
}


@pytest.mark.skipif(sanitizing(), reason="the checker and AddressSanitizer exclude each other")
@pytest.mark.parametrize("name", SOUND)
def test_the_checker_lets_a_sound_kernel_pass(name: str) -> None:
    body, threads = SOUND[name]
    assert launch_body(body, threads=threads, checked=True).any()


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("if (t < 3) __syncthreads();", "divergent threads"),
        ("if (t < 3) return; __syncthreads();", "waits at a barrier in line 1, thread 2 has finished"),
        ("if (t % 2)\n __syncthreads();\n else\n __syncthreads();", "waits at a barrier in line"),
        ("if (t < 16) x[0] = __shfl_down_sync(0xffffffffu, 1.0f, 1);", "waits at a warp operation"),
    ],
)
def test_divergence_is_seen(body: str, problem: str) -> None:
    with pytest.raises(KernelError, match=problem):
        launch_body(body)
    assert launch_body("x[t] = 1;").sum() == 32  # the next launch starts afresh


def test_a_warp_operation_needs_every_lane_it_names() -> None:
    with pytest.raises(KernelError, match="divergent"):
        launch_body("x[t] = __shfl_sync(0xffffffffu, 1.0f, 0);", threads=20)
    part = "if (t < 16) x[t] = __shfl_sync(0x0000ffffu, (float)t, 3);"
    np.testing.assert_array_equal(launch_body(part)[:17], [3.0] * 16 + [0.0])


@pytest.mark.parametrize("order", ORDERS)
def test_shared_memory_starts_as_nan_in_every_block(order: str) -> None:
    body = "__shared__ float s[32]; x[blockIdx.x * 32 + t] = s[t]; s[t] = 1;"
    assert np.isnan(launch_body(body, blocks=2, order=order)).all()


@never_sanitized
def test_dynamic_shared_memory_has_a_guard() -> None:
    overrun = 'extern "C" __global__ void k(float* x) { extern __shared__ float s[]; s[threadIdx.x] = 1; }'
    x = np.zeros(1, np.float32)
    kernel(overrun)((1,), (32,), (x,), shared_mem=128)
    with pytest.raises(KernelError, match="wrote behind its 64 bytes"):
        kernel(overrun)((1,), (32,), (x,), shared_mem=64)
    with pytest.raises(KernelError, match="limit is 48 KiB"):
        kernel(overrun)((1,), (32,), (x,), shared_mem=49153)


@pytest.mark.parametrize(
    "source",
    [
        'extern "C" __global__ void k(float* x) { x[0] = undefined; }',
        'extern "C" __global__ void k(float* x) { float v; x[0] = v; }',
        "template <int N> __device__ void f(float* x) { __shared__ float s[N]; s[0] = 1; x[0] = s[0]; }\n"
        'extern "C" __global__ void k(float* x) { f<4>(x); }',
    ],
    ids=["unknown name", "uninitialised variable", "shared memory in a template"],
)
def test_what_the_compiler_must_refuse(source: str) -> None:
    with pytest.raises(CompileError):
        kernel(source).parameters


def test_a_source_is_compiled_once_for_all_processes() -> None:
    source = 'extern "C" __global__ void k(float* x) { x[0] = 7; }'
    assert Module(source).library()._name == Module(source).library()._name
    assert Module(source).library()._name != Module(source.replace("7", "8")).library()._name
