"""Pieces of local contrast normalisation of Jarrett et al. 2009; ops/contrast.py puts them together.

With S the mean over a window of all channels, weighted by g (along both axes, over the pixels inside the
image):  v = x - S x;  sigma = sqrt(S v^2);  y = v / d,  where d is sigma or, if larger, its mean over
the image.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


# -- S of one channel, along both axes --------------------------------------------------------------
def window_mean_reference(m: Any, g: Any, adjoint: int, t: Any, out: Any) -> None:
    """out: (n, h, w), m's mean over the window, weighted by g[a] g[b]; adjoint 1: the transposed map.

    m: (n, h, w); g: (k,) weights, k odd, the middle one the pixel itself; t: (n, h, w) for the work between
    the axes. Weights of pixels inside the image are divided by their sum.
    """
    _along_last(m, g, adjoint, t)
    _along_last(t.swapaxes(1, 2), g, adjoint, out.swapaxes(1, 2))


def _along_last(m: Any, g: Any, adjoint: int, out: Any) -> None:
    half, size = g.size // 2, m.shape[2]
    out[...] = 0
    for i in range(size):
        lo, hi = max(i - half, 0), min(i + half + 1, size)
        weights = g[lo - i + half : hi - i + half] / g[lo - i + half : hi - i + half].sum()
        if adjoint:
            out[:, :, lo:hi] += m[:, :, i, None] * weights
        else:
            out[:, :, i] = (m[:, :, lo:hi] * weights).sum(2)


def weight_inside(g, i, size):
    """Sum of the weights of the pixels inside the image, for the window around pixel i."""
    half = g.size // 2
    total = g[half]
    for k in range(1, half + 1):
        if i - k >= 0:
            total += g[half - k]
        if i + k < size:
            total += g[half + k]
    return total


def _window_mean_cpu(m, g, adjoint, t, out):
    n, h, w = m.shape
    half = g.size // 2
    zero, one = m.dtype.type(0), m.dtype.type(1)
    for image in range(n):
        for i in range(h):
            u, v = m[image, i], t[image, i]
            for j in range(w):
                v[j] = zero
            for j in range(w):
                lo, hi = max(j - half, 0), min(j + half + 1, w)
                if adjoint:
                    share = u[j] / weight_inside(g, j, w)
                    for k in range(lo, hi):
                        v[k] += share * g[k - j + half]
                else:
                    total = zero
                    for k in range(lo, hi):
                        total += u[k] * g[k - j + half]
                    v[j] = total / weight_inside(g, j, w)
        for i in range(h):
            for j in range(w):
                out[image, i, j] = zero
        for i in range(h):
            share = one / weight_inside(g, i, h)
            for k in range(max(i - half, 0), min(i + half + 1, h)):
                weight = share * g[k - i + half]
                if adjoint:
                    u, v = t[image, i], out[image, k]
                else:
                    u, v = t[image, k], out[image, i]
                for j in range(w):
                    v[j] += weight * u[j]


# -- subtraction and its mean square over channels ----------------------------------------------------
def centre_reference(x: Any, mean: Any, v: Any, q: Any) -> None:
    """v = x - mean, q = mean of v^2 over channels. x, v: (n, h, w, c); mean, q: (n, h, w)."""
    v[...] = x - mean[..., None]
    q[...] = np.mean(v * v, -1)


def _centre_cpu(x, mean, v, q):
    n, h, w, c = x.shape
    zero, share = x.dtype.type(0), x.dtype.type(1) / x.dtype.type(c)
    for image in range(n):
        for i in range(h):
            for j in range(w):
                a, b, m = x[image, i, j], v[image, i, j], mean[image, i, j]
                total = zero
                for k in range(c):
                    d = a[k] - m
                    b[k] = d
                    total += d * d
                q[image, i, j] = total * share


def centre_backward_reference(v: Any, dq: Any, dv: Any, dm: Any) -> None:
    """dv += 2 v dq / c, then dm = sum of dv over channels. v, dv: (n, h, w, c); dq, dm: (n, h, w)."""
    dv += 2 * v * dq[..., None] / v.dtype.type(v.shape[-1])
    dm[...] = dv.sum(-1)


def _centre_backward_cpu(v, dq, dv, dm):
    n, h, w, c = v.shape
    zero, twice = v.dtype.type(0), v.dtype.type(2) / v.dtype.type(c)
    for image in range(n):
        for i in range(h):
            for j in range(w):
                a, b, s = v[image, i, j], dv[image, i, j], twice * dq[image, i, j]
                total = zero
                for k in range(c):
                    b[k] += a[k] * s
                    total += b[k]
                dm[image, i, j] = total


# -- division ---------------------------------------------------------------------------------------
def divide_reference(v: Any, d: Any, y: Any) -> None:
    """y = v / d. v, y: (n, h, w, c); d: (n, h, w), above 0."""
    y[...] = v / d[..., None]


def _divide_cpu(v, d, y):
    n, h, w, c = v.shape
    one = v.dtype.type(1)
    for image in range(n):
        for i in range(h):
            for j in range(w):
                a, b, s = v[image, i, j], y[image, i, j], one / d[image, i, j]
                for k in range(c):
                    b[k] = a[k] * s


def divide_backward_reference(y: Any, dy: Any, d: Any, dv: Any, dd: Any) -> None:
    """dv = dy / d, dd = - sum over channels of dy y / d; shapes as in `divide`."""
    dv[...] = dy / d[..., None]
    dd[...] = -(dv * y).sum(-1)


def _divide_backward_cpu(y, dy, d, dv, dd):
    n, h, w, c = y.shape
    zero, one = y.dtype.type(0), y.dtype.type(1)
    for image in range(n):
        for i in range(h):
            for j in range(w):
                a, b, e, s = y[image, i, j], dy[image, i, j], dv[image, i, j], one / d[image, i, j]
                total = zero
                for k in range(c):
                    e[k] = b[k] * s
                    total += e[k] * a[k]
                dd[image, i, j] = -total


# -- CUDA -------------------------------------------------------------------------------------
CUDA = r"""
__device__ __forceinline__ real inside(const real* g, int half, int i, int size) {
  real total = g[half];
  for (int k = 1; k <= half; k++) {
    if (i - k >= 0) total += g[half - k];
    if (i + k < size) total += g[half + k];
  }
  return total;
}

