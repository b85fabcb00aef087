"""One point of the cost-mf row: ``python -m benchmarks.mf_cost RATINGS FACTORS THREADS``."""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks import ratings_made
from benchmarks.measure import say
from dlkit.algorithms.mf import MF, MFRecipe
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.training.session import hold_blas_at_one_thread

EPOCHS = 3


def timed(source: str, factors: int, team: Team) -> tuple[MF, list[float]]:
    """A trained model; seconds of reading, of building, of each epoch."""
    recipe = MFRecipe.model_validate(
        {"data": {"train": source}, "model": {"name": "svd", "factors": factors}, "ranking": None}
    )
    algorithm = MF(recipe, Context(open_backend(), Streams(1), team))
    moments = [time.perf_counter()]
    algorithm.read_data()
    moments.append(time.perf_counter())
    algorithm.build()
    moments.append(time.perf_counter())
    for epoch in range(1, EPOCHS + 1):
        for _ in algorithm.train_epoch(epoch):
            pass
        moments.append(time.perf_counter())
    return algorithm, np.diff(moments).tolist()


def main() -> None:
    source, factors, threads = sys.argv[1:]
    hold_blas_at_one_thread()
    with Team(int(threads), int(threads)) as team, tempfile.TemporaryDirectory() as folder:
        small = Path(folder) / "small.csv"
        ratings_made.write(small, 1000, 50, 50)
        timed(str(small), int(factors), team)  # loads the loops
        base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        algorithm, seconds = timed(source, int(factors), team)
    read, build, *epochs = seconds
    say(
        ratings=len(algorithm.data.train),
        read=read,
        build=build,
        epoch=float(np.median(epochs)),
        base_bytes=base,
        model_bytes=algorithm.model.parameter_count * 4,
    )


if __name__ == "__main__":
    main()
