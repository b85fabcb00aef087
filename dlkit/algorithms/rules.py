"""Association rules X => Y from frequent sets Z = X and Y together.

Agrawal & Srikant (1994), section 3 (ap-genrules): if X => Y misses the confidence, so does every rule of Z
with a larger head. So heads grow item by item, and a head that fails is grown no further. All supports are
looked up among the frequent sets; a rule is three set numbers until it is written.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from dataclasses import dataclass

import numpy as np

from dlkit.algorithms.itemsets import ItemSets, set_number
from dlkit.algorithms.rule_measures import measures
from dlkit.algorithms.transactions import compiled
from dlkit.errors import DataError

_NO_ROOM, _MISSING = -1, -2


@dataclass
class Rules:
    """Rules as set numbers: both (the whole set), body, head; (n,) int32 each."""

    both: np.ndarray
    body: np.ndarray
    head: np.ndarray

    def __len__(self) -> int:
        return len(self.both)

    @classmethod
    def none(cls) -> "Rules":
        """No rules."""
        return cls(*(np.zeros(0, np.int32) for _ in range(3)))

    @classmethod
    def joined(cls, parts: list["Rules"]) -> "Rules":
        """One after the other."""
        names = ("both", "body", "head")
        parts = [cls.none(), *parts]
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def __getitem__(self, which: np.ndarray) -> "Rules":
        """Some of them."""
        return Rules(self.both[which], self.body[which], self.head[which])

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint."""
        return {"both": self.both, "body": self.body, "head": self.head}

    def measures(self, sets: ItemSets, n: int) -> dict[str, np.ndarray]:
        """Every measure, of n baskets."""
        return measures(sets.counts[self.both], sets.counts[self.body], sets.counts[self.head], n)

    def ranked(self, sets: ItemSets, n: int, by: str, top: int | None = None) -> "Rules":
        """By a measure from above, then by support, then body and head in the order of the sets."""
        value = self.measures(sets, n)[by]
        order = np.lexsort([self.head, self.body, -sets.counts[self.both], -value])
        return self[order[:top]]


class RuleMaker:
    """Rules of one set after the other."""

    def __init__(
        self,
        sets: ItemSets,
        *,
        min_confidence: float,
        max_head: int,
        in_body: np.ndarray,
        in_head: np.ndarray,
    ) -> None:
        """in_body, in_head: (items,) bool, which items may stand there."""
        self.sets = sets
        self.min_confidence = min_confidence
        self.max_head = max_head
        self.in_body, self.in_head = in_body, in_head
        longest = int(sets.lengths.max(initial=1))
        self._stack = np.empty(longest + 1, np.int64)
        self._head = np.empty(longest + 1, np.int32)

    def make(self, which: np.ndarray, room: int) -> tuple[int, Rules]:
        """Rules of the sets `which`, in turn, as long as there is room for `room` rules.

        Returns (how many of the sets are done, their rules); 0 done: the first one alone has more.
        """
        s, out = self.sets, np.empty((3, room), np.int32)
        done, size = compiled(_rules)(
            which, s.starts, s.members, s.counts, s.keys, s.slots, self.in_body, self.in_head,
            self.min_confidence, self.max_head, self._stack, self._head, out,
        )  # fmt: skip
        if size < 0:
            raise DataError("the item sets do not hold all subsets of each other")
        return int(done), Rules(*(row[:size].copy() for row in out))


def _rules(which, starts, members, counts, keys, slots, in_body, in_head, min_confidence, max_head,
           stack, head, out):  # fmt: skip
    """(sets done, rules written; -1: a set is missing)."""
    size = np.int64(0)
    for w in range(which.size):
        more = _rules_of(which[w], starts, members, counts, keys, slots, in_body, in_head,
                         min_confidence, max_head, stack, head, out, size)  # fmt: skip
        if more < 0:
            return w, size if more == _NO_ROOM else np.int64(-1)
        size = more
    return which.size, size


def _rules_of(z, starts, members, counts, keys, slots, in_body, in_head, min_confidence, max_head,
              stack, head, out, size):  # fmt: skip
    """Rules of set z: heads grow depth first, in the order of its items. Rules so far, _NO_ROOM, _MISSING."""
    begin, end = starts[z], starts[z + 1]
    whole = np.uint64(0)
    must_be_head = 0
    for k in range(begin, end):
        whole += keys[members[k]]
        must_be_head += not in_body[members[k]]
    depth, h = 0, np.uint64(0)
    stack[0] = begin
    while depth >= 0:
        k = stack[depth]
        if k == end:
            depth -= 1
            if depth >= 0:  # take back the item that was tried there
                h -= keys[head[depth]]
                must_be_head += not in_body[head[depth]]
            continue
        stack[depth] = k + 1
        item = members[k]
        if not in_head[item] or depth + 1 >= end - begin or depth + 1 > max_head:
            continue
        h += keys[item]
        must_be_head -= not in_body[item]
        head[depth] = item
        body = set_number(whole - h, slots)
        if body < 0:
            return np.int64(_MISSING)
        if counts[z] / counts[body] < min_confidence:
            h -= keys[item]
            must_be_head += not in_body[item]
            continue
        if must_be_head == 0:
            if size == out.shape[1]:
                return np.int64(_NO_ROOM)
            out[0, size], out[1, size] = z, body
            out[2, size] = set_number(h, slots)
            size += 1
        depth += 1
        stack[depth] = k + 1
    return size