// One axis of the window: the numbers of a line are `step` apart, `size` of them.
extern "C" __global__ void window_line(const real* m, const real* g, int half, int adjoint, real* out,
                                       int step, int size, long long total) {
  GRID_STRIDE(q, total) {
    int i = (int)(q / step % size);
    long long line = q - (long long)i * step;
    real sum = 0;
    for (int k = max(i - half, 0); k <= min(i + half, size - 1); k++) {
      real u = m[line + (long long)k * step];
      sum += adjoint ? u * g[i - k + half] / inside(g, half, k, size) : u * g[k - i + half];
    }
    out[q] = adjoint ? sum : sum / inside(g, half, i, size);
  }
}

extern "C" __global__ void centre(const real* x, const real* mean, real* v, real* q, int c, long long n) {
  GRID_STRIDE(p, n) {
    real m = mean[p], total = 0;
    for (int k = 0; k < c; k++) {
      real d = x[p * c + k] - m;
      v[p * c + k] = d;
      total += d * d;
    }
    q[p] = total / (real)c;
  }
}

extern "C" __global__ void centre_backward(const real* v, const real* dq, real* dv, real* dm, int c,
                                           long long n) {
  GRID_STRIDE(p, n) {
    real s = (real)2 * dq[p] / (real)c, total = 0;
    for (int k = 0; k < c; k++) {
      real e = dv[p * c + k] + v[p * c + k] * s;
      dv[p * c + k] = e;
      total += e;
    }
    dm[p] = total;
  }
}

