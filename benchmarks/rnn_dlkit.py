"""dlkit's side of the rnn rows: steps of `dlkit rnn` as the driver takes them, on a made-up text."""

import platform
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import say, step_seconds
from benchmarks.rnn import Sizes, parser, sizes_of
from benchmarks.vae_dlkit import steps
from dlkit.algorithms.rnn import RNN
from dlkit.recipe.resolve import resolve
from dlkit.training.options import RunOptions
from dlkit.training.progress import Display
from dlkit.training.session import prepare

STEPS = 8
"""Steps of an epoch."""
FIRST = 0x4E00
"""The first of the characters that the text is made of: a block of more than 20,000."""


def made_text(sizes: Sizes) -> str:
    """Characters drawn at random, every one of them at least once."""
    rng = np.random.default_rng(1)
    codes = rng.integers(0, sizes.symbols - 1, sizes.batch * sizes.steps * STEPS + 1)
    codes[: sizes.symbols - 1] = np.arange(sizes.symbols - 1)
    return "".join(chr(FIRST + code) for code in codes.tolist())


def main() -> None:
    parse = parser(__doc__)
    parse.add_argument("--split", choices=["batch", "products"], help="what is cut (the command's choice)")
    asked = parse.parse_args()
    sizes = sizes_of(asked)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "text.txt"
        path.write_text(made_text(sizes), encoding="utf-8")
        keys = {
            "data.train": str(path), "task": "language", "model.embedding": sizes.embedding,
            "model.units": sizes.units, "batch": sizes.batch, "steps": sizes.steps, "optimizer.lr": 1e-3,
        }  # fmt: skip
        sets = ["optimizer.clip=null", *([] if asked.split is None else [f"split={asked.split}"])]
        recipe: Any = resolve(RNN.Recipe, None, sets, keys)
        options = RunOptions(directory=Path(folder), threads=asked.threads)
        prepared = prepare(RNN, recipe, options, Display(quiet=True))
        step = steps(prepared.algorithm)
        took = step_seconds(lambda: next(step))
    used = prepared.algorithm.context.team.shards
    prepared.close()
    symbols = sizes.batch * sizes.steps / took["seconds"]
    versions = {"python": platform.python_version()}
    say(**took, symbols_per_second=symbols, threads=asked.threads, shards=used, versions=versions)


if __name__ == "__main__":
    main()
