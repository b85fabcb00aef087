"""Rows of a matrix that a stretch of text touches: numbered, copied out, and their changes added back.

Stretches that are worked on at the same time each have a copy of their rows. Their changes are added in the
order of the stretches, so that the sum has the same bits whoever worked on them.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel

SMALL = 1e-6
"""Below it rho is 1."""


def number_rows_reference(ids: Any, rows: Any, times: Any, local: Any, used: Any) -> None:
    """Numbers 0, 1, ... for distinct ids in the order in which they come; negative ids stay -1.

    ids: (n,) int32. Out: rows and times (n,) int32, the id
    of each number and how often it comes; local: (n,) int32; used: (1,) int64, how many distinct ones there
    are.
    """
    numbers: dict[int, int] = {}
    for i, one in enumerate(ids.tolist()):
        if one < 0:
            local[i] = -1
            continue
        if one not in numbers:
            rows[len(numbers)], times[len(numbers)] = one, 0
            numbers[one] = len(numbers)
        local[i] = numbers[one]
        times[numbers[one]] += 1
    used[0] = len(numbers)


def _number_rows_cpu(ids, rows, times, local, used):
    size = 16
    while size < 2 * ids.size:
        size *= 2
    slots = np.full(size, -1, np.int32)
    mask = np.uint64(size - 1)
    count = 0
    for i in range(ids.size):
        one = ids[i]
        if one < 0:
            local[i] = -1
            continue
        at = ((np.uint64(one) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(32)) & mask
        while slots[at] >= 0 and rows[slots[at]] != one:
            at = (at + np.uint64(1)) & mask
        if slots[at] < 0:
            slots[at] = count
            rows[count], times[count] = one, 0
            count += 1
        local[i] = slots[at]
        times[slots[at]] += 1
    used[0] = count


def _check_number(ids: Any, rows: Any, times: Any, local: Any, used: Any) -> None:
    name = "number_rows"
    checks.shaped(name, "ids", ids, ids.shape[:1], np.int32)
    for argument, array in (("rows", rows), ("times", times), ("local", local)):
        checks.shaped(name, argument, array, ids.shape, np.int32)
    checks.shaped(name, "used", used, (1,), np.int64)


number_rows = kernel(
    "number_rows", number_rows_reference, cpu=_number_rows_cpu, check=_check_number,
    updates="rows times local used",
)  # fmt: skip


def change_weights_reference(rows: Any, times: Any, rate: float, seen: Any, total: Any, weights: Any) -> None:
    """How much of each stretch's change of a row is taken where several stretches moved it at the same time.

    Take the loss around a row for a bowl: t steps of rate lr go 1 - rho of the way to its bottom, rho =
    e^(-t rate). n stretches one after another would go 1 - rho^n of it; the sum of their n changes goes
    n (1 - rho), which is right for a rare word (rho near 1) and n times too far for one that every stretch
    has moved to its bottom. So each change counts (1 - rho^n) / (n (1 - rho)).

    rows: (T,) int32 in [0, V), those of all stretches; times: (T,) int32 steps; rate: of a step; seen, total:
    (V,) int32, zeros before and after. Out: weights (T,).
    """
    np.add.at(seen, rows, 1)
    np.add.at(total, rows, times)
    n = np.maximum(seen[rows], 1)
    x = rate * total[rows] / n
    small = (n == 1) | (x < SMALL)
    x = np.where(small, 1.0, x)
    weights[...] = np.where(small, 1.0, np.expm1(-n * x) / (n * np.expm1(-x)))
    seen[rows], total[rows] = 0, 0


def weight_of(n, total, rate):
    """The weight where n stretches made so many steps with a row."""
    x = rate * total / n
    return 1.0 if n == 1 or x < SMALL else np.expm1(-n * x) / (n * np.expm1(-x))


def _change_weights_cpu(rows, times, rate, seen, total, weights):
    for i in range(rows.size):
        seen[rows[i]] += 1
        total[rows[i]] += times[i]
    for i in range(rows.size):
        weights[i] = weight_of(seen[rows[i]], total[rows[i]], rate)
    for i in range(rows.size):
        seen[rows[i]], total[rows[i]] = 0, 0


def _check_weights(rows: Any, times: Any, rate: float, seen: Any, total: Any, weights: Any) -> None:
    name = "change_weights"
    checks.shaped(name, "rows", rows, rows.shape[:1], np.int32)
    checks.shaped(name, "times", times, rows.shape, np.int32)
    checks.shaped(name, "seen", seen, seen.shape[:1], np.int32)
    checks.shaped(name, "total", total, seen.shape, np.int32)
    if weights.shape != rows.shape or weights.dtype not in (np.float32, np.float64):
        raise ValueError(f"{name}: weights: expected {len(rows)} numbers")
    if len(rows) and rows.view(np.uint32).max() >= len(seen):
        raise ValueError(f"{name}: rows: expected numbers in [0, {len(seen)})")


change_weights = kernel(
    "change_weights", change_weights_reference, cpu=_change_weights_cpu, check=_check_weights,
    updates="seen total weights",
)  # fmt: skip

CUDA = r"""
extern "C" __global__ void copy_rows(const real* table, const int* rows, real* local, int d, long long size) {
  GRID_STRIDE(i, size) { local[i] = table[(long long)rows[i / d] * d + i % d]; }
}

