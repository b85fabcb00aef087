"""FP-growth: item sets without candidates, from prefix trees of the baskets.

Han, Pei & Yin, "Mining frequent patterns without candidate generation" (2000). Baskets are inserted from
their most frequent item on, so that common beginnings share nodes; the nodes of an item are linked. The sets
that contain an item a are those of its conditional tree: of the paths above a's nodes, each as often as its
node.

A task is a path of items, ascending by support; it finds every frequent set that begins with the path.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from dlkit.algorithms.found import DONE, FULL, TOO_LONG, FoundBuffer, Tasks, emit, path_room
from dlkit.algorithms.transactions import Transactions, compiled
from dlkit.kernels.compile import borrows

_ITEM, _COUNT, _PARENT, _LINK, _CHILD, _SIBLING = range(6)
_NAME, _SUPPORT, _HEAD, _TOP = range(4)
_BEGIN, _END, _CURSOR, _NODES = range(4)
_NO_NODES, _NO_ENTRIES = 3, 4


class Tree:
    """The FP-tree of all baskets, which threads share.

    nodes: (6, size) int32, a node's item, count, parent, the next node of its item, first child, next
    sibling. Its header is one entry an item: (4, items), the item, its support, its first node, its node
    below the root.
    """

    def __init__(self, data: Transactions) -> None:
        room = np.empty((6, len(data.lists.rows) + 1), np.int32)
        self.entries = np.empty((4, data.items), np.int32)
        size = compiled(_plant)(data.lists.rows, data.lists.row_starts, data.counts, room, self.entries)
        self.nodes = room[:, :size].copy()


class FPGrowth:
    """What one thread needs to do tasks, and `run`, which does one."""

    def __init__(self, data: Transactions, tree: Tree, min_count: int, max_length: int) -> None:
        self.min_count = min_count
        self.max_length = max_length
        self.deepest = min(max_length, data.longest) + 2
        items, size = data.items, tree.nodes.shape[1]
        self._nodes = np.empty((6, 2 * size + 1024), np.int32)
        self._nodes[:, :size] = tree.nodes
        self._entries = np.empty((4, 4 * items + 1024), np.int32)
        self._entries[:, :items] = tree.entries
        self._first = (items, size)
        self._levels = np.empty((4, self.deepest + 1), np.int64)
        self._counts = np.zeros(items, np.int64)
        self._local = np.full(items, -1, np.int32)
        self._climb = np.empty(data.longest + 1, np.int32)
        self._mine = compiled(_tasks)

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._nodes.nbytes + self._entries.nbytes

    def run(self, tasks: Tasks, out: FoundBuffer) -> tuple[int, int]:
        """Do tasks in turn until one does not end well. Returns (how many are done, how the last one ended:
        DONE, FULL or TOO_LONG, which leave nothing of it behind)."""
        done, room = 0, path_room(self.deepest)
        self._levels[:, 0] = (0, self._first[0], 0, self._first[1])
        while True:
            done, status = self._mine(
                tasks.members, tasks.starts, done, room, self.min_count, self.max_length, self._nodes,
                self._entries, self._levels, self._counts, self._local, self._climb, out.lengths, out.counts,
                out.members, out.at,
            )  # fmt: skip
            if status == _NO_NODES:
                self._nodes = _doubled(self._nodes)
            elif status == _NO_ENTRIES:
                self._entries = _doubled(self._entries)
            else:
                return done, status


def _doubled(a: np.ndarray) -> np.ndarray:
    return np.concatenate([a, np.empty_like(a)], axis=1)


def _plant(rows, row_starts, supports, nodes, entries):
    """The tree of all baskets: entries[k] is item k's. Returns the number of nodes; node 0 is the root."""
    for k in range(supports.size):
        entries[_NAME, k], entries[_SUPPORT, k], entries[_HEAD, k], entries[_TOP, k] = k, supports[k], -1, -1
    nodes[_ITEM, 0] = -1
    top = np.int64(1)
    for t in range(row_starts.size - 1):
        node = np.int64(0)
        for p in range(row_starts[t + 1] - 1, row_starts[t] - 1, -1):
            node, top = _enter(node, np.int64(0), rows[p], rows[p], 1, nodes, entries, top)
    return top


@borrows
def _enter(node, root, item, entry, count, nodes, entries, top):
    """Count the child of `node` that is `item`, making it if need be. Returns (child, number of nodes)."""
    child = np.int64(entries[_TOP, entry] if node == root else nodes[_CHILD, node])
    while child >= 0 and nodes[_ITEM, child] != item:
        child = np.int64(nodes[_SIBLING, child])
    if child >= 0:
        nodes[_COUNT, child] += count
        return child, top
    nodes[_ITEM, top], nodes[_COUNT, top], nodes[_PARENT, top] = item, count, node
    nodes[_LINK, top], nodes[_CHILD, top], nodes[_SIBLING, top] = entries[_HEAD, entry], -1, -1
    if node == root:
        entries[_TOP, entry] = top
    else:
        nodes[_SIBLING, top] = nodes[_CHILD, node]
        nodes[_CHILD, node] = top
    entries[_HEAD, entry] = top
    return top, top + 1


