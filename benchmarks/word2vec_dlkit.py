"""One contender of the word2vec row: ``python -m benchmarks.word2vec_dlkit CORPUS MODEL UPDATES THREADS``."""

import sys
import time
from importlib.metadata import version
from itertools import islice

import numpy as np

from benchmarks.measure import say
from dlkit import __version__
from dlkit.algorithms.protocol import Context
from dlkit.algorithms.word2vec import ALGORITHM, Word2VecRecipe
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.training.session import hold_blas_at_one_thread


def main() -> None:
    corpus, model, updates, threads = sys.argv[1:]
    hold_blas_at_one_thread()
    recipe = Word2VecRecipe.model_validate(
        {"data": {"train": corpus, "tokens": "blank"}, "model": model, "updates": updates, "epochs": 1}
    )
    context = Context(open_backend(), Streams(1), Team(int(threads), int(threads)))
    start = time.perf_counter()
    algorithm = ALGORITHM(recipe, context)
    algorithm.read_data()
    read = time.perf_counter() - start
    algorithm.build()
    for _ in islice(algorithm.train_epoch(1), 20):  # compiled or loaded
        pass
    algorithm.build()
    words = 0
    start = time.perf_counter()
    for done in algorithm.train_epoch(1):
        words += done.examples
    seconds = time.perf_counter() - start
    say(
        train_seconds=seconds,
        read_seconds=read,
        words_a_second=words / seconds,
        versions={"dlkit": __version__, "numpy": np.__version__, "numba": version("numba")},
    )


if __name__ == "__main__":
    main()
