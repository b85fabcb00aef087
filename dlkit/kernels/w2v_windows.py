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
from dlkit.kernels.compile import elsewhere, inlined
from dlkit.kernels.registry import kernel

EACH, MEAN, SUM = 0, 1, 2
"""What answers: each input by itself, the mean of a window's inputs, their sum."""
FARTHEST = 30
"""|x . y| beyond which the sigmoid is taken to be that of this value."""
LANES = 32
WHOLE = 16
"""Rows are of a multiple of so many numbers (the last ones may be zeros)."""
SIX = 6
"""Targets that are worked on at a time: a window's with five negatives."""
AHEAD, FURTHER = 2, 8
"""Windows ahead whose targets, words ahead whose rows are fetched into the cache."""
OFTEN = 16
"""Windows whose losses are summed in the matrices' own type."""
GROUP = 8
"""Inputs of a window that answer at a time, all from the values before."""
EIGHT = 8
"""Numbers from an input's products to the next one's."""
Z, G, LOSSES = range(3)
"""Rows of small work space: products, gradients, losses."""
CHANGE = GROUP
"""The row of work space with the change of a window's input; those before keep inputs."""


@elsewhere("dlkit.backend.vectors")
def lanes(table):
    """How many numbers of a table's type a vector holds."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def load(table, row, at):
    """table[row, at : at + lanes]."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def store(table, row, at, x):
    """table[row, at : at + lanes] = x."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def fetch(table, row, at):
    """table[row, at] will be wanted soon."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def every(value):
    """A vector of one number again and again."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def muladd(x, y, z):
    """x y + z."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def plus(x, y):
    """x + y."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def times(x, y):
    """x y."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def within(x, most):
    """x, or most or -most where it is beyond."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def logistic(u):
    """(sigma(-u), ln(1 + e^-u))."""
    raise NotImplementedError


@elsewhere("dlkit.backend.vectors")
def totals(x0, x1, x2, x3, x4, x5):
    """A vector that begins with their sums."""
    raise NotImplementedError


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


@inlined
def _hold(a, rows, i, n, work):
    """The inputs a[rows[i : i + n]] as they are before they answer."""
    for j in range(n):
        for f in range(0, a.shape[1], lanes(a)):
            store(work, j, f, load(a, rows[i + j], f))


@inlined
def _products(n, b, ys, block, work, small):
    """small[Z, 8 j : 8 j + 6] = work[j] . b[y] for the six targets of a block."""
    y0, y1, y2 = ys[block, 0], ys[block, 1], ys[block, 2]
    y3, y4, y5 = ys[block, 3], ys[block, 4], ys[block, 5]
    for j in range(n):
        c0 = c1 = c2 = c3 = c4 = c5 = every(work.dtype.type(0))
        for f in range(0, work.shape[1], lanes(work)):
            v = load(work, j, f)
            c0 = muladd(v, load(b, y0, f), c0)
            c1 = muladd(v, load(b, y1, f), c1)
            c2 = muladd(v, load(b, y2, f), c2)
            c3 = muladd(v, load(b, y3, f), c3)
            c4 = muladd(v, load(b, y4, f), c4)
            c5 = muladd(v, load(b, y5, f), c5)
        store(small, Z, EIGHT * j, totals(c0, c1, c2, c3, c4, c5))


@inlined
def _gradients(n, s, block, rate, small):
    """small[G] = rate s sigma(-s z), and -ln sigma(s z) added to small[LOSSES]; a sign of 0 adds nothing."""
    far, rates, losses = every(small.dtype.type(FARTHEST)), every(rate), load(small, LOSSES, 0)
    for at in range(0, n * EIGHT, lanes(small)):
        signs = load(s, block, 0 if at + lanes(small) <= n * EIGHT else lanes(small))
        tail, loss = logistic(times(within(load(small, Z, at), far), signs))
        store(small, G, at, times(times(rates, signs), tail))
        losses = muladd(times(signs, signs), loss, losses)
    store(small, LOSSES, 0, losses)


@inlined
def _move(to, rows, i, n, b, ys, block, learn, work, small):
    """to[rows[i + j]] += sum_k g_jk y_k and, if `learn`, y_k += sum_j g_jk work[j] for the six targets of a
    block. The last to be stored is the first target: with g = 0 it also fills up the block."""
    y0, y1, y2 = ys[block, 0], ys[block, 1], ys[block, 2]
    y3, y4, y5 = ys[block, 3], ys[block, 4], ys[block, 5]
    for f in range(0, b.shape[1], lanes(b)):
        u0, u1, u2 = load(b, y0, f), load(b, y1, f), load(b, y2, f)
        u3, u4, u5 = load(b, y3, f), load(b, y4, f), load(b, y5, f)
        w0, w1, w2, w3, w4, w5 = u0, u1, u2, u3, u4, u5
        for j in range(n):
            v, moved = load(work, j, f), load(to, rows[i + j], f)
            g0, g1 = every(small[G, EIGHT * j]), every(small[G, EIGHT * j + 1])
            g2, g3 = every(small[G, EIGHT * j + 2]), every(small[G, EIGHT * j + 3])
            g4, g5 = every(small[G, EIGHT * j + 4]), every(small[G, EIGHT * j + 5])
            moved = muladd(g2, u2, muladd(g1, u1, muladd(g0, u0, moved)))
            moved = muladd(g5, u5, muladd(g4, u4, muladd(g3, u3, moved)))
            w0, w1, w2 = muladd(g0, v, w0), muladd(g1, v, w1), muladd(g2, v, w2)
            w3, w4, w5 = muladd(g3, v, w3), muladd(g4, v, w4), muladd(g5, v, w5)
            store(to, rows[i + j], f, moved)
        if learn:
            store(b, y5, f, w5)
            store(b, y4, f, w4)
            store(b, y3, f, w3)
            store(b, y2, f, w2)
            store(b, y1, f, w1)
            store(b, y0, f, w0)


@inlined
def _answer(to, rows, i, n, b, ys, s, blocks, rate, learn, work, small):
    """The inputs in work[:n] answer for the targets of a window; the change of each is added to its
    to[row]."""
    for block in range(blocks):
        _products(n, b, ys, block, work, small)
        _gradients(n, s, block, rate, small)
        _move(to, rows, i, n, b, ys, block, learn, work, small)


@inlined
def _in_sixes(targets, signs, begin, m, ys, s):
    """The targets of a window in blocks of six, and their signs: for each eight products again, then once.
    Returns how many blocks."""
    blocks = (m + SIX - 1) // SIX
    for block in range(blocks):
        for k in range(SIX):
            i = SIX * block + k
            ys[block, k] = targets[begin + i] if i < m else targets[begin]
            sign = signs[begin + i] if i < m else 0
            s[block, lanes(s) + k] = sign
            for j in range(k, lanes(s), EIGHT):
                s[block, j] = sign
    return blocks


@inlined
def _fetch_row(table, row):
    for f in range(0, table.shape[1], lanes(table)):
        fetch(table, row, f)


@inlined
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


@inlined
def _together(a, rows, n, share, work):
    """work[0] = share * the sum of the input rows; work[CHANGE] = 0."""
    wide = every(share)
    for f in range(0, a.shape[1], lanes(a)):
        h = load(a, rows[0], f)
        for j in range(1, n):
            h = plus(h, load(a, rows[j], f))
        store(work, 0, f, times(h, wide))
        store(work, CHANGE, f, every(a.dtype.type(0)))


@inlined
def _spread(a, rows, start, n, share, work):
    """work[CHANGE], times share, to each of the rows from `start` on."""
    wide = every(share)
    for f in range(0, a.shape[1], lanes(a)):
        change = times(load(work, CHANGE, f), wide)
        for j in range(start, n):
            store(a, rows[j], f, plus(load(a, rows[j], f), change))


def _embed_windows_cpu(
    a, b, words, reach, own, targets, signs, ends, first, last, most, lr, around, together, exact, learn, loss
):
    real = a.dtype.type
    rate, one = real(lr), real(1)
    widest = 0
    for c in range(reach.size):
        widest = max(widest, reach[c])
    rows, room = np.empty(2 * widest + 1, np.int64), (max(most, 1) + SIX - 1) // SIX
    ys, s = np.empty((room, SIX), np.int64), np.zeros((room, 2 * lanes(a)), a.dtype)
    work, only = np.empty((GROUP + 1, a.shape[1]), a.dtype), np.full(1, CHANGE, np.int64)
    small = np.zeros((3, GROUP * EIGHT + lanes(a)), a.dtype)
    for p in range(first.size):
        total, count = 0.0, 0
        for c in range(first[p], last[p]):
            if c + AHEAD < last[p]:
                for t in range(ends[c + AHEAD], ends[c + AHEAD + 1]):
                    _fetch_row(b, targets[t])
            if around and c + FURTHER < last[p] and words[c + FURTHER] >= 0:
                _fetch_row(a, words[c + FURTHER])
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
            blocks = _in_sixes(targets, signs, begin, m, ys, s)
            if together == EACH:
                for i in range(start, n, GROUP):
                    some = min(GROUP, n - i)
                    _hold(a, rows, i, some, work)
                    _answer(a, rows, i, some, b, ys, s, blocks, rate, learn, work, small)
                count += n - start
            else:
                share = one / real(n) if together == MEAN else one
                _together(a, rows, n, share, work)
                _answer(work, only, 0, 1, b, ys, s, blocks, rate, learn, work, small)
                _spread(a, rows, start, n, share if together == MEAN and exact else one, work)
                count += 1
            if c % OFTEN == 0:
                total += _taken(small)
        loss[p, 0] = total + _taken(small)
        loss[p, 1] = count


@inlined
def _taken(small):
    """The losses so far, which then begin anew: a sum of few numbers keeps its digits."""
    total = 0.0
    for k in range(lanes(small)):
        total += small[LOSSES, k]
        small[LOSSES, k] = 0
    return total


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
    "embed_windows", embed_windows_reference, cpu=_embed_windows_cpu, cuda=CUDA, gpu=_embed_windows_gpu,
    check=_check, updates="a b loss",
)  # fmt: skip
