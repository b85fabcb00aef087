"""Where the numbers of a corpus are cut into stretches that are worked on one by one."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from dlkit.readers.numbers import AT_ONCE, MARK, NumberFile


class Stretches:
    """Stretches of about `size` numbers, and how many sentences end before each.

    A stretch ends behind the next end of a sentence, if there is one within another `size`. Two numbers of
    4 bytes are kept of each, beside those of the words; of every `every`-th one also its place, so that
    `every` of them are found at once.
    """

    def __init__(self, numbers: NumberFile, size: int, every: int, folder: Path | None) -> None:
        """folder: where files are made. Raises DataError where the disk is full."""
        self.count, self.longest, self._every = 0, 1, every
        self._lengths, self._ends = NumberFile(folder), NumberFile(folder)
        self._places, self._passed = array("q"), array("q")
        at = passed = 0
        for lengths, ends in _cut(numbers, size):
            first = -self.count % every  # of these, the first whose place is kept
            self._places.extend((at + np.cumsum(lengths) - lengths)[first::every].tolist())
            self._passed.extend((passed + np.cumsum(ends) - ends)[first::every].tolist())
            self._lengths.append(lengths)
            self._ends.append(ends)
            self.count += len(lengths)
            self.longest = max(self.longest, int(lengths.max()))
            at, passed = at + int(lengths.sum()), passed + int(ends.sum())
        self._places.append(at)
        self._passed.append(passed)

    @property
    def steps(self) -> int:
        """How often `every` stretches, the last time fewer."""
        return len(self._places) - 1

    def words_before(self, step: int) -> int:
        """Words, without the ends of sentences, before step `step` (from 0; steps: all words)."""
        return self._places[step] - self._passed[step]

    def of(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """The stretches of a step: where they begin, the last one's end, and the sentences that end before
        each place. (n + 1,) int64 both."""
        first = step * self._every
        last = min(first + self._every, self.count)
        places, passed = np.empty((2, last - first + 1), np.int64)
        places[0], passed[0] = self._places[step], self._passed[step]
        places[1:] = places[0] + np.cumsum(self._lengths.read(first, last), dtype=np.int64)
        passed[1:] = passed[0] + np.cumsum(self._ends.read(first, last), dtype=np.int64)
        return places, passed


def _cut(numbers: NumberFile, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Of some stretches at a time: lengths, and the sentences that end in each. (n,) int32."""
    start = 0
    while start < numbers.size:
        stop = min(start + max(AT_ONCE, 4 * size), numbers.size)
        marks = np.flatnonzero(numbers.read(start, stop) == MARK).tolist()
        lengths, ends, at, passed = [], [], 0, 0
        # A stretch is not looked for beyond what was read, unless that is all there is.
        while at < stop - start and (at + 2 * size <= stop - start or stop == numbers.size):
            later = bisect_left(marks, at + size - 1, passed)
            if later < len(marks) and marks[later] < at + 2 * size:
                cut, seen = marks[later] + 1, later + 1
            else:
                cut = min(at + size, stop - start)
                seen = bisect_left(marks, cut, passed)
            lengths.append(cut - at)
            ends.append(seen - passed)
            at, passed = cut, seen
        yield np.array(lengths, np.int32), np.array(ends, np.int32)
        start += at
