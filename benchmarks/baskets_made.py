"""Baskets made up like those of an online shop: ``python -m benchmarks.baskets_made FILE``, a basket a line.

In the manner of the Online Retail data (Chen, Sain & Guo 2012): 26,000 orders of 4,000 goods, some 20 in the
mean order but hundreds in the longest, popularity falling by a power, and ranges of one thing in several
colours that are bought together.
"""

import sys
from pathlib import Path

import numpy as np

BASKETS, ITEMS, RANGES = 26_000, 4_000, 300


def write(path: Path) -> None:
    """Goods separated by commas; the same file every time."""
    rng = np.random.default_rng(1)
    popularity = 1 / (np.arange(ITEMS) + 30) ** 0.8
    popularity /= popularity.sum()
    ranges = [rng.choice(ITEMS, rng.integers(3, 9), replace=False, p=popularity) for _ in range(RANGES)]
    liked = 1 / (np.arange(RANGES) + 5)
    liked /= liked.sum()
    lengths = np.minimum(rng.lognormal(2.3, 1.0, BASKETS).astype(int) + 1, 600)
    with path.open("w", encoding="ascii") as file:
        for length in lengths.tolist():
            basket = set(rng.choice(ITEMS, length, p=popularity).tolist())
            for chosen in rng.choice(RANGES, rng.poisson(1 + length / 25), p=liked).tolist():
                goods = ranges[chosen]
                basket.update(goods[rng.random(len(goods)) < 0.7].tolist())
            file.write(",".join(f"good {k:04d}" for k in sorted(basket)) + "\n")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
