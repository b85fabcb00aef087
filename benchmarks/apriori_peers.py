"""The peers of the apriori row: PyFIM's best method, and mlxtend, as their users call them."""

import argparse
import math
import statistics
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import say


def read(path: Path) -> list[list[str]]:
    """A basket a line, items between blanks, or between commas where there are some."""
    with path.open(encoding="utf-8") as file:
        lines = file.readlines()
    separator = "," if any("," in line for line in lines[:100]) else None
    return [line.strip().split(separator) for line in lines]


def by_pyfim(baskets: list[list[str]], support: float) -> Any:
    """As many methods as it has that are fast here: the best of them counts."""
    import fim

    count = math.ceil(support * len(baskets) - 1e-9)
    times, sets = [], 0
    for method in (fim.eclat, fim.fpgrowth):
        began = time.perf_counter()
        sets = len(method(baskets, target="s", supp=-count, report="a"))
        times.append(time.perf_counter() - began)
    return min(times), sets


def by_mlxtend(baskets: list[list[str]], support: float) -> Any:
    """One-hot encoding (sparse) and fpgrowth."""
    import pandas as pd
    from mlxtend.frequent_patterns import fpgrowth
    from mlxtend.preprocessing import TransactionEncoder

    began = time.perf_counter()
    encoder = TransactionEncoder()
    table = encoder.fit(baskets).transform(baskets, sparse=True)
    frame = pd.DataFrame.sparse.from_spmatrix(table, columns=encoder.columns_)
    frame.columns = [str(name) for name in frame.columns]
    found = fpgrowth(frame, min_support=support, use_colnames=True)
    return time.perf_counter() - began, len(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("peer", choices=["pyfim", "mlxtend"])
    parser.add_argument("data", type=Path)
    parser.add_argument("support", type=float)
    parser.add_argument("--times", type=int, default=3)
    asked = parser.parse_args()
    mine = {"pyfim": by_pyfim, "mlxtend": by_mlxtend}[asked.peer]
    reading, mining, sets = [], [], 0
    for _ in range(asked.times):
        began = time.perf_counter()
        baskets = read(asked.data)
        reading.append(time.perf_counter() - began)
        took, sets = mine(baskets, asked.support)
        mining.append(took)
    read_seconds, mine_seconds = statistics.median(reading), statistics.median(mining)
    versions = {asked.peer: version(asked.peer)}
    say(
        seconds=read_seconds + mine_seconds,
        read=read_seconds,
        mine=mine_seconds,
        order=0.0,
        sets=sets,
        versions=versions,
    )


if __name__ == "__main__":
    main()