extern "C" __global__ void changes_of_rows(const real* table, const int* rows, real* local, int d,
                                           long long size) {
  GRID_STRIDE(i, size) { local[i] -= table[(long long)rows[i / d] * d + i % d]; }
}

// Each block has the rows whose number leaves its own remainder, and adds their changes in order.
extern "C" __global__ void add_changes(real* table, const int* rows, const real* local,
                                       const real* weights, int part, int parts, int d, long long n) {
  for (long long i = 0; i < n; i++) {
    int row = rows[i];
    if (row % parts != part || row / parts % gridDim.x != blockIdx.x) continue;
    for (int f = threadIdx.x; f < d; f += blockDim.x) table[(long long)row * d + f] += weights[i] * local[i
    * d + f];
  }
}
"""


def copy_rows_reference(table: Any, rows: Any, local: Any) -> None:
    """local[i] = table[rows[i]]. table: (N, d); rows: (n,) int32 in [0, N); local: (n, d)."""
    local[...] = table[rows]


def _copy_rows_cpu(table, rows, local):
    for i in range(rows.size):
        row = np.uint32(rows[i])
        for f in range(table.shape[1]):
            local[i, f] = table[row, f]


def _copy_rows_gpu(launch: Any, table: Any, rows: Any, local: Any) -> None:
    launch("copy_rows", local.size, table, rows, local, table.shape[1], local.size)


def _check_rows(name: str, table: Any, rows: Any, local: Any) -> None:
    n, d = checks.matrix(name, "table", table)
    checks.shaped(name, "rows", rows, rows.shape[:1], np.int32)
    checks.shaped(name, "local", local, (len(rows), d), table.dtype)
    if isinstance(rows, np.ndarray) and len(rows) and rows.view(np.uint32).max() >= n:
        raise ValueError(f"{name}: rows: expected numbers in [0, {n})")


copy_rows = kernel(
    "copy_rows", copy_rows_reference, cpu=_copy_rows_cpu, cuda=CUDA, gpu=_copy_rows_gpu,
    check=lambda *args: _check_rows("copy_rows", *args), updates="local",
)  # fmt: skip


def changes_of_rows_reference(table: Any, rows: Any, local: Any) -> None:
    """local[i] -= table[rows[i]]: what became of a copy is turned into its change. Shapes as in copy_rows."""
    local -= table[rows]


def _changes_of_rows_cpu(table, rows, local):
    for i in range(rows.size):
        row = np.uint32(rows[i])
        for f in range(table.shape[1]):
            local[i, f] -= table[row, f]


def _changes_of_rows_gpu(launch: Any, table: Any, rows: Any, local: Any) -> None:
    launch("changes_of_rows", local.size, table, rows, local, table.shape[1], local.size)


changes_of_rows = kernel(
    "changes_of_rows", changes_of_rows_reference, cpu=_changes_of_rows_cpu, cuda=CUDA,
    gpu=_changes_of_rows_gpu, check=lambda *args: _check_rows("changes_of_rows", *args), updates="local",
)  # fmt: skip


def add_changes_reference(table: Any, rows: Any, local: Any, weights: Any, part: int, parts: int) -> None:
    """table[rows[i]] += weights[i] local[i] in the order of i, for rows that leave remainder `part` by
    `parts`.

    Calls with different parts may run at the same time. Shapes as in copy_rows, weights: (n,); rows may come
    again.
    """
    for i in np.flatnonzero(rows % parts == part):
        table[rows[i]] += weights[i] * local[i]


def _add_changes_cpu(table, rows, local, weights, part, parts):
    for i in range(rows.size):
        row = np.uint32(rows[i])
        if row % np.uint32(parts) == np.uint32(part):
            w = weights[i]
            for f in range(table.shape[1]):
                table[row, f] += w * local[i, f]


def _add_changes_gpu(
    launch: Any, table: Any, rows: Any, local: Any, weights: Any, part: int, parts: int
) -> None:
    blocks, n = min(max(table.shape[0] // parts, 1), 1024), len(rows)
    launch("add_changes", (blocks,), table, rows, local, weights, part, parts, table.shape[1], n, block=128)


def _check_add(table: Any, rows: Any, local: Any, weights: Any, part: int, parts: int) -> None:
    _check_rows("add_changes", table, rows, local)
    checks.shaped("add_changes", "weights", weights, rows.shape, table.dtype)
    if not 0 <= part < parts:
        raise ValueError(f"add_changes: part: expected 0 to {parts - 1}, got {part}")


add_changes = kernel(
    "add_changes", add_changes_reference, cpu=_add_changes_cpu, cuda=CUDA, gpu=_add_changes_gpu,
    check=_check_add, updates="table",
)  # fmt: skip
