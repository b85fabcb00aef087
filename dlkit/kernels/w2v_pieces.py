"""The pieces of a round: drawn, worked on at the same time, and what several of them moved put together.

These loops put kernels together, so that a thread leaves the interpreter once for all its pieces; what each
part does stands with the kernels in w2v_draw.py, w2v_rows.py and w2v_window_loops.py.

A row that one piece alone touches is worked on where it lies. Of a row that several touch each has a copy, in
a row behind the matrix, so that to the loops over windows all rows are rows of one table. What a piece does
depends on the matrices before the round and on its own draws alone, and the copies are put together in the
order of the pieces: the bits do not depend on who worked on what.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any, NamedTuple

import numpy as np

from dlkit.kernels.chance import compiled_draw
from dlkit.kernels.compile import elsewhere
from dlkit.kernels.w2v_draw import _draw_negatives_cpu, _draw_windows_cpu, _tree_targets_cpu
from dlkit.kernels.w2v_rows import _number_rows_cpu, weight_of
from dlkit.kernels.w2v_window_loops import embed_windows_loop

APART = 16
"""Numbers from a part's place on the board to the next one's."""
LOOKS = 500
"""Looks at the board between two times of giving way."""


class Manner(NamedTuple):
    """What is done with a piece; numbers as in the kernels."""

    window: int
    dynamic: int
    negative: int
    base: int
    """Row of the first document; -1: there are none."""
    around: int
    together: int
    exact: int


class Tables(NamedTuple):
    """What windows are drawn from."""

    keep: Any
    tags: Any
    """(D,) int32: document of each sentence; (0,): each is one of its own."""
    path_ends: Any
    """(V + 1,) int64; (0,): no tree."""
    points: Any
    codes: Any
    odds: Any
    alias: Any


class Text(NamedTuple):
    """The text of a step: its piece p is words[bounds[p] : bounds[p + 1]]."""

    words: Any
    bounds: Any
    marks: Any
    """(P,) int64: sentences before each piece."""
    first: int
    """Number of the first piece in the corpus."""
    seed: int


class Rows(NamedTuple):
    """Of one matrix, a row for each piece: what it touches."""

    ids: Any
    """(P, most) int32: rows as the windows name them, one after another."""
    local: Any
    """(P, most) int32: the same, numbered; then where they lie."""
    rows: Any
    """(P, most) int32: the row of each number."""
    times: Any
    """(P, most) int32: how often it comes."""
    place: Any
    """(P, most) int32: where it lies: itself, or the piece's copy behind the matrix."""
    used: Any
    """(P,) int64: how many numbers."""
    seen: Any
    """(N,) int32, zeros between rounds: how many pieces touch a row."""
    total: Any
    """(N,) int32, zeros between rounds: how often they do."""
    weight: Any
    """(N,) float64: how much of a piece's change counts."""


class Room(NamedTuple):
    """Space for the windows of the pieces of a round."""

    reach: Any
    signs: Any
    ends: Any
    kept: Any
    """(P,) int64: windows of each piece."""
    most: Any
    """(P,) int64: targets of a window at most."""


def _seed_of(seed, n):
    """Draw n of a seed, halved."""
    return np.int64(compiled_draw(np.uint64(seed), np.uint64(n)) >> np.uint64(1))


@elsewhere("dlkit.backend.native")
def load(words, i):
    """words[i], read from memory each time."""
    raise NotImplementedError


@elsewhere("dlkit.backend.native")
def store(words, i, value):
    """words[i] = value, after everything written before."""
    raise NotImplementedError


@elsewhere("dlkit.backend.native")
def give_way(address):
    """Call sched_yield at its address."""
    raise NotImplementedError


def _meet(board, part, parts, turn, way):
    """Wait until every part has come to this turn. board: zeros before the first turn."""
    store(board, part * APART, turn)
    for other in range(parts):
        looks = 0
        while load(board, other * APART) < turn:
            looks += 1
            if way != 0 and looks % LOOKS == 0:
                give_way(way)


def _draw(p, piece, text, tables, manner, inputs, outputs, room):
    """The windows of a piece, into place p."""
    part = text.words[text.bounds[piece] : text.bounds[piece + 1]]
    seed = compiled_draw(np.uint64(text.seed), np.uint64(text.first + piece + 1))
    ids, reach, size = inputs.ids[p], room.reach[p], part.size
    kept = room.kept[p : p + 1]
    _draw_windows_cpu(
        part, tables.keep, manner.window, manner.dynamic, _seed_of(seed, 1), ids[:size], reach[:size], kept
    )
    n = kept[0]
    if manner.base >= 0:
        document = text.marks[piece]
        for c in range(n):
            tag = tables.tags[document] if tables.tags.size > 0 else document
            ids[n + c] = manner.base + tag if ids[c] >= 0 else -1
            document += ids[c] < 0
    most = manner.negative + 1
    if tables.path_ends.size > 0:
        for c in range(n):
            if ids[c] >= 0:
                most = max(most, tables.path_ends[ids[c] + 1] - tables.path_ends[ids[c]])
        _tree_targets_cpu(
            ids[:n],
            tables.path_ends,
            tables.points,
            tables.codes,
            outputs.ids[p],
            room.signs[p],
            room.ends[p],
        )
    else:
        _draw_negatives_cpu(
            ids[:n], tables.odds, tables.alias, manner.negative, _seed_of(seed, 2), outputs.ids[p],
            room.signs[p], room.ends[p],
        )  # fmt: skip
    room.most[p] = most


