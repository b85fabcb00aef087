"""Matrix products with a factor that has been packed: for weights that many small products share.

A BLAS library copies both factors of a product into the order in which it reads them. Where a batch of
states is multiplied with the same weights at every step of a sequence, most of its time goes into copying
the weights again. Here they are packed once, into panels of as many columns as a tile in registers is wide
(dlkit.backend.tiles), and every number of the result is one sum in the order of the inner index: its bits
depend neither on how the columns are shared out nor on how many rows there are.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.compile import elsewhere
from dlkit.kernels.registry import kernel

DEEP = 512
"""Inner indices at a time: this part of a panel stays in the first two caches."""
HIGH = 280
"""Rows at a time: their part of the other factor stays in the second cache."""
SLACK = 1024
"""Numbers behind the packed rows: what a whole vector writes too much, and a tile at the edge."""


@elsewhere("dlkit.backend.tiles")
def pack_columns(like, b, across, down, columns, k, to):
    """Pack a panel; for what this and the next two are given see their namesakes."""
    raise NotImplementedError


@elsewhere("dlkit.backend.tiles")
def pack_strips(like, a, down, across, rows, there, k, to):
    """Pack rows of the other factor."""
    raise NotImplementedError


@elsewhere("dlkit.backend.tiles")
def panel_tiles(like, strips, b, c, ldc, rows, k, columns, added, edge, ahead):
    """Multiply packed rows with a panel."""
    raise NotImplementedError


def work_numbers(rows: int, k: int) -> int:
    """Numbers of work space that a part of `panel_product` needs."""
    return min(rows, HIGH) * min(k, DEEP) + SLACK


def matrix_of(flat: Any, rows: int, columns: int, down: int, across: int) -> Any:
    """A (rows, columns) where it lies."""
    strides = (down * flat.itemsize, across * flat.itemsize)
    return np.lib.stride_tricks.as_strided(flat, (rows, columns), strides)


# -- panels of B -----------------------------------------------------------------------------------
def pack_panels_reference(panels: Any, place: Any, b: Any, n: int, down: int, across: int) -> None:
    """panels: (P, k, w): the columns w p .. w (p + 1) of B (k, n) for each p of place (P,), zeros where B has
    no such column; b: B's numbers as they lie, b[i down + j across] is B_ij."""
    _, k, w = panels.shape
    whole = matrix_of(b, k, n, down, across)
    for panel, p in zip(panels, place.tolist(), strict=True):
        some = whole[:, w * p : w * (p + 1)]
        panel[...] = 0
        panel[:, : some.shape[1]] = some


def _pack_panels_cpu(panels, place, b, n, down, across):
    parts, k, w = panels.shape
    item = panels.itemsize
    for p in range(parts):
        first = place[p] * w
        at, to = b.ctypes.data + first * across * item, panels.ctypes.data + p * k * w * item
        pack_columns(panels, at, across, down, min(w, n - first), k, to)


# -- C = A B ---------------------------------------------------------------------------------------
def panel_product_reference(
    panels: Any, place: Any, a: Any, down: int, across: int, added: int, work: Any, c: Any
) -> None:
    """c: (m, n) = A B, or += where added is 1, in the columns of B's panels (`pack_panels`) alone.

    a: A's numbers (m, k) as they lie, a[i down + j across] is A_ij; work: (parts, `work_numbers`).
    """
    _, k, w = panels.shape
    whole = matrix_of(a, len(c), k, down, across)
    for panel, p in zip(panels, place.tolist(), strict=True):
        some = c[:, w * p : w * (p + 1)]
        product = (whole @ panel)[:, : some.shape[1]]
        some[...] = some + product if added else product


def _panel_product_cpu(panels, place, a, down, across, added, work, c):
    parts, k, w = panels.shape
    m, n = c.shape
    item, strips = c.itemsize, work.ctypes.data
    edge = strips + (work.shape[1] - SLACK // 2) * item
    for k0 in range(0, k, DEEP):
        deep = min(DEEP, k - k0)
        for m0 in range(0, m, HIGH):
            high = min(HIGH, m - m0)
            at = a.ctypes.data + (m0 * down + k0 * across) * item
            pack_strips(c, at, down, across, high, m - m0, deep, strips)
            for p in range(parts):
                first = place[p] * w
                b = panels.ctypes.data + (p * k + k0) * w * item
                to = c.ctypes.data + (m0 * n + first) * item
                ahead = b + k * w * item
                panel_tiles(c, strips, b, to, n, high, deep, min(w, n - first), added or k0 > 0, edge, ahead)


def _check_panels(name: str, panels: Any, place: Any) -> tuple[int, int, int]:
    from dlkit.backend.tiles import width

    parts, k, w = checks.dimensions(name, "panels", panels, 3)
    if w != width(panels.itemsize):
        raise ValueError(f"{name}: expected panels of {width(panels.itemsize)} columns, got {w}")
    checks.shaped(name, "place", place, (parts,), np.int64)
    return parts, k, w


def check_lies(name: str, argument: str, flat: Any, last: int, dtype: Any) -> None:
    """`flat` has numbers up to place `last`."""
    if flat.dtype != dtype or flat.ndim != 1 or not flat.flags.c_contiguous or flat.size <= last:
        raise ValueError(f"{name}: {argument}: expected more than {last} {dtype} in a row, got "
                         f"{flat.dtype} {flat.shape}")  # fmt: skip


def _check_pack(panels: Any, place: Any, b: Any, n: int, down: int, across: int) -> None:
    _, k, w = _check_panels("pack_panels", panels, place)
    _check_places("pack_panels", place, n, w)
    if k and n:
        check_lies("pack_panels", "b", b, (k - 1) * down + (n - 1) * across, panels.dtype)


def _check_product(
    panels: Any, place: Any, a: Any, down: int, across: int, added: int, work: Any, c: Any
) -> None:
    _, k, w = _check_panels("panel_product", panels, place)
    m, n = checks.matrix("panel_product", "c", c)
    _check_places("panel_product", place, n, w)
    checks.shaped("panel_product", "c", c, (m, n), panels.dtype)
    if not k:
        raise ValueError("panel_product: expected an inner index at least")
    if m:
        check_lies("panel_product", "a", a, (m - 1) * down + (k - 1) * across, panels.dtype)
    _, size = checks.matrix("panel_product", "work", work)
    if size < work_numbers(m, k) or work.dtype != panels.dtype:
        raise ValueError(f"panel_product: work: expected {work_numbers(m, k)} numbers a part, got {size}")


def _check_places(name: str, place: Any, n: int, w: int) -> None:
    if len(place) and (place[0] < 0 or place[-1] * w >= n):
        raise ValueError(f"{name}: place: expected panels of {n} columns, got {place[0]} to {place[-1]}")


pack_panels = kernel(
    "pack_panels", pack_panels_reference, cpu=_pack_panels_cpu, check=_check_pack, updates="panels",
    rows="panels place",
)  # fmt: skip
panel_product = kernel(
    "panel_product", panel_product_reference, cpu=_panel_product_cpu, check=_check_product, updates="c",
    rows="panels place", own="work",
)  # fmt: skip
