"""Found item sets put in order, and which are closed, which maximal.

Of two sets of one length that one comes first whose smallest item, by label, that the other has not comes
first. With a bit an item, the first item the highest one, it is the larger number: a set is one word where
there are few items, and is sorted as that. Where there are many, its items' places are laid side by side.

Every set speaks for its subsets of one item less, which are looked up (itemsets.py). That is enough, for
support falls along a chain.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np

from dlkit.algorithms.found import Found
from dlkit.algorithms.itemsets import ItemSets, set_number
from dlkit.algorithms.transactions import compiled
from dlkit.backend.threads import Team
from dlkit.errors import DataError
from dlkit.kernels.bitmaps import popcount

T = TypeVar("T")
WORD = 64

AT_ONCE = 1 << 17
"""Sets that are worth another thread: with fewer it costs what it saves."""

SIDE_BY_SIDE = 1 << 14
"""Sets that are worth a thread which marks them as they were found while another puts them in order: many
short calls, which would wait for each other in two threads."""


class Ordered(NamedTuple):
    """Sets: shorter ones first, then by support from above, then by their items' labels."""

    sets: ItemSets
    closed: np.ndarray
    """(n,) bool: no larger set has the same support."""
    maximal: np.ndarray
    """(n,) bool: no larger set is frequent."""


def ordered(labels: list[str], rank: np.ndarray, found: Found, team: Team | None = None) -> Ordered:
    """All frequent sets. labels: of the items, by number; rank: (items,) places of the labels in their order.
    Raises DataError where a subset of a set is missing."""
    item_at = np.argsort(rank).astype(np.int32)
    starts = np.concatenate([[0], np.cumsum(found.lengths, dtype=np.int64)])
    made = Found(np.empty_like(found.lengths), np.empty_like(found.counts), np.empty_like(found.members))
    by_length = np.argsort(found.lengths.astype(np.uint16), kind="stable")
    sizes = np.bincount(found.lengths)
    sets, members = (np.cumsum(a) - a for a in (sizes, sizes * np.arange(len(sizes))))
    lanes = _lanes(len(found), team)
    old = np.empty(len(found), np.int64)

    def lane(number: int) -> None:
        for k in range(1 + number, len(sizes), lanes) if number < lanes else ():
            n, first = int(sizes[k]), int(members[k])
            here, flat = slice(sets[k], sets[k] + n), made.members[first : first + n * k].reshape(n, k)
            made.lengths[here] = k
            _sort(found, starts, by_length[here], k, rank, item_at, old[here], flat)
            np.take(found.counts, old[here], out=made.counts[here])

    if lanes > 1 or team is None or team.shards == 1 or len(found) < SIDE_BY_SIDE:
        _each(lane, lanes, team)
        whole = ItemSets(labels, made)
        return Ordered(whole, *_marks(whole, lanes, team))

    def job(number: int) -> tuple[np.ndarray, np.ndarray] | None:
        if number == 0:
            lane(0)
        return _marks(ItemSets(labels, found), 1, None) if number == 1 else None

    marks = team.map(job)[1]
    assert marks is not None
    return Ordered(ItemSets(labels, made), *(of_found[old] for of_found in marks))


