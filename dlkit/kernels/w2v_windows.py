"""Windows of word2vec: inputs x (words around, or their mean, or a document) answer for the targets y.

Every target has a sign s: +1 for the centre, -1 for a word drawn against it (negative sampling, Mikolov et
al. 2013b, eq. 4), or the direction to take at an inner node of the tree (hierarchical softmax). The loss of
an input is

    L = -sum_k ln sigma(s_k x . y_k),      g_k = s_k sigma(-s_k x . y_k),

and descent moves all from their values before:   x <- x + lr sum_k g_k y_k,   y_k <- y_k + lr g_k x.

In skip-gram each word around is an input of its own. The targets are those of the window, and up to eight
inputs answer from the same values: a window is a small dense product instead of one of vectors a pair. In
CBOW the mean (or sum) of all inputs is the one input, and its change goes to all of them.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel
from dlkit.kernels.w2v_window_loops import EACH, FARTHEST, GROUP, MEAN, SUM, embed_windows_loop

LANES = 32
WHOLE = 16
"""Rows are of a multiple of so many numbers (the last ones may be zeros)."""


def embed_windows_reference(
    a: Any, b: Any, words: Any, reach: Any, own: Any, targets: Any, signs: Any, ends: Any, first: Any,
    last: Any, most: int, lr: float, around: int, together: int, exact: int, learn: int, loss: Any,
) -> None:  # fmt: skip
    """a: (N, d) inputs, b: (M, d) targets, updated; d: a multiple of WHOLE. words: (n,) int32 rows of a, -1
    where a sentence ends; reach: (n,) int32, how many words to each side are inputs (around: 0 leaves them
    out); own: (n,) int32, a row of a that is an input too (a document), -1 for none, or (0,). Window c
    answers for
    targets[ends[c]:ends[c + 1]], int32 rows of b, all different, at most `most`, with signs, int32.

    Stretch p has the windows first[p]:last[p], (P,) int64, one after another; stretches of one call share no
    row. together: EACH, MEAN or SUM; exact: 1 divides the change of a mean by the number of its inputs, which
    is the loss's gradient (Irsoy et al. 2021), 0 gives all of it to each, as word2vec.c does. learn: 0 moves
    the rows in `own` alone. loss: (P, 2) float64 gets the sum of L and how many there were.
    """
    loss[...] = 0
    for p in range(len(first)):
        for c in range(first[p], last[p]):
            mine = slice(ends[c], ends[c + 1])
            if words[c] < 0 or mine.start == mine.stop:
                continue
            near = list(_around(words, c, reach[c], first[p], last[p])) if around else []
            rows = [*near, *own[c : c + 1][own[c : c + 1] >= 0].tolist()]
            moved = rows if learn else rows[len(near) :]
            y, s = b[targets[mine]], signs[mine].astype(a.dtype)
            groups = [moved[i : i + GROUP] for i in range(0, len(moved), GROUP)]
            for group in groups if together == EACH else [rows] if rows else []:
                x = a[group]  # (inputs, d)
                if together:
                    x = x.sum(axis=0, keepdims=True) / (len(group) if together == MEAN else 1)
                z = np.clip(x @ y.T, -FARTHEST, FARTHEST) * s
                g = lr * s / (1 + np.exp(z))
                changes = g @ y / (len(group) if together == MEAN and exact else 1)
                np.add.at(a, moved if together else group, changes)
                if learn:
                    y = y + g.T @ x
                    b[targets[mine]] = y
                loss[p] += float(np.log1p(np.exp(-z.astype(np.float64))).sum()), len(x)


def _around(words: Any, c: int, reach: int, first: int, last: int) -> Any:
    """Rows of the words within reach, left to right, inside the sentence."""
    left = c
    while left > max(first, c - reach) and words[left - 1] >= 0:
        left -= 1
    right = c + 1
    while right < min(last, c + reach + 1) and words[right] >= 0:
        right += 1
    return [*words[left:c].tolist(), *words[c + 1 : right].tolist()]


CUDA = r"""
#define GROUP 8
// Row of input j of a window.
#define ROW(j) ((long long)((j) < near ? words[left + (j) + ((j) >= before)] : own[c]))

// A warp works on one stretch, a window at a time; each lane has every 32nd factor. The lanes add their parts
// of a product by an exchange whose order is fixed, so the bits do not depend on timing.
__device__ __forceinline__ real whole(real mine, real* part) {
  int lane = threadIdx.x;
  part[lane] = mine;
  __syncthreads();
  for (int half = 16; half > 0; half >>= 1) {
    if (lane < half) part[lane] += part[lane + half];
    __syncthreads();
  }
  real sum = part[0];
  __syncthreads();
  return sum;
}