extern "C" __global__ void divide(const real* v, const real* d, real* y, int c, long long size) {
  GRID_STRIDE(i, size) y[i] = v[i] / d[i / c];
}

extern "C" __global__ void divide_backward(const real* y, const real* dy, const real* d, real* dv, real* dd,
                                           int c, long long n) {
  GRID_STRIDE(p, n) {
    real total = 0;
    for (int k = 0; k < c; k++) {
      real e = dy[p * c + k] / d[p];
      dv[p * c + k] = e;
      total += e * y[p * c + k];
    }
    dd[p] = -total;
  }
}
"""


def _window_mean_gpu(launch: Any, m: Any, g: Any, adjoint: int, t: Any, out: Any) -> None:
    _, h, w = m.shape
    launch("window_line", m.size, m, g, g.size // 2, adjoint, t, 1, w, m.size)
    launch("window_line", m.size, t, g, g.size // 2, adjoint, out, w, h, m.size)


def _centre_gpu(launch: Any, x: Any, mean: Any, v: Any, q: Any) -> None:
    launch("centre", q.size, x, mean, v, q, x.shape[3], q.size)


def _centre_backward_gpu(launch: Any, v: Any, dq: Any, dv: Any, dm: Any) -> None:
    launch("centre_backward", dm.size, v, dq, dv, dm, v.shape[3], dm.size)


def _divide_gpu(launch: Any, v: Any, d: Any, y: Any) -> None:
    launch("divide", v.size, v, d, y, v.shape[3], v.size)


def _divide_backward_gpu(launch: Any, y: Any, dy: Any, d: Any, dv: Any, dd: Any) -> None:
    launch("divide_backward", d.size, y, dy, d, dv, dd, y.shape[3], d.size)


def _check_window_mean(m: Any, g: Any, adjoint: int, t: Any, out: Any) -> None:
    checks.dimensions("window_mean", "m", m, 3)
    checks.alike("window_mean", m, t, out)
    checks.shaped("window_mean", "g", g, (g.size,), m.dtype)
    if g.size % 2 == 0:
        raise ValueError(f"window_mean: g: expected an odd number of weights, got {g.size}")


def _check(name: str, images: tuple[Any, ...], maps: tuple[Any, ...]) -> None:
    n, h, w, _ = checks.dimensions(name, "the image", images[0], 4)
    checks.alike(name, *images)
    for a in maps:
        checks.shaped(name, "a map of pixels", a, (n, h, w), images[0].dtype)


window_mean = kernel(
    "window_mean", window_mean_reference, cpu=_window_mean_cpu, cuda=CUDA, gpu=_window_mean_gpu,
    check=_check_window_mean, updates="t out",
)  # fmt: skip
centre = kernel(
    "centre", centre_reference, cpu=_centre_cpu, cuda=CUDA, gpu=_centre_gpu, updates="v q",
    check=lambda x, mean, v, q: _check("centre", (x, v), (mean, q)),
)  # fmt: skip
centre_backward = kernel(
    "centre_backward", centre_backward_reference, cpu=_centre_backward_cpu, cuda=CUDA,
    gpu=_centre_backward_gpu, updates="dv dm",
    check=lambda v, dq, dv, dm: _check("centre_backward", (v, dv), (dq, dm)),
)  # fmt: skip
divide = kernel(
    "divide", divide_reference, cpu=_divide_cpu, cuda=CUDA, gpu=_divide_gpu, updates="y",
    check=lambda v, d, y: _check("divide", (v, y), (d,)),
)  # fmt: skip
divide_backward = kernel(
    "divide_backward", divide_backward_reference, cpu=_divide_backward_cpu, cuda=CUDA,
    gpu=_divide_backward_gpu, updates="dv dd",
    check=lambda y, dy, d, dv, dd: _check("divide_backward", (y, dy, dv), (d, dd)),
)  # fmt: skip
