"""Additive scores of attention (Bahdanau et al. 2015, appendix A.1.2): s_bts = w . tanh(q_tb + k_sb).

The hyperbolic tangents, one for each word of the target, word of the source and unit, are never stored: the
gradient computes them again. q and k are the decoder's and the encoder's states after their products.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.block_trees import TREES
from dlkit.kernels.exponential import exponential_minus_one
from dlkit.kernels.registry import kernel


# -- scores ---------------------------------------------------------------------------------------
def additive_scores_reference(q: Any, k: Any, w: Any, s: Any) -> None:
    """q: (T, B, n); k: (S, B, n); w: (n,); s: (B, T, S) scores."""
    s[...] = (np.tanh(q[:, None] + k[None]) @ w).transpose(2, 0, 1)


def _additive_scores_cpu(q, k, w, s):
    real = w.dtype.type
    zero, two = real(0), real(2)
    for b in range(s.shape[0]):
        for t in range(s.shape[1]):
            mine = q[t, b]
            for j in range(s.shape[2]):
                other = k[j, b]
                total = zero
                for i in range(w.size):  # tanh |x| = -e / (2 + e) with e = exp(-2|x|) - 1
                    x = mine[i] + other[i]
                    e = exponential_minus_one(-two * abs(x))
                    e = e / (e + two)
                    total += w[i] * (e if x < zero else -e)
                s[b, t, j] = total


# -- gradient -------------------------------------------------------------------------------------
def additive_scores_backward_reference(q: Any, k: Any, w: Any, ds: Any, dq: Any, dk: Any, dw: Any) -> None:
    """q, k, w: as given; ds: (B, T, S) gradient of the scores; dq, dk, dw: gradients of q, k and w."""
    y = np.tanh(q[:, None] + k[None])
    g = ds.transpose(1, 2, 0)[..., None]
    dw[...] = (g * y).sum((0, 1, 2))
    inner = g * w * (1 - y * y)
    dq[...], dk[...] = inner.sum(1), inner.sum(0)


def _additive_scores_backward_cpu(q, k, w, ds, dq, dk, dw):
    real = w.dtype.type
    zero, one, two = real(0), real(1), real(2)
    dw[:] = zero
    for t in range(q.shape[0]):
        for b in range(q.shape[1]):
            dq[t, b, :] = zero
    for j in range(k.shape[0]):
        for b in range(k.shape[1]):
            dk[j, b, :] = zero
    for b in range(ds.shape[0]):
        for t in range(ds.shape[1]):
            mine, dmine = q[t, b], dq[t, b]
            for j in range(ds.shape[2]):
                other, dother, g = k[j, b], dk[j, b], ds[b, t, j]
                for i in range(w.size):
                    x = mine[i] + other[i]
                    e = exponential_minus_one(-two * abs(x))
                    e = e / (e + two)
                    y = e if x < zero else -e
                    dw[i] += g * y
                    d = g * w[i] * (one - y * y)
                    dmine[i] += d
                    dother[i] += d


# -- CUDA -----------------------------------------------------------------------------------------
_KERNELS = r"""
// One block a score.
extern "C" __global__ void additive_scores(const real* q, const real* k, const real* w, real* s, int rows,
                                           int steps, int size, int n) {
  __shared__ real part[64];
  int j = blockIdx.x % size, t = blockIdx.x / size % steps, b = blockIdx.x / size / steps;
  const real* mine = q + ((long long)t * rows + b) * n;
  const real* other = k + ((long long)j * rows + b) * n;
  real sum = 0;
  for (int i = threadIdx.x; i < n; i += blockDim.x) sum += w[i] * real_tanh(mine[i] + other[i]);
  sum = tree_sum(sum, part);
  if (threadIdx.x == 0) s[blockIdx.x] = sum;
}

// One thread a number of dq (over = 0) or dk (over = 1), which sums over the other sequence in order.
extern "C" __global__ void additive_scores_side(const real* q, const real* k, const real* w, const real* ds,
                                                real* d, int over, int rows, int steps, int size, int n,
                                                long long items) {
  GRID_STRIDE(x, items) {
    int i = (int)(x % n), b = (int)(x / n % rows), at = (int)(x / n / rows);
    int others = over ? steps : size;
    real mine = over ? k[x] : q[x], sum = 0;
    for (int o = 0; o < others; o++) {
      real other = (over ? q : k)[((long long)o * rows + b) * n + i];
      real y = real_tanh(mine + other);
      int t = over ? o : at, j = over ? at : o;
      sum += ds[((long long)b * steps + t) * size + j] * w[i] * (1 - y * y);
    }
    d[x] = sum;
  }
}

// One block a unit.
extern "C" __global__ void additive_scores_weight(const real* q, const real* k, const real* ds, real* dw,
                                                  int rows, int steps, int size, int n, long long scores) {
  __shared__ real part[64];
  int i = blockIdx.x;
  real sum = 0;
  for (long long x = threadIdx.x; x < scores; x += blockDim.x) {
    int j = (int)(x % size), t = (int)(x / size % steps), b = (int)(x / size / steps);
    sum += ds[x] * real_tanh(q[((long long)t * rows + b) * n + i] + k[((long long)j * rows + b) * n + i]);
  }
  sum = tree_sum(sum, part);
  if (threadIdx.x == 0) dw[i] = sum;
}
"""
CUDA = TREES + _KERNELS


def _additive_scores_gpu(launch: Any, q: Any, k: Any, w: Any, s: Any) -> None:
    rows, steps, size = s.shape
    launch("additive_scores", (s.size,), q, k, w, s, rows, steps, size, w.size, block=64)


def _additive_scores_backward_gpu(
    launch: Any, q: Any, k: Any, w: Any, ds: Any, dq: Any, dk: Any, dw: Any
) -> None:
    rows, steps, size = ds.shape
    sizes = rows, steps, size, w.size
    launch("additive_scores_side", dq.size, q, k, w, ds, dq, 0, *sizes, dq.size)
    launch("additive_scores_side", dk.size, q, k, w, ds, dk, 1, *sizes, dk.size)
    launch("additive_scores_weight", (w.size,), q, k, ds, dw, *sizes, ds.size, block=64)


def _check_scores(q: Any, k: Any, w: Any, s: Any, name: str = "additive_scores") -> None:
    steps, rows, n = checks.dimensions(name, "q", q, 3)
    size = checks.dimensions(name, "k", k, 3)[0]
    checks.shaped(name, "k", k, (size, rows, n), q.dtype)
    checks.shaped(name, "w", w, (n,), q.dtype)
    checks.shaped(name, "s", s, (rows, steps, size), q.dtype)


def _check_backward(q: Any, k: Any, w: Any, ds: Any, dq: Any, dk: Any, dw: Any) -> None:
    name = "additive_scores_backward"
    _check_scores(q, k, w, ds, name)
    for mine, gradient in ((q, dq), (k, dk), (w, dw)):
        checks.alike(name, mine, gradient)


additive_scores = kernel(
    "additive_scores", additive_scores_reference, cpu=_additive_scores_cpu, cuda=CUDA,
    gpu=_additive_scores_gpu, check=_check_scores, updates="s",
)  # fmt: skip
additive_scores_backward = kernel(
    "additive_scores_backward", additive_scores_backward_reference, cpu=_additive_scores_backward_cpu,
    cuda=CUDA, gpu=_additive_scores_backward_gpu, check=_check_backward, updates="dq dk dw",
)  # fmt: skip
