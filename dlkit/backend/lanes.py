"""Workers that are at hand at once: they look at a word of memory for a while before they sleep.

A step of a small network is a few dozen matrix products of a tenth of a millisecond, so whatever
is shared out among threads has to start and end within microseconds (compiled code in native.py).
"""

import threading
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from dlkit.backend.blas import find_gemm, find_yield

SPINS = 2_000_000
"""Looks at memory before a worker sleeps: one or two milliseconds. A sleeper is woken late, and often on
the core of the thread that woke it, where it waits for that thread."""
NARROWEST = 32
"""Rows or columns of a band, at least: below it a product is mostly packing of its other factor."""
SMALLEST = 200_000
"""Multiplications below which a product is not cut: it takes as long as telling somebody about it."""


def bands(m: int, n: int, k: int, parts: int) -> tuple[bool, int]:
    """How C (m, n) = A (m, k) B is cut: (by rows, rows or columns of a band); a band of 0: not at all.

    It depends on the sizes and `parts` alone, and with it the bits of the product. Columns where B is the
    biggest of the three (weights and few rows): each lane then reads a part of it only. Else rows: a
    gradient of weights, the sum over few rows, takes 1.2 to 2 times as long when C is written in strips.
    """
    if m * n * k < SMALLEST:
        return True, 0
    if n > m and k > m and n >= NARROWEST * parts:
        return False, _eighths(n, parts)
    if m >= NARROWEST * parts:
        return True, _eighths(m, parts)
    if n >= NARROWEST * parts:
        return False, _eighths(n, parts)
    return True, 0


def _eighths(size: int, parts: int) -> int:
    """A parts-th of the size, up to the next multiple of 8: no band then begins inside a vector."""
    return -(-size // (8 * parts)) * 8


class Lanes:
    """`count` lanes: number 0 is the caller's thread, the others belong to workers that call `attend`."""

    def __init__(self, count: int) -> None:
        from dlkit.backend import native

        self.native = native
        self.count = count
        self.boards = np.zeros(count * native.BOARD, np.int64)
        self.words = np.zeros(native.WORDS, np.int64)
        self.gemm = find_gemm()
        self._partial, self._partial_at = np.zeros(0, np.uint8), 0
        self._way = find_yield()
        self._rehearse()
        self._beds = [threading.Lock() for _ in range(count)]
        for bed in self._beds:
            bed.acquire()

    def _rehearse(self) -> None:
        """Compile what workers run, where an error is told: a worker that ended would leave us waiting."""
        boards = np.zeros(2 * self.native.BOARD, np.int64)
        self.native.post(boards, 2, self.native.CALL)
        self.native.serve(boards, self.words, 1, 0, self._way)
        self.native.called(boards, 1)
        self.native.ended(boards, 2, 0, self._way)

    # -- a worker's side --------------------------------------------------------------------------
    def attend(self, w: int) -> None:
        """Do bands of products until `call` has been posted."""
        while self.native.serve(self.boards, self.words, w, SPINS, self._way) == 0:
            self._beds[w].acquire()

    def called(self, w: int) -> None:
        """Worker w has done what `call` asked for."""
        self.native.called(self.boards, w)

    # -- the caller's side ------------------------------------------------------------------------
    def call(self) -> None:
        """Make every worker's `attend` return."""
        if self.native.post(self.boards, self.count, self.native.CALL):
            self._wake()

    def linger(self) -> None:
        """Look for a while whether all have called; the caller then waits for them in its own way."""
        self.native.ended(self.boards, self.count, SPINS, self._way)

    def share(self, bands: int | None = None) -> None:
        """Do the work that the words describe, a band a lane; `bands` of them, one after the other, where
        nobody attends."""
        native = self.native
        if bands is not None:
            native.alone(self.words, 0, bands)
            return
        state = native.share(self.boards, self.words, self.count, SPINS, self._way)
        if state > 0:
            self._wake()
            native.alone(self.words, 0, 1)
            state = 0
        while state == 0 and not native.ended(self.boards, self.count, SPINS, self._way):
            time.sleep(0)  # somebody else is on that core

    def pieces(
        self, lay: Callable[..., None], args: tuple[Any, ...], rows: int, bands: int, sums: list[Any],
        *, alone: bool,
    ) -> None:  # fmt: skip
        """A compiled function on bands of its rows (pieces.py); what it sums is added up in their order.

        lay: what lays down its arguments; sums: those that each band sums for itself. alone: nobody attends.
        Raises RuntimeError where the function did not end as it should.
        """
        size = sum(out.nbytes for out in sums)
        if self._partial.size < size * (bands - 1):
            self._partial = np.zeros(size * (bands - 1), np.uint8)
            self._partial_at = self._partial.ctypes.data
        lay(self.words, rows, bands, self._partial_at, *args)
        self.share(bands if alone else None)
        if self.words[4]:
            raise RuntimeError("a kernel failed on a part of its rows")
        at = 0
        for _ in range(bands - 1):
            for out in sums:
                own = self._partial[at : at + out.nbytes].view(out.dtype).reshape(out.shape)
                np.add(out, own, out=out)
                at += out.nbytes

    def product(self, a: Any, b: Any, out: Any, by_rows: bool, band: int) -> bool:
        """out = a b in bands, one a lane. False, and nothing done: these arrays are not for cblas_?gemm.

        a (m, k), b (k, n), out (m, n): two-dimensional, of one floating type, out C-contiguous.
        """
        left, right = self._layout(a), self._layout(b)
        if left is None or right is None or self.gemm is None or not out.flags.c_contiguous:
            return False
        dtype = out.dtype
        if a.dtype != dtype or b.dtype != dtype or dtype.char not in "fd":
            return False
        native, item, n = self.native, dtype.itemsize, out.shape[1]
        native.lay_product(
            self.words, native.product_band.address, self.gemm.of(dtype), int(self.gemm.wide), item, left[0],
            right[0], out.shape[0], n, a.shape[1], a.ctypes.data, left[1] // item, b.ctypes.data,
            right[1] // item, out.ctypes.data, n, int(by_rows), band,
        )  # fmt: skip
        self.share()
        return True

    def _layout(self, a: Any) -> tuple[int, int] | None:
        """(PLAIN or TRANSPOSED, bytes from one row in memory to the next); None: neither."""
        rows, columns = a.strides
        if columns == a.itemsize and rows >= a.shape[1] * columns:
            return self.native.PLAIN, rows
        if rows == a.itemsize and columns >= a.shape[0] * rows:
            return self.native.TRANSPOSED, columns
        return None

    def _wake(self) -> None:
        board, wake = self.native.BOARD, self.native.WAKE
        for w in range(1, self.count):
            if self.boards[w * board + wake]:
                self._beds[w].release()
