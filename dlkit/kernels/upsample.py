"""Nearest-neighbour upsampling: every pixel becomes a block of k x k, and its adjoint, the block's sum."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def upsample_reference(x: Any, k: int, y: Any) -> None:
    """y[., i, j] = x[., i div k, j div k]; x: (n, h, w, c), y: (n, k h, k w, c)."""
    y[...] = x.repeat(k, 1).repeat(k, 2)


def _upsample_cpu(x, k, y):
    n, h, w, c = x.shape
    for image in range(n):
        for i in range(k * h):
            for j in range(k * w):
                u, v = x[image, i // k, j // k], y[image, i, j]
                for a in range(c):
                    v[a] = u[a]


def upsample_backward_reference(dy: Any, k: int, dx: Any) -> None:
    """dx: (n, h, w, c), sums of the k x k blocks of dy: (n, k h, k w, c)."""
    n, h, w, c = dx.shape
    dx[...] = dy.reshape(n, h, k, w, k, c).sum((2, 4))


def _upsample_backward_cpu(dy, k, dx):
    n, h, w, c = dx.shape
    zero = dx.dtype.type(0)
    for image in range(n):
        for i in range(h):
            for j in range(w):
                du = dx[image, i, j]
                for a in range(c):
                    du[a] = zero
                for s in range(k):
                    for t in range(k):
                        dv = dy[image, i * k + s, j * k + t]
                        for a in range(c):
                            du[a] += dv[a]


CUDA = r"""
extern "C" __global__ void upsample(const real* x, int k, real* y, int h, int w, int c, long long size) {
  GRID_STRIDE(q, size) {
    int a = (int)(q % c), j = (int)(q / c % (k * w)), i = (int)(q / c / (k * w) % (k * h));
    long long image = q / c / (k * w) / (k * h);
    y[q] = x[((image * h + i / k) * w + j / k) * c + a];
  }
}

extern "C" __global__ void upsample_backward(const real* dy, int k, real* dx, int h, int w, int c,
                                             long long size) {
  GRID_STRIDE(q, size) {
    int a = (int)(q % c), j = (int)(q / c % w), i = (int)(q / c / w % h);
    long long image = q / c / w / h;
    real sum = 0;
    for (int s = 0; s < k; s++) for (int t = 0; t < k; t++)
      sum += dy[((image * h * k + i * k + s) * w * k + j * k + t) * c + a];
    dx[q] = sum;
  }
}
"""


def _upsample_gpu(launch: Any, x: Any, k: int, y: Any) -> None:
    launch("upsample", y.size, x, k, y, *x.shape[1:], y.size)


def _upsample_backward_gpu(launch: Any, dy: Any, k: int, dx: Any) -> None:
    launch("upsample_backward", dx.size, dy, k, dx, *dx.shape[1:], dx.size)


def _check(name: str, small: Any, k: int, large: Any) -> None:
    n, h, w, c = checks.dimensions(name, "the small image", small, 4)
    checks.shaped(name, "the large image", large, (n, k * h, k * w, c), small.dtype)


upsample = kernel(
    "upsample", upsample_reference, cpu=_upsample_cpu, cuda=CUDA, gpu=_upsample_gpu, updates="y",
    check=lambda x, k, y: _check("upsample", x, k, y),
)  # fmt: skip
upsample_backward = kernel(
    "upsample_backward", upsample_backward_reference, cpu=_upsample_backward_cpu, cuda=CUDA,
    gpu=_upsample_backward_gpu, updates="dx", check=lambda dy, k, dx: _check("upsample_backward", dx, k, dy),
)  # fmt: skip
