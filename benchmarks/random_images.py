"""Write x (rows, 784) uint8 and y of random images to an .npz file: ``random_images FILE ROWS``.

A process of its own: the harness that measures peak memory must not have NumPy loaded.
"""

import sys

import numpy as np

from benchmarks.mlp import Sizes


def main(path: str, rows: int) -> None:
    draw = np.random.default_rng(1)
    sizes = Sizes()
    x = draw.integers(0, 256, (rows, sizes.inputs), dtype=np.uint8)
    np.savez(path, x=x, y=draw.integers(0, sizes.classes, rows))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