extern "C" __global__ void embed_windows(real* a, real* b, const int* words, const int* reach, const int* own,
                                         const int* targets, const int* signs, const long long* ends,
                                         const long long* first, const long long* last, int most, real lr,
                                         int around, int together, int exact, int learn, int owned,
                                         double* loss, real* scratch, int d) {
  __shared__ real part[32];
  int lane = threadIdx.x, p = blockIdx.x;
  real* g = scratch + (long long)p * GROUP * (most + d);  // of input j: g[j * most ...]
  real* held = g + GROUP * most;                           // input j before it answers: held[j * d ...]
  double total = 0, count = 0;
  for (long long c = first[p]; c < last[p]; c++) {
    long long begin = ends[c];
    int m = (int)(ends[c + 1] - begin);
    if (words[c] < 0 || m == 0) continue;
    long long left = c, right = c + 1;
    if (around) {
      while (left > first[p] && c - left < reach[c] && words[left - 1] >= 0) left--;
      while (right < last[p] && right - c <= reach[c] && words[right] >= 0) right++;
    }
    int near = (int)(right - left) - 1;  // word i of those around: left + i, or one on from the centre
    int before = (int)(c - left);
    int n = near + (owned && own[c] >= 0 ? 1 : 0);
    int learnt = learn ? 0 : near;
    int inputs = together == 0 ? n : (n < 1 ? n : 1);
    real share = together == 1 ? (real)1 / (real)n : (real)1;
    for (int i = together == 0 ? learnt : 0; i < inputs; i += GROUP) {
      int some = inputs - i < GROUP ? inputs - i : GROUP;
      for (int f = lane; f < d; f += 32) {
        if (together == 0) {
          for (int j = 0; j < some; j++)
            held[j * d + f] = a[ROW(i + j) * d + f];
        } else {
          real sum = 0;
          for (int j = 0; j < n; j++) sum += a[ROW(j) * d + f];
          held[f] = sum * share;
        }
      }
      __syncthreads();
      for (int j = 0; j < some; j++) {
        for (int k = 0; k < m; k++) {
          const real* y = b + (long long)targets[begin + k] * d;
          real dot = 0;
          for (int f = lane; f < d; f += 32) dot += held[j * d + f] * y[f];
          real z = whole(dot, part);
          z = z > (real)30 ? (real)30 : (z < (real)-30 ? (real)-30 : z);
          real e = real_exp(signs[begin + k] > 0 ? -z : z);
          if (lane == 0) {
            g[j * most + k] = (signs[begin + k] > 0 ? lr : -lr) * e / ((real)1 + e);
            total += log1p((double)e);
          }
        }
      }
      count += some;
      __syncthreads();
      for (int f = lane; f < d; f += 32) {
        for (int j = 0; j < some; j++) {
          real change = 0;
          for (int k = 0; k < m; k++) change += g[j * most + k] * b[(long long)targets[begin + k] * d + f];
          if (together == 0) {
            a[ROW(i + j) * d + f] += change;
          } else {
            if (together == 1 && exact) change *= share;
            for (int o = learnt; o < n; o++) a[ROW(o) * d + f] += change;
          }
        }
        for (int k = 0; k < m && learn; k++) {
          real change = 0;
          for (int j = 0; j < some; j++) change += g[j * most + k] * held[j * d + f];
          b[(long long)targets[begin + k] * d + f] += change;
        }
      }
      __syncthreads();
    }
  }
  if (lane == 0) {
    loss[2 * p] = total;
    loss[2 * p + 1] = count;
  }
}
"""


def _embed_windows_gpu(
    launch: Any, a: Any, b: Any, words: Any, reach: Any, own: Any, targets: Any, signs: Any, ends: Any,
    first: Any, last: Any, most: int, lr: float, around: int, together: int, exact: int, learn: int,
    loss: Any,
) -> None:  # fmt: skip
    scratch = launch.scratch(a, max(first.size * GROUP * (most + a.shape[1]), 1))
    launch(
        "embed_windows", (first.size,), a, b, words, reach, own, targets, signs, ends, first, last, most, lr,
        around, together, exact, learn, int(own.size > 0), loss, scratch, a.shape[1], block=LANES,
    )  # fmt: skip


def _check(
    a: Any, b: Any, words: Any, reach: Any, own: Any, targets: Any, signs: Any, ends: Any, first: Any,
    last: Any, most: int, lr: float, around: int, together: int, exact: int, learn: int, loss: Any,
) -> None:  # fmt: skip
    name, n = "embed_windows", len(words)
    inputs, d = checks.matrix(name, "a", a)
    outputs, _ = checks.matrix(name, "b", b)
    checks.shaped(name, "b", b, (outputs, d), a.dtype)
    if d % WHOLE:
        raise ValueError(f"{name}: a: expected rows of a multiple of {WHOLE} numbers, got {d}")
    checks.shaped(name, "words", words, (n,), np.int32)
    checks.shaped(name, "reach", reach, (n,), np.int32)
    checks.shaped(name, "own", own, (n if len(own) else 0,), np.int32)
    checks.shaped(name, "targets", targets, targets.shape[:1], np.int32)
    checks.shaped(name, "signs", signs, targets.shape, np.int32)
    checks.shaped(name, "ends", ends, (n + 1,), np.int64)
    checks.shaped(name, "first", first, first.shape[:1], np.int64)
    checks.shaped(name, "last", last, first.shape, np.int64)
    checks.shaped(name, "loss", loss, (len(first), 2), np.float64)
    if together not in (EACH, MEAN, SUM):
        raise ValueError(f"{name}: together: expected 0, 1 or 2, got {together}")
    if not isinstance(words, np.ndarray):
        return
    for argument, rows, end in (
        ("words", words, inputs),
        ("own", own, inputs),
        ("targets", targets, outputs),
    ):
        if len(rows) and (rows.max() >= end or rows.min() < -1):
            raise ValueError(f"{name}: {argument}: expected rows in [0, {end})")
    if len(first) and not (first.min() >= 0 and last.max() <= n and ends[-1] <= len(targets)):
        raise ValueError(f"{name}: expected stretches inside the {n} windows and their targets")


embed_windows = kernel(
    "embed_windows", embed_windows_reference, cpu=embed_windows_loop, cuda=CUDA, gpu=_embed_windows_gpu,
    check=_check, updates="a b loss",
)  # fmt: skip
