"""Row train-mlp-cli: the whole command on a file, as the shell sees it, against a PyTorch script."""

import tempfile
from pathlib import Path

from benchmarks import whole_run
from benchmarks.mlp import Sizes
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import alternate, median_of, speed_ratio
from benchmarks.results import bytes_text, seconds_text, table

OURS, PEER = "dlkit train-mlp", "PyTorch script"
ROWS, EPOCHS = 60_000, 3


def measure(options: Options) -> Section:
    """Wall clock and peak memory of both processes, start-up, reading and saving included."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = whole_run.write_job(Path(folder), ROWS, EPOCHS, options.threads)
        contenders = [whole_run.dlkit(options, OURS, recipe), whole_run.torch(options, PEER, recipe, EPOCHS)]
        rounds = alternate(contenders, options.rounds, heard=heard)
    rows = [
        [
            name,
            seconds_text(wall := median_of(rounds, name, "wall_seconds")),
            f"{ROWS * EPOCHS / wall:,.0f}",
            bytes_text(median_of(rounds, name, "peak_bytes")),
        ]
        for name in (OURS, PEER)
    ]
    sizes = Sizes()
    body = "\n\n".join(
        [
            f"{EPOCHS} epochs over {ROWS:,} random images, {'-'.join(map(str, sizes.layers))}, "
            f"batch {sizes.batch}, Adam, {options.threads} threads; start, reading and saving included.",
            table(["", "whole run (median)", "examples/s", "peak memory"], rows),
            f"- against {PEER}: {speed_ratio(rounds, OURS, PEER, 'wall_seconds')}",
        ]
    )
    return Section("train-mlp, the whole command", body, versions(*rounds[-1]))
