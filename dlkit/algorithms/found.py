"""Item sets as miners hand them over: lengths, supports and members, one set after the other."""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import numpy as np

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
        sets, members = self.at[:2]
        self.at[:2] = 0
        return Found(self.lengths[:sets].copy(), self.counts[:sets].copy(), self.members[:members].copy())


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
        parts = [cls.none(), *parts]
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


def emit(path, length, support, lengths, supports, flat, at):
    """Append a set; False where there is no room."""
    if at[0] == lengths.size or at[1] + length > flat.size:
        return False
    lengths[at[0]], supports[at[0]] = length, support
    for k in range(length):
        flat[at[1] + k] = path[k]
    at[0] += 1
    at[1] += length
    return True
