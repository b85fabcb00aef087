"""Labelled text made up: ``python -m benchmarks.text_made FILE BYTES`` writes lines label<TAB>words.

The words are numbers, falling in frequency by a power: most of the millions of different ones are rare.
"""

import sys
from pathlib import Path

import numpy as np

CLASSES, DISTINCT, WORDS = 20, 8_000_000, 200
AT_ONCE = 1000


def write(path: Path, size: int) -> None:
    """At least `size` bytes."""
    rng = np.random.default_rng(1)
    written = label = 0
    with path.open("wb") as file:
        while written < size:
            rank = DISTINCT * rng.random((AT_ONCE, WORDS)) ** 6
            labels = (np.arange(AT_ONCE) + label) % CLASSES
            words = (rank.astype(np.int64) * (labels[:, None] + 1)) % DISTINCT + 10
            lines = [
                f"class {k}\t{' '.join(map(str, row))}"
                for k, row in zip(labels.tolist(), words.tolist(), strict=True)
            ]
            written += file.write(("\n".join(lines) + "\n").encode("ascii"))


if __name__ == "__main__":
    write(Path(sys.argv[1]), int(float(sys.argv[2])))
