"""Item sets as miners hand them over: lengths, supports and members, one set after the other."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from dlkit.kernels.compile import borrows

DONE, FULL, TOO_LONG = 0, 1, 2
"""How a task ended: all found; the buffer has no room for its sets; it takes too long. The last two leave
nothing behind: the task is done again in an empty buffer or in smaller pieces."""


class Tasks:
    """Paths of items: task k is members[starts[k] : starts[k + 1]]."""

    def __init__(self, members: np.ndarray, starts: np.ndarray) -> None:
        self.members = members
        self.starts = starts

    def __len__(self) -> int:
        return len(self.starts) - 1

    @classmethod
    def of(cls, paths: list[np.ndarray]) -> "Tasks":
        """The paths in their order."""
        starts = np.cumsum([0, *map(len, paths)], dtype=np.int64)
        return cls(np.concatenate([np.zeros(0, np.int64), *paths]).astype(np.int64), starts)

    def __getitem__(self, which: slice) -> "Tasks":
        """Some of them."""
        return self.of([self.path(k) for k in range(len(self))[which]])

    def path(self, k: int) -> np.ndarray:
        """Task k."""
        return self.members[self.starts[k] : self.starts[k + 1]]


class FoundBuffer:
    """Room for the sets that one thread finds in a step."""

    def __init__(self, sets: int = 1 << 17, members: int = 1 << 20) -> None:
        self.lengths = np.empty(sets, np.int32)
        self.counts = np.empty(sets, np.int64)
        self.members = np.empty(members, np.int32)
        self.at = np.zeros(3, np.int64)
        """Sets and members so far, and the work that may still be done (entries and words looked at)."""

    def take(self) -> "Found":
        """What is in it, which leaves it empty."""
        sets, members = self.at[:2].tolist()
        self.at[:2] = 0
        whole = self.lengths[:sets], self.counts[:sets], self.members[:members]
        if 8 * sets < len(self.lengths):
            return Found(*(a.copy() for a in whole))
        self.lengths, self.counts, self.members = map(
            np.empty_like, (self.lengths, self.counts, self.members)
        )
        return Found(*whole)  # what is behind them was never written to and takes no memory


class Found:
    """Sets: lengths (n,) int32, counts (n,) int64, members (sum of lengths,) int32."""

    def __init__(self, lengths: np.ndarray, counts: np.ndarray, members: np.ndarray) -> None:
        self.lengths = lengths
        self.counts = counts
        self.members = members

    def __len__(self) -> int:
        return len(self.lengths)

    @classmethod
    def none(cls) -> "Found":
        """No sets."""
        return cls(np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.int32))

    @classmethod
    def joined(cls, parts: list["Found"]) -> "Found":
        """One after the other."""
        parts = [part for part in parts if len(part)] or [cls.none()]
        if len(parts) == 1:
            return parts[0]
        names = ("lengths", "counts", "members")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))

    def at_least(self, count: int) -> "Found":
        """Those with a support of `count` baskets or more."""
        return self.where(self.counts >= count)

    def where(self, keep: np.ndarray) -> "Found":
        """Those for which `keep` (n,) is true."""
        if keep.all():
            return self
        return Found(self.lengths[keep], self.counts[keep], self.members[np.repeat(keep, self.lengths)])

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """For a checkpoint."""
        return {"lengths": self.lengths, "counts": self.counts, "members": self.members}


@borrows
def emit(path, length, support, lengths, supports, flat, at):
    """Append a set; False where there is no room. path: of `path_room`."""
    return emit_with(path, length, support, length, path, path, 0, lengths, supports, flat, at)


@borrows
def emit_with(path, length, support, max_length, others, chosen, aside, lengths, supports, flat, at):
    """Append path[:length], alone and with every choice of others[:aside], up to max_length items, all of the
    same support; False where there is no room. path: of `path_room`; chosen: scratch, (aside + 1,)."""
    sets, size, k, c = at[0], at[1], np.int64(0), np.int64(0)
    while True:
        now = length + k
        if sets == lengths.size or size + now + SLACK > flat.size:
            return False
        lengths[sets], supports[sets] = now, support
        for begin in range(0, now, SLACK):  # eight at once: what is too much is written over
            for j in range(SLACK):
                flat[size + begin + j] = path[begin + j]
        sets, size = sets + 1, size + now
        while c == aside or length + k >= max_length:  # no further choice: back to the one before
            k -= 1
            if k < 0:
                at[0], at[1] = sets, size
                return True
            c = chosen[k]
        path[length + k] = others[c]
        c += 1
        chosen[k] = c
        k += 1


SLACK = 8
"""Members that may be written beyond the last one."""


def path_room(longest: int) -> np.ndarray:
    """Room for paths of so many items, as `emit` wants it."""
    return np.zeros(longest + 1 + SLACK, np.int32)
