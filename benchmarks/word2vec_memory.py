"""The contender of the word2vec-memory row: ``python -m benchmarks.word2vec_memory BYTES THREADS``.

Makes text as it is read and gives it to `dlkit word2vec -` on standard input; prints what that process took.
"""

import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import IO

import numpy as np

from benchmarks.measure import say
from dlkit import __version__

DISTINCT, DIM, BLOCK = 200_000, 100, 1 << 20


def main() -> None:
    """One pass over so much text."""
    size, threads = int(sys.argv[1]), int(sys.argv[2])
    versions = {"dlkit": __version__, "numpy": np.__version__, "numba": version("numba")}
    peak, libraries = memory_of(size, threads)
    say(text_bytes=size, command_peak_bytes=peak, libraries_bytes=libraries, versions=versions)


def text(size: int) -> Iterator[bytes]:
    """About so many bytes: words by Zipf's law, sentences of 16."""
    rng = np.random.default_rng(1)
    share = 1 / np.arange(1, DISTINCT + 1)
    steps = np.cumsum(share / share.sum())
    made = 0
    while made < size:
        words = np.searchsorted(steps, rng.random(BLOCK // 8)).reshape(-1, 16)
        piece = "".join(" ".join(map(str, row)) + "\n" for row in words.tolist()).encode()
        made += len(piece)
        yield piece


def memory_of(size: int, threads: int) -> tuple[int, int]:
    """Of `dlkit word2vec -` on so much text, bytes: peak resident memory, and how much of it at the end are
    pages of files, that is, of programs and libraries (0 where the system does not say)."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-c", PROGRAM, str(Path(folder) / "run"), str(threads)]
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert child.stdin is not None and child.stdout is not None
        feeder = threading.Thread(target=_feed, args=(child.stdin, size))
        feeder.start()
        out = child.stdout.read()
        feeder.join()
        if child.wait():
            raise SystemExit(child.returncode)
    peak, libraries = map(int, out.split()[-2:])
    return peak, libraries


def _feed(pipe: IO[bytes], size: int) -> None:
    with pipe:
        for piece in text(size):
            pipe.write(piece)


PROGRAM = f"""
import resource, sys
from pathlib import Path
from dlkit.cli import main
code = main(["word2vec", "-", "-o", sys.argv[1], "--tokens", "blank", "--dim", "{DIM}", "--epochs", "1", "-q",
             "--set", "map=null", "--set", "files.text=false", "--min-count", "1", "--threads", sys.argv[2]])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
status = Path("/proc/self/status")
lines = status.read_text().splitlines() if status.exists() else []
files = sum(1024 * int(line.split()[1]) for line in lines if line.startswith("RssFile:"))
print(peak if sys.platform == "darwin" else peak * 1024, files)
sys.exit(code)
"""

if __name__ == "__main__":
    main()
