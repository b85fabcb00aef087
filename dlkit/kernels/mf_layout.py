"""Ratings put into the order in which they are worked on: by user, by item, by block. Plain counting
sorts."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.registry import kernel


def order_by_row_reference(rows: Any, ends: Any, order: Any) -> None:
    """order: (n,) int32 gets the ratings of row 0, then of row 1, ..., those of a row as they stand; ends:
    (m + 1,)
    int64 gets where each row's begin. rows: (n,) int32 in [0, m)."""
    order[...] = np.argsort(rows, kind="stable")
    ends[0] = 0
    ends[1:] = np.cumsum(np.bincount(rows, minlength=len(ends) - 1))


def _order_by_row_cpu(rows, ends, order):
    _count(rows, ends)
    for n in range(rows.size):
        order[ends[rows[n]]] = n
        ends[rows[n]] += 1
    _step_back(ends)


def _count(rows, ends):
    """ends[r] = where row r begins."""
    for r in range(ends.size):
        ends[r] = 0
    for n in range(rows.size):
        ends[rows[n] + 1] += 1
    for r in range(1, ends.size):
        ends[r] += ends[r - 1]


def _step_back(ends):
    """Every begin has moved to its end: the end of one row is the begin of the next."""
    for r in range(ends.size - 1, 0, -1):
        ends[r] = ends[r - 1]
    ends[0] = 0


def _check_order(rows: Any, ends: Any, order: Any) -> None:
    checks.shaped("order_by_row", "rows", rows, (rows.shape[0],), np.int32)
    checks.shaped("order_by_row", "order", order, rows.shape, np.int32)
    checks.shaped("order_by_row", "ends", ends, (ends.shape[0],), np.int64)
    _index("order_by_row", "rows", rows, ends.shape[0] - 1)


order_by_row = kernel(
    "order_by_row", order_by_row_reference, cpu=_order_by_row_cpu, check=_check_order, updates="ends order"
)


def scatter_by_row_reference(rows: Any, x: Any, ends: Any, to: Any) -> None:
    """The same order for a column of any numbers. x, to: (n,)."""
    to[...] = x[np.argsort(rows, kind="stable")]
    ends[0] = 0
    ends[1:] = np.cumsum(np.bincount(rows, minlength=len(ends) - 1))


def _scatter_by_row_cpu(rows, x, ends, to):
    _count(rows, ends)
    for n in range(rows.size):
        to[ends[rows[n]]] = x[n]
        ends[rows[n]] += 1
    _step_back(ends)


def _check_scatter(rows: Any, x: Any, ends: Any, to: Any) -> None:
    checks.shaped("scatter_by_row", "rows", rows, (rows.shape[0],), np.int32)
    checks.shaped("scatter_by_row", "x", x, rows.shape, x.dtype)
    checks.shaped("scatter_by_row", "to", to, rows.shape, x.dtype)
    checks.shaped("scatter_by_row", "ends", ends, (ends.shape[0],), np.int64)
    _index("scatter_by_row", "rows", rows, ends.shape[0] - 1)


scatter_by_row = kernel(
    "scatter_by_row", scatter_by_row_reference, cpu=_scatter_by_row_cpu, check=_check_scatter,
    updates="ends to",
)  # fmt: skip


def mark_latest_reference(ends: Any, order: Any, items: Any, last_seen: Any, latest: Any) -> None:
    """latest: (n,) bool gets whether no later rating is of the same user and item. The others as in
    `mark_repeats`."""
    kept_by = np.empty(len(items), np.int32)
    mark_repeats_reference(ends, order, items, last_seen, kept_by)
    latest[...] = kept_by == np.arange(len(items))


def _mark_latest_cpu(ends, order, items, last_seen, latest):
    for i in range(last_seen.size):
        last_seen[i] = -1
    for u in range(ends.size - 1):
        for k in range(ends[u], ends[u + 1]):
            last_seen[items[order[k]]] = order[k]
        for k in range(ends[u], ends[u + 1]):
            latest[order[k]] = last_seen[items[order[k]]] == order[k]
        for k in range(ends[u], ends[u + 1]):
            last_seen[items[order[k]]] = -1


def _check_latest(ends: Any, order: Any, items: Any, last_seen: Any, latest: Any) -> None:
    checks.shaped("mark_latest", "latest", latest, items.shape, np.bool_)
    _check_orders("mark_latest", ends, order, items, last_seen)


mark_latest = kernel(
    "mark_latest", mark_latest_reference, cpu=_mark_latest_cpu, check=_check_latest,
    updates="last_seen latest",
)  # fmt: skip


def mark_repeats_reference(ends: Any, order: Any, items: Any, last_seen: Any, kept_by: Any) -> None:
    """kept_by: (n,) int32 gets, for each rating, the last rating of the same user and item: itself if there
    is no
    later one. ends, order: of `order_by_row` by user; items: (n,) int32; last_seen: (n_items,) int32,
    scratch."""
    for u in range(len(ends) - 1):
        latest: dict[int, int] = {}
        for n in order[ends[u] : ends[u + 1]]:
            latest[items[n]] = n
        for n in order[ends[u] : ends[u + 1]]:
            kept_by[n] = latest[items[n]]
    last_seen[...] = -1


def _mark_repeats_cpu(ends, order, items, last_seen, kept_by):
    for i in range(last_seen.size):
        last_seen[i] = -1
    for u in range(ends.size - 1):
        for k in range(ends[u], ends[u + 1]):
            last_seen[items[order[k]]] = order[k]
        for k in range(ends[u], ends[u + 1]):
            kept_by[order[k]] = last_seen[items[order[k]]]
        for k in range(ends[u], ends[u + 1]):
            last_seen[items[order[k]]] = -1


