"""Sets of baskets as bitmaps, and how many baskets two of them share: what counting the support of an item
set comes to (vertical layout: Zaki 2000)."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel

WORD = 64
"""Baskets in a word."""


def words_for(baskets: int) -> int:
    """Words of a bitmap."""
    return -(-baskets // WORD)


def popcount(x):
    """Bits set in a uint64; compilers know the idiom and make one instruction of it."""
    x = x - ((x >> np.uint64(1)) & np.uint64(0x5555555555555555))
    x = (x & np.uint64(0x3333333333333333)) + ((x >> np.uint64(2)) & np.uint64(0x3333333333333333))
    x = (x + (x >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((x * np.uint64(0x0101010101010101)) >> np.uint64(56))


def intersection_counts_reference(left: Any, right: Any, i: Any, j: Any, counts: Any) -> None:
    """counts[c] = |left[i[c]] and right[j[c]]|.

    left: (n, words) int64, right: (m, words) int64, bit b of word w being basket 64 w + b; i: (c,) int32 in
    [0, n); j: (c,) int32 in [0, m); counts: (c,) int64.
    """
    counts[...] = np.bitwise_count((left[i] & right[j]).view(np.uint64)).sum(axis=1, dtype=np.int64)


def _intersection_counts_cpu(left, right, i, j, counts):
    words = left.shape[1]
    for c in range(counts.size):
        a, b = left[i[c]], right[j[c]]
        total = np.int64(0)
        for w in range(words):
            total += popcount(np.uint64(a[w] & b[w]))
        counts[c] = total


CUDA = r"""
// A warp counts one pair: its lanes stride over the words, then add up.
extern "C" __global__ void intersection_counts(const long long* left, const long long* right, const int* i,
                                               const int* j, long long* counts, int words, long long n) {
  long long warps = gridDim.x * (long long)(blockDim.x / 32);
  int lane = threadIdx.x % 32;
  for (long long c = blockIdx.x * (long long)(blockDim.x / 32) + threadIdx.x / 32; c < n; c += warps) {
    const long long* a = left + (long long)i[c] * words;
    const long long* b = right + (long long)j[c] * words;
    int total = 0;  // bits of one lane: fewer than 2^31 for any bitmap that fits a device
    for (int w = lane; w < words; w += 32) total += __popcll((unsigned long long)(a[w] & b[w]));
    for (int d = 16; d > 0; d /= 2) total += __shfl_down_sync(0xffffffffu, total, d);
    if (lane == 0) counts[c] = total;
  }
}
"""

_WARPS = 4


def _intersection_counts_gpu(launch: Any, left: Any, right: Any, i: Any, j: Any, counts: Any) -> None:
    blocks = min(-(-counts.size // _WARPS), 1 << 15)
    words = left.shape[1]
    launch("intersection_counts", (blocks,), left, right, i, j, counts, words, counts.size, block=32 * _WARPS)


def _check(left: Any, right: Any, i: Any, j: Any, counts: Any) -> None:
    name = "intersection_counts"
    if left.ndim != 2 or right.ndim != 2:
        raise ValueError(f"{name}: expected two dimensions, got shapes {left.shape} and {right.shape}")
    checks.shaped(name, "left", left, left.shape, np.int64)
    checks.shaped(name, "right", right, (right.shape[0], left.shape[1]), np.int64)
    for argument, index, rows in (("i", i, left.shape[0]), ("j", j, right.shape[0])):
        checks.shaped(name, argument, index, counts.shape, np.int32)
        if isinstance(index, np.ndarray) and index.size and index.view(np.uint32).max() >= rows:
            raise ValueError(f"{name}: {argument}: expected indices in [0, {rows})")
    checks.shaped(name, "counts", counts, (counts.size,), np.int64)


intersection_counts = kernel(
    "intersection_counts",
    intersection_counts_reference,
    cpu=_intersection_counts_cpu,
    cuda=CUDA,
    gpu=_intersection_counts_gpu,
    check=_check,
    updates="counts",
)
