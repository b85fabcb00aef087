"""Softmax over the words of a source that are there, and its gradient: the weights of attention.

a_j = e^(s_j) / sum_i e^(s_i) over the first `length` positions, 0 beyond (Bahdanau et al. 2015, eq. 6);
ds_j = a_j (da_j - sum_i a_i da_i).
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.block_trees import TREES
from dlkit.kernels.exponential import exponential, largest
from dlkit.kernels.registry import kernel


# -- weights --------------------------------------------------------------------------------------
def masked_softmax_reference(s: Any, lengths: Any, a: Any) -> None:
    """s: (B, T, S) scores; lengths: (B,) int64 in [0, S]; a: (B, T, S) weights, 0 from lengths[b] on.

    A source without words gets weights 0.
    """
    for b, n in enumerate(lengths.tolist()):
        a[b, :, n:] = 0
        if n:
            e = np.exp(s[b, :, :n] - s[b, :, :n].max(1, keepdims=True))
            a[b, :, :n] = e / e.sum(1, keepdims=True)


def _masked_softmax_cpu(s, lengths, a):
    zero, one = s.dtype.type(0), s.dtype.type(1)
    for b in range(s.shape[0]):
        n = lengths[b]
        for t in range(s.shape[1]):
            row, out = s[b, t], a[b, t]
            for j in range(n, row.size):
                out[j] = zero
            if n == 0:
                continue
            top = largest(row[:n])
            total = zero
            for j in range(n):
                e = exponential(row[j] - top)
                out[j] = e
                total += e
            scale = one / total
            for j in range(n):
                out[j] *= scale


# -- gradient -------------------------------------------------------------------------------------
def masked_softmax_backward_reference(a: Any, da: Any, ds: Any) -> None:
    """a: (B, T, S) weights; da: (B, T, S) gradient of the weights; ds: (B, T, S) that of the scores."""
    ds[...] = a * (da - (a * da).sum(-1, keepdims=True))


def _masked_softmax_backward_cpu(a, da, ds):
    zero = a.dtype.type(0)
    for b in range(a.shape[0]):
        for t in range(a.shape[1]):
            p, dp, out = a[b, t], da[b, t], ds[b, t]
            total = zero
            for j in range(p.size):
                total += p[j] * dp[j]
            for j in range(p.size):
                out[j] = p[j] * (dp[j] - total)


# -- CUDA -----------------------------------------------------------------------------------------
_KERNELS = r"""
// One block a row of scores; shared trees, so the order of the sums never changes.
extern "C" __global__ void masked_softmax(const real* s, const long long* lengths, real* a, int steps,
                                          int size) {
  __shared__ real part[64];
  int t = threadIdx.x;
  const real* row = s + (long long)blockIdx.x * size;
  real* out = a + (long long)blockIdx.x * size;
  long long asked = lengths[blockIdx.x / steps];
  int n = asked < 0 ? 0 : asked > size ? size : (int)asked;
  for (int j = n + t; j < size; j += blockDim.x) out[j] = 0;
  if (n == 0) return;
  real top = row[0];
  for (int j = t; j < n; j += blockDim.x) top = row[j] > top ? row[j] : top;
  top = tree_maximum(top, part);
  real sum = 0;
  for (int j = t; j < n; j += blockDim.x) {
    real e = real_exp(row[j] - top);
    out[j] = e;
    sum += e;
  }
  sum = tree_sum(sum, part);
  for (int j = t; j < n; j += blockDim.x) out[j] /= sum;
}

extern "C" __global__ void masked_softmax_backward(const real* a, const real* da, real* ds, int size) {
  __shared__ real part[64];
  long long first = (long long)blockIdx.x * size;
  real sum = 0;
  for (int j = threadIdx.x; j < size; j += blockDim.x) sum += a[first + j] * da[first + j];
  sum = tree_sum(sum, part);
  for (int j = threadIdx.x; j < size; j += blockDim.x) ds[first + j] = a[first + j] * (da[first + j] - sum);
}
"""
CUDA = TREES + _KERNELS


def _masked_softmax_gpu(launch: Any, s: Any, lengths: Any, a: Any) -> None:
    rows, steps, size = s.shape
    launch("masked_softmax", (rows * steps,), s, lengths, a, steps, size, block=64)


def _masked_softmax_backward_gpu(launch: Any, a: Any, da: Any, ds: Any) -> None:
    rows, steps, size = a.shape
    launch("masked_softmax_backward", (rows * steps,), a, da, ds, size, block=64)


def _check_masked_softmax(s: Any, lengths: Any, a: Any) -> None:
    rows, _, size = checks.dimensions("masked_softmax", "s", s, 3)
    checks.alike("masked_softmax", s, a)
    checks.shaped("masked_softmax", "lengths", lengths, (rows,), np.int64)
    checks.index("masked_softmax", "lengths", lengths, size + 1)


def _check_masked_softmax_backward(a: Any, da: Any, ds: Any) -> None:
    checks.dimensions("masked_softmax_backward", "a", a, 3)
    checks.alike("masked_softmax_backward", a, da, ds)


masked_softmax = kernel(
    "masked_softmax", masked_softmax_reference, cpu=_masked_softmax_cpu, cuda=CUDA, gpu=_masked_softmax_gpu,
    check=_check_masked_softmax, updates="a", rows="s lengths a",
)  # fmt: skip
masked_softmax_backward = kernel(
    "masked_softmax_backward", masked_softmax_backward_reference, cpu=_masked_softmax_backward_cpu, cuda=CUDA,
    gpu=_masked_softmax_backward_gpu, check=_check_masked_softmax_backward, updates="ds", rows="a da ds",
)  # fmt: skip
