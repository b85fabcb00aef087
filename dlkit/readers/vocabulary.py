"""Words and their numbers: a hash table over UTF-8 bytes that grows as a text is read."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from dlkit.kernels.index import index_spans, place_keys

_SMALLEST = 1 << 12


class Vocabulary:
    """Keys numbered 0, 1, 2, ... in the order in which they were first met."""

    def __init__(self) -> None:
        self._slots = np.zeros(_SMALLEST, np.int32)
        self._hashes = np.empty(_SMALLEST // 2, np.uint64)
        self._ends = np.empty(_SMALLEST // 2, np.int64)
        self._pool = np.empty(1 << 16, np.uint8)
        self._used = np.zeros(3, np.int64)

    def __len__(self) -> int:
        return int(self._used[1])

    @property
    def bytes_held(self) -> int:
        """Memory of the table."""
        return sum(a.nbytes for a in (self._slots, self._hashes, self._ends, self._pool))

    def clear(self) -> None:
        """Forget every key; the memory is kept."""
        self._used[:] = 0
        self._slots[:] = 0

    def index(self, flat: np.ndarray, first: np.ndarray, last: np.ndarray, *, grow: bool) -> np.ndarray:
        """(T,) int32 number of each span flat[first:last]; a new one is given a number if `grow`, else -1."""
        ids = np.empty(len(first), np.int32)
        self._used[0] = 0
        while True:
            index_spans(
                flat,
                first,
                last,
                int(grow),
                self._slots,
                self._hashes,
                self._ends,
                self._pool,
                ids,
                self._used,
            )
            done, keys, size = self._used.tolist()
            if done == len(first):
                return ids
            if size + int(last[done] - first[done]) > len(self._pool):
                needed = size + int(last[done] - first[done])
                self._pool = _longer(self._pool, max(2 * len(self._pool), needed), size)
            else:
                self._make_slots(2 * len(self._slots), keys)

    def _make_slots(self, size: int, keys: int) -> None:
        self._hashes = _longer(self._hashes, size // 2, keys)
        self._ends = _longer(self._ends, size // 2, keys)
        self._slots = np.zeros(size, np.int32)
        place_keys(self._hashes[:keys], self._slots)

    def add(self, words: Sequence[str]) -> np.ndarray:
        """Numbers of words given as texts; new ones are put in."""
        pieces = [word.encode("utf-8") for word in words]
        last = np.cumsum([len(piece) for piece in pieces], dtype=np.int64)
        first = np.concatenate([np.zeros(1, np.int64), last[:-1]]) if pieces else last
        return self.index(np.frombuffer(b"".join(pieces), np.uint8), first, last, grow=True)

    def spans(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(bytes, first, last): key i is bytes[first[i]:last[i]]. Views of the table."""
        ends = self._ends[: len(self)]
        first = np.zeros(len(ends), np.int64)
        first[1:] = ends[:-1]
        return self._pool[: self._used[2]], first, ends

    def words(self, ids: Sequence[int] | np.ndarray | None = None) -> list[str]:
        """The texts of some keys, or of all."""
        pool, first, last = self.spans()
        data = pool.tobytes()
        chosen = range(len(self)) if ids is None else [int(i) for i in ids]
        return [data[first[i] : last[i]].decode("utf-8") for i in chosen]

    def keep(self, chosen: np.ndarray) -> None:
        """Only the keys of (K,) bool `chosen`, numbered anew in the same order."""
        pool, first, last = self.spans()
        lengths = last - first
        kept = np.flatnonzero(chosen)
        flat = pool[np.repeat(chosen, lengths)]
        ends = np.cumsum(lengths[kept])
        hashes = self._hashes[: len(self)][kept]
        size = max(_SMALLEST, 1 << int(2 * len(kept) + 1).bit_length())
        self._pool = _longer(flat, max(len(flat), 1 << 16), len(flat))
        self._hashes = _longer(hashes, size // 2, len(kept))
        self._ends = _longer(ends, size // 2, len(kept))
        self._used[:] = 0, len(kept), len(flat)
        self._slots = np.zeros(size, np.int32)
        place_keys(hashes, self._slots)

    def to_dict(self) -> dict[str, Any]:
        """Arrays for a checkpoint."""
        pool, _, ends = self.spans()
        return {"bytes": pool.copy(), "ends": ends.copy()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> "Vocabulary":
        """The inverse of `to_dict`; raises ValueError, KeyError, TypeError for what it never gives."""
        pool, ends = np.asarray(data["bytes"]), np.asarray(data["ends"])
        if pool.dtype != np.uint8 or ends.dtype != np.int64 or pool.ndim != 1 or ends.ndim != 1:
            raise ValueError("a vocabulary is bytes and their ends")
        first = np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if len(ends) else ends
        if (ends < first).any() or (int(ends[-1]) if len(ends) else 0) != len(pool):
            raise ValueError("a vocabulary whose ends do not fit its bytes")
        pool.tobytes().decode("utf-8")
        made = cls()
        made.index(
            np.ascontiguousarray(pool), np.ascontiguousarray(first), np.ascontiguousarray(ends), grow=True
        )
        if len(made) != len(ends):
            raise ValueError("a vocabulary with a word twice")
        return made


def _longer(array: np.ndarray, size: int, used: int) -> np.ndarray:
    """A copy with room for `size` entries, of which the first `used` are taken over."""
    made = np.empty(size, array.dtype)
    made[:used] = array[:used]
    return made
