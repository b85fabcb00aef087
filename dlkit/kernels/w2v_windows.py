"""Windows of word2vec: inputs x (words around, or their mean, or a document) answer for the targets y.

Every target has a sign s: +1 for the centre, -1 for a word drawn against it (negative sampling, Mikolov et
al. 2013b, eq. 4), or the direction to take at an inner node of the tree (hierarchical softmax). The loss of
an input is

    L = -sum_k ln sigma(s_k x . y_k),      g_k = s_k sigma(-s_k x . y_k),

and descent moves all from their values before:   x <- x + lr sum_k g_k y_k,   y_k <- y_k + lr g_k x.

In skip-gram each word around is an input of its own, one after another; the targets are those of the window,
so that a window is a small dense product instead of one of vectors a pair. In CBOW the mean (or sum) of all
inputs is the one input, and its change goes to all of them.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.compile import as_kernel
from dlkit.kernels.exponential import exponential
from dlkit.kernels.registry import kernel

EACH, MEAN, SUM = 0, 1, 2
"""What answers: each input by itself, the mean of a window's inputs, their sum."""
FARTHEST = 30
"""|x . y| beyond which the sigmoid is taken to be that of this value."""
LANES = 32


def embed_windows_reference(
    a: Any, b: Any, words: Any, reach: Any, own: Any, targets: Any, signs: Any, ends: Any, first: Any,
    last: Any, most: int, lr: float, around: int, together: int, exact: int, learn: int, loss: Any,
) -> None:  # fmt: skip
    """a: (N, d) inputs, b: (M, d) targets, updated. words: (n,) int32 rows of a, -1 where a sentence ends;
    reach: (n,) int32, how many words to each side are inputs (around: 0 leaves them out); own: (n,) int32, a
    row of a that is an input too (a document), -1 for none, or (0,). Window c answers for
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
            for group in [rows] if together and rows else [[row] for row in (moved if not together else [])]:
                x = a[group].sum(axis=0) / (len(group) if together == MEAN else 1)
                y, s = b[targets[mine]], signs[mine].astype(a.dtype)
                z = np.clip(y @ x, -FARTHEST, FARTHEST) * s
                g = lr * s / (1 + np.exp(z))
                change = g @ y / (len(group) if together == MEAN and exact else 1)
                for row in moved if together else group:
                    a[row] += change
                if learn:
                    b[targets[mine]] += np.outer(g, x)
                loss[p] += float(np.log1p(np.exp(-z.astype(np.float64))).sum()), 1


def _around(words: Any, c: int, reach: int, first: int, last: int) -> Any:
    """Rows of the words within reach, left to right, inside the sentence."""
    left = c
    while left > max(first, c - reach) and words[left - 1] >= 0:
        left -= 1
    right = c + 1
    while right < min(last, c + reach + 1) and words[right] >= 0:
        right += 1
    return [*words[left:c].tolist(), *words[c + 1 : right].tolist()]


@as_kernel
def _answer_six(a, rows, start, n, b, targets, signs, begin, rate, g, sums):
    """Inputs a[rows[start:n]], one after another, for a window of six targets: the common case, unrolled."""
    real = a.dtype.type
    zero, one, far, wide = real(0), real(1), real(FARTHEST), b.shape[1]
    y0, y1 = np.uint32(targets[begin]), np.uint32(targets[begin + 1])
    y2, y3 = np.uint32(targets[begin + 2]), np.uint32(targets[begin + 3])
    y4, y5 = np.uint32(targets[begin + 4]), np.uint32(targets[begin + 5])
    chance = sums[1]
    for i in range(start, n):
        x = rows[i]
        d0, d1, d2, d3, d4, d5 = zero, zero, zero, zero, zero, zero
        for f in range(wide):
            v = a[x, f]
            d0 += v * b[y0, f]
            d1 += v * b[y1, f]
            d2 += v * b[y2, f]
            d3 += v * b[y3, f]
            d4 += v * b[y4, f]
            d5 += v * b[y5, f]
        g[0], g[1], g[2], g[3], g[4], g[5] = d0, d1, d2, d3, d4, d5
        for k in range(6):
            z = g[k]
            z = far if z > far else (-far if z < -far else z)
            g[k] = exponential(-z if signs[begin + k] > 0 else z)
        for k in range(6):
            right = one / (one + g[k])
            chance *= np.float64(right)
            g[k] *= right * (rate if signs[begin + k] > 0 else -rate)
        if chance < 1e-100:  # one logarithm for many factors
            sums[0] -= np.log(chance)
            chance = 1.0
        g0, g1, g2, g3, g4, g5 = g[0], g[1], g[2], g[3], g[4], g[5]
        for f in range(wide):
            v = a[x, f]
            u0, u1, u2, u3, u4, u5 = b[y0, f], b[y1, f], b[y2, f], b[y3, f], b[y4, f], b[y5, f]
            a[x, f] = v + (g0 * u0 + g1 * u1 + g2 * u2 + g3 * u3 + g4 * u4 + g5 * u5)
            b[y0, f] = u0 + g0 * v
            b[y1, f] = u1 + g1 * v
            b[y2, f] = u2 + g2 * v
            b[y3, f] = u3 + g3 * v
            b[y4, f] = u4 + g4 * v
            b[y5, f] = u5 + g5 * v
    sums[1] = chance


@as_kernel
def _answer(a, rows, start, n, b, targets, signs, begin, m, rate, learn, g, moved, sums):
    """The same for any number m of targets; learn: 0 leaves the targets as they are."""
    real = a.dtype.type
    zero, one, far, wide = real(0), real(1), real(FARTHEST), b.shape[1]
    for i in range(start, n):
        x = rows[i]
        for k in range(m):
            y, dot = np.uint32(targets[begin + k]), zero
            for f in range(wide):
                dot += a[x, f] * b[y, f]
            g[k] = dot
        chance = sums[1]
        for k in range(m):
            z = g[k]
            z = far if z > far else (-far if z < -far else z)
            e = exponential(-z if signs[begin + k] > 0 else z)
            right = one / (one + e)
            chance *= np.float64(right)
            g[k] = e * right * (rate if signs[begin + k] > 0 else -rate)
            if chance < 1e-100:
                sums[0] -= np.log(chance)
                chance = 1.0
        sums[1] = chance
        for f in range(wide):
            moved[f] = a[x, f]
        k = 0
        while learn and k + 2 < m:
            y0, y1 = np.uint32(targets[begin + k]), np.uint32(targets[begin + k + 1])
            y2 = np.uint32(targets[begin + k + 2])
            g0, g1, g2 = g[k], g[k + 1], g[k + 2]
            for f in range(wide):
                v, u0, u1, u2 = a[x, f], b[y0, f], b[y1, f], b[y2, f]
                moved[f] += g0 * u0 + g1 * u1 + g2 * u2
                b[y0, f] = u0 + g0 * v
                b[y1, f] = u1 + g1 * v
                b[y2, f] = u2 + g2 * v
            k += 3
        while k < m:
            y, g0 = np.uint32(targets[begin + k]), g[k]
            for f in range(wide):
                v, u = a[x, f], b[y, f]
                moved[f] += g0 * u
                b[y, f] = u + g0 * v if learn else u
            k += 1
        for f in range(wide):
            a[x, f] = moved[f]


def _words_around(words, c, reach, first, last, rows):
    """Put the rows of the words within reach of c into `rows`, left to right; returns how many."""
    n = 0
    left = c
    while left > first and c - left < reach and words[left - 1] >= 0:
        left -= 1
    for j in range(left, c):
        rows[n] = words[j]
        n += 1
    j = c + 1
    while j < last and j - c <= reach and words[j] >= 0:
        rows[n] = words[j]
        n += 1
        j += 1
    return n


@as_kernel
def _together(a, rows, n, share, h):
    """h[0] and h[1] = share * the sum of the input rows."""
    for f in range(a.shape[1]):
        h[0, f] = 0
    for j in range(n):
        row = rows[j]
        for f in range(a.shape[1]):
            h[0, f] += a[row, f]
    for f in range(a.shape[1]):
        h[0, f] *= share
        h[1, f] = h[0, f]


@as_kernel
def _spread(a, rows, start, n, share, h):
    """The change from h[1] to h[0], times share, to each of the rows from `start` on."""
    for f in range(a.shape[1]):
        h[0, f] = (h[0, f] - h[1, f]) * share
    for j in range(start, n):
        row = rows[j]
        for f in range(a.shape[1]):
            a[row, f] += h[0, f]


def _embed_windows_cpu(
    a, b, words, reach, own, targets, signs, ends, first, last, most, lr, around, together, exact, learn, loss
):
    real = a.dtype.type
    rate, one = real(lr), real(1)
    widest = 0
    for c in range(reach.size):
        widest = max(widest, reach[c])
    rows, only = np.empty(2 * widest + 1, np.uint32), np.zeros(1, np.uint32)
    g, moved = np.empty(max(most, 1), a.dtype), np.empty(a.shape[1], a.dtype)
    h, sums = np.empty((2, a.shape[1]), a.dtype), np.empty(2)
    for p in range(first.size):
        sums[0], sums[1], count = 0.0, 1.0, 0
        for c in range(first[p], last[p]):
            begin, m = ends[c], ends[c + 1] - ends[c]
            if words[c] < 0 or m == 0:
                continue
            n = _words_around(words, c, reach[c], first[p], last[p], rows) if around else 0
            start = 0 if learn else n
            if own.size > 0 and own[c] >= 0:
                rows[n] = own[c]
                n += 1
            if n == 0:
                continue
            if together == EACH:
                if m == 6 and learn:
                    _answer_six(a, rows, start, n, b, targets, signs, begin, rate, g, sums)
                else:
                    _answer(a, rows, start, n, b, targets, signs, begin, m, rate, learn, g, moved, sums)
                count += n - start
                continue
            share = one / real(n) if together == MEAN else one
            _together(a, rows, n, share, h)
            if m == 6 and learn:
                _answer_six(h, only, 0, 1, b, targets, signs, begin, rate, g, sums)
            else:
                _answer(h, only, 0, 1, b, targets, signs, begin, m, rate, learn, g, moved, sums)
            _spread(a, rows, start, n, share if together == MEAN and exact else one, h)
            count += 1
        loss[p, 0] = sums[0] - np.log(sums[1])
        loss[p, 1] = count


CUDA = r"""
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
  real* g = scratch + (long long)p * (most + d);
  real* h = g + most;
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
    for (int i = together == 0 ? learnt : 0; i < inputs; i++) {
      real* x = a + (long long)(i < near ? words[left + i + (i >= before)] : own[c]) * d;
      if (together != 0) {
        for (int f = lane; f < d; f += 32) {
          real sum = 0;
          for (int j = 0; j < n; j++)
            sum += a[(long long)(j < near ? words[left + j + (j >= before)] : own[c]) * d + f];
          h[f] = sum * share;
        }
        x = h;
      }
      for (int k = 0; k < m; k++) {
        const real* y = b + (long long)targets[begin + k] * d;
        real dot = 0;
        for (int f = lane; f < d; f += 32) dot += x[f] * y[f];
        real z = whole(dot, part);
        z = z > (real)30 ? (real)30 : (z < (real)-30 ? (real)-30 : z);
        real e = real_exp(signs[begin + k] > 0 ? -z : z);
        if (lane == 0) {
          g[k] = (signs[begin + k] > 0 ? lr : -lr) * e / ((real)1 + e);
          total += log1p((double)e);
        }
      }
      count += 1;
      __syncthreads();
      for (int f = lane; f < d; f += 32) {
        real v = x[f], change = 0;
        for (int k = 0; k < m; k++) {
          real* y = b + (long long)targets[begin + k] * d + f;
          change += g[k] * *y;
          if (learn) *y += g[k] * v;
        }
        if (together == 0) {
          x[f] = v + change;
        } else {
          if (together == 1 && exact) change *= share;
          for (int j = learnt; j < n; j++)
            a[(long long)(j < near ? words[left + j + (j >= before)] : own[c]) * d + f] += change;
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
    scratch = launch.scratch(a, max(first.size * (most + a.shape[1]), 1))
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
    "embed_windows", embed_windows_reference, cpu=_embed_windows_cpu, cuda=CUDA, gpu=_embed_windows_gpu,
    check=_check, updates="a b loss",
)  # fmt: skip
