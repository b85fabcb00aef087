"""One point of the cost-mf row: ``python -m benchmarks.mf_cost RATINGS FACTORS THREADS``."""

import sys
import time

import numpy as np

from benchmarks.measure import say
from dlkit.algorithms.mf import ALGORITHM, MFRecipe
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.training.session import hold_blas_at_one_thread

EPOCHS = 3


def main() -> None:
    source, factors, threads = sys.argv[1:]
    hold_blas_at_one_thread()
    recipe = MFRecipe.model_validate(
        {"data": {"train": source}, "model": {"name": "svd", "factors": int(factors)}, "ranking": None}
    )
    with Team(int(threads), int(threads)) as team:
        context = Context(open_backend(), Streams(1), team)
        algorithm = ALGORITHM(recipe, context)
        moments = [time.perf_counter()]
        algorithm.read_data()
        moments.append(time.perf_counter())
        algorithm.build()
        moments.append(time.perf_counter())
        for epoch in range(1, EPOCHS + 2):  # the first one loads the loops
            for _ in algorithm.train_epoch(epoch):
                pass
            moments.append(time.perf_counter())
    read, build, *epochs = np.diff(moments).tolist()
    say(
        ratings=len(algorithm.data.train.values),
        read=read,
        build=build,
        epoch=float(np.median(epochs[1:])),
        model_bytes=algorithm.model.parameter_count * context.backend.dtype.itemsize,
    )


if __name__ == "__main__":
    main()
