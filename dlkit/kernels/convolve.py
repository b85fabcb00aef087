"""The three products behind convolutions (Chellapilla et al. 2006), a piece of the unfolded images at a time.

A convolution relates large images (n, H, W, C) to small ones (n, h, w, F) through weights W
(kh, kw, C / groups, F). With U the large images unfolded (unfold.py), one row a small pixel:

    small = U W        large = fold(small W^T)        dW = U^T small

conv2d's forward pass is the first and its input gradient the second; a transposed convolution has them the
other way round. Both have the third. Group g takes the g-th part of C to the g-th part of F. The CPU versions
unfold as many output rows as the work space holds, best so many that they stay in the cache, and multiply
them before they unfold the next.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.compile import elsewhere
from dlkit.kernels.registry import kernel
from dlkit.kernels.unfold import (
    fold_reference,
    fold_rows,
    fold_taps,
    unfold_reference,
    unfold_rows,
    unfold_taps,
)

FEW = 8
"""Channels below which U^T is written: its runs are longer."""
CACHE = 1 << 20
"""Bytes of unfolded images at a time that stay in a core's cache."""
PLAIN, TRANSPOSED = 111, 112


@elsewhere("dlkit.backend.native")
def multiply(gemm, item, ta, tb, m, n, k, a, lda, b, ldb, added, c, ldc):
    """C (m, n) = A (m, k) B (k, n), or C += A B where `added` is 1: numbers of `item` bytes at addresses a,
    b, c, so many of them from row to row as lda, ldb, ldc say; ta, tb: PLAIN, or TRANSPOSED where A^T, B^T
    lies there. gemm: dlkit.backend.blas.Gemm.words."""
    raise NotImplementedError


def _groups(large: Any, w: Any, small: Any) -> list[tuple[int, slice]]:
    """First channel and filters of each group."""
    groups = large.shape[3] // w.shape[2]
    width = small.shape[3] // groups
    return [(g * w.shape[2], slice(g * width, (g + 1) * width)) for g in range(groups)]


def _unfolded(large: Any, w: Any, place: Sequence[int], first: int, small: Any) -> Any:
    """U of one group: (n h w, kh kw C/groups)."""
    n, h, wide, _ = small.shape
    cols = np.empty((n * h, wide, *w.shape[:3]), large.dtype)
    sh, sw, pt, pl = place
    unfold_reference(large, 0, h, sh, sw, pt, pl, first, 0, cols)
    return cols.reshape(n * h * wide, math.prod(w.shape[:3]))


# -- small = U W ----------------------------------------------------------------------------------
def correlate_reference(
    large: Any, w: Any, sh: int, sw: int, pt: int, pl: int, gemm: Any, work: Any, small: Any
) -> None:
    """large: (n, H, W, C); w: (kh, kw, C / groups, F); small: (n, h, w, F); sh, sw, pt, pl: as for `unfold`.

    gemm: (3,) int64, where the library's products lie (dlkit.backend.blas); work: (parts, size), room for one
    row of small pixels unfolded at least. The reference needs neither.
    """
    for first, filters in _groups(large, w, small):
        u = _unfolded(large, w, (sh, sw, pt, pl), first, small)
        weights = w[..., filters].reshape(u.shape[1], -1)
        small[..., filters] = (u @ weights).reshape(*small.shape[:3], weights.shape[1])


