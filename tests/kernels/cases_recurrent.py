"""Arguments for the kernels of recurrent steps and of sums of rows."""

import numpy as np
from kernels.cases import Args, Rng, cases, normal, unwritten

from dlkit.kernels.panels import work_numbers
from dlkit.kernels.split_panels import NUMBERS, WIDTH, chunks_of, split_panels, work_bytes

SIZES = ((0, 3), (1, 1), (3, 5), (2, 33), (64, 70))


def mask_of(rng: Rng, n: int, masked: int) -> np.ndarray:
    return (rng.random(n) < 0.7).astype(np.uint8) if masked else np.ones(n, np.uint8)


def gates(rng: Rng, real: type, n: int, m: int) -> np.ndarray:
    """Activated gates: between 0 and 1, the third of them between -1 and 1."""
    g = rng.random((n, 4 * m))
    g[:, 2 * m : 3 * m] = 2 * g[:, 2 * m : 3 * m] - 1
    return g.astype(real)


@cases("lstm_step", size=SIZES, masked=(1, 0))
def _lstm_step(rng: Rng, real: type, size: tuple[int, int], masked: int) -> Args:
    n, m = size
    g, u, b = normal(rng, real, n, 4 * m), normal(rng, real, n, 4 * m), normal(rng, real, 4 * m)
    c0, h0 = normal(rng, real, n, m), normal(rng, real, n, m)
    return g, u, b, mask_of(rng, n, masked), c0, h0, unwritten(real, n, m), unwritten(real, n, m)


@cases("lstm_step_backward", size=SIZES, masked=(1, 0))
def _lstm_step_backward(rng: Rng, real: type, size: tuple[int, int], masked: int) -> Args:
    n, m = size
    c0, c, dy, dp, carry, dc = (normal(rng, real, n, m) for _ in range(6))
    return gates(rng, real, n, m), mask_of(rng, n, masked), c0, c, dy, dp, carry, dc


@cases("gru_step", size=SIZES, masked=(1, 0))
def _gru_step(rng: Rng, real: type, size: tuple[int, int], masked: int) -> Args:
    n, m = size
    g, u, b = normal(rng, real, n, 3 * m), normal(rng, real, n, 3 * m), normal(rng, real, 3 * m)
    bq, h0 = normal(rng, real, m), normal(rng, real, n, m)
    return g, u, b, bq, mask_of(rng, n, masked), h0, unwritten(real, n, 4 * m), unwritten(real, n, m)


@cases("gru_step_backward", size=SIZES, masked=(1, 0))
def _gru_step_backward(rng: Rng, real: type, size: tuple[int, int], masked: int) -> Args:
    n, m = size
    h0, dy, dp, carry = (normal(rng, real, n, m) for _ in range(4))
    return gates(rng, real, n, m), mask_of(rng, n, masked), h0, dy, dp, carry


@cases("tanh_step", size=SIZES, masked=(1, 0))
def _tanh_step(rng: Rng, real: type, size: tuple[int, int], masked: int) -> Args:
    n, m = size
    g, u, b, h0 = (normal(rng, real, *s) for s in ((n, m), (n, m), (m,), (n, m)))
    return g, u, b, mask_of(rng, n, masked), h0, unwritten(real, n, m)


@cases("tanh_step_backward", size=SIZES, masked=(1, 0))
def _tanh_step_backward(rng: Rng, real: type, size: tuple[int, int], masked: int) -> Args:
    n, m = size
    h, dy, dp, carry = (normal(rng, real, n, m) for _ in range(4))
    return np.tanh(h), mask_of(rng, n, masked), dy, dp, carry, unwritten(real, n, m)


