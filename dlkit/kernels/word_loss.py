"""Cross-entropy of words against a vocabulary, smoothed, with padding: loss and gradient in one pass.

With p = softmax(z + b), k words and the share e of smoothing (Szegedy et al. 2016, section 7):
loss = -(1 - e) ln p_y - e/k sum_j ln p_j;  d loss / d z_j = p_j - (1 - e) [j = y] - e/k.
Logits are overwritten by their gradient, for they are the largest array of a training step.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.block_trees import TREES
from dlkit.kernels.exponential import exponential, largest
from dlkit.kernels.registry import kernel

PADDING = -1
"""Label of a place that has no word."""


def word_loss_reference(
    z: Any, b: Any, labels: Any, smoothing: float, weight: float, db: Any, loss: Any, nll: Any, correct: Any
) -> None:
    """z: (n, k) logits without bias, k >= 1; becomes weight times the gradient of each row's loss, 0 where
    the label is PADDING. b: (k,) bias. labels: (n,) int64 in [-1, k). db: (k,) the sum of these gradients.
    loss: (n,) smoothed and nll: (n,) -ln p_label, not weighted, 0 for padding. correct: (n,) uint8, 1 where
    the first largest logit is the label's."""
    k = z.shape[1]
    rows = np.flatnonzero(labels >= 0)
    y, given = labels[rows], z[rows] + b
    top = given.max(1, keepdims=True)
    e = np.exp(given - top)
    total = e.sum(1)
    best = given.argmax(1) == y
    at = np.arange(len(rows)), y
    log_total = np.log(total) + top[:, 0]
    z[...], loss[...], nll[...], correct[...] = 0, 0, 0, 0
    correct[rows] = best
    nll[rows] = log_total - given[at]
    loss[rows] = log_total - (1 - smoothing) * given[at] - smoothing * given.mean(1)
    p = e / total[:, None] - smoothing / k
    p[at] -= 1 - smoothing
    z[rows] = weight * p
    db[...] = z.sum(0)


def _word_loss_cpu(z, b, labels, smoothing, weight, db, loss, nll, correct):
    real = z.dtype.type
    zero, w, share = real(0), real(weight), real(smoothing)
    k = z.shape[1]
    even = w * share / real(k)
    for j in range(k):
        db[j] = zero
    for i in range(z.shape[0]):
        row, label = z[i], labels[i]
        if label < 0:
            for j in range(k):
                row[j] = zero
            loss[i] = nll[i] = zero
            correct[i] = 0
            continue
        total = zero
        for j in range(k):
            row[j] += b[j]
            total += row[j]
        mean = total / real(k)
        top = largest(row)
        mine = row[label]
        first = 0
        while first < label and row[first] < top:
            first += 1
        correct[i] = 1 if first == label and mine == top else 0
        total = zero
        for j in range(k):
            e = exponential(row[j] - top)
            row[j] = e
            total += e
        log_total = np.log(total) + top
        nll[i] = log_total - mine
        loss[i] = log_total - (real(1) - share) * mine - share * mean
        scale = w / total
        for j in range(k):
            row[j] = row[j] * scale - even
        row[label] -= w * (real(1) - share)
        for j in range(k):
            db[j] += row[j]


_KERNELS = r"""
// One block a row. A label beyond the vocabulary makes its losses NaN and touches nothing else.
extern "C" __global__ void word_loss(real* z, const real* b, const long long* labels, real smoothing,
                                     real weight, real* loss, real* nll, unsigned char* correct, int k) {
  __shared__ real part[128];
  int t = threadIdx.x;
  real* row = z + (long long)blockIdx.x * k;
  long long label = labels[blockIdx.x];
  if (label < 0) {
    for (int j = t; j < k; j += blockDim.x) row[j] = 0;
    if (t == 0) {
      loss[blockIdx.x] = nll[blockIdx.x] = 0;
      correct[blockIdx.x] = 0;
    }
    return;
  }
  bool known = label < k;
  real sum = 0;
  for (int j = t; j < k; j += blockDim.x) {
    row[j] += b[j];
    sum += row[j];
  }
  real mean = tree_sum(sum, part) / k;
  real top = row[0];
  for (int j = t; j < k; j += blockDim.x) top = row[j] > top ? row[j] : top;
  top = tree_maximum(top, part);
  real mine = known ? row[label] : real_nan();
  if (t == 0) {
    int first = 0;
    while (first < label && first < k && row[first] < top) first++;
    correct[blockIdx.x] = known && first == label && mine == top;
  }
  __syncthreads();
  sum = 0;
  for (int j = t; j < k; j += blockDim.x) {
    real e = real_exp(row[j] - top);
    row[j] = e;
    sum += e;
  }
  sum = tree_sum(sum, part);
  if (t == 0) {
    real log_total = real_log(sum) + top;
    nll[blockIdx.x] = log_total - mine;
    loss[blockIdx.x] = log_total - (1 - smoothing) * mine - smoothing * mean;
  }
  real scale = weight / sum, even = weight * smoothing / k;
  for (int j = t; j < k; j += blockDim.x)
    row[j] = row[j] * scale - even - (j == label ? weight * (1 - smoothing) : (real)0);
}

// One thread a word, which sums over the rows in order.
extern "C" __global__ void word_loss_bias(const real* z, real* db, long long rows, int k) {
  GRID_STRIDE(j, k) {
    real sum = 0;
    for (long long i = 0; i < rows; i++) sum += z[i * k + j];
    db[j] = sum;
  }
}
"""
CUDA = TREES + _KERNELS


def _word_loss_gpu(
    launch: Any, z: Any, b: Any, labels: Any, smoothing: float, weight: float, db: Any, loss: Any, nll: Any,
    correct: Any,
) -> None:  # fmt: skip
    n, k = z.shape
    launch("word_loss", (n,), z, b, labels, smoothing, weight, loss, nll, correct, k, block=128)
    launch("word_loss_bias", k, z, db, n, k)


def _check_word_loss(
    z: Any, b: Any, labels: Any, smoothing: float, weight: float, db: Any, loss: Any, nll: Any, correct: Any
) -> None:
    name = "word_loss"
    n, k = checks.matrix(name, "z", z)
    if k < 1:
        raise ValueError(f"{name}: expected at least one word, got shape {z.shape}")
    checks.shaped(name, "b", b, (k,), z.dtype)
    checks.shaped(name, "db", db, (k,), z.dtype)
    checks.shaped(name, "labels", labels, (n,), np.int64)
    checks.shaped(name, "loss", loss, (n,), z.dtype)
    checks.shaped(name, "nll", nll, (n,), z.dtype)
    checks.shaped(name, "correct", correct, (n,), np.uint8)
    if isinstance(labels, np.ndarray) and n and (labels.min() < PADDING or labels.max() >= k):
        wrong = labels[(labels < PADDING) | (labels >= k)][0]
        raise ValueError(f"{name}: labels: expected indices in [-1, {k}), got {wrong}")


word_loss = kernel(
    "word_loss", word_loss_reference, cpu=_word_loss_cpu, cuda=CUDA, gpu=_word_loss_gpu,
    check=_check_word_loss, updates="z db loss nll correct", rows="z labels loss nll correct", sums="db",
)  # fmt: skip
