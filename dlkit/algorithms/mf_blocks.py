"""Ratings cut into blocks of (group of users) x (group of items), and the order in which blocks are worked
on.

With as many groups of users as of items, a step takes one block of every group of users and of every group of
items: no two of its blocks share a user or an item, so they may run at the same time and the result does not
depend on how many do (Gemulla et al. 2011). As many steps make an epoch; which item groups meet which user
groups is drawn anew in each.

While blocks are worked on, the rows of a group lie side by side. Sixteen biases share a cache line: were they
of different groups, the line would go to and fro between cores at every rating, and two threads be slower
than one. Users lie in the order in which a block takes them: what comes next is fetched in advance.
"""

import numpy as np

from dlkit.algorithms.mf_rated import AT_ONCE, Rated
from dlkit.backend import Backend
from dlkit.backend.streams import Streams
from dlkit.kernels.mf_layout import count_blocks, fill_blocks

RATINGS_IN_A_BLOCK = 4000
"""About so many, at least, where the recipe leaves the number of blocks open: a step then outweighs its
start."""
MOST_GROUPS = 32
"""With more, hardly two ratings of a user stand in a block, and fetching rows is most of the work."""


def groups_for(ratings: int, users: int, items: int) -> int:
    """Groups of users and of items for so many ratings: a power of two. It depends on the data alone."""
    groups = 1
    while groups < MOST_GROUPS and (2 * groups) ** 2 * RATINGS_IN_A_BLOCK <= ratings:
        groups *= 2
    while groups > 1 and groups > min(users, items):
        groups //= 2
    return groups


class Blocks:
    """The training ratings block by block, users in a drawn order, a user's as they stand in the file.

    `users` and `items` say where the row of each rating lies; user_rows[place], item_rows[place] is its
    number.
    """

    def __init__(self, train: Rated, items: int, groups: int, streams: Streams) -> None:
        """The order of the blocks and in them; the ratings come with `fill`."""
        self.groups = groups
        self.streams = streams
        self._order = streams.get("blocks").permutation(len(train.ends) - 1)
        self._group_of = _dealt(train.counts, groups), _dealt(train.item_counts(items), groups)
        counts = np.empty((groups, groups), np.int64)
        count_blocks(train.ends, train.columns, *self._group_of, counts)
        last = np.cumsum(counts.reshape(-1)).reshape(groups, groups)
        self.first, self.last = last - counts, last
        orders = self._order, np.arange(items)
        (self.user_rows, self.user_ends), (self.item_rows, self.item_ends) = (
            _side_by_side(group, groups, order) for group, order in zip(self._group_of, orders, strict=True)
        )

    def fill(self, train: Rated, backend: Backend) -> None:
        """Put the ratings into their blocks, column by column: the values are not held twice beside the
        others."""
        values = self._in_blocks(train, train.values.astype(backend.dtype, copy=False))
        users = self._in_blocks(train, _places(self.user_rows), of_users=1)
        items, place = self._in_blocks(train, train.columns), _places(self.item_rows)
        for start in range(0, len(items), AT_ONCE):  # an index of all of them would be copied to 8 bytes each
            part = slice(start, start + AT_ONCE)
            items[part] = place[items[part]]
        self.users, self.items, self.values = (backend.asarray(column) for column in (users, items, values))

    def _in_blocks(self, train: Rated, source: np.ndarray, of_users: int = 0) -> np.ndarray:
        made, begin = np.empty(len(train), source.dtype), self.first.copy()
        fill_blocks(self._order, train.ends, train.columns, source, of_users, *self._group_of, begin, made)
        return made

    def step(self, epoch: int, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Step `number` (from 1) of an epoch: first and last rating, and item group, for each group of
        users."""
        shuffled = self.streams.get("shuffle", epoch).permutation(self.groups)
        rows = np.arange(self.groups)
        columns = shuffled[(rows + number) % self.groups]
        return self.first[rows, columns], self.last[rows, columns], columns


def _side_by_side(group: np.ndarray, groups: int, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows by group, in each as in `order`: (number of the row at each place, where each group begins and the
    last one ends)."""
    rows = order[np.argsort(group[order], kind="stable")]
    return rows, np.concatenate([[0], np.cumsum(np.bincount(group, minlength=groups))])


def _places(rows: np.ndarray) -> np.ndarray:
    """(n,) int32: the place of each row."""
    place = np.empty(len(rows), np.int32)
    place[rows] = np.arange(len(rows))
    return place


def _dealt(counts: np.ndarray, groups: int) -> np.ndarray:
    """(n,) int32 group of each row: dealt out by falling number of ratings, back and forth, so that groups
    are
    about as large as each other."""
    turn = np.arange(len(counts)) % (2 * groups)
    group = np.empty(len(counts), np.int32)
    group[np.argsort(-counts, kind="stable")] = np.minimum(turn, 2 * groups - 1 - turn)
    return group
