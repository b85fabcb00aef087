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


def number_rows_reference(ids: Any, base: int, slots: Any, rows: Any, local: Any, used: Any) -> None:
    """Numbers base, base + 1, ... for distinct ids in the order in which they come; negative ids stay -1.

    ids: (n,) int32. slots: (power of two >= 2 n,) int64, written over. Out: rows (>= distinct,) int32, the
    id of each number; local: (n,) int32; used: (1,) int64, how many distinct ones there are.
    """
    numbers: dict[int, int] = {}
    for i, one in enumerate(ids.tolist()):
        if one >= 0 and one not in numbers:
            rows[len(numbers)] = one
            numbers[one] = len(numbers)
        local[i] = base + numbers[one] if one >= 0 else -1
    used[0] = len(numbers)


def _number_rows_cpu(ids, base, slots, rows, local, used):
    mask = np.uint64(slots.size - 1)
    for s in range(slots.size):
        slots[s] = -1
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
            rows[count] = one
            count += 1
        local[i] = base + slots[at]
    used[0] = count


def _check_number(ids: Any, base: int, slots: Any, rows: Any, local: Any, used: Any) -> None:
    name = "number_rows"
    checks.shaped(name, "ids", ids, ids.shape[:1], np.int32)
    checks.shaped(name, "slots", slots, slots.shape[:1], np.int64)
    checks.shaped(name, "rows", rows, rows.shape[:1], np.int32)
    checks.shaped(name, "local", local, ids.shape, np.int32)
    checks.shaped(name, "used", used, (1,), np.int64)
    if len(slots) & (len(slots) - 1) or len(slots) < 2 * len(ids):
        raise ValueError(f"{name}: slots: expected a power of two >= {2 * len(ids)}, got {len(slots)}")
    if len(rows) < len(ids):
        raise ValueError(f"{name}: rows: expected room for {len(ids)}, got {len(rows)}")


number_rows = kernel(
    "number_rows", number_rows_reference, cpu=_number_rows_cpu, check=_check_number,
    updates="slots rows local used",
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
extern "C" __global__ void add_changes(real* table, const int* rows, const real* local, int part, int parts,
                                       int d, long long n) {
  for (long long i = 0; i < n; i++) {
    int row = rows[i];
    if (row % parts != part || row / parts % gridDim.x != blockIdx.x) continue;
    for (int f = threadIdx.x; f < d; f += blockDim.x) table[(long long)row * d + f] += local[i * d + f];
  }
}
"""


def copy_rows_reference(table: Any, rows: Any, local: Any) -> None:
    """local[i] = table[rows[i]]. table: (N, d); rows: (n,) int32 in [0, N); local: (n, d)."""
    local[...] = table[rows]


def _copy_rows_cpu(table, rows, local):
    for i in range(rows.size):
        source, y = table[np.uint32(rows[i])], local[i]
        for f in range(y.size):
            y[f] = source[f]


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
        source, y = table[np.uint32(rows[i])], local[i]
        for f in range(y.size):
            y[f] -= source[f]


def _changes_of_rows_gpu(launch: Any, table: Any, rows: Any, local: Any) -> None:
    launch("changes_of_rows", local.size, table, rows, local, table.shape[1], local.size)


changes_of_rows = kernel(
    "changes_of_rows", changes_of_rows_reference, cpu=_changes_of_rows_cpu, cuda=CUDA,
    gpu=_changes_of_rows_gpu, check=lambda *args: _check_rows("changes_of_rows", *args), updates="local",
)  # fmt: skip


def add_changes_reference(table: Any, rows: Any, local: Any, part: int, parts: int) -> None:
    """table[rows[i]] += local[i] in the order of i, for the rows that leave remainder `part` by `parts`.

    Calls with different parts may run at the same time. Shapes as in copy_rows; rows may come again.
    """
    for i in np.flatnonzero(rows % parts == part):
        table[rows[i]] += local[i]


def _add_changes_cpu(table, rows, local, part, parts):
    for i in range(rows.size):
        row = np.uint32(rows[i])
        if row % np.uint32(parts) == np.uint32(part):
            target, y = table[row], local[i]
            for f in range(y.size):
                target[f] += y[f]


def _add_changes_gpu(launch: Any, table: Any, rows: Any, local: Any, part: int, parts: int) -> None:
    blocks = min(max(table.shape[0] // parts, 1), 1024)
    launch("add_changes", (blocks,), table, rows, local, part, parts, table.shape[1], len(rows), block=128)


def _check_add(table: Any, rows: Any, local: Any, part: int, parts: int) -> None:
    _check_rows("add_changes", table, rows, local)
    if not 0 <= part < parts:
        raise ValueError(f"add_changes: part: expected 0 to {parts - 1}, got {part}")


add_changes = kernel(
    "add_changes", add_changes_reference, cpu=_add_changes_cpu, cuda=CUDA, gpu=_add_changes_gpu,
    check=_check_add, updates="table",
)  # fmt: skip
