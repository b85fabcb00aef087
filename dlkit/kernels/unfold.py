"""Images as matrices: `unfold` writes the window of every output pixel as a row, `fold` is its adjoint.

A convolution is then a product with its weights (Chellapilla et al. 2006). Output pixel (i, j) sees the input
pixels (i sh - pt + a, j sw - pl + b), a < kh, b < kw; what lies outside the image is 0. Both work on some
output rows at a time: row r of a batch is row r mod oh of image r div oh.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


# -- unfold -------------------------------------------------------------------------------------
def unfold_reference(
    x: Any, start: int, oh: int, sh: int, sw: int, pt: int, pl: int, first: int, cols: Any
) -> None:
    """x: (n, h, w, c); cols: (rows, ow, kh, kw, cg), for output rows start, start + 1, ... of n * oh.

    sh, sw: strides; pt, pl: padding above and on the left; first: the first of the cg channels taken.
    """
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


def _unfold_cpu(x, start, oh, sh, sw, pt, pl, first, cols):
    _, h, w, c = x.shape
    rows, ow, kh, kw, cg = cols.shape
    zero = x.dtype.type(0)
    for r in range(rows):
        image, i = (start + r) // oh, (start + r) % oh
        for j in range(ow):
            left = j * sw - pl
            lo = min(max(-left, 0), kw)  # window columns lo .. hi lie in the image
            hi = max(min(w - left, kw), lo)
            for a in range(kh):
                y = i * sh - pt + a
                if y < 0 or y >= h:
                    out = cols[r, j, a].ravel()
                    for k in range(out.size):
                        out[k] = zero
                elif cg == c:
                    out = cols[r, j, a].ravel()
                    source = x[image, y].ravel()
                    shift = left * c
                    for k in range(lo * c):
                        out[k] = zero
                    for k in range(lo * c, hi * c):
                        out[k] = source[shift + k]
                    for k in range(hi * c, kw * c):
                        out[k] = zero
                else:
                    for b in range(kw):
                        v = cols[r, j, a, b]
                        if b < lo or b >= hi:
                            for k in range(cg):
                                v[k] = zero
                        else:
                            u = x[image, y, left + b, first : first + cg]
                            for k in range(cg):
                                v[k] = u[k]


# -- fold ---------------------------------------------------------------------------------------
def fold_reference(
    cols: Any, start: int, oh: int, sh: int, sw: int, pt: int, pl: int, first: int, dx: Any
) -> None:
    """dx += the entries of cols, each at the pixel that `unfold` takes it from; arguments as there.

    dx: (n, h, w, c), updated in place.
    """
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


def _fold_cpu(cols, start, oh, sh, sw, pt, pl, first, dx):
    _, h, w, c = dx.shape
    rows, ow, kh, kw, cg = cols.shape
    for r in range(rows):
        image, i = (start + r) // oh, (start + r) % oh
        for j in range(ow):
            left = j * sw - pl
            lo = min(max(-left, 0), kw)
            hi = max(min(w - left, kw), lo)
            for a in range(kh):
                y = i * sh - pt + a
                if y < 0 or y >= h:
                    continue
                if cg == c:
                    source = cols[r, j, a].ravel()
                    out = dx[image, y].ravel()
                    shift = left * c
                    for k in range(lo * c, hi * c):
                        out[shift + k] += source[k]
                else:
                    for b in range(lo, hi):
                        v = dx[image, y, left + b, first : first + cg]
                        u = cols[r, j, a, b]
                        for k in range(cg):
                            v[k] += u[k]


# -- CUDA -------------------------------------------------------------------------------------
CUDA = r"""
extern "C" __global__ void unfold(const real* x, long long start, int oh, int sh, int sw, int pt, int pl,
                                  int first, real* cols, int h, int w, int c, int ow, int kh, int kw, int cg,
                                  long long size) {
  GRID_STRIDE(i, size) {
    long long t = i;
    int k = (int)(t % cg); t /= cg;
    int b = (int)(t % kw); t /= kw;
    int a = (int)(t % kh); t /= kh;
    int j = (int)(t % ow);
    long long r = start + t / ow;
    int y = (int)(r % oh) * sh - pt + a, z = j * sw - pl + b;
    bool inside = y >= 0 && y < h && z >= 0 && z < w;
    cols[i] = inside ? x[((r / oh * h + y) * w + z) * c + first + k] : (real)0;
  }
}

// One thread an input number: it gathers what was taken from it, in the order of the window. No atomics.
extern "C" __global__ void fold(const real* cols, long long start, int oh, int sh, int sw, int pt, int pl,
                                int first, real* dx, int h, int w, int c, int rows, int ow, int kh, int kw,
                                int cg, long long image, long long size) {
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
        sum += cols[(((r * ow + v / sw) * kh + a) * kw + b) * cg + k];
      }
    }
    dx[((n * h + y) * w + z) * c + first + k] += sum;
  }
}
"""


def _unfold_gpu(
    launch: Any, x: Any, start: int, oh: int, sh: int, sw: int, pt: int, pl: int, first: int, cols: Any
) -> None:
    _, ow, kh, kw, cg = cols.shape
    args = (x, start, oh, sh, sw, pt, pl, first, cols, *x.shape[1:], ow, kh, kw, cg, cols.size)
    launch("unfold", cols.size, *args)


def _fold_gpu(
    launch: Any, cols: Any, start: int, oh: int, sh: int, sw: int, pt: int, pl: int, first: int, dx: Any
) -> None:
    rows, ow, kh, kw, cg = cols.shape
    if rows == 0:
        return
    _, h, w, c = dx.shape
    image, last = start // oh, (start + rows - 1) // oh
    size = (last + 1 - image) * h * w * cg
    args = (cols, start, oh, sh, sw, pt, pl, first, dx, h, w, c, rows, ow, kh, kw, cg, image, size)
    launch("fold", size, *args)


def _check(name: str, x: Any, cols: Any, start: int, oh: int, first: int) -> None:
    argument = "x" if name == "unfold" else "dx"
    n, _, _, c = checks.dimensions(name, argument, x, 4)
    checks.dimensions(name, "cols", cols, 5)
    checks.shaped(name, "cols", cols, cols.shape, x.dtype)
    if start < 0 or start + cols.shape[0] > n * oh:
        raise ValueError(f"{name}: rows {start} to {start + cols.shape[0]} of {n * oh} output rows")
    if first < 0 or first + cols.shape[4] > c:
        raise ValueError(f"{name}: channels {first} to {first + cols.shape[4]} of {c}")


unfold = kernel(
    "unfold", unfold_reference, cpu=_unfold_cpu, cuda=CUDA, gpu=_unfold_gpu, updates="cols",
    check=lambda x, start, oh, sh, sw, pt, pl, first, cols: _check("unfold", x, cols, start, oh, first),
)  # fmt: skip
fold = kernel(
    "fold", fold_reference, cpu=_fold_cpu, cuda=CUDA, gpu=_fold_gpu, updates="dx",
    check=lambda cols, start, oh, sh, sw, pt, pl, first, dx: _check("fold", dx, cols, start, oh, first),
)  # fmt: skip
