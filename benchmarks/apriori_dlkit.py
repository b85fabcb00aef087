"""Our side of the apriori row: read a file of baskets, find its frequent sets; then put them in order."""

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
    reading, whole, ordering = [], [], []
    with Team(asked.threads, asked.threads) as team:
        context = Context(open_backend("cpu"), Streams(1), team)
        for _ in range(asked.times + 1):
            began = time.perf_counter()
            run = Apriori(recipe, context)
            run.read_data()
            reading.append(time.perf_counter() - began)
            run.build()
            for parts in run._chunks():
                run.found += parts
            whole.append(time.perf_counter() - began)
            run._order()
            ordering.append(time.perf_counter() - began - whole[-1])
    read, seconds = np.median(reading[1:]), np.median(whole[1:])  # the first one compiles or loads the loops
    figures = {"seconds": seconds, "read": read, "mine": seconds - read, "order": np.median(ordering[1:])}
    say(**{name: float(value) for name, value in figures.items()}, first=whole[0], sets=len(run._sets()))


if __name__ == "__main__":
    main()
