"""Pooling: the largest, the smallest or the mean number of a window, channel by channel.

Windows are those of `unfold`; pixels outside the image take no part, neither in a maximum nor in a mean.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Iterator
from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel

MOST_CELLS = 1 << 16
"""Cells of a window: the place of the largest is kept in 16 bits."""


def _windows(
    x: Any, y: Any, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int
) -> Iterator[tuple[int, int, int, int, list[int]]]:
    """(image, i, j, channel, places a * kw + b that lie in the image) for each output number."""
    _, h, w, _ = x.shape
    for image, i, j, channel in np.ndindex(*y.shape):
        inside = [
            a * kw + b
            for a in range(kh)
            for b in range(kw)
            if 0 <= i * sh - pt + a < h and 0 <= j * sw - pl + b < w
        ]
        yield image, i, j, channel, inside


# -- maximum and minimum --------------------------------------------------------------------------
def extreme_pool_reference(
    x: Any, sign: int, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, y: Any, place: Any
) -> None:
    """y: (n, oh, ow, c) largest (sign 1) or smallest (sign -1) of each window of x: (n, h, w, c).

    place: uint16 of y's shape, a * kw + b of the first such number in its window; a NaN is one.
    """
    for image, i, j, channel, inside in _windows(x, y, kh, kw, sh, sw, pt, pl):
        values = [x[image, i * sh - pt + k // kw, j * sw - pl + k % kw, channel] for k in inside]
        best = int(np.argmax(np.array(values) * sign))
        y[image, i, j, channel] = values[best]
        place[image, i, j, channel] = inside[best]


def _extreme_pool_cpu(x, sign, kh, kw, sh, sw, pt, pl, y, place):
    _, h, w, _ = x.shape
    n, oh, ow, c = y.shape
    source, best, where = x.ravel(), y.ravel(), place.ravel()
    s, channels = x.dtype.type(sign), np.uintp(c)
    for image in range(n):
        for i in range(oh):
            for j in range(ow):
                top, left = i * sh - pt, j * sw - pl
                to = np.uintp(((image * oh + i) * ow + j) * c)
                fresh = True
                for a in range(max(-top, 0), min(kh, h - top)):
                    for b in range(max(-left, 0), min(kw, w - left)):
                        at = np.uintp(((image * h + top + a) * w + left + b) * c)
                        here = np.uint16(a * kw + b)
                        if fresh:
                            fresh = False
                            for k in range(channels):
                                best[to + k] = source[at + k]
                                where[to + k] = here
                        else:
                            for k in range(channels):
                                u, v = source[at + k], best[to + k]
                                more = (not (s * u <= s * v)) & (not np.isnan(v))  # a NaN wins and stays
                                best[to + k] = u if more else v
                                where[to + k] = here if more else where[to + k]


def extreme_pool_backward_reference(
    dy: Any, place: Any, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, dx: Any
) -> None:
    """dx: (n, h, w, c), the sum over the windows that chose a number of their dy: (n, oh, ow, c)."""
    dx[...] = 0
    for image, i, j, channel in np.ndindex(*dy.shape):
        a, b = divmod(int(place[image, i, j, channel]), kw)
        dx[image, i * sh - pt + a, j * sw - pl + b, channel] += dy[image, i, j, channel]


def _extreme_pool_backward_cpu(dy, place, kh, kw, sh, sw, pt, pl, dx):
    _, h, w, _ = dx.shape
    n, oh, ow, c = dy.shape
    source, where, out = dy.ravel(), place.ravel(), dx.ravel()
    zero, channels = dx.dtype.type(0), np.uintp(c)
    apart = sh >= kh and sw >= kw  # no pixel lies in two windows
    covered = apart and sh == kh and sw == kw and pt == 0 and pl == 0 and oh * sh == h and ow * sw == w
    if not covered:
        for k in range(np.uintp(dx.size)):
            out[k] = zero
    for image in range(n):
        for i in range(oh):
            for j in range(ow):
                top, left = i * sh - pt, j * sw - pl
                at = np.uintp(((image * oh + i) * ow + j) * c)
                for a in range(max(-top, 0), min(kh, h - top)):
                    for b in range(max(-left, 0), min(kw, w - left)):
                        to = np.uintp(((image * h + top + a) * w + left + b) * c)
                        here = np.uint16(a * kw + b)
                        if apart:
                            for k in range(channels):
                                out[to + k] = source[at + k] if where[at + k] == here else zero
                        else:
                            for k in range(channels):
                                out[to + k] += source[at + k] if where[at + k] == here else zero


# -- mean -----------------------------------------------------------------------------------------
def mean_pool_reference(x: Any, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, y: Any) -> None:
    """y: (n, oh, ow, c) mean of the window's pixels inside the image, x: (n, h, w, c)."""
    for image, i, j, channel, inside in _windows(x, y, kh, kw, sh, sw, pt, pl):
        values = [x[image, i * sh - pt + k // kw, j * sw - pl + k % kw, channel] for k in inside]
        y[image, i, j, channel] = np.mean(np.array(values))


def _mean_pool_cpu(x, kh, kw, sh, sw, pt, pl, y):
    _, h, w, _ = x.shape
    n, oh, ow, c = y.shape
    zero, one = x.dtype.type(0), x.dtype.type(1)
    for image in range(n):
        for i in range(oh):
            for j in range(ow):
                top, left = i * sh - pt, j * sw - pl
                a0, a1 = max(-top, 0), min(kh, h - top)
                b0, b1 = max(-left, 0), min(kw, w - left)
                v = y[image, i, j]
                for k in range(c):
                    v[k] = zero
                for a in range(a0, a1):
                    for b in range(b0, b1):
                        u = x[image, top + a, left + b]
                        for k in range(c):
                            v[k] += u[k]
                share = one / x.dtype.type((a1 - a0) * (b1 - b0))
                for k in range(c):
                    v[k] *= share


def mean_pool_backward_reference(
    dy: Any, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, dx: Any
) -> None:
    """dx: (n, h, w, c), each window's dy: (n, oh, ow, c) shared out evenly to its pixels."""
    dx[...] = 0
    for image, i, j, channel, inside in _windows(dx, dy, kh, kw, sh, sw, pt, pl):
        for k in inside:
            y, z = i * sh - pt + k // kw, j * sw - pl + k % kw
            dx[image, y, z, channel] += dy[image, i, j, channel] / len(inside)


def _mean_pool_backward_cpu(dy, kh, kw, sh, sw, pt, pl, dx):
    _, h, w, _ = dx.shape
    n, oh, ow, c = dy.shape
    zero, one = dx.dtype.type(0), dx.dtype.type(1)
    for image in range(n):
        all_of_it = dx[image].ravel()
        for k in range(all_of_it.size):
            all_of_it[k] = zero
        for i in range(oh):
            for j in range(ow):
                top, left = i * sh - pt, j * sw - pl
                a0, a1 = max(-top, 0), min(kh, h - top)
                b0, b1 = max(-left, 0), min(kw, w - left)
                share = one / dx.dtype.type((a1 - a0) * (b1 - b0))
                dv = dy[image, i, j]
                for a in range(a0, a1):
                    for b in range(b0, b1):
                        du = dx[image, top + a, left + b]
                        for k in range(c):
                            du[k] += share * dv[k]


# -- CUDA -------------------------------------------------------------------------------------
CUDA = r"""
// Forward: one thread an output number. Backward: one thread an input number, which gathers from the
// windows that it lies in, in their order; no atomics.
struct Box { int a0, a1, b0, b1, top, left; };

__device__ __forceinline__ Box box(int i, int j, int h, int w, int kh, int kw, int sh, int sw, int pt,
                                   int pl) {
  Box s;
  s.top = i * sh - pt; s.left = j * sw - pl;
  s.a0 = s.top < 0 ? -s.top : 0; s.a1 = s.top + kh > h ? h - s.top : kh;
  s.b0 = s.left < 0 ? -s.left : 0; s.b1 = s.left + kw > w ? w - s.left : kw;
  return s;
}

extern "C" __global__ void extreme_pool(const real* x, int sign, int kh, int kw, int sh, int sw, int pt,
                                        int pl, real* y, unsigned short* place, int h, int w, int c, int oh,
                                        int ow, long long size) {
  GRID_STRIDE(q, size) {
    int k = (int)(q % c), j = (int)(q / c % ow), i = (int)(q / c / ow % oh);
    long long image = q / c / ow / oh;
    Box s = box(i, j, h, w, kh, kw, sh, sw, pt, pl);
    real best = 0;
    int where = -1;
    for (int a = s.a0; a < s.a1; a++) for (int b = s.b0; b < s.b1; b++) {
      real u = x[((image * h + s.top + a) * w + s.left + b) * c + k];
      if (where < 0 || (!(sign * u <= sign * best) && best == best)) { best = u; where = a * kw + b; }
    }
    y[q] = best;
    place[q] = (unsigned short)where;
  }
}

extern "C" __global__ void extreme_pool_backward(const real* dy, const unsigned short* place, int kh, int kw,
                                                 int sh, int sw, int pt, int pl, real* dx, int h, int w,
                                                 int c, int oh, int ow, long long size) {
  GRID_STRIDE(q, size) {
    int k = (int)(q % c), z = (int)(q / c % w), y = (int)(q / c / w % h);
    long long image = q / c / w / h;
    real sum = 0;
    for (int a = kh - 1; a >= 0; a--) {
      int u = y + pt - a;
      if (u < 0 || u % sh || u / sh >= oh) continue;
      for (int b = kw - 1; b >= 0; b--) {
        int v = z + pl - b;
        if (v < 0 || v % sw || v / sw >= ow) continue;
        long long at = ((image * oh + u / sh) * ow + v / sw) * c + k;
        if (place[at] == a * kw + b) sum += dy[at];
      }
    }
    dx[q] = sum;
  }
}

extern "C" __global__ void mean_pool(const real* x, int kh, int kw, int sh, int sw, int pt, int pl, real* y,
                                     int h, int w, int c, int oh, int ow, long long size) {
  GRID_STRIDE(q, size) {
    int k = (int)(q % c), j = (int)(q / c % ow), i = (int)(q / c / ow % oh);
    long long image = q / c / ow / oh;
    Box s = box(i, j, h, w, kh, kw, sh, sw, pt, pl);
    real sum = 0;
    for (int a = s.a0; a < s.a1; a++) for (int b = s.b0; b < s.b1; b++)
      sum += x[((image * h + s.top + a) * w + s.left + b) * c + k];
    y[q] = sum / (real)((s.a1 - s.a0) * (s.b1 - s.b0));
  }
}

extern "C" __global__ void mean_pool_backward(const real* dy, int kh, int kw, int sh, int sw, int pt, int pl,
                                              real* dx, int h, int w, int c, int oh, int ow,
                                              long long size) {
  GRID_STRIDE(q, size) {
    int k = (int)(q % c), z = (int)(q / c % w), y = (int)(q / c / w % h);
    long long image = q / c / w / h;
    real sum = 0;
    for (int a = kh - 1; a >= 0; a--) {
      int u = y + pt - a;
      if (u < 0 || u % sh || u / sh >= oh) continue;
      for (int b = kw - 1; b >= 0; b--) {
        int v = z + pl - b;
        if (v < 0 || v % sw || v / sw >= ow) continue;
        Box s = box(u / sh, v / sw, h, w, kh, kw, sh, sw, pt, pl);
        sum += dy[((image * oh + u / sh) * ow + v / sw) * c + k] / (real)((s.a1 - s.a0) * (s.b1 - s.b0));
      }
    }
    dx[q] = sum;
  }
}
"""


def _sizes(image: Any, pooled: Any) -> tuple[int, ...]:
    """h, w, c, oh, ow."""
    return (*image.shape[1:], *pooled.shape[1:3])


def _extreme_pool_gpu(
    launch: Any, x: Any, sign: int, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, y: Any, place: Any
) -> None:
    args = (x, sign, kh, kw, sh, sw, pt, pl, y, place, *_sizes(x, y), y.size)
    launch("extreme_pool", y.size, *args)


def _extreme_pool_backward_gpu(
    launch: Any, dy: Any, place: Any, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, dx: Any
) -> None:
    args = (dy, place, kh, kw, sh, sw, pt, pl, dx, *_sizes(dx, dy), dx.size)
    launch("extreme_pool_backward", dx.size, *args)


def _mean_pool_gpu(launch: Any, x: Any, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, y: Any) -> None:
    launch("mean_pool", y.size, x, kh, kw, sh, sw, pt, pl, y, *_sizes(x, y), y.size)


def _mean_pool_backward_gpu(
    launch: Any, dy: Any, kh: int, kw: int, sh: int, sw: int, pt: int, pl: int, dx: Any
) -> None:
    launch("mean_pool_backward", dx.size, dy, kh, kw, sh, sw, pt, pl, dx, *_sizes(dx, dy), dx.size)


def _check(name: str, image: Any, pooled: Any, window: tuple[int, ...], place: Any = None) -> None:
    n, h, w, c = checks.dimensions(name, "the image", image, 4)
    _, oh, ow, _ = checks.dimensions(name, "the pooled array", pooled, 4)
    checks.shaped(name, "the pooled array", pooled, (n, oh, ow, c), image.dtype)
    kh, kw, sh, sw, pt, pl = window
    if kh * kw > MOST_CELLS:
        raise ValueError(f"{name}: a window of {kh}×{kw} has more than {MOST_CELLS:,} cells")
    if pt >= kh or pl >= kw or (oh - 1) * sh - pt >= h or (ow - 1) * sw - pl >= w:
        raise ValueError(f"{name}: windows {kh}×{kw} lie outside an image of {h}×{w}")
    if place is not None:
        checks.shaped(name, "place", place, (n, oh, ow, c), np.uint16)


extreme_pool = kernel(
    "extreme_pool", extreme_pool_reference, cpu=_extreme_pool_cpu, cuda=CUDA, gpu=_extreme_pool_gpu,
    check=lambda x, sign, *rest: _check("extreme_pool", x, rest[6], rest[:6], rest[7]), updates="y place",
    rows="x y place",
)  # fmt: skip
extreme_pool_backward = kernel(
    "extreme_pool_backward", extreme_pool_backward_reference, cpu=_extreme_pool_backward_cpu, cuda=CUDA,
    gpu=_extreme_pool_backward_gpu, updates="dx", rows="dx dy place",
    check=lambda dy, place, *rest: _check("extreme_pool_backward", rest[6], dy, rest[:6], place),
)  # fmt: skip
mean_pool = kernel(
    "mean_pool", mean_pool_reference, cpu=_mean_pool_cpu, cuda=CUDA, gpu=_mean_pool_gpu, updates="y",
    rows="x y", check=lambda x, *rest: _check("mean_pool", x, rest[6], rest[:6]),
)  # fmt: skip
mean_pool_backward = kernel(
    "mean_pool_backward", mean_pool_backward_reference, cpu=_mean_pool_backward_cpu, cuda=CUDA,
    gpu=_mean_pool_backward_gpu, updates="dx", rows="dx dy",
    check=lambda dy, *rest: _check("mean_pool_backward", rest[6], dy, rest[:6]),
)  # fmt: skip
