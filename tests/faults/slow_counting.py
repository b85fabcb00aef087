"""Commands that are done in no time, with small steps and rests: runs long enough to be disturbed.

Run as a program it takes dlkit's command line.
"""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

from dlkit.algorithms import apriori, branches, levelwise
from dlkit.algorithms.apriori import Apriori
from dlkit.algorithms.bayes_nb import BayesNB
from dlkit.algorithms.lda import LDA
from dlkit.algorithms.mf import MF
from dlkit.algorithms.qlearn import QLearn
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
    levelwise.STEP_CANDIDATES, apriori.RULE_SETS, branches.WINDOW = 9, 7, 2
    for algorithm in (BayesNB, MF, Apriori, LDA, QLearn):
        algorithm.train_epoch = slowly(algorithm.train_epoch)  # type: ignore[method-assign]
    sys.exit(main(sys.argv[1:]))
