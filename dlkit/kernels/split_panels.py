"""Matrix products in float32 whose numbers are multiplied as sums of three bfloat16.

A float32 has 24 bits of mantissa, a bfloat16 has 8: x = h + m + l exactly, each part the nearest to what is
left. Of the nine products of the parts of two numbers six are taken, h h', h m', m h', h l', m m' and l h',
and summed in float32 (Henry, Tang & Heinecke 2019, section III); the other three are below its last place.
Processors with tiles for bfloat16 (Intel's AMX) do these six in half the time of one product in float32.

Both factors are copied into the order in which tiles read them (dlkit.backend.amx_tiles): the second once, in
panels of 32 columns, the first piece by piece. An entry of the result is one sum, whose order depends
neither on the rows and columns beside it nor on who computes them. Where there are no such tiles, the
references run, for tests only: `dlkit.ops.products` then takes another way.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.backend.amx import have_tiles
from dlkit.kernels import checks
from dlkit.kernels.compile import elsewhere
from dlkit.kernels.panels import check_lies, matrix_of
from dlkit.kernels.registry import kernel

WIDTH = 32
"""Columns of a panel, inner indices of a chunk."""
NUMBERS = 3 * WIDTH * WIDTH
"""Numbers of a chunk: 32 lines of 32, in three parts."""
DEEP = 512
"""Inner indices at a time."""
HIGH = 384
"""Rows at a time: their part of the first factor stays in the second cache."""
ALIGNED = 64
"""Bytes: where tiles are read fastest."""
EDGE = 4 * WIDTH * WIDTH
"""Bytes of a piece of C at its edge."""


@elsewhere("dlkit.backend.amx_tiles")
def begin_tiles():
    """Before the first product; for what the next three are given see their namesakes."""
    raise NotImplementedError


@elsewhere("dlkit.backend.amx_tiles")
def end_tiles():
    """After the last product."""
    raise NotImplementedError


@elsewhere("dlkit.backend.amx_tiles")
def split_block(like, source, down, across, lines, k, pairs, to, apart):
    """Split rows of A or columns of B."""
    raise NotImplementedError


@elsewhere("dlkit.backend.amx_tiles")
def multiply_strips(like, strips, b, c, ldc, rows, chunks, columns, added, edge):
    """Multiply rows that are split with a panel."""
    raise NotImplementedError


def chunks_of(k: int) -> int:
    """Chunks of so many inner indices."""
    return -(-k // WIDTH)


def work_bytes(rows: int, k: int) -> int:
    """Bytes of work space that a part of `split_product` needs."""
    strips = chunks_of(min(rows, HIGH)) * chunks_of(min(k, DEEP))
    return 2 * NUMBERS * strips + EDGE + 2 * ALIGNED


# -- panels of B -----------------------------------------------------------------------------------
def _parts(x: Any) -> list[Any]:
    """The bits of three bfloat16 whose sum is x."""
    rest, found = np.asarray(x, np.float32), []
    for _ in range(3):
        bits = rest.view(np.uint32)
        rounded = np.where(bits & 0x7FFFFFFF < 0x7F7F8000, bits + 0x8000, bits)
        top = (rounded & 0xFFFF0000).astype(np.uint32)
        found.append((top >> 16).astype(np.uint16))
        with np.errstate(invalid="ignore"):
            rest = rest - top.view(np.float32)
    return found


def split_panels_reference(
    panels: Any, place: Any, b: Any, k: int, n: int, down: int, across: int
) -> None:  # fmt: skip
    """panels: (P, chunks, 3072) uint16: for each p of place (P,) int64, one after the other, the columns
    32 p .. 32 (p + 1) of B (k, n), chunk by chunk of 32 rows: three parts, in each the first 16 columns and
    the others, in these the rows two by two, and in these the pairs of the columns. Zeros where B has no such
    number. b: B's numbers as they lie, b[i down + j across] is B_ij."""
    chunks = panels.shape[1]
    whole = np.zeros((chunks * WIDTH, (int(place.max(initial=0)) + 1) * WIDTH), np.float32)
    whole[:k, :n] = matrix_of(b, k, n, down, across)[:, : whole.shape[1]]
    for panel, p in zip(panels, place.tolist(), strict=True):
        some = whole[:, WIDTH * p : WIDTH * (p + 1)].reshape(chunks, WIDTH // 2, 2, 2, WIDTH // 2)
        parts = [part.transpose(0, 3, 1, 4, 2).reshape(chunks, -1) for part in _parts(some)]
        panel[...] = np.concatenate(parts, 1)


def _split_panels_cpu(panels, place, b, k, n, down, across):
    parts, chunks, numbers = panels.shape
    first = place[0] * WIDTH
    lines = min(parts * WIDTH, n - first)
    source, apart = b.ctypes.data + first * across * 4, chunks * numbers * 2
    split_block(b, source, across, down, lines, k, 1, panels.ctypes.data, apart)


# -- C = A B ---------------------------------------------------------------------------------------
def split_product_reference(
    panels: Any, tasks: Any, a: Any, k: int, down: int, across: int, work: Any, c: Any
) -> None:
    """c: (m, n) = A B in the rows and columns that the tasks name.

    panels: (P, chunks, 3072): B (k, n) from `split_panels`; tasks: (T, 4) int64: rows from .. to, panels
    from .. to, no entry of C in two; a: A's numbers (m, k) as they lie, a[i down + j across] is A_ij;
    work: (parts, `work_bytes`) uint8.
    """
    count, chunks, _ = panels.shape
    parts = panels.reshape(count, chunks, 3, 2, WIDTH // 2, WIDTH // 2, 2)
    values = (parts.astype(np.uint32) << 16).view(np.float32).astype(c.dtype).sum(2)
    b = values.transpose(1, 3, 5, 0, 2, 4).reshape(chunks * WIDTH, count * WIDTH)[:k]
    whole = matrix_of(a, len(c), k, down, across)
    for lo, hi, first, last in tasks.tolist():
        some = c[lo:hi, WIDTH * first : WIDTH * last]
        some[...] = whole[lo:hi] @ b[:, WIDTH * first : WIDTH * first + some.shape[1]]


def _split_product_cpu(panels, tasks, a, k, down, across, work, c):
    n = c.shape[1]
    chunks, numbers = panels.shape[1], panels.shape[2]
    strips = (work.ctypes.data + ALIGNED - 1) // ALIGNED * ALIGNED
    edge = (work.ctypes.data + work.shape[1] - EDGE) // ALIGNED * ALIGNED
    begin_tiles()
    for task in range(tasks.shape[0]):
        lo, hi, first, last = tasks[task, 0], tasks[task, 1], tasks[task, 2], tasks[task, 3]
        for k0 in range(0, k, DEEP):
            deep = min(DEEP, k - k0)
            some = (deep + WIDTH - 1) // WIDTH
            for m0 in range(lo, hi, HIGH):
                high = min(HIGH, hi - m0)
                at = a.ctypes.data + (m0 * down + k0 * across) * 4
                split_block(c, at, down, across, high, deep, 0, strips, some * numbers * 2)
                for p in range(first, last):
                    b = panels.ctypes.data + (p * chunks + k0 // WIDTH) * numbers * 2
                    to = c.ctypes.data + (m0 * n + WIDTH * p) * 4
                    multiply_strips(c, strips, b, to, n, high, some, min(WIDTH, n - WIDTH * p), k0 > 0, edge)
    end_tiles()


# -- checks ----------------------------------------------------------------------------------------
def _check_chunks(name: str, panels: Any, k: int) -> int:
    """Panels."""
    if panels.dtype != np.uint16 or panels.ndim != 3 or not panels.flags.c_contiguous:
        raise ValueError(f"{name}: panels: expected three axes of uint16, got {panels.dtype} {panels.shape}")
    if k < 1 or panels.shape[1:] != (chunks_of(k), NUMBERS):
        raise ValueError(f"{name}: panels: expected (P, {chunks_of(k)}, {NUMBERS}), got {panels.shape}")
    return int(panels.shape[0])


def _check_panels(panels: Any, place: Any, b: Any, k: int, n: int, down: int, across: int) -> None:
    parts = _check_chunks("split_panels", panels, k)
    checks.shaped("split_panels", "place", place, (parts,), np.int64)
    in_order = parts > 0 and place[0] >= 0 and bool((np.diff(place) == 1).all())
    if not in_order or place[-1] * WIDTH >= n:
        raise ValueError(f"split_panels: place: expected panels of {n} columns in order, got {place}")
    check_lies("split_panels", "b", b, (k - 1) * down + (n - 1) * across, np.float32)


def _check_product(
    panels: Any, tasks: Any, a: Any, k: int, down: int, across: int, work: Any, c: Any
) -> None:
    name = "split_product"
    parts = _check_chunks(name, panels, k)
    m, n = checks.matrix(name, "c", c)
    if c.dtype != np.float32 or parts != chunks_of(n):
        raise ValueError(f"{name}: c: expected float32 of {parts} panels of columns, got {c.dtype} {c.shape}")
    checks.shaped(name, "tasks", tasks, (len(tasks), 4), np.int64)
    if (tasks < 0).any() or (tasks[:, :2] > m).any() or (tasks[:, 2:] > parts).any():
        raise ValueError(f"{name}: tasks: expected rows in 0..{m} and panels in 0..{parts}")
    if m:
        check_lies(name, "a", a, (m - 1) * down + (k - 1) * across, np.float32)
    fits = work.dtype == np.uint8 and work.ndim == 2 and work.flags.c_contiguous
    if not fits or work.shape[1] < work_bytes(m, k):
        problem = f"expected {work_bytes(m, k)} bytes a part, got {work.dtype} {work.shape}"
        raise ValueError(f"{name}: work: {problem}")


split_panels = kernel(
    "split_panels", split_panels_reference, cpu=_split_panels_cpu if have_tiles() else None,
    check=_check_panels, updates="panels", rows="panels place",
)  # fmt: skip
split_product = kernel(
    "split_product", split_product_reference, cpu=_split_product_cpu if have_tiles() else None,
    check=_check_product, updates="c", rows="tasks", own="work",
)  # fmt: skip
