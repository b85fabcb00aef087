"""bayes-nb on pieces of some rows, a rest after each: a run long enough to be disturbed.

Run as a program it takes dlkit's command line.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from dlkit.algorithms.bayes_nb import BayesNB
from dlkit.cli import main
from dlkit.readers import again, streamed_table

REST = 0.01
PIECE = 2000


def pieces(path: Path | str, name: str) -> Iterator[bytes]:
    data = Path(path).read_bytes()
    yield from (data[start : start + PIECE] for start in range(0, len(data), PIECE))


def slowly(train_epoch):  # type: ignore[no-untyped-def]
    def resting(self, epoch, skip=0):  # type: ignore[no-untyped-def]
        for progress in train_epoch(self, epoch, skip):
            time.sleep(REST)
            yield progress

    return resting


if __name__ == "__main__":
    again.blocks = pieces  # type: ignore[assignment]
    streamed_table.PIECE = streamed_table._HEAD = PIECE
    BayesNB.train_epoch = slowly(BayesNB.train_epoch)  # type: ignore[method-assign]
    sys.exit(main(sys.argv[1:]))