def _tasks(paths, path_starts, done, path, min_count, max_length, nodes, entries, levels, counts, local,
           climb, lengths, supports, flat, at):  # fmt: skip
    """Tasks from number `done` on. Returns (tasks done, status)."""
    for task in range(done, path_starts.size - 1):
        length = path_starts[task + 1] - path_starts[task]
        path[:length] = paths[path_starts[task] : path_starts[task + 1]]
        sets, size, budget = at
        status = _task(
            path, length, min_count, max_length, nodes, entries, levels, counts, local, climb, lengths,
            supports, flat, at,
        )  # fmt: skip
        if status != DONE:
            at[0], at[1] = sets, size
            if status in (_NO_NODES, _NO_ENTRIES):
                at[2] = budget
            return task, status
    return path_starts.size - 1, DONE


def _task(path, length, min_count, max_length, nodes, entries, levels, counts, local, climb, lengths,
          supports, flat, at):  # fmt: skip
    """All frequent sets beginning with path[:length]."""
    d, support = 0, np.int64(0)
    for step in range(length):  # one conditional tree after the other
        entry = levels[_BEGIN, d]
        while entry < levels[_END, d] and entries[_NAME, entry] != path[step]:
            entry += 1
        if entry == levels[_END, d] or entries[_SUPPORT, entry] < min_count:
            return DONE
        support = np.int64(entries[_SUPPORT, entry])
        work = _project(d, entry, min_count, nodes, entries, levels, counts, local, climb)
        if work < 0:
            return -work
        at[2] -= work
        d += 1
    if not emit(path, length, support, lengths, supports, flat, at):
        return FULL
    if length >= max_length:
        return DONE
    base = d
    while d >= base:
        entry = levels[_CURSOR, d]
        if entry == levels[_END, d]:
            d -= 1
            continue
        levels[_CURSOR, d] = entry + 1
        size = length + d - base + 1
        path[size - 1] = entries[_NAME, entry]
        if not emit(path, size, entries[_SUPPORT, entry], lengths, supports, flat, at):
            return FULL
        if size >= max_length or entry + 1 == levels[_END, d]:
            continue
        if at[2] < 0:
            return TOO_LONG
        work = _project(d, entry, min_count, nodes, entries, levels, counts, local, climb)
        if work < 0:
            return -work
        at[2] -= work
        if levels[_END, d + 1] > levels[_BEGIN, d + 1]:
            d += 1
    return DONE


@borrows
def _project(d, entry, min_count, nodes, entries, levels, counts, local, climb):
    """The conditional tree of an entry of level d, as level d + 1. Returns the nodes passed, or -status."""
    begin = levels[_END, d]
    last, work = begin, 1
    node = np.int64(entries[_HEAD, entry])
    while node >= 0:
        above = np.int64(nodes[_PARENT, node])
        while nodes[_ITEM, above] >= 0:
            counts[nodes[_ITEM, above]] += nodes[_COUNT, node]
            above = np.int64(nodes[_PARENT, above])
            work += 1
        node = np.int64(nodes[_LINK, node])
    room = last + levels[_END, d] - entry <= entries.shape[1]
    for other in range(entry + 1, levels[_END, d]):
        item = entries[_NAME, other]
        if room and counts[item] >= min_count:
            entries[_NAME, last], entries[_SUPPORT, last] = item, counts[item]
            entries[_HEAD, last], entries[_TOP, last] = -1, -1
            local[item] = last
            last += 1
        counts[item] = 0
    top = (
        _graft(entries[_HEAD, entry], levels[_NODES, d], nodes, entries, local, climb)
        if room
        else np.int64(0)
    )
    for other in range(begin, last):
        local[entries[_NAME, other]] = -1
    levels[_BEGIN, d + 1], levels[_END, d + 1], levels[_CURSOR, d + 1] = begin, last, begin
    levels[_NODES, d + 1] = top
    if not room:
        return -_NO_ENTRIES
    return 2 * work if top > 0 else -_NO_NODES


@borrows
def _graft(node, root, nodes, entries, local, climb):
    """Insert what is frequent of every path above an item's nodes. Returns the new top, 0 without room."""
    if root >= nodes.shape[1]:
        return np.int64(0)
    nodes[_ITEM, root] = -1
    top = root + 1
    node = np.int64(node)
    while node >= 0:
        size, above = 0, np.int64(nodes[_PARENT, node])
        while nodes[_ITEM, above] >= 0:
            if local[nodes[_ITEM, above]] >= 0:
                climb[size] = nodes[_ITEM, above]
                size += 1
            above = np.int64(nodes[_PARENT, above])
        if top + size > nodes.shape[1]:
            return np.int64(0)
        into = root
        for k in range(size - 1, -1, -1):
            into, top = _enter(
                into, root, climb[k], local[climb[k]], nodes[_COUNT, node], nodes, entries, top
            )
        node = np.int64(nodes[_LINK, node])
    return top