def _check_repeats(ends: Any, order: Any, items: Any, last_seen: Any, kept_by: Any) -> None:
    checks.shaped("mark_repeats", "kept_by", kept_by, items.shape, np.int32)
    _check_orders("mark_repeats", ends, order, items, last_seen)


def _check_orders(name: str, ends: Any, order: Any, items: Any, last_seen: Any) -> None:
    checks.shaped(name, "order", order, items.shape, np.int32)
    checks.shaped(name, "items", items, items.shape[:1], np.int32)
    checks.shaped(name, "last_seen", last_seen, last_seen.shape[:1], np.int32)
    checks.shaped(name, "ends", ends, (ends.shape[0],), np.int64)
    _index(name, "items", items, last_seen.shape[0])


mark_repeats = kernel(
    "mark_repeats", mark_repeats_reference, cpu=_mark_repeats_cpu, check=_check_repeats,
    updates="last_seen kept_by",
)  # fmt: skip


def count_blocks_reference(ends: Any, items: Any, user_group: Any, item_group: Any, counts: Any) -> None:
    """counts: (groups, groups) int64 gets the ratings of each block; the others as in `fill_blocks`."""
    counts[...] = 0
    for u in range(len(ends) - 1):
        for i in items[ends[u] : ends[u + 1]]:
            counts[user_group[u], item_group[i]] += 1


def _count_blocks_cpu(ends, items, user_group, item_group, counts):
    counts[:, :] = 0
    for u in range(ends.size - 1):
        row = counts[user_group[u]]
        for n in range(ends[u], ends[u + 1]):
            row[item_group[items[n]]] += 1


def _check_counts(ends: Any, items: Any, user_group: Any, item_group: Any, counts: Any) -> None:
    groups = counts.shape[0]
    checks.shaped("count_blocks", "ends", ends, (user_group.shape[0] + 1,), np.int64)
    checks.shaped("count_blocks", "items", items, items.shape[:1], np.int32)
    checks.shaped("count_blocks", "user_group", user_group, user_group.shape[:1], np.int32)
    checks.shaped("count_blocks", "item_group", item_group, item_group.shape[:1], np.int32)
    checks.shaped("count_blocks", "counts", counts, (groups, groups), np.int64)
    _index("count_blocks", "items", items, item_group.shape[0])
    for name, a in (("user_group", user_group), ("item_group", item_group)):
        _index("count_blocks", name, a, groups)


count_blocks = kernel(
    "count_blocks", count_blocks_reference, cpu=_count_blocks_cpu, check=_check_counts, updates="counts"
)


def fill_blocks_reference(
    order: Any, ends: Any, items: Any, source: Any, of_users: int, user_group: Any, item_group: Any,
    next_place: Any, to: Any,
) -> None:  # fmt: skip
    """Put what belongs to every rating into its block of (group of the user, group of the item), users in the
    order given.

    order: (n_users,) int64; user u has ends[u]:ends[u + 1] of items, (n,) int32; source: (n,), or where
    of_users is 1 (n_users,), one for all ratings of a user; user_group: (n_users,), item_group: (n_items,)
    int32; next_place: (groups, groups) int64, where the blocks begin, moved to where they end; to: (n,)."""
    for u in order:
        for n in range(ends[u], ends[u + 1]):
            block = user_group[u], item_group[items[n]]
            to[next_place[block]] = source[u if of_users else n]
            next_place[block] += 1


def _fill_blocks_cpu(order, ends, items, source, of_users, user_group, item_group, next_place, to):
    for m in range(order.size):
        u = order[m]
        row = next_place[user_group[u]]
        for n in range(ends[u], ends[u + 1]):
            g = item_group[items[n]]
            to[row[g]] = source[u if of_users else n]
            row[g] += 1


def _check_blocks(
    order: Any, ends: Any, items: Any, source: Any, of_users: int, user_group: Any, item_group: Any,
    next_place: Any, to: Any,
) -> None:  # fmt: skip
    users, groups = ends.shape[0] - 1, next_place.shape[0]
    checks.shaped("fill_blocks", "order", order, (users,), np.int64)
    checks.shaped("fill_blocks", "ends", ends, (users + 1,), np.int64)
    checks.shaped("fill_blocks", "user_group", user_group, (users,), np.int32)
    checks.shaped("fill_blocks", "item_group", item_group, (item_group.shape[0],), np.int32)
    checks.shaped("fill_blocks", "next_place", next_place, (groups, groups), np.int64)
    checks.shaped("fill_blocks", "items", items, items.shape[:1], np.int32)
    checks.shaped("fill_blocks", "source", source, (users,) if of_users else items.shape, source.dtype)
    checks.shaped("fill_blocks", "to", to, items.shape, source.dtype)
    _index("fill_blocks", "user_group", user_group, groups)
    _index("fill_blocks", "item_group", item_group, groups)
    checks.index("fill_blocks", "order", order, users)
    _index("fill_blocks", "items", items, item_group.shape[0])


fill_blocks = kernel(
    "fill_blocks", fill_blocks_reference, cpu=_fill_blocks_cpu, check=_check_blocks,
    updates="next_place to",
)  # fmt: skip


def _index(kernel_name: str, argument: str, a: Any, end: int) -> None:
    """Every entry of the int32 array lies in [0, end)."""
    if a.size and int(a.view(np.uint32).max()) >= end:
        wrong = a[(a < 0) | (a >= end)][0]
        raise ValueError(f"{kernel_name}: {argument}: expected indices in [0, {end}), got {wrong}")
