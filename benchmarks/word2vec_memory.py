"""Memory of word2vec over a stream of text: ``python -m benchmarks.word2vec_memory GIGABYTES``.

Writes nothing but the run: text is made as it is read, on standard input. Prints for each size the peak of
the
process beside what vocabulary and matrices take; the rest must not grow with the text.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks.measure import say

DISTINCT, DIM, BLOCK = 200_000, 100, 1 << 20
STEPS = 4
"""Sizes: the whole, a half, a quarter, an eighth."""


def main() -> None:
    """From an eighth of the size to the whole of it."""
    whole = int(float(sys.argv[1]) * 1e9)
    for part in reversed(range(STEPS)):
        size = whole >> part
        peak = peak_of(size)
        model = 2 * DISTINCT * 104 * 4
        say(text_bytes=size, peak_bytes=peak, matrices_bytes=model, rest_bytes=peak - model)


def text(size: int) -> Iterator[bytes]:
    """About so many bytes: words by Zipf's law, sentences of 20."""
    rng = np.random.default_rng(1)
    share = 1 / np.arange(1, DISTINCT + 1)
    steps = np.cumsum(share / share.sum())
    made = 0
    while made < size:
        words = np.searchsorted(steps, rng.random(BLOCK // 8)).reshape(-1, 16)
        piece = "".join(" ".join(map(str, row)) + "\n" for row in words.tolist()).encode()
        made += len(piece)
        yield piece


def peak_of(size: int) -> int:
    """Peak resident memory of `dlkit word2vec -` on so much text; one pass."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PROGRAM, str(Path(folder) / "run")]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin is not None and child.stdout is not None
        feeder = threading.Thread(target=_feed, args=(child.stdin, size))
        feeder.start()
        out = child.stdout.read()
        feeder.join()
        if child.wait():
            raise SystemExit(child.returncode)
    return int(out.split()[-1])


def _feed(pipe: IO[bytes], size: int) -> None:
    with pipe:
        for piece in text(size):
            pipe.write(piece)


PROGRAM = f"""
import resource, sys
from dlkit.cli import main
code = main(["word2vec", "-", "-o", sys.argv[1], "--tokens", "blank", "--dim", "{DIM}", "--epochs", "1", "-q",
             "--set", "map=null", "--set", "files.text=false", "--min-count", "1"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
sys.exit(code)
"""

if __name__ == "__main__":
    main()
