"""The peer of the mf row: ``python -m benchmarks.mf_surprise TRAIN TEST MODEL EPOCHS``."""

import sys
import time

import surprise

from benchmarks.measure import say


def main() -> None:
    train_file, test_file, model, epochs = sys.argv[1:]
    reader = surprise.Reader(line_format="user item rating", sep=",", rating_scale=(0.5, 5), skip_lines=1)
    start = time.perf_counter()
    train = surprise.Dataset.load_from_file(train_file, reader).build_full_trainset()
    read = time.perf_counter() - start
    test = [(u, i, r) for u, i, r, _ in surprise.Dataset.load_from_file(test_file, reader).raw_ratings]
    kinds = {"svd": surprise.SVD, "svd++": surprise.SVDpp, "nmf": surprise.NMF}
    algorithm = kinds[model](n_epochs=int(epochs), random_state=1)
    start = time.perf_counter()
    algorithm.fit(train)
    seconds = time.perf_counter() - start
    say(
        train_seconds=seconds,
        read_seconds=read,
        updates_a_second=train.n_ratings * int(epochs) / seconds,
        rmse=surprise.accuracy.rmse(algorithm.test(test), verbose=False),
        versions={"surprise": surprise.__version__},
    )


if __name__ == "__main__":
    main()
