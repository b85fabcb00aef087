"""The three products behind convolutions on either device, with bounded memory (dlkit.kernels.convolve).

On the CPU each is one kernel, which is shared out by images. Where NumPy's library cannot be called from
compiled code, and on the GPU, the images are unfolded by one kernel and multiplied by the backend, some
output rows at a time.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from dlkit.autograd import Array, OpContext
from dlkit.backend.blas import find_gemm
from dlkit.kernels.convolve import CACHE, FEW, correlate, spread, weight_gradient
from dlkit.kernels.unfold import fold, unfold
from dlkit.ops.window import Pair, Window


class Rows(NamedTuple):
    """Small pixels worked on together: output rows start .. start + lines, pixels lo .. hi."""

    start: int
    lines: int
    lo: int
    hi: int


def lane_room(lines: int, line: int, memory: int, lanes: int, itemsize: int) -> int:
    """Numbers of unfolded images that a lane holds at a time: a cache-full, a line at least, all at most.

    lines: small pixels' rows, each of `line` numbers when unfolded; memory: most numbers in all lanes.
    """
    most = max(min(memory // lanes, CACHE // itemsize), line)
    return min(most, max(lines, 1) * line)


def chunk_lines(lines: int, line: int, memory: int) -> int:
    """Lines unfolded at a time where they are multiplied by the backend."""
    return max(min(memory // line, lines), 1)


class Unfolding:
    """Products for one call of an op.

    large: (n, H, W, C) shape; small: (h, w); w: (kh, kw, C / groups, F); memory: most bytes of unfolded
    images at a time (one output row is the least).
    """

    def __init__(
        self, ctx: OpContext, large: tuple[int, ...], small: Pair, w: Array, window: Window, groups: int,
        memory: int,
    ) -> None:  # fmt: skip
        self.ctx = ctx
        self.w = w
        self.groups = groups
        self.n, self.oh, self.ow = large[0], *small
        self.kernel = w.shape[:3]
        self.w2 = w.reshape(math.prod(self.kernel), w.shape[3])
        before = window.before((large[1], large[2]))
        self._place = (*window.stride, *before)
        self.taps = int(self.kernel[2] < FEW)
        self.pointwise = window.size == window.stride == (1, 1) and before == (0, 0) and groups == 1
        self._row = max(self.ow * self.w2.shape[0], 1)
        self._memory = memory // w.dtype.itemsize
        self.rows = chunk_lines(self.n * self.oh, self._row, self._memory)
        self._gemm = find_gemm() if ctx.backend.name == "cpu" else None

    # -- one kernel each --------------------------------------------------------------------------
    def correlate(self, large: Array, small: Array) -> None:
        """small <- U W; large (n, H, W, C), small (n, h, w, F)."""
        if self._gemm:
            work, gemm = self._work(0), self._gemm.words()
            self.ctx.run(correlate, large, self.w, *self._place, gemm, work, small)
            return
        out = small.reshape(-1, small.shape[3])
        for part in self._chunks():
            self._correlate(large, part, out[part.lo : part.hi])

    def spread(self, small: Array, large: Array) -> None:
        """large <- fold(small W^T)."""
        if self._gemm:
            work, gemm = self._work(0), self._gemm.words()
            self.ctx.run(spread, small, self.w, *self._place, gemm, work, large)
            return
        large.fill(0)
        pixels = small.reshape(-1, small.shape[3])
        for part in self._chunks():
            self._spread(pixels[part.lo : part.hi], part, large)

    def weight_gradient(self, large: Array, small: Array, dw: Array) -> None:
        """dw <- U^T small; dw: as W."""
        if self._gemm:
            work, gemm = self._work(dw.size), self._gemm.words()
            self.ctx.run(weight_gradient, large, small, *self._place, gemm, work, dw)
            return
        if not self.n:
            dw.fill(0)
        pixels = small.reshape(-1, small.shape[3])
        for part in self._chunks():
            self._weight_gradient(large, pixels[part.lo : part.hi], part, dw)

    def _work(self, more: int) -> Array:
        """Room for unfolded images, and for so many numbers more, of each lane."""
        lanes, dtype = self.ctx.tape.parts, self.w.dtype
        size = lane_room(self.n * self.oh, self._row, self._memory, lanes, dtype.itemsize) + more
        return self.ctx.scratch("unfolded", (lanes, size), dtype)

    # -- unfolded by a kernel, multiplied by the backend --------------------------------------------
    def _chunks(self) -> Iterator[Rows]:
        """All small pixels, in order."""
        total = self.n * self.oh
        for start in range(0, total, self.rows):
            lines = min(self.rows, total - start)
            yield Rows(start, lines, start * self.ow, (start + lines) * self.ow)

    def _columns(self, large: Array, part: Rows, group: int) -> Array:
        """U of these pixels and group: (pixels, kh kw C/groups); valid until the next call."""
        if self.pointwise:
            return large.reshape(-1, large.shape[3])[part.lo : part.hi]
        cols = self._scratch(part, large.dtype)
        unfold(large, part.start, self.oh, *self._place, group * self.kernel[2], self.taps, cols)
        return self._matrix(cols, part)

    def _scratch(self, part: Rows, dtype: object) -> Array:
        pixels = (part.lines, self.ow)
        shape = (*self.kernel, *pixels) if self.taps else (*pixels, *self.kernel)
        return self.ctx.scratch("unfolded", shape, dtype)

    def _matrix(self, cols: Array, part: Rows) -> Array:
        """U as a view of the array that the kernels write."""
        if self.taps:
            return cols.reshape(self.w2.shape[0], part.hi - part.lo).T
        return cols.reshape(part.hi - part.lo, self.w2.shape[0])

    def _of_group(self, matrix: Array, group: int) -> Array:
        """A group's columns of a matrix (., F)."""
        if self.groups == 1:
            return matrix
        width = matrix.shape[1] // self.groups
        return matrix[:, group * width : (group + 1) * width]

    def _correlate(self, large: Array, part: Rows, out: Array) -> None:
        """out <- U W; out: (pixels, F)."""
        xp = self.ctx.xp
        for g in range(self.groups):
            cols, w = self._columns(large, part, g), self._of_group(self.w2, g)
            if self.groups == 1:
                xp.matmul(cols, w, out=out)
            else:
                self._of_group(out, g)[...] = xp.matmul(
                    cols, w, out=self.ctx.scratch("group", (cols.shape[0], w.shape[1]), out.dtype)
                )

    def _spread(self, small: Array, part: Rows, large: Array) -> None:
        """large += fold(small W^T); small: (pixels, F)."""
        xp = self.ctx.xp
        for g in range(self.groups):
            u, w = self._of_group(small, g), self._of_group(self.w2, g)
            cols = self._scratch(part, small.dtype)
            matrix = self._matrix(cols, part)
            if self.taps:
                xp.matmul(w, u.T, out=matrix.T)
            else:
                xp.matmul(u, w.T, out=matrix)
            fold(cols, part.start, self.oh, *self._place, g * self.kernel[2], self.taps, large)

    def _weight_gradient(self, large: Array, small: Array, part: Rows, dw: Array) -> None:
        """dw <- U^T small for the first pixels, += for the others; small: (pixels, F), dw: as W."""
        xp = self.ctx.xp
        dw2 = dw.reshape(self.w2.shape)
        for g in range(self.groups):
            cols, u, target = self._columns(large, part, g), self._of_group(small, g), self._of_group(dw2, g)
            # the product that OpenBLAS does faster: the longer side of the gradient comes last
            if self.taps:
                share = self.ctx.scratch("weights", target.shape, dw.dtype)
                xp.matmul(cols.T, u, out=share)
            else:
                turned = self.ctx.scratch("weights", target.shape[::-1], dw.dtype)
                share = xp.matmul(u.T, cols, out=turned).T
            if part.start == 0:
                target[...] = share
            else:
                target += share
