"""The windows of word2vec on a CPU: the loops of `embed_windows`, whose reference and equations stand in
w2v_windows.py, written in vectors.

A window's targets are worked on six at a time, against up to eight inputs: products, gradients, changes.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from dlkit.kernels.compile import as_written, inlined
from dlkit.kernels.vectors import (
    every,
    fetch,
    lanes,
    load,
    logistic,
    muladd,
    plus,
    store,
    times,
    totals,
    within,
)  # fmt: skip

EACH, MEAN, SUM = 0, 1, 2
"""What answers: each input by itself, the mean of a window's inputs, their sum."""
FARTHEST = 30
"""|x . y| beyond which the sigmoid is taken to be that of this value."""
GROUP = 8
"""Inputs of a window that answer at a time, all from the values before."""
SIX = 6
"""Targets that are worked on at a time: a window's with five negatives."""
AHEAD, FURTHER = 2, 8
"""Windows ahead whose targets, words ahead whose rows are fetched into the cache."""
OFTEN = 16
"""Windows whose losses are summed in the matrices' own type."""
EIGHT = 8
"""Numbers from an input's products to the next one's."""
Z, G, LOSSES = range(3)
"""Rows of small work space: products, gradients, losses."""
CHANGE = GROUP
"""The row of work space with the change of a window's input; those before keep inputs."""


@as_written
@inlined
def _hold(a, rows, i, n, work):
    """The inputs a[rows[i : i + n]] as they are before they answer."""
    for j in range(n):
        for f in range(0, a.shape[1], lanes(a)):
            store(work, j, f, load(a, rows[i + j], f))


@as_written
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


@as_written
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


@as_written
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


@as_written
@inlined
def _answer(to, rows, i, n, b, ys, s, blocks, rate, learn, work, small):
    """The inputs in work[:n] answer for the targets of a window; the change of each is added to its
    to[row]."""
    for block in range(blocks):
        _products(n, b, ys, block, work, small)
        _gradients(n, s, block, rate, small)
        _move(to, rows, i, n, b, ys, block, learn, work, small)


@as_written
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


@as_written
@inlined
def _fetch_row(table, row):
    for f in range(0, table.shape[1], lanes(table)):
        fetch(table, row, f)


@as_written
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


@as_written
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


@as_written
@inlined
def _spread(a, rows, start, n, share, work):
    """work[CHANGE], times share, to each of the rows from `start` on."""
    wide = every(share)
    for f in range(0, a.shape[1], lanes(a)):
        change = times(load(work, CHANGE, f), wide)
        for j in range(start, n):
            store(a, rows[j], f, plus(load(a, rows[j], f), change))


@as_written
def embed_windows_loop(
    a, b, words, reach, own, targets, signs, ends, first, last, most, lr, around, together, exact, learn, loss
):
    """Arguments as those of embed_windows_reference."""
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


@as_written
@inlined
def _taken(small):
    """The losses so far, which then begin anew: a sum of few numbers keeps its digits."""
    total = 0.0
    for k in range(lanes(small)):
        total += small[LOSSES, k]
        small[LOSSES, k] = 0
    return total
