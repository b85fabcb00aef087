"""Images of a table as a batch, each moved, mirrored and cropped in the pass that converts and scales.

out[i, y, x] = image[top_i + y', left_i + x'], y' = h - 1 - y where flip_i has bit 2, else y; x' = w - 1 - x
where it has bit 1, else x. Outside the image stands 0 or, with `edge`, the nearest pixel.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def gather_moved_reference(
    table: Any, index: Any, moves: Any, height: int, scale: Any, shift: Any, edge: int, out: Any
) -> None:
    """Fill out (n, h, w, c) from images of `height` × width × c.

    table: (N, height * width * c) uint8 or out's type; index: (n,) int64 in [0, N); moves: (n, 3) int32: top,
    left, flip; scale, shift: both (1,) or both (height * width * c,), of the pixel that is taken (outside: of
    the nearest); edge: 1 or 0.
    """
    n, h, w, c = out.shape
    width = table.shape[1] // (height * c)
    images = table.reshape(len(table), height, width, c)
    scales, shifts = (
        np.broadcast_to(a, (height * width * c,)).reshape(height, width, c) for a in (scale, shift)
    )
    for i in range(n):
        top, left, flip = (int(m) for m in moves[i])
        ys = top + (np.arange(h)[::-1] if flip & 2 else np.arange(h))
        xs = left + (np.arange(w)[::-1] if flip & 1 else np.arange(w))
        near = np.ix_(np.clip(ys, 0, height - 1), np.clip(xs, 0, width - 1))
        pixels = images[index[i]][near].astype(out.dtype)
        if not edge:
            inside = ((ys >= 0) & (ys < height))[:, None] & ((xs >= 0) & (xs < width))
            pixels = np.where(inside[..., None], pixels, out.dtype.type(0))
        out[i] = pixels * scales[near] + shifts[near]


def _gather_moved_cpu(table, index, moves, height, scale, shift, edge, out):
    n, h, w, c = out.shape
    width = table.shape[1] // (height * c)
    real = out.dtype.type
    each = scale.size > 1
    for i in range(n):
        image, top, left, flip = table[index[i]], moves[i, 0], moves[i, 1], moves[i, 2]
        for y in range(h):
            sy = top + (h - 1 - y if flip & 2 else y)
            ny = min(max(sy, 0), height - 1)
            for x in range(w):
                sx = left + (w - 1 - x if flip & 1 else x)
                nx = min(max(sx, 0), width - 1)
                taken = edge or (sy == ny and sx == nx)
                at = (ny * width + nx) * c
                for k in range(c):
                    j = at + k if each else 0
                    value = real(image[at + k]) if taken else real(0)
                    out[i, y, x, k] = value * scale[j] + shift[j]


CUDA = r"""
// An index out of range makes its row NaN: it can be seen, and nothing outside the table is read.
template <class T> __device__ __forceinline__ void moved(const T* table, const long long* index,
                                                         const int* moves, const real* scale,
                                                         const real* shift, real* out, long long rows,
                                                         int height, int width, int c, int h, int w,
                                                         int each, int edge, long long size) {
  GRID_STRIDE(i, size) {
    int k = (int)(i % c);
    long long pixel = i / c;
    int x = (int)(pixel % w), y = (int)(pixel / w % h);
    long long n = pixel / w / h, r = index[n];
    const int* move = moves + 3 * n;
    int sy = move[0] + (move[2] & 2 ? h - 1 - y : y), sx = move[1] + (move[2] & 1 ? w - 1 - x : x);
    int ny = min(max(sy, 0), height - 1), nx = min(max(sx, 0), width - 1);
    int at = (ny * width + nx) * c + k, j = each ? at : 0;
    bool taken = edge || (sy == ny && sx == nx);
    if (r < 0 || r >= rows) {
      out[i] = real_nan();
    } else {
      real value = taken ? (real)table[r * height * width * c + at] : (real)0;
      out[i] = value * scale[j] + shift[j];
    }
  }
}

extern "C" __global__ void gather_moved_uint8(const unsigned char* table, const long long* index,
                                              const int* moves, const real* scale, const real* shift,
                                              real* out, long long rows, int height, int width, int c, int h,
                                              int w, int each, int edge, long long size) {
  moved(table, index, moves, scale, shift, out, rows, height, width, c, h, w, each, edge, size);
}

extern "C" __global__ void gather_moved_real(const real* table, const long long* index, const int* moves,
                                             const real* scale, const real* shift, real* out, long long rows,
                                             int height, int width, int c, int h, int w, int each, int edge,
                                             long long size) {
  moved(table, index, moves, scale, shift, out, rows, height, width, c, h, w, each, edge, size);
}
"""


def _gather_moved_gpu(
    launch: Any, table: Any, index: Any, moves: Any, height: int, scale: Any, shift: Any, edge: int, out: Any
) -> None:
    function = "gather_moved_uint8" if table.dtype == np.uint8 else "gather_moved_real"
    _, h, w, c = out.shape
    width = table.shape[1] // (height * c)
    launch(
        function, out.size, table, index, moves, scale, shift, out, table.shape[0], height, width, c, h, w,
        int(scale.size > 1), edge, out.size,
    )  # fmt: skip


def _check(
    table: Any, index: Any, moves: Any, height: int, scale: Any, shift: Any, edge: int, out: Any
) -> None:
    name = "gather_moved"
    n, _, _, c = checks.dimensions(name, "out", out, 4)
    if table.dtype not in (np.uint8, out.dtype):
        raise TypeError(f"{name}: table: expected uint8 or {out.dtype}, got {table.dtype}")
    if len(table.shape) != 2 or height < 1 or not table.shape[1] or table.shape[1] % (height * c):
        raise ValueError(f"{name}: table: expected rows of {height} lines of {c} channels, got {table.shape}")
    checks.shaped(name, "table", table, table.shape, table.dtype)
    checks.shaped(name, "index", index, (n,), np.int64)
    checks.shaped(name, "moves", moves, (n, 3), np.int32)
    checks.shaped(name, "scale", scale, (1,) if scale.size == 1 else (table.shape[1],), out.dtype)
    checks.shaped(name, "shift", shift, scale.shape, out.dtype)
    if edge not in (0, 1):
        raise ValueError(f"{name}: edge: expected 0 or 1, got {edge}")
    checks.index(name, "index", index, table.shape[0])


gather_moved = kernel(
    "gather_moved", gather_moved_reference, cpu=_gather_moved_cpu, cuda=CUDA, gpu=_gather_moved_gpu,
    check=_check, updates="out",
)  # fmt: skip
