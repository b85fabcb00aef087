"""A piece of text in one call: its windows are drawn, its rows copied, its windows worked on, its changes
found.

These loops put kernels together, so that threads leave the interpreter once a piece; what each part does
stands
with the kernels in w2v_draw.py, w2v_rows.py and w2v_windows.py.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from dlkit.kernels.w2v_draw import _draw_negatives_cpu, _draw_windows_cpu, _tree_targets_cpu
from dlkit.kernels.w2v_rows import (
    _add_changes_cpu,
    _change_weights_cpu,
    _changes_of_rows_cpu,
    _copy_rows_cpu,
    _number_rows_cpu,
)
from dlkit.kernels.w2v_windows import _embed_windows_cpu


def drawn_windows(
    words, keep, window, dynamic, first_seed, document, documents, base, path_ends, points, codes, odds,
    alias,
    negative, second_seed
):  # fmt: skip
    """kept, reach, own, targets, signs, ends, most of a piece: int32 all but ends.

    document: number of its first document, -1 for none; documents: (D,) int32 row of each beyond base, or
    (0,)
    where it is its number. path_ends: (0,) without a tree.
    """
    n = words.size
    kept, reach, used = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(1, np.int64)
    _draw_windows_cpu(words, keep, window, dynamic, first_seed, kept, reach, used)
    kept, reach = kept[: used[0]], reach[: used[0]]
    own = np.empty(kept.size if document >= 0 else 0, np.int32)
    passed = document
    for c in range(own.size):
        own[c] = -1
        if kept[c] < 0:
            passed += 1
        else:
            own[c] = base + (documents[passed] if documents.size > 0 else passed)
    ends = np.empty(kept.size + 1, np.int64)
    most = negative + 1
    size = kept.size * most
    if path_ends.size > 0:
        most, size = 1, 0
        for c in range(kept.size):
            if kept[c] >= 0:
                length = path_ends[kept[c] + 1] - path_ends[kept[c]]
                size += length
                most = max(most, length)
    targets, signs = np.empty(size, np.int32), np.empty(size, np.int32)
    if path_ends.size > 0:
        _tree_targets_cpu(kept, path_ends, points, codes, targets, signs, ends)
    else:
        _draw_negatives_cpu(kept, odds, alias, negative, second_seed, targets, signs, ends)
    return kept, reach, own, targets[: ends[kept.size]], signs, ends, most


def piece_in_place(
    words, keep, window, dynamic, first_seed, document, documents, base, path_ends, points, codes, odds,
    alias,
    negative, second_seed, a, b, lr, around, together, exact, loss
):  # fmt: skip
    """The windows of a piece, straight on the matrices. loss: (1, 2)."""
    kept, reach, own, targets, signs, ends, most = drawn_windows(
        words, keep, window, dynamic, first_seed, document, documents, base, path_ends, points, codes, odds,
        alias, negative, second_seed
    )  # fmt: skip
    first, last = np.zeros(1, np.int64), np.full(1, kept.size, np.int64)
    _embed_windows_cpu(
        a, b, kept, reach, own, targets, signs, ends, first, last, most, lr, around, together, exact, 1, loss
    )


def piece_apart(
    words, keep, window, dynamic, first_seed, document, documents, base, path_ends, points, codes, odds,
    alias,
    negative, second_seed, a, b, lr, around, together, exact, loss
):  # fmt: skip
    """The windows of a piece on copies of its rows. Returns of each matrix the rows, how often they came, and
    their changes; the matrices stay as they are."""
    kept, reach, own, targets, signs, ends, most = drawn_windows(
        words, keep, window, dynamic, first_seed, document, documents, base, path_ends, points, codes, odds,
        alias, negative, second_seed
    )  # fmt: skip
    both = np.concatenate((kept, own))
    rows_a, times_a, local_a, used = (
        np.empty_like(both),
        np.empty_like(both),
        np.empty_like(both),
        np.empty(1, np.int64),
    )
    _number_rows_cpu(both, rows_a, times_a, local_a, used)
    rows_a, times_a = rows_a[: used[0]], times_a[: used[0]]
    rows_b, times_b, local_b = np.empty_like(targets), np.empty_like(targets), np.empty_like(targets)
    _number_rows_cpu(targets, rows_b, times_b, local_b, used)
    rows_b, times_b = rows_b[: used[0]], times_b[: used[0]]
    moved_a, moved_b = (
        np.empty((rows_a.size, a.shape[1]), a.dtype),
        np.empty((rows_b.size, a.shape[1]), a.dtype),
    )
    _copy_rows_cpu(a, rows_a, moved_a)
    _copy_rows_cpu(b, rows_b, moved_b)
    first, last = np.zeros(1, np.int64), np.full(1, kept.size, np.int64)
    _embed_windows_cpu(
        moved_a, moved_b, local_a[: kept.size], reach, local_a[kept.size :], local_b, signs, ends, first,
        last,
        most, lr, around, together, exact, 1, loss
    )  # fmt: skip
    _changes_of_rows_cpu(a, rows_a, moved_a)
    _changes_of_rows_cpu(b, rows_b, moved_b)
    return rows_a, times_a, moved_a, rows_b, times_b, moved_b


def weights_of(rows, times, rate, seen, total):
    """The weights of all changes of a matrix, those of all pieces one after another."""
    weights = np.empty(rows.size, np.float64)
    _change_weights_cpu(rows, times, rate, seen, total, weights)
    return weights


def add_all(table, rows, local, weights, part, parts):
    """Tuples of the pieces' rows and changes; weights of all of them; see add_changes."""
    at = 0
    for p in range(len(rows)):
        n = rows[p].size
        _add_changes_cpu(table, rows[p], local[p], weights[at : at + n].astype(table.dtype), part, parts)
        at += n
