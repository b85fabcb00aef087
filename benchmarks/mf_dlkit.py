"""One contender of the mf row: ``python -m benchmarks.mf_dlkit TRAIN TEST MODEL EPOCHS THREADS``."""

import sys
import time
from importlib.metadata import version

import numpy as np

from benchmarks.measure import say
from dlkit import __version__
from dlkit.algorithms.mf import ALGORITHM, MFRecipe
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.training.session import hold_blas_at_one_thread


def main() -> None:
    train, test, model, epochs, threads = sys.argv[1:]
    hold_blas_at_one_thread()
    spec = {"name": model} | ({"init_sd": 0.1} if model == "svd" else {})  # Surprise's settings
    recipe = MFRecipe.model_validate(
        {"data": {"train": train, "test": test, "scale": [0.5, 5.0]}, "model": spec, "ranking": None}
    )
    context = Context(open_backend(), Streams(1), Team(int(threads), int(threads)))
    start = time.perf_counter()
    algorithm = ALGORITHM(recipe, context)
    algorithm.read_data()
    read = time.perf_counter() - start
    algorithm.build()
    for _ in algorithm.train_epoch(1):  # compiled or loaded
        pass
    algorithm.build()
    start = time.perf_counter()
    for epoch in range(1, int(epochs) + 1):
        for _ in algorithm.train_epoch(epoch):
            pass
    seconds = time.perf_counter() - start
    figures = algorithm.test()
    ratings = len(algorithm.data.train)
    say(
        train_seconds=seconds,
        read_seconds=read,
        updates_a_second=ratings * int(epochs) / seconds,
        rmse=figures["test_rmse"],
        versions={"dlkit": __version__, "numpy": np.__version__, "numba": version("numba")},
    )


if __name__ == "__main__":
    main()