def _correlate_cpu(large, w, sh, sw, pt, pl, gemm, work, small):
    n, oh, ow, f = small.shape
    kh, kw, cg, _ = w.shape
    c, inner, item = large.shape[3], kh * kw * cg, w.itemsize
    groups = c // cg
    fg, whole = f // groups, kh == 1 and kw == 1 and sh == 1 and sw == 1 and pt == 0 and pl == 0
    taps, lines = cg < FEW and not whole, n * oh if whole else work.shape[1] // (ow * inner)
    for start in range(0, n * oh, max(lines, 1)):
        rows = min(lines, n * oh - start)
        m, to = rows * ow, small.ctypes.data + start * ow * f * item
        for g in range(groups):
            a, lda = work.ctypes.data, m if taps else inner
            if whole:
                a, lda = large.ctypes.data + (start * ow * c + g * cg) * item, c
            elif taps:
                cols = work[0, : m * inner].reshape((kh, kw, cg, rows, ow))
                unfold_taps(large, start, oh, sh, sw, pt, pl, g * cg, cols)
            else:
                cols = work[0, : m * inner].reshape((rows, ow, kh, kw, cg))
                unfold_rows(large, start, oh, sh, sw, pt, pl, g * cg, cols)
            b, layout = w.ctypes.data + g * fg * item, TRANSPOSED if taps else PLAIN
            multiply(gemm, item, layout, PLAIN, m, fg, inner, a, lda, b, f, 0, to + g * fg * item, f)


# -- large = fold(small W^T) ------------------------------------------------------------------------
def spread_reference(
    small: Any, w: Any, sh: int, sw: int, pt: int, pl: int, gemm: Any, work: Any, large: Any
) -> None:
    """large: (n, H, W, C) from small: (n, h, w, F); otherwise as `correlate`, whose adjoint it is."""
    large[...] = 0
    n, h, wide, _ = small.shape
    for first, filters in _groups(large, w, small):
        weights = w[..., filters].reshape(-1, filters.stop - filters.start)
        cols = small[..., filters].reshape(n * h * wide, weights.shape[1]) @ weights.T
        fold_reference(cols.reshape(n * h, wide, *w.shape[:3]), 0, h, sh, sw, pt, pl, first, 0, large)


def _spread_cpu(small, w, sh, sw, pt, pl, gemm, work, large):
    n, oh, ow, f = small.shape
    kh, kw, cg, _ = w.shape
    c, inner, item = large.shape[3], kh * kw * cg, w.itemsize
    groups = c // cg
    fg, whole = f // groups, kh == 1 and kw == 1 and sh == 1 and sw == 1 and pt == 0 and pl == 0
    taps, lines = cg < FEW and not whole, n * oh if whole else work.shape[1] // (ow * inner)
    if not whole:
        out, zero = large.ravel(), large.dtype.type(0)
        for i in range(out.size):
            out[i] = zero
    for start in range(0, n * oh, max(lines, 1)):
        rows = min(lines, n * oh - start)
        m, source, to = rows * ow, small.ctypes.data + start * ow * f * item, work.ctypes.data
        for g in range(groups):
            s, b = source + g * fg * item, w.ctypes.data + g * fg * item
            if whole:
                at = large.ctypes.data + (start * ow * c + g * cg) * item
                multiply(gemm, item, PLAIN, TRANSPOSED, m, inner, fg, s, f, b, f, 0, at, c)
            elif taps:
                multiply(gemm, item, PLAIN, TRANSPOSED, inner, m, fg, b, f, s, f, 0, to, m)
                cols = work[0, : m * inner].reshape((kh, kw, cg, rows, ow))
                fold_taps(cols, start, oh, sh, sw, pt, pl, g * cg, large)
            else:
                multiply(gemm, item, PLAIN, TRANSPOSED, m, inner, fg, s, f, b, f, 0, to, inner)
                cols = work[0, : m * inner].reshape((rows, ow, kh, kw, cg))
                fold_rows(cols, start, oh, sh, sw, pt, pl, g * cg, large)


# -- dW = U^T small ---------------------------------------------------------------------------------
def weight_gradient_reference(
    large: Any, small: Any, sh: int, sw: int, pt: int, pl: int, gemm: Any, work: Any, dw: Any
) -> None:
    """dw: as the weights w of `correlate`, otherwise as there; work: room for dw beside a row of pixels."""
    for first, filters in _groups(large, dw, small):
        u = _unfolded(large, dw, (sh, sw, pt, pl), first, small)
        of_group = u.T @ small[..., filters].reshape(len(u), filters.stop - filters.start)
        dw[..., filters] = of_group.reshape(*dw.shape[:3], -1)


