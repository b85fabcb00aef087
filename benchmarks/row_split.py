"""Row split: where to cut a training step over two threads - the batch, or each matrix product."""

from benchmarks.mlp import Sizes, arguments
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import seconds_text, table

WAYS = {
    "batch cut in 2 shards, a thread each": ("2", "2", "1"),
    "one shard, each product on 2 BLAS threads": ("1", "1", "2"),
    "4 shards on 2 threads": ("2", "4", "1"),
    "8 shards on 2 threads": ("2", "8", "1"),
    "one shard, one thread": ("1", "1", "1"),
}
"""Threads of the team, shards, threads of BLAS."""


def measure(options: Options) -> Section:
    """dlkit against itself: every way in alternation, for three sizes of the same network."""
    parts = []
    for sizes in (Sizes(), Sizes(batch=1024), Sizes(width=64)):
        contenders = [
            options.ours(name, "benchmarks.train_mlp_dlkit", *arguments(sizes, int(threads)),
                         "--shards", shards, "--blas", blas)
            for name, (threads, shards, blas) in WAYS.items()
        ]  # fmt: skip
        rounds = alternate(contenders, options.rounds, heard=heard)
        first = next(iter(WAYS))
        rows = [
            [name, seconds_text(median_of(rounds, name, "seconds")),
             "" if name == first else speed_ratio(rounds, first, name, "seconds")]
            for name in WAYS
        ]  # fmt: skip
        shape = "-".join(map(str, sizes.layers))
        parts.append(f"{shape}, batch {sizes.batch}:\n\n{table(['', 'a step', 'two shards are'], rows)}")
    return Section("train-mlp, where to cut a step", "\n\n".join(parts), versions(*rounds[-1]))
