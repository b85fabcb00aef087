"""Row split: where to cut a training step over two threads - the batch, or each product and kernel."""

from collections.abc import Mapping, Sequence

from benchmarks import cnn, mlp
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import Run, alternate, median_of, speed_ratio
from benchmarks.results import seconds_text, table

DENSE = {
    "each product cut in 2 bands": ("2", "2", "products", "1"),
    "batch cut in 2 shards": ("2", "2", "batch", "1"),
    "batch cut in 4 shards": ("2", "4", "batch", "1"),
    "batch cut in 8 shards": ("2", "8", "batch", "1"),
    "each product on 2 threads of BLAS": ("1", "1", "batch", "2"),
    "one thread": ("1", "1", "batch", "1"),
}
"""Threads of the team, shards, what they cut, BLAS's own threads."""
IMAGES = {
    "each product cut in 2 bands": (2, "products"),
    "batch cut in 2 shards": (2, "batch"),
    "one thread": (1, "batch"),
}
"""Threads, what they cut."""


def measure(options: Options) -> Section:
    """dlkit against itself: every way in alternation, for some sizes of two networks."""
    parts, last = [], []
    for sizes in (mlp.Sizes(), mlp.Sizes(batch=16), mlp.Sizes(batch=1024), mlp.Sizes(width=64)):
        contenders = {
            name: ["benchmarks.train_mlp_dlkit", *mlp.arguments(sizes, int(threads), "--quick"),
                   "--shards", shards, "--split", split, "--blas", blas]
            for name, (threads, shards, split, blas) in DENSE.items()
        }  # fmt: skip
        last, text = _compared(options, contenders)
        parts.append(f"{'-'.join(map(str, sizes.layers))}, batch {sizes.batch}:\n\n{text}")
    for images in (cnn.Sizes(), cnn.Sizes(batch=8), cnn.Sizes(batch=256), cnn.Sizes(side=80)):
        contenders = {
            name: ["benchmarks.train_cnn_dlkit", *cnn.arguments(images, threads, "--quick", "--split", split)]
            for name, (threads, split) in IMAGES.items()
        }
        last, text = _compared(options, contenders)
        side = f"{images.side}×{images.side}"
        parts.append(f"LeNet, images of {side}, batch {images.batch}:\n\n{text}")
    return Section("train-mlp and train-cnn, where to cut a step", "\n\n".join(parts), versions(*last))


def _compared(options: Options, commands: Mapping[str, Sequence[str]]) -> tuple[Sequence[Run], str]:
    """The last round, and a table of all ways beside the first one."""
    contenders = [options.ours(name, *command) for name, command in commands.items()]
    rounds = alternate(contenders, options.rounds, warm_up=0, heard=heard)
    first = next(iter(commands))
    rows = [
        [name, seconds_text(median_of(rounds, name, "seconds")),
         "" if name == first else speed_ratio(rounds, first, name, "seconds")]
        for name in commands
    ]  # fmt: skip
    return rounds[-1], table(["", "a step", "the bands are"], rows)