@cases("sum_rows", uses=(0, 1, 7, 300), width=(1, 5, 64))
def _sum_rows(rng: Rng, real: type, uses: int, width: int) -> Args:
    x = normal(rng, real, max(uses // 2, 1), width)
    source = rng.integers(0, len(x), uses)
    targets = rng.permutation(9)[: min(uses, 5)].astype(np.int64)
    inner = np.sort(rng.integers(0, uses + 1, max(len(targets) - 1, 0)))
    ends = [uses] if len(targets) else []
    starts = np.array([0, *inner, *ends], np.int64)
    return x, source, normal(rng, real, uses), starts, targets, normal(rng, real, 9, width)


@cases("path_loss", rows=(0, 1, 7, 40), width=(1, 5, 64))
def _path_loss(rng: Rng, real: type, rows: int, width: int) -> Args:
    symbols = 6
    lengths = rng.integers(1, 4, symbols)
    starts = np.concatenate([[0], np.cumsum(lengths)])
    nodes, branches = rng.integers(0, 5, starts[-1]), rng.integers(0, 2, starts[-1]).astype(np.uint8)
    labels = rng.integers(-1, symbols, rows)
    places = np.where(labels < 0, 0, lengths[labels])
    first = np.concatenate([[0], np.cumsum(places)]).astype(np.int64)
    h, w, b = normal(rng, real, rows, width), normal(rng, real, 5, width), normal(rng, real, 5)
    outputs = unwritten(real, rows, width), unwritten(real, first[-1]), unwritten(real, rows)
    return h, w, b, nodes, branches, starts, labels, 0.3, first, *outputs, np.zeros(rows, np.uint8)


PRODUCTS = ((1, 1, 1), (3, 5, 40), (29, 300, 33), (64, 20, 96), (577, 7, 70))
"""Rows, inner indices, columns: less than a tile, more than a block of each."""


def lies(a: np.ndarray, turned: int) -> tuple[np.ndarray, int, int]:
    """A matrix's numbers as they lie, by rows or by columns, and the steps between them."""
    rows, columns = a.shape
    flat = np.ascontiguousarray(a.T if turned else a).reshape(-1)
    return (flat, 1, rows) if turned else (flat, columns, 1)


def panels_of(real: type, n: int) -> tuple[int, np.ndarray]:
    """Columns of a panel, and the numbers of those that n columns take."""
    from dlkit.backend.tiles import width  # needs numba

    w = width(np.dtype(real).itemsize)
    return w, np.arange(-(-n // w))


@cases("pack_panels", size=((1, 1), (5, 40), (300, 33), (20, 96)), turned=(0, 1))
def _pack_panels(rng: Rng, real: type, size: tuple[int, int], turned: int) -> Args:
    k, n = size
    w, place = panels_of(real, n)
    flat, down, across = lies(normal(rng, real, k, n), turned)
    return unwritten(real, len(place), k, w), place, flat, n, down, across


@cases("panel_product", size=PRODUCTS, turned=(0, 1), added=(0, 1))
def _panel_product(rng: Rng, real: type, size: tuple[int, int, int], turned: int, added: int) -> Args:
    m, k, n = size
    w, place = panels_of(real, n)
    panels = normal(rng, real, len(place), k, w)
    flat, down, across = lies(normal(rng, real, m, k), turned)
    work = unwritten(real, 3, work_numbers(m, k))
    c = normal(rng, real, m, n) if added else unwritten(real, m, n)
    return panels, place, flat, down, across, added, work, c


def exact(rng: Rng, real: type, *shape: int) -> np.ndarray:
    """float32, whatever `real`; in its place whole numbers, of which no sum is rounded."""
    numbers = rng.standard_normal(shape) if real is np.float32 else rng.integers(-300, 300, shape)
    return numbers.astype(np.float32)


@cases("split_panels", size=((1, 1), (5, 40), (20, 96), (300, 33)), turned=(0, 1))
def _split_panels(rng: Rng, real: type, size: tuple[int, int], turned: int) -> Args:
    k, n = size
    place = np.arange(-(-n // WIDTH))
    flat, down, across = lies(exact(rng, real, k, n), turned)
    panels = np.full((len(place), chunks_of(k), NUMBERS), 7, np.uint16)
    return panels, place, flat, k, n, down, across


@cases("split_product", size=(*PRODUCTS, (400, 530, 65)), turned=(0, 1))
def _split_product(rng: Rng, real: type, size: tuple[int, int, int], turned: int) -> Args:
    m, k, n = size
    some = np.arange(-(-n // WIDTH))
    panels = np.zeros((len(some), chunks_of(k), NUMBERS), np.uint16)
    b = exact(rng, real, k, n)
    split_panels.reference(panels, some, b.reshape(-1), k, n, n, 1)
    flat, down, across = lies(exact(rng, real, m, k), turned)
    third = m // 3 + 1
    tasks = [[lo, min(lo + third, m), 0, len(some)] for lo in range(0, m, third)]
    tasks += [[m, m, 0, 0]] * (3 - len(tasks))
    work = np.zeros((3, work_bytes(m, k)), np.uint8)
    return panels, np.array(tasks), flat, k, down, across, work, unwritten(np.float32, m, n)


@cases("likeliest", size=((0, 5), (1, 1), (3, 64), (4, 300)), count=(1, 10))
def _likeliest(rng: Rng, real: type, size: tuple[int, int], count: int) -> Args:
    n, k = size
    c = min(count, k)
    z = np.round(normal(rng, real, n, k), 1)  # some are equal
    z[:, :1] = -np.inf if k > 1 else 0
    return z, unwritten(np.float64, n, c), np.zeros((n, c), np.int64)
