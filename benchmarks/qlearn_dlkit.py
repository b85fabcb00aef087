"""One contender of the qlearn row: ``python -m benchmarks.qlearn_dlkit AGENTS EPISODES THREADS``."""

import sys
import time

from benchmarks.measure import say
from dlkit.algorithms.protocol import Context
from dlkit.algorithms.qlearn import ALGORITHM, QLearnRecipe
from dlkit.algorithms.qlearn_exact import greedy_policies, judged
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team


def main() -> None:
    agents, episodes, threads = map(int, sys.argv[1:])
    recipe = QLearnRecipe.model_validate(
        {
            "world": "frozenlake-8x8",
            "episodes": episodes,
            "epochs": 2,
            "seeds": agents,
            "alpha": 0.1,
            "epsilon": {"start": 1.0, "end": 0.1, "over": 1.0},
            "function": {"name": "table", "ties": "first"},
        }
    )
    algorithm = ALGORITHM(recipe, Context(open_backend(), Streams(1), Team(threads, threads)))
    algorithm.read_data()
    algorithm.build()
    for _ in algorithm.train_epoch(1):  # compiled or loaded
        pass
    start = time.perf_counter()
    steps = sum(progress.examples for progress in algorithm.train_epoch(2))
    seconds = time.perf_counter() - start
    policies = greedy_policies(algorithm.world, algorithm.agents.q())
    success = judged(algorithm.world, policies, 0.99, 200)["success"].mean()
    say(seconds_a_step=seconds / steps, steps=steps, train_seconds=seconds, success=float(success))


if __name__ == "__main__":
    main()
