"""Images as matrices: `unfold` writes the window of every output pixel as a row, `fold` is its adjoint.

A convolution is then a product with its weights (Chellapilla et al. 2006). Output pixel (i, j) sees the input
pixels (i sh - pt + a, j sw - pl + b), a < kh, b < kw; what lies outside the image is 0. Both work on some
output rows at a time: row r of a batch is row r mod oh of image r div oh. With few channels the transposed
matrix is the better one to write (`taps`): its rows are pieces of rows of the image.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


# -- unfold -------------------------------------------------------------------------------------
def unfold_reference(
    x: Any, start: int, oh: int, sh: int, sw: int, pt: int, pl: int, first: int, taps: int, cols: Any
) -> None:
    """x: (n, h, w, c); cols: (rows, ow, kh, kw, cg), for output rows start, start + 1, ... of n * oh.

    sh, sw: strides; pt, pl: padding above and on the left; first: the first of the cg channels taken;
    taps 1: cols is (kh, kw, cg, rows, ow).
    """
    if taps:
        cols = cols.transpose(3, 4, 0, 1, 2)
    _, h, w, _ = x.shape
    rows, ow, kh, kw, cg = cols.shape
    cols[...] = 0
    for r in range(rows):
        image, i = divmod(start + r, oh)
        for j in range(ow):
            for a in range(kh):
                for b in range(kw):
                    y, z = i * sh - pt + a, j * sw - pl + b
                    if 0 <= y < h and 0 <= z < w:
                        cols[r, j, a, b] = x[image, y, z, first : first + cg]


def columns_inside(b, sw, pl, w, ow):
    """The output columns lo .. hi whose window column b lies in the image."""
    lo = min(max((pl - b + sw - 1) // sw, 0), ow)
    hi = max(min((w - 1 + pl - b) // sw + 1, ow), lo)
    return lo, hi


def _unfold_cpu(x, start, oh, sh, sw, pt, pl, first, taps, cols):
    if taps:
        unfold_taps(x, start, oh, sh, sw, pt, pl, first, cols)
    else:
        unfold_rows(x, start, oh, sh, sw, pt, pl, first, cols)


def unfold_rows(x, start, oh, sh, sw, pt, pl, first, cols):
    """One row of cols an output pixel: runs of kw c numbers, or of cg where the channels are in groups."""
    _, h, w, c = x.shape
    rows, ow, kh, kw, cg = cols.shape
    source, out, zero = x.ravel(), cols.ravel(), x.dtype.type(0)
    size, run = kh * kw * cg, kw * cg
    lo, hi = columns_inside(0, sw, pl, w, ow)[0], columns_inside(kw - 1, sw, pl, w, ow)[1]
    for r in range(rows):
        image, i = (start + r) // oh, (start + r) % oh
        for a in range(kh):
            y = i * sh - pt + a
            for j in range(ow):
                to = (r * ow + j) * size + a * run
                if y < 0 or y >= h:
                    v = out[to : to + run]
                    for k in range(run):
                        v[k] = zero
                elif cg == c and lo <= j < hi:
                    at = ((image * h + y) * w + j * sw - pl) * c
                    u, v = source[at : at + run], out[to : to + run]
                    for k in range(run):
                        v[k] = u[k]
                else:
                    for b in range(kw):
                        z = j * sw - pl + b
                        v = out[to + b * cg : to + (b + 1) * cg]
                        if z < 0 or z >= w:
                            for k in range(cg):
                                v[k] = zero
                        else:
                            at = ((image * h + y) * w + z) * c + first
                            u = source[at : at + cg]
                            for k in range(cg):
                                v[k] = u[k]


def unfold_taps(x, start, oh, sh, sw, pt, pl, first, cols):
    """One row of cols a number of the window: runs of ow numbers.

    Places are counted without a sign: numba would ask of each whether it counts from the end.
    """
    _, h, w, c = x.shape
    kh, kw, cg, rows, ow = cols.shape
    source, out, zero = x.ravel(), cols.ravel(), x.dtype.type(0)
    for a in range(kh):
        for b in range(kw):
            lo, hi = columns_inside(b, sw, pl, w, ow)
            for k in range(cg):
                line = ((a * kw + b) * cg + k) * rows * ow
                image, i = start // oh, start % oh - 1
                for r in range(rows):
                    i += 1
                    if i == oh:
                        image, i = image + 1, 0
                    y = i * sh - pt + a
                    to = np.uintp(line + r * ow)
                    if y < 0 or y >= h:
                        for j in range(np.uintp(ow)):
                            out[to + j] = zero
                        continue
                    for j in range(np.uintp(lo)):
                        out[to + j] = zero
                    for j in range(np.uintp(hi), np.uintp(ow)):
                        out[to + j] = zero
                    at = np.uintp(((image * h + y) * w + lo * sw - pl + b) * c + first + k)
                    to += np.uintp(lo)
                    n, step = np.uintp(hi - lo), np.uintp(sw * c)
                    if step == 1:
                        for j in range(n):
                            out[to + j] = source[at + j]
                    else:
                        for j in range(n):
                            out[to + j] = source[at + j * step]


# -- fold ---------------------------------------------------------------------------------------
def fold_reference(
    cols: Any, start: int, oh: int, sh: int, sw: int, pt: int, pl: int, first: int, taps: int, dx: Any
) -> None:
    """dx += the entries of cols, each at the pixel that `unfold` takes it from; arguments as there.

    dx: (n, h, w, c), updated in place.
    """
    if taps:
        cols = cols.transpose(3, 4, 0, 1, 2)
    _, h, w, _ = dx.shape
    rows, ow, kh, kw, cg = cols.shape
    for r in range(rows):
        image, i = divmod(start + r, oh)
        for j in range(ow):
            for a in range(kh):
                for b in range(kw):
                    y, z = i * sh - pt + a, j * sw - pl + b
                    if 0 <= y < h and 0 <= z < w:
                        dx[image, y, z, first : first + cg] += cols[r, j, a, b]


def _fold_cpu(cols, start, oh, sh, sw, pt, pl, first, taps, dx):
    if taps:
        fold_taps(cols, start, oh, sh, sw, pt, pl, first, dx)
    else:
        fold_rows(cols, start, oh, sh, sw, pt, pl, first, dx)


def fold_rows(cols, start, oh, sh, sw, pt, pl, first, dx):
    """Neighbouring windows overlap, and a sum would wait for the one just written: every kw-th is taken."""
    _, h, w, c = dx.shape
    rows, ow, kh, kw, cg = cols.shape
    source, out = cols.ravel(), dx.ravel()
    size, run = kh * kw * cg, kw * cg
    lo, hi = columns_inside(0, sw, pl, w, ow)[0], columns_inside(kw - 1, sw, pl, w, ow)[1]
    for r in range(rows):
        image, i = (start + r) // oh, (start + r) % oh
        for a in range(kh):
            y = i * sh - pt + a
            if y < 0 or y >= h:
                continue
            for phase in range(kw):
                for j in range(phase, ow, kw):
                    at = (r * ow + j) * size + a * run
                    left = j * sw - pl
                    if cg == c and lo <= j < hi:
                        to = ((image * h + y) * w + left) * c
                        u, v = source[at : at + run], out[to : to + run]
                        for k in range(run):
                            v[k] += u[k]
                    else:
                        for b in range(max(-left, 0), min(w - left, kw)):
                            to = ((image * h + y) * w + left + b) * c + first
                            u, v = source[at + b * cg : at + (b + 1) * cg], out[to : to + cg]
                            for k in range(cg):
                                v[k] += u[k]


def fold_taps(cols, start, oh, sh, sw, pt, pl, first, dx):
    """The adjoint of unfold_taps."""
    _, h, w, c = dx.shape
    kh, kw, cg, rows, ow = cols.shape
    source, out = cols.ravel(), dx.ravel()
    for a in range(kh):
        for b in range(kw):
            lo, hi = columns_inside(b, sw, pl, w, ow)
            for k in range(cg):
                line = ((a * kw + b) * cg + k) * rows * ow
                image, i = start // oh, start % oh - 1
                for r in range(rows):
                    i += 1
                    if i == oh:
                        image, i = image + 1, 0
                    y = i * sh - pt + a
                    if y < 0 or y >= h:
                        continue
                    n, step = np.uintp(hi - lo), np.uintp(sw * c)
                    to = np.uintp(((image * h + y) * w + lo * sw - pl + b) * c + first + k)
                    at = np.uintp(line + r * ow + lo)
                    if step == 1:
                        for j in range(n):
                            out[to + j] += source[at + j]
                    else:
                        for j in range(n):
                            out[to + j * step] += source[at + j]


# -- CUDA -------------------------------------------------------------------------------------
CUDA = r"""
extern "C" __global__ void unfold(const real* x, long long start, int oh, int sh, int sw, int pt, int pl,
                                  int first, int taps, real* cols, int h, int w, int c, int rows, int ow,
                                  int kh, int kw, int cg, long long size) {
  GRID_STRIDE(i, size) {
    long long t = i, r = start;
    int j = 0;
    if (taps) { j = (int)(t % ow); t /= ow; r += t % rows; t /= rows; }
    int k = (int)(t % cg); t /= cg;
    int b = (int)(t % kw); t /= kw;
    int a = (int)(t % kh); t /= kh;
    if (!taps) { j = (int)(t % ow); r += t / ow; }
    int y = (int)(r % oh) * sh - pt + a, z = j * sw - pl + b;
    bool inside = y >= 0 && y < h && z >= 0 && z < w;
    cols[i] = inside ? x[((r / oh * h + y) * w + z) * c + first + k] : (real)0;
  }
}

