"""Names (of users, of items) as consecutive numbers, in the order in which they are first seen."""

from collections.abc import Iterable

import numpy as np

from dlkit.kernels.byte_keys import NO_ROOM, number_of
from dlkit.kernels.compile import compiled
from dlkit.kernels.index import place_keys

_FIRST_NAMES, _FIRST_BYTES = 1 << 10, 1 << 14


class Names:
    """An open hash table over UTF-8 names, in arrays that compiled code reads and fills.

    Some 25 bytes a name beside the name itself.
    """

    def __init__(self, texts: Iterable[str] = ()) -> None:
        self.slots = np.zeros(2 * _FIRST_NAMES, np.int32)
        self.hashes = np.zeros(_FIRST_NAMES, np.uint64)
        self.ends = np.zeros(_FIRST_NAMES, np.int64)
        self.pool = np.zeros(_FIRST_BYTES, np.uint8)
        self.size = np.zeros(2, np.int64)
        for text in texts:
            self.put(text)

    def __len__(self) -> int:
        return int(self.size[0])

    @property
    def arrays(self) -> tuple[np.ndarray, ...]:
        """What the compiled code takes."""
        return self.slots, self.hashes, self.ends, self.pool, self.size

    def put(self, text: str) -> int:
        """The number of a name; a new one if it is not there."""
        return self._intern(text, True)

    def find(self, text: str) -> int:
        """The number of a name, -1 if it is not there."""
        return self._intern(text, False)

    def _intern(self, text: str, insert: bool) -> int:
        data = np.frombuffer(text.encode("utf-8"), np.uint8)
        while True:
            index = int(compiled(number_of)(data, 0, len(data), *self.arrays, insert))
            if index != NO_ROOM:
                return index
            self.grow(len(data))

    def grow(self, length: int = 0) -> None:
        """Room for as many names again, and for one of `length` bytes."""
        count = len(self)
        if count == len(self.ends) or 2 * (count + 1) > len(self.slots):
            self.slots = np.zeros(2 * len(self.slots), np.int32)
            self.hashes = np.concatenate([self.hashes, np.zeros_like(self.hashes)])
            self.ends = np.concatenate([self.ends, np.zeros_like(self.ends)])
            place_keys(self.hashes[:count], self.slots)
        else:
            pool = np.zeros(2 * len(self.pool) + length, np.uint8)  # what is never written takes no memory
            pool[: int(self.size[1])] = self.pool[: int(self.size[1])]
            self.pool = pool

    def text(self, index: int) -> str:
        """The name with this number."""
        begin = int(self.ends[index - 1]) if index else 0
        return self.pool[begin : int(self.ends[index])].tobytes().decode("utf-8")

    def texts(self) -> list[str]:
        """All names in the order of their numbers."""
        data, ends = self.pool[: int(self.size[1])].tobytes(), self.ends[: len(self)].tolist()
        return [data[a:b].decode("utf-8") for a, b in zip([0, *ends[:-1]], ends, strict=True)]