def _embed(p, a, b, ids, targets, room, manner, lr, loss):
    """The windows in place p, whose rows are those of a and b that ids and targets name."""
    n, first, last = room.kept[p], np.zeros(1, np.int64), np.empty(1, np.int64)
    last[0] = n
    own = ids[n : 2 * n] if manner.base >= 0 else ids[:0]
    embed_windows_loop(
        a, b, ids[:n], room.reach[p, :n], own, targets, room.signs[p], room.ends[p, : n + 1], first, last,
        room.most[p], lr, manner.around, manner.together, manner.exact, 1, loss,
    )  # fmt: skip


def pieces_in_place(text, tables, manner, inputs, outputs, room, a, b, lrs, losses, part, parts):
    """Every parts-th piece from `part` on, one after another straight on the matrices. lrs: (pieces,)."""
    for piece in range(part, losses.shape[0], parts):
        _draw(part, piece, text, tables, manner, inputs, outputs, room)
        loss = losses[piece : piece + 1]
        _embed(part, a, b, inputs.ids[part], outputs.ids[part], room, manner, lrs[piece], loss)


def draw_pieces(text, start, pieces, tables, manner, inputs, outputs, room, part, parts):
    """Every parts-th piece from `part` on of the pieces from `start` on: its windows, its rows numbered."""
    for p in range(part, pieces, parts):
        _draw(p, start + p, text, tables, manner, inputs, outputs, room)
        n = room.kept[p]
        for m, size in ((inputs, 2 * n if manner.base >= 0 else n), (outputs, room.ends[p, n])):
            _number_rows_cpu(
                m.ids[p, :size], m.rows[p, :size], m.times[p, :size], m.local[p, :size], m.used[p : p + 1]
            )


def count_pieces(pieces, inputs, outputs, part, parts):
    """How many of the pieces touch each row that leaves the remainder `part`."""
    for m in (inputs, outputs):
        for p in range(pieces):
            for i in range(m.used[p]):
                row = np.uint32(m.rows[p, i])
                if parts == 1 or row % np.uint32(parts) == np.uint32(part):
                    m.seen[row] += 1
                    m.total[row] += m.times[p, i]


def _settle(p, m, table, size, copied):
    """Where the rows of piece p lie; those that others touch, too, are copied."""
    free = m.seen.size + p * ((table.shape[0] - m.seen.size) // m.used.size)
    for i in range(m.used[p]):
        row = m.rows[p, i]
        m.place[p, i] = row
        if m.seen[row] == 1:
            m.seen[row], m.total[row] = 0, 0
            continue
        m.place[p, i] = free
        if copied:
            for f in range(table.shape[1]):
                table[free, f] = table[row, f]
        free += 1
    for i in range(size):
        if m.local[p, i] >= 0:
            m.local[p, i] = m.place[p, m.local[p, i]]


def work_pieces(start, pieces, inputs, outputs, room, manner, a, b, lr, losses, rank, ranks, part, parts):
    """Every parts-th piece from `part` on of a round; those that are other ranks' have their places only."""
    for p in range(part, pieces, parts):
        n, mine = room.kept[p], p % ranks == rank
        _settle(p, inputs, a, 2 * n if manner.base >= 0 else n, mine)
        _settle(p, outputs, b, room.ends[p, n], mine)
        if mine:
            loss = losses[start + p : start + p + 1]
            _embed(p, a, b, inputs.local[p], outputs.local[p], room, manner, lr, loss)


def merge_pieces(m, table, pieces, rate, part, parts):
    """Rows that several pieces touched, those that leave the remainder `part`: the row before and the changes
    of its copies, each of the weight that change_weights gives it, piece after piece."""
    real = table.dtype.type
    for p in range(pieces):
        for i in range(m.used[p]):
            copy, row = m.place[p, i], np.uint32(m.rows[p, i])
            if copy < m.seen.size or (parts > 1 and row % np.uint32(parts) != np.uint32(part)):
                continue
            if m.seen[row] > 0:  # the first of them
                n = m.seen[row]
                m.weight[row] = weight_of(n, m.total[row], rate)
                rest = real(1 - n * m.weight[row])
                for f in range(table.shape[1]):
                    table[row, f] *= rest
                m.seen[row], m.total[row] = -n, 0
            w = real(m.weight[row])
            for f in range(table.shape[1]):
                table[row, f] += w * table[copy, f]
            m.seen[row] += 1


def rounds_apart(
    text, tables, manner, inputs, outputs, room, a, b, lrs, rates, losses, board, way, part, parts
):
    """Rounds one after another, as many parts at work as call this at the same time. lrs: (rounds,); rates:
    (rounds, 2), of each matrix; board: (parts * APART,) int64 zeros; way: address of sched_yield or 0."""
    most, turn = inputs.used.size, 0
    for r in range(lrs.size):
        start = r * most
        pieces = min(most, losses.shape[0] - start)
        draw_pieces(text, start, pieces, tables, manner, inputs, outputs, room, part, parts)
        _meet(board, part, parts, turn + 1, way)
        count_pieces(pieces, inputs, outputs, part, parts)
        _meet(board, part, parts, turn + 2, way)
        work_pieces(start, pieces, inputs, outputs, room, manner, a, b, lrs[r], losses, 0, 1, part, parts)
        _meet(board, part, parts, turn + 3, way)
        merge_pieces(inputs, a, pieces, rates[r, 0], part, parts)
        merge_pieces(outputs, b, pieces, rates[r, 1], part, parts)
        turn += 4
        _meet(board, part, parts, turn, way)
