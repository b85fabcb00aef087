"""One contender of the bayes-nb row: text to trained model in dlkit, once its kernels are loaded."""

import sys
import tempfile
from pathlib import Path

from benchmarks.measure import say


def main() -> None:
    import time

    from dlkit.algorithms.bayes_nb import BayesNB
    from dlkit.algorithms.protocol import Context
    from dlkit.backend import open_backend
    from dlkit.backend.streams import Streams
    from dlkit.backend.threads import Team

    def train(source: str, threads: int) -> BayesNB:
        recipe = BayesNB.Recipe.model_validate({"data": {"train": source, "encoding": "latin-1"}})
        made = BayesNB(
            recipe, Context(open_backend("cpu", dtype="float64"), Streams(1), Team(threads, threads))
        )
        made.read_data()
        made.build()
        for _ in made.train_epoch(1):
            pass
        made.end_epoch(1)
        return made

    source, threads = sys.argv[1], int(sys.argv[2])
    with tempfile.TemporaryDirectory() as folder:
        small = Path(folder, "small.txt")
        small.write_bytes(b"a\tsome words\nb\tother w\xf6rds\n")
        train(str(small), threads)
    began = time.perf_counter()
    made = train(source, threads)
    say(train_seconds=time.perf_counter() - began, features=made.evidence.figures()["features"])


if __name__ == "__main__":
    main()