def _lanes(sets: int, team: Team | None) -> int:
    """Threads that are worth their while."""
    return 1 if team is None else max(1, min(team.shards, sets // AT_ONCE))


def _each(lane: Callable[[int], T], lanes: int, team: Team | None) -> list[T]:
    return [lane(0)] if team is None or lanes == 1 else team.map(lane)


def _sort(
    found: Found, starts: np.ndarray, which: np.ndarray, k: int, rank: np.ndarray, item_at: np.ndarray,
    old: np.ndarray, flat: np.ndarray,
) -> None:  # fmt: skip
    """Put the sets `which`, of k items each, in order: their numbers into old, (n,), their items into flat,
    (n, k)."""
    items = len(rank)
    bits = max(items - 1, 1).bit_length()
    as_bits = items <= WORD
    words = np.zeros((1 if as_bits else -(-k // (WORD // bits)), len(which)), np.uint64)
    if as_bits:
        compiled(_bits)(found.members, starts, which, k, rank, words[0])
    else:
        compiled(_places)(found.members, starts, which, k, rank, bits, words)
    down = found.counts[which]
    down = (down.max(initial=0) - down).astype(np.uint64)
    used = items if as_bits else bits * k
    if used + int(down.max(initial=0)).bit_length() <= WORD:  # all of it is one number
        at = np.argsort(down << np.uint64(used) | words[0])
    else:
        at = np.lexsort((*words[::-1], down))
    np.take(which, at, out=old)
    if as_bits:
        compiled(_unpack_bits)(words[0], at, item_at, flat)
    else:
        compiled(_unpack_places)(words, at, bits, item_at, flat)


def _bits(members, starts, which, k, rank, words):
    """Bits of a set's items; 0 for the items that it has, for these are to come first."""
    top = np.uint64(rank.size - 1)
    for s in range(which.size):
        word = np.uint64(0)
        for j in range(starts[which[s]], starts[which[s]] + k):
            word |= np.uint64(1) << (top - np.uint64(rank[members[j]]))
        words[s] = ~word & ((np.uint64(2) << top) - np.uint64(1))


def _unpack_bits(words, at, item_at, flat):
    n, k = flat.shape
    top = item_at.size - 1
    for m in range(n):
        word = ~words[at[m]]  # the bits above the items' are never come to
        for j in range(k - 1, -1, -1):  # the lowest bit is the last item
            lowest = word & (~word + np.uint64(1))
            flat[m, j] = item_at[top - popcount(lowest - np.uint64(1))]
            word ^= lowest


def _places(members, starts, which, k, rank, bits, words):
    """Places of a set's items, ascending, the first one in the highest bits."""
    row, each = np.empty(k, np.int64), 64 // bits
    for s in range(which.size):
        for j in range(k):
            place, m = rank[members[starts[which[s]] + j]], j
            while m > 0 and row[m - 1] > place:
                row[m] = row[m - 1]
                m -= 1
            row[m] = place
        for j in range(k):
            words[j // each, s] = words[j // each, s] << np.uint64(bits) | np.uint64(row[j])


def _unpack_places(words, at, bits, item_at, flat):
    n, k = flat.shape
    each = 64 // bits
    for m in range(n):
        for j in range(k - 1, -1, -1):
            last = min(k, (j // each + 1) * each) - 1
            word = words[j // each, at[m]] >> np.uint64((last - j) * bits)
            flat[m, j] = item_at[word & ((np.uint64(1) << np.uint64(bits)) - np.uint64(1))]


# -- closed and maximal -------------------------------------------------------------------------------
def _marks(sets: ItemSets, lanes: int, team: Team | None) -> tuple[np.ndarray, np.ndarray]:
    """(n,) bool each: closed, maximal. Threads only ever write 0, so it does not matter who does."""
    n = len(sets)
    closed, maximal = np.ones(n + 1, bool), np.ones(n, bool)  # one more: what is not struck out
    bounds = np.linspace(0, len(sets.members), lanes + 1)
    ends = np.searchsorted(sets.starts, bounds[1:-1]).tolist()
    pieces = list(zip([0, *ends], [*ends, n], strict=True))
    mark, tables = (
        compiled(_mark),
        (sets.starts, sets.members, sets.counts, sets.keys, sets.hashes, sets.slots),
    )

    def lane(number: int) -> bool:
        return number >= lanes or bool(mark(*pieces[number], *tables, closed, maximal))

    if not all(_each(lane, lanes, team)):
        raise DataError("the item sets do not hold all subsets of each other")
    return closed[:n].copy(), maximal


def _mark(begin, end, starts, members, counts, keys, hashes, slots, closed, maximal):
    """Strike out what the sets begin ... end - 1 hold. False where a subset is missing."""
    n = closed.size - 1
    for s in range(begin, end):
        if starts[s + 1] - starts[s] < 2:
            continue
        for k in range(starts[s], starts[s + 1]):
            p = set_number(hashes[s] - keys[members[k]], slots)
            if p < 0:
                return False
            maximal[p] = False
            closed[p if counts[p] == counts[s] else n] = False  # no branch that is taken as often as not
    return True
