"""Several processes (ranks) that train one model together: what each may ask of the others.

Every method of `Comm` but `heed` is collective: all ranks call it, in the same order, or they wait for
ever. So nothing that one rank alone knows (its clock, its files, a signal) may decide what is called. Sums
run in rank order whatever the network does: the same number of ranks gives the same bits, on every rank.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping
from typing import Any, TypeVar

import numpy as np

Array = Any
T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


class Comm(ABC):
    """The ranks of a run; whatever is not overridden is made of `gather`.

    rank, size: of this process. local_rank: its number on its machine, which picks a GPU. sharers: ranks
    that share this one's cores, itself included.
    """

    rank = 0
    size = 1
    local_rank = 0
    sharers = 1
    fixed_order = True
    """Large sums run in rank order; False: in the order that is fastest."""

    def __init__(self) -> None:
        self._asked = 0
        self._agreed = 0

    # -- arrays and counts ----------------------------------------------------------------------
    @abstractmethod
    def gather(self, value: T) -> list[T]:
        """Every rank's value, in rank order, on every rank."""

    def all_sum(self, array: Array) -> None:
        """Sum a C-contiguous array over the ranks, in place. Shape and type are the same on each."""
        parts = self._take_in(self.gather((self._asked, np.array(array))))
        array[...] = _in_order(np.stack(parts))

    def gather_rows(self, rows: np.ndarray) -> np.ndarray:
        """Every rank's rows (n_r, ...), one below the other in rank order."""
        return np.concatenate(self.gather(rows))

    def sum_counts(self, counts: Mapping[K, int]) -> dict[K, int]:
        """Counts by key, added up; keys in the order in which rank 0, then rank 1, ... has them."""
        total: dict[K, int] = {}
        for part in self.gather(dict(counts)):
            add_counts(total, part)
        return total

    # -- agreement ------------------------------------------------------------------------------
    def broadcast(self, value: T) -> T:
        """Rank 0's value on every rank."""
        return self.gather(value)[0]

    def once(self, act: Callable[[], T]) -> T:
        """Rank 0 acts; what it returns, or raises, all ranks return or raise."""
        result: Any = None
        error: Exception | None = None
        if self.rank == 0:
            try:
                result = act()
            except Exception as raised:
                if self.size == 1:
                    raise
                error = raised
        result, error = self.broadcast((result, error))
        if error is not None:
            raise error
        return result

    def heed(self, signal: int | None) -> int | None:
        """Call after each step with the signal received, if any; the signal that all ranks stop for.

        It travels in the next small sum, so all ranks stop after the same step, for no message more.
        """
        self._asked = signal or 0
        return self._agreed or None

    def agree(self, signal: int | None) -> int | None:
        """The same at once, for the price of a message."""
        return max([self._agreed, *self.gather(signal or 0)]) or None

    def _take_in(self, parts: list[tuple[int, T]]) -> list[T]:
        """What arrived with a sum: the signals of all ranks are noted."""
        self._agreed = max(self._agreed, *(asked for asked, _ in parts))
        return [part for _, part in parts]


class Alone(Comm):
    """One process: sums are what they are, and a signal counts at once."""

    def gather(self, value: T) -> list[T]:
        return [value]

    def all_sum(self, array: Array) -> None:
        pass

    def heed(self, signal: int | None) -> int | None:
        return signal


def add_counts(total: dict[K, int], part: Mapping[K, int]) -> None:
    """total += part, key by key."""
    for key, count in part.items():
        total[key] = total.get(key, 0) + count


def _in_order(parts: np.ndarray) -> np.ndarray:
    """The sum over the first axis, term after term."""
    with np.errstate(all="ignore"):
        flat = np.add.reduce(parts.reshape(len(parts), -1), axis=0, dtype=parts.dtype)
    return flat.reshape(parts.shape[1:])
