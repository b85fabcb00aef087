"""Row split: where to cut a training step over two threads - the batch, or each matrix product."""

from benchmarks.mlp import Sizes, arguments
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import seconds_text, table

WAYS = {
    "each product cut in 2 bands": ("2", "2", "products", "1"),
    "batch cut in 2 shards": ("2", "2", "batch", "1"),
    "batch cut in 4 shards": ("2", "4", "batch", "1"),
    "batch cut in 8 shards": ("2", "8", "batch", "1"),
    "each product on 2 threads of BLAS": ("1", "1", "batch", "2"),
    "one thread": ("1", "1", "batch", "1"),
}
"""Threads of the team, shards, what they cut, BLAS's own threads."""


def measure(options: Options) -> Section:
    """dlkit against itself: every way in alternation, for three sizes of the same network."""
    parts = []
    for sizes in (Sizes(), Sizes(batch=16), Sizes(batch=1024), Sizes(width=64)):
        contenders = [
            options.ours(name, "benchmarks.train_mlp_dlkit", *arguments(sizes, int(threads)),
                         "--shards", shards, "--split", split, "--blas", blas)
            for name, (threads, shards, split, blas) in WAYS.items()
        ]  # fmt: skip
        rounds = alternate(contenders, options.rounds, heard=heard)
        first = next(iter(WAYS))
        rows = [
            [name, seconds_text(median_of(rounds, name, "seconds")),
             "" if name == first else speed_ratio(rounds, first, name, "seconds")]
            for name in WAYS
        ]  # fmt: skip
        shape = "-".join(map(str, sizes.layers))
        parts.append(f"{shape}, batch {sizes.batch}:\n\n{table(['', 'a step', 'the bands are'], rows)}")
    return Section("train-mlp, where to cut a step", "\n\n".join(parts), versions(*rounds[-1]))
