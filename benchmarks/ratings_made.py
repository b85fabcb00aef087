"""Ratings made up: ``python -m benchmarks.ratings_made FILE N [USERS ITEMS]`` writes N lines
``user,item,rating``.

Popularity falls off as in real data (items by a power of a uniform draw); ratings follow from biases and
four factors.
"""

import sys
from pathlib import Path

import numpy as np

CHUNK = 1 << 20


def write(path: Path, n: int, users: int, items: int) -> None:
    """No user rates an item twice on purpose; those few that happen are repeats as in real files."""
    rng = np.random.default_rng(1)
    p, q = rng.normal(0, 0.4, (users, 4)), rng.normal(0, 0.4, (items, 4))
    bu, bi = rng.normal(0, 0.3, users), rng.normal(0, 0.3, items)
    with path.open("w", encoding="ascii") as file:
        file.write("user,item,rating\n")
        for start in range(0, n, CHUNK):
            m = min(CHUNK, n - start)
            u = rng.integers(0, users, m)
            i = (items * rng.random(m) ** 2).astype(np.int64)
            r = 3.5 + bu[u] + bi[i] + (p[u] * q[i]).sum(1) + rng.normal(0, 0.8, m)
            r = np.clip(np.round(2 * r) / 2, 0.5, 5)
            rows = zip(u.tolist(), i.tolist(), r.tolist(), strict=True)
            file.writelines(f"{a},{b},{c:g}\n" for a, b, c in rows)


if __name__ == "__main__":
    count = int(float(sys.argv[2]))
    sizes = [int(one) for one in sys.argv[3:5]] or [max(count // 150, 10), max(count // 750, 10)]
    write(Path(sys.argv[1]), count, *sizes)
