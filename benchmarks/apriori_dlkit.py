"""Our side of the apriori row: read a file of baskets, find its frequent sets, put them in order."""

import argparse
import time
from pathlib import Path

import numpy as np

from benchmarks.measure import say
from dlkit.algorithms.apriori import Apriori
from dlkit.algorithms.apriori_recipe import AprioriRecipe
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("support", type=float)
    parser.add_argument("--algorithm", default="auto")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--times", type=int, default=5)
    asked = parser.parse_args()
    data = {"train": str(asked.data)}
    recipe = AprioriRecipe.model_validate(
        {"data": data, "min_support": asked.support, "algorithm": asked.algorithm, "rules": False}
    )
    parts: list[list[float]] = []
    with Team(asked.threads, asked.threads) as team:
        context = Context(open_backend("cpu"), Streams(1), team)
        for _ in range(asked.times + 1):
            moments = [time.perf_counter()]
            run = Apriori(recipe, context)
            run.read_data()
            moments.append(time.perf_counter())
            run.build()
            for found in run._chunks():
                run.found += found
            moments.append(time.perf_counter())
            run._order()
            moments.append(time.perf_counter())
            parts.append(np.diff(moments).tolist())
    first, *later = (sum(seconds) for seconds in parts)  # the first one compiles or loads the loops
    names, medians = ("read", "mine", "order"), np.median(parts[1:], axis=0).tolist()
    say(**dict(zip(names, medians, strict=True)), seconds=float(np.median(later)), first=first,
        sets=len(run._sets()))  # fmt: skip


if __name__ == "__main__":
    main()