def _weight_gradient_cpu(large, small, sh, sw, pt, pl, gemm, work, dw):
    n, oh, ow, f = small.shape
    kh, kw, cg, _ = dw.shape
    c, inner, item = large.shape[3], kh * kw * cg, dw.itemsize
    groups = c // cg
    fg, whole = f // groups, kh == 1 and kw == 1 and sh == 1 and sw == 1 and pt == 0 and pl == 0
    room = work.shape[1] - dw.size
    taps, lines = cg < FEW and not whole, n * oh if whole else room // (ow * inner)
    sums = work[0, room:]  # of each group; turned where U is not, for then the longer side comes last: faster
    for i in range(sums.size):
        sums[i] = dw.dtype.type(0)
    for start in range(0, n * oh, max(lines, 1)):
        rows = min(lines, n * oh - start)
        m, source = rows * ow, small.ctypes.data + start * ow * f * item
        for g in range(groups):
            s, to = source + g * fg * item, sums.ctypes.data + g * fg * inner * item
            a, lda = work.ctypes.data, inner
            if taps:
                cols = work[0, : m * inner].reshape((kh, kw, cg, rows, ow))
                unfold_taps(large, start, oh, sh, sw, pt, pl, g * cg, cols)
                multiply(gemm, item, PLAIN, PLAIN, inner, fg, m, a, m, s, f, 1, to, fg)
                continue
            if whole:
                a, lda = large.ctypes.data + (start * ow * c + g * cg) * item, c
            else:
                cols = work[0, : m * inner].reshape((rows, ow, kh, kw, cg))
                unfold_rows(large, start, oh, sh, sw, pt, pl, g * cg, cols)
            multiply(gemm, item, TRANSPOSED, PLAIN, fg, inner, m, s, f, a, lda, 1, to, inner)
    out = dw.reshape(inner, f)
    for i in range(inner):
        for j in range(f):
            g, k = j // fg, j % fg
            out[i, j] = sums[g * fg * inner + (i * fg + k if taps else k * inner + i)]


def _check(name: str, large: Any, w: Any, small: Any, gemm: Any, work: Any, room: int) -> None:
    n, _, _, c = checks.dimensions(name, "large", large, 4)
    kh, kw, cg, f = checks.dimensions(name, "w", w, 4)
    _, h, ow, _ = checks.dimensions(name, "small", small, 4)
    checks.shaped(name, "small", small, (n, h, ow, f), large.dtype)
    checks.shaped(name, "w", w, w.shape, large.dtype)
    checks.shaped(name, "gemm", gemm, (3,), np.int64)
    if c % cg or f % (c // cg):
        raise ValueError(f"{name}: weights {w.shape} do not divide {c} channels and {f} filters")
    checks.shaped(name, "work", work, work.shape, large.dtype)
    if work.ndim != 2 or len(work) < 1 or work.shape[1] < ow * kh * kw * cg + room:
        raise ValueError(f"{name}: the work space {work.shape} does not hold a row of {ow} pixels unfolded")


correlate = kernel(
    "correlate", correlate_reference, cpu=_correlate_cpu, updates="small", rows="large small", own="work",
    check=lambda large, w, sh, sw, pt, pl, gemm, work, small: _check(
        "correlate", large, w, small, gemm, work, 0
    ),
)  # fmt: skip
spread = kernel(
    "spread", spread_reference, cpu=_spread_cpu, updates="large", rows="large small", own="work",
    check=lambda small, w, sh, sw, pt, pl, gemm, work, large: _check(
        "spread", large, w, small, gemm, work, 0
    ),
)  # fmt: skip
weight_gradient = kernel(
    "weight_gradient", weight_gradient_reference, cpu=_weight_gradient_cpu, updates="dw", rows="large small",
    own="work", sums="dw",
    check=lambda large, small, sh, sw, pt, pl, gemm, work, dw: _check(
        "weight_gradient", large, dw, small, gemm, work, dw.size
    ),
)  # fmt: skip
