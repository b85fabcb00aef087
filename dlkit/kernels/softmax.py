"""Softmax with cross-entropy: loss and gradient of a classifier's output in one pass (Bridle 1990).

p_j = e^(z_j) / sum_k e^(z_k);  loss = -ln p_label;  d loss / d z_j = p_j - [j = label].
The row's maximum is subtracted first, so nothing overflows.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.block_trees import TREES
from dlkit.kernels.exponential import exponential, largest
from dlkit.kernels.registry import kernel


# -- softmax ------------------------------------------------------------------------------------
def softmax_reference(z: Any, p: Any) -> None:
    """z: (n, k) logits, k >= 1; p: (n, k) probabilities."""
    e = np.exp(z - z.max(1, keepdims=True))
    p[...] = e / e.sum(1, keepdims=True)


def _softmax_cpu(z, p):
    one = z.dtype.type(1)
    for i in range(z.shape[0]):
        row, out = z[i], p[i]
        top = largest(row)
        total = z.dtype.type(0)
        for j in range(row.size):
            e = exponential(row[j] - top)
            out[j] = e
            total += e
        scale = one / total
        for j in range(row.size):
            out[j] *= scale


# -- loss and gradient ----------------------------------------------------------------------------
def softmax_cross_entropy_reference(
    z: Any, labels: Any, weight: float, dz: Any, loss: Any, correct: Any
) -> None:
    """z: (n, k) logits; labels: (n,) int64 in [0, k); dz: (n, k) weight times the gradient of the row's loss;
    loss: (n,) not weighted; correct: (n,) uint8, 1 where the first largest logit is the label's."""
    rows = np.arange(len(z))
    softmax_reference(z, dz)
    top = z.max(1)
    loss[...] = np.log(np.exp(z - top[:, None]).sum(1)) - (z[rows, labels] - top)
    correct[...] = z.argmax(1) == labels
    dz[rows, labels] -= 1
    dz *= weight


def _softmax_cross_entropy_cpu(z, labels, weight, dz, loss, correct):
    zero, w = z.dtype.type(0), z.dtype.type(weight)
    for i in range(z.shape[0]):
        row, out, label = z[i], dz[i], labels[i]
        top = largest(row)
        total = zero
        for j in range(row.size):
            e = exponential(row[j] - top)
            out[j] = e
            total += e
        scale = w / total
        for j in range(row.size):
            out[j] *= scale
        first = 0
        while first < label and row[first] < top:
            first += 1
        correct[i] = 1 if first == label and row[label] == top else 0
        loss[i] = np.log(total) - (row[label] - top)
        out[label] -= w


# -- CUDA -------------------------------------------------------------------------------------
_KERNELS = r"""
// One block a row; shared trees, so the order of the sums never changes.
__device__ __forceinline__ real row_maximum(const real* row, int k, real* part) {
  int t = threadIdx.x;
  real top = row[0];
  for (int j = t; j < k; j += blockDim.x) top = row[j] > top ? row[j] : top;
  return tree_maximum(top, part);
}

__device__ __forceinline__ real row_exponentials(const real* row, real top, int k, real* out, real* part) {
  int t = threadIdx.x;
  real sum = 0;
  for (int j = t; j < k; j += blockDim.x) {
    real e = real_exp(row[j] - top);
    out[j] = e;
    sum += e;
  }
  return tree_sum(sum, part);
}

extern "C" __global__ void softmax(const real* z, real* p, int k) {
  __shared__ real part[128];
  const real* row = z + (long long)blockIdx.x * k;
  real* out = p + (long long)blockIdx.x * k;
  real top = row_maximum(row, k, part);
  real sum = row_exponentials(row, top, k, out, part);
  for (int j = threadIdx.x; j < k; j += blockDim.x) out[j] = out[j] / sum;
}

// A label out of range makes the row's loss NaN: it can be seen, and nothing else is touched.
extern "C" __global__ void softmax_cross_entropy(const real* z, const long long* labels, real weight,
                                                 real* dz, real* loss, unsigned char* correct, int k) {
  __shared__ real part[128];
  const real* row = z + (long long)blockIdx.x * k;
  real* out = dz + (long long)blockIdx.x * k;
  long long label = labels[blockIdx.x];
  real top = row_maximum(row, k, part);
  real sum = row_exponentials(row, top, k, out, part);
  real scale = weight / sum;
  for (int j = threadIdx.x; j < k; j += blockDim.x) out[j] = out[j] * scale - (j == label ? weight : (real)0);
  if (threadIdx.x == 0) {
    bool known = label >= 0 && label < k;
    int first = 0;
    while (first < k && row[first] < top) first++;
    correct[blockIdx.x] = known && first == label && row[label] == top;
    loss[blockIdx.x] = known ? real_log(sum) - (row[label] - top) : real_nan();
  }
}
"""
CUDA = TREES + _KERNELS


def _softmax_gpu(launch: Any, z: Any, p: Any) -> None:
    launch("softmax", (z.shape[0],), z, p, z.shape[1], block=128)


def _softmax_cross_entropy_gpu(
    launch: Any, z: Any, labels: Any, weight: float, dz: Any, loss: Any, correct: Any
) -> None:
    n, k = z.shape
    launch("softmax_cross_entropy", (n,), z, labels, weight, dz, loss, correct, k, block=128)


def _check_softmax(z: Any, p: Any) -> None:
    _logits("softmax", z)
    checks.alike("softmax", z, p)


def _check_softmax_cross_entropy(
    z: Any, labels: Any, weight: float, dz: Any, loss: Any, correct: Any
) -> None:
    n, k = _logits("softmax_cross_entropy", z)
    checks.alike("softmax_cross_entropy", z, dz)
    checks.shaped("softmax_cross_entropy", "labels", labels, (n,), np.int64)
    checks.shaped("softmax_cross_entropy", "loss", loss, (n,), z.dtype)
    checks.shaped("softmax_cross_entropy", "correct", correct, (n,), np.uint8)
    checks.index("softmax_cross_entropy", "labels", labels, k)


def _logits(name: str, z: Any) -> tuple[int, int]:
    n, k = checks.matrix(name, "z", z)
    if k < 1:
        raise ValueError(f"{name}: expected at least one class, got shape {z.shape}")
    return n, k


softmax = kernel(
    "softmax", softmax_reference, cpu=_softmax_cpu, cuda=CUDA, gpu=_softmax_gpu, check=_check_softmax,
    updates="p",
)  # fmt: skip
softmax_cross_entropy = kernel(
    "softmax_cross_entropy", softmax_cross_entropy_reference, cpu=_softmax_cross_entropy_cpu, cuda=CUDA,
    gpu=_softmax_cross_entropy_gpu, check=_check_softmax_cross_entropy, updates="dz loss correct",
)  # fmt: skip
