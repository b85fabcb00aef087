"""Sums over the shards' gradients and over a whole gradient, always in the same order."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel

BLOCK = 2048
"""Elements summed at a time: they stay in the first-level cache while the shards are added."""


# -- sum over shards ----------------------------------------------------------------------------
def sum_shards_reference(parts: Any, out: Any) -> None:
    """parts: tuple of (n,), added in its order into out: (n,), which may be parts[0]."""
    out[...] = parts[0]
    for part in parts[1:]:
        out += part


def add_block(parts, lo, hi, s):
    """s <- parts[0][lo:hi] + parts[1][lo:hi] + ...; compiled along with what calls it."""
    first = parts[0][lo:hi]
    if len(parts) == 1:
        for i in range(s.size):
            s[i] = first[i]
    else:
        second = parts[1][lo:hi]
        for i in range(s.size):
            s[i] = first[i] + second[i]
    for k in range(2, len(parts)):
        part = parts[k][lo:hi]
        for i in range(s.size):
            s[i] += part[i]


def _sum_shards_cpu(parts, out):
    # Where out is parts[0], only a loop that names it once vectorises.
    onto_first = parts[0].ctypes.data == out.ctypes.data
    for lo in range(0, out.size, BLOCK):
        hi = min(lo + BLOCK, out.size)
        s = out[lo:hi]
        if onto_first:
            for k in range(1, len(parts)):
                part = parts[k][lo:hi]
                for i in range(s.size):
                    s[i] += part[i]
        else:
            add_block(parts, lo, hi, s)


def _sum_shards_gpu(launch: Any, parts: Any, out: Any) -> None:
    sum_shards_reference(parts, out)


def _check_sum_shards(parts: Any, out: Any) -> None:
    checks.parts("sum_shards", parts)
    checks.flat("sum_shards", out, *parts)


sum_shards = kernel(
    "sum_shards", sum_shards_reference, cpu=_sum_shards_cpu, gpu=_sum_shards_gpu, check=_check_sum_shards,
    updates="out",
)  # fmt: skip


# -- squared norm -------------------------------------------------------------------------------
def squared_norm_reference(g: Any, out: Any) -> None:
    """out: (1,) float64, the sum of g^2 in float64; g: (n,)."""
    out[0] = np.sum(np.square(g, dtype=np.float64))


def _squared_norm_cpu(g, out):
    total = 0.0
    for i in range(g.size):
        x = np.float64(g[i])
        total += x * x
    out[0] = total


CUDA = r"""
// Stage one: a block's strided share of the squares; stage two (one block): the blocks' sums. Fixed trees.
__device__ __forceinline__ void tree(double* part) {
  __syncthreads();
  for (int half = blockDim.x / 2; half > 0; half >>= 1) {
    if (threadIdx.x < half) part[threadIdx.x] += part[threadIdx.x + half];
    __syncthreads();
  }
}

extern "C" __global__ void squares(const real* g, double* sums, long long n) {
  __shared__ double part[256];
  double sum = 0;
  GRID_STRIDE(i, n)
    sum += (double)g[i] * (double)g[i];
  part[threadIdx.x] = sum;
  tree(part);
  if (threadIdx.x == 0) sums[blockIdx.x] = part[0];
}

extern "C" __global__ void total(const double* sums, double* out, int n) {
  __shared__ double part[256];
  double sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += sums[i];
  part[threadIdx.x] = sum;
  tree(part);
  if (threadIdx.x == 0) out[0] = part[0];
}
"""


def _squared_norm_gpu(launch: Any, g: Any, out: Any) -> None:
    blocks = max(1, min(-(-g.size // 256), 512))
    sums = launch.scratch(out, blocks)
    launch("squares", (blocks,), g, sums, g.size)
    launch("total", (1,), sums, out, blocks)


def _check_squared_norm(g: Any, out: Any) -> None:
    checks.flat("squared_norm", g)
    checks.shaped("squared_norm", "out", out, (1,), np.float64)


squared_norm = kernel(
    "squared_norm", squared_norm_reference, cpu=_squared_norm_cpu, cuda=CUDA, gpu=_squared_norm_gpu,
    check=_check_squared_norm, updates="out",
)  # fmt: skip
