"""Row startup: `dlkit --help`, and the command until its first training step is on disk."""

import shutil
import sys
import tempfile
from pathlib import Path

from benchmarks import whole_run
from benchmarks.mlp import Sizes
from benchmarks.options import Options, Section, heard, versions
from benchmarks.pairs import Contender, alternate, median_of
from benchmarks.results import bytes_text, seconds_text, table

BARE = "python -c pass"
HELP = "dlkit --help"
WARM, COLD, SCRIPT = "one step, warm kernel cache", "one step, empty kernel cache", "one step, PyTorch script"


def measure(options: Options) -> Section:
    """All in alternation; "one step" is a run of a single batch, read from and written to disk."""
    with tempfile.TemporaryDirectory() as folder:
        recipe = whole_run.write_job(Path(folder), Sizes.batch, 1, options.threads)
        warm, cold = Path(folder, "warm"), Path(folder, "cold")
        contenders = [
            Contender(BARE, [sys.executable, "-c", "pass"]),
            options.ours(HELP, "dlkit", "--help"),
            options.peer("import torch", "timeit", "-n1", "-r1", "import torch"),
            whole_run.dlkit(options, WARM, recipe, warm),
            whole_run.torch(options, SCRIPT, recipe, 1),
        ]
        rounds = alternate(contenders, options.rounds, heard=heard)
        emptied = whole_run.dlkit(options, COLD, recipe, cold)
        emptied = Contender(
            COLD, emptied.command, emptied.environment, lambda: shutil.rmtree(cold, ignore_errors=True)
        )
        rounds += alternate([emptied], min(options.rounds, 3), warm_up=0, heard=heard)
    bare = median_of(rounds, BARE, "wall_seconds")
    rows = [
        [
            name,
            seconds_text(wall := median_of(rounds, name, "wall_seconds")),
            seconds_text(max(0.0, wall - bare)),
            bytes_text(median_of(rounds, name, "peak_bytes")),
        ]
        for name in [*(contender.name for contender in contenders), COLD]
    ]
    body = "\n\n".join(
        [
            "Wall clock of whole processes. Bars: `--help` 0.15 s (aim 0.1 s), first step of a warm install "
            "1.5 s (aim 1 s). The empty cache is what the very first run after an installation pays.",
            table(["", "median", "over bare Python", "peak memory"], rows),
        ]
    )
    return Section("start-up", body, versions())
