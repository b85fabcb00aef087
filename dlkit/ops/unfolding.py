"""The three products behind convolutions, on a few output rows at a time so that memory stays bounded.

A convolution relates a large image (n, H, W, C) to a small one (n, h, w, F) through weights W
(kh, kw, C / groups, F). With U the large image unfolded (dlkit.kernels.unfold), one row a small pixel,
written as U^T where the channels are few:

    small = U W        large = fold(small W^T)        dW = U^T small

conv2d's forward pass is the first and its input gradient the second; a transposed convolution has them the
other way round. Both have the third.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

from dlkit.autograd import Array, OpContext
from dlkit.kernels.unfold import fold, unfold
from dlkit.ops.window import Pair, Window

FEW = 8
"""Channels below which U^T is written: its runs are longer."""


class Rows(NamedTuple):
    """Small pixels worked on together: output rows start .. start + lines, pixels lo .. hi."""

    start: int
    lines: int
    lo: int
    hi: int

    def images(self, oh: int) -> slice:
        """The images that these rows are, where they are whole ones."""
        return slice(self.start // oh, (self.start + self.lines) // oh)


class Unfolding:
    """Products for one call of an op.

    large: (n, H, W, C) shape; small: (h, w); w: (kh, kw, C / groups, F); memory: most bytes of unfolded
    images at a time (one output row is the least); whole: only whole images, for which memory must suffice.
    """

    def __init__(
        self, ctx: OpContext, large: tuple[int, ...], small: Pair, w: Array, window: Window, groups: int,
        memory: int, *, whole: bool = False,
    ) -> None:  # fmt: skip
        self.ctx = ctx
        self.groups = groups
        self.n, self.oh, self.ow = large[0], *small
        self.kernel = w.shape[:3]
        self.w2 = w.reshape(math.prod(self.kernel), w.shape[3])
        before = window.before((large[1], large[2]))
        self._place = (self.oh, *window.stride, *before)
        self.taps = int(self.kernel[2] < FEW)
        self.pointwise = window.size == window.stride == (1, 1) and before == (0, 0) and groups == 1
        per_row = self.ow * self.w2.shape[0] * w.dtype.itemsize
        rows = memory // max(per_row, 1)
        self.rows = max(min(rows - rows % self.oh if whole else rows, self.n * self.oh), 1)

    def chunks(self) -> Iterator[Rows]:
        """All small pixels, in order."""
        total = self.n * self.oh
        for start in range(0, total, self.rows):
            lines = min(self.rows, total - start)
            yield Rows(start, lines, start * self.ow, (start + lines) * self.ow)

    def columns(self, large: Array, part: Rows, group: int) -> Array:
        """U of these pixels and group: (pixels, kh kw C/groups); valid until the next call."""
        if self.pointwise:
            return large.reshape(-1, large.shape[3])[part.lo : part.hi]
        cols = self._scratch(part, large.dtype)
        unfold(large, part.start, *self._place, group * self.kernel[2], self.taps, cols)
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

    def correlate(self, large: Array, part: Rows, out: Array) -> None:
        """out <- U W; out: (pixels, F)."""
        xp = self.ctx.xp
        for g in range(self.groups):
            cols, w = self.columns(large, part, g), self._of_group(self.w2, g)
            if self.groups == 1:
                xp.matmul(cols, w, out=out)
            else:
                self._of_group(out, g)[...] = xp.matmul(
                    cols, w, out=self.ctx.scratch("group", (cols.shape[0], w.shape[1]), out.dtype)
                )

    def spread(self, small: Array, part: Rows, large: Array) -> None:
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
            fold(cols, part.start, *self._place, g * self.kernel[2], self.taps, large)

    def weight_gradient(self, large: Array, small: Array, part: Rows, dw: Array) -> None:
        """dw <- U^T small for the first pixels, += for the others; small: (pixels, F), dw: as W."""
        xp = self.ctx.xp
        dw2 = dw.reshape(self.w2.shape)
        for g in range(self.groups):
            cols, u, target = self.columns(large, part, g), self._of_group(small, g), self._of_group(dw2, g)
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