// One thread an input number: it gathers what was taken from it, in the order of the window. No atomics.
extern "C" __global__ void fold(const real* cols, long long start, int oh, int sh, int sw, int pt, int pl,
                                int first, int taps, real* dx, int h, int w, int c, int rows, int ow,
                                int kh, int kw, int cg, long long image, long long size) {
  GRID_STRIDE(i, size) {
    long long t = i;
    int k = (int)(t % cg); t /= cg;
    int z = (int)(t % w); t /= w;
    int y = (int)(t % h);
    long long n = image + t / h;
    real sum = 0;
    for (int a = 0; a < kh; a++) {
      int u = y + pt - a;
      if (u < 0 || u % sh || u / sh >= oh) continue;
      long long r = n * oh + u / sh - start;
      if (r < 0 || r >= rows) continue;
      for (int b = 0; b < kw; b++) {
        int v = z + pl - b;
        if (v < 0 || v % sw || v / sw >= ow) continue;
        long long tap = (a * kw + b) * cg + k, pixel = r * ow + v / sw;
        sum += cols[taps ? tap * rows * ow + pixel : pixel * kh * kw * cg + tap];
      }
    }
    dx[((n * h + y) * w + z) * c + first + k] += sum;
  }
}
"""


def _sizes(cols: Any, taps: int) -> tuple[int, ...]:
    """rows, ow, kh, kw, cg."""
    return (*cols.shape[3:], *cols.shape[:3]) if taps else cols.shape


def _unfold_gpu(
    launch: Any, x: Any, start: int, oh: int, sh: int, sw: int, pt: int, pl: int, first: int, taps: int,
    cols: Any,
) -> None:  # fmt: skip
    sizes = (*x.shape[1:], *_sizes(cols, taps), cols.size)
    launch("unfold", cols.size, x, start, oh, sh, sw, pt, pl, first, taps, cols, *sizes)


def _fold_gpu(
    launch: Any, cols: Any, start: int, oh: int, sh: int, sw: int, pt: int, pl: int, first: int, taps: int,
    dx: Any,
) -> None:  # fmt: skip
    rows, ow, kh, kw, cg = _sizes(cols, taps)
    if rows == 0:
        return
    _, h, w, c = dx.shape
    image, last = start // oh, (start + rows - 1) // oh
    size = (last + 1 - image) * h * w * cg
    args = (cols, start, oh, sh, sw, pt, pl, first, taps, dx, h, w, c, rows, ow, kh, kw, cg, image, size)
    launch("fold", size, *args)


def _check(name: str, x: Any, cols: Any, start: int, oh: int, first: int, taps: int) -> None:
    argument = "x" if name == "unfold" else "dx"
    n, _, _, c = checks.dimensions(name, argument, x, 4)
    checks.dimensions(name, "cols", cols, 5)
    checks.shaped(name, "cols", cols, cols.shape, x.dtype)
    rows, _, _, _, cg = _sizes(cols, taps)
    if start < 0 or start + rows > n * oh:
        raise ValueError(f"{name}: rows {start} to {start + rows} of {n * oh} output rows")
    if first < 0 or first + cg > c:
        raise ValueError(f"{name}: channels {first} to {first + cg} of {c}")


unfold = kernel(
    "unfold", unfold_reference, cpu=_unfold_cpu, cuda=CUDA, gpu=_unfold_gpu, updates="cols",
    check=lambda x, start, oh, sh, sw, pt, pl, first, taps, cols: _check(
        "unfold", x, cols, start, oh, first, taps
    ),
)  # fmt: skip
fold = kernel(
    "fold", fold_reference, cpu=_fold_cpu, cuda=CUDA, gpu=_fold_gpu, updates="dx",
    check=lambda cols, start, oh, sh, sw, pt, pl, first, taps, dx: _check(
        "fold", dx, cols, start, oh, first, taps
    ),
)  # fmt: skip
