"""The same training job twice: `dlkit train-mlp RECIPE` and the script someone would write in PyTorch."""

import json
import subprocess
import sys
from pathlib import Path

from benchmarks.mlp import Sizes
from benchmarks.options import Options
from benchmarks.pairs import ROOT, Contender

RECIPE = """\
command: train-mlp
data: {{train: {data}, scale: range}}
model: [{{dense: {width}}}, {{dense: {width}}}]
optimizer: {{name: adam, lr: 1e-3}}
epochs: {epochs}
batch: {batch}
shards: {threads}
seed: 1
"""


def write_job(folder: Path, rows: int, epochs: int, threads: int) -> Path:
    """Random images of 784 pixels in job.npz, and the recipe that trains on them; returns the recipe."""
    data = folder / "job.npz"
    subprocess.run(
        [sys.executable, "-m", "benchmarks.random_images", str(data), str(rows)], cwd=ROOT, check=True
    )
    path = folder / "job.yaml"
    text = RECIPE.format(
        data=json.dumps(str(data)), width=Sizes.width, batch=Sizes.batch, epochs=epochs, threads=threads
    )
    path.write_text(text, encoding="utf-8")
    return path


def dlkit(options: Options, name: str, recipe: Path, cache: Path | None = None) -> Contender:
    """The command, into a run directory that is overwritten; `cache`: where numba keeps compiled kernels."""
    command = [sys.executable, "-m", "dlkit", "train-mlp", str(recipe), "-o", str(recipe.with_suffix(".run"))]
    command += ["--force", "-q", "--threads", str(options.threads)]
    environment = dict(options.environment)
    if cache is not None:
        environment["NUMBA_CACHE_DIR"] = str(cache)
    return Contender(name, command, environment)


def torch(options: Options, name: str, recipe: Path, epochs: int) -> Contender:
    """The peer's script on the same data."""
    folder = recipe.parent
    data = [str(folder / "job.npz"), str(folder / "weights.pt")]
    given = ["--epochs", str(epochs), "--threads", str(options.threads)]
    return options.peer(name, "benchmarks.whole_run_torch", *data, *given)
