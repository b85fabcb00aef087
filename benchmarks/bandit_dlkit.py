"""One contender of the bandit row: ``python -m benchmarks.bandit_dlkit WORLD POLICY SHARDS``.

WORLD: arms (ten arms of 0 and 1), or contexts (2,000 rows of 117 yes/no features, two classes).
"""

import json
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.measure import say, step_seconds
from dlkit.algorithms.bandit import STRETCH, Bandit
from dlkit.recipe.resolve import resolve
from dlkit.training.options import RunOptions
from dlkit.training.progress import Display
from dlkit.training.session import prepare

RUNS = 4


def main() -> None:
    world, policy, shards = sys.argv[1:]
    with tempfile.TemporaryDirectory() as name:
        file = Path(name) / "world.csv"
        _write(file, world)
        given = {"data.train": str(file), "policy": json.loads(policy), "runs": RUNS, "steps": STRETCH}
        recipe: Any = resolve(Bandit.Recipe, None, [f"shards={shards}"], given)
        options = RunOptions(directory=Path(name), threads=int(shards))
        prepared = prepare(Bandit, recipe, options, Display(quiet=True))
    bandit: Any = prepared.algorithm
    epoch = 0

    def stretch() -> None:
        nonlocal epoch
        epoch += 1
        for _ in bandit.train_epoch(epoch):
            pass

    took = step_seconds(stretch)
    prepared.close()
    decisions = RUNS * STRETCH
    say(
        **took,
        decision_seconds=took["seconds"] / decisions,
        decisions_a_second=decisions / took["seconds"],
        versions={"python": platform.python_version()},
    )


def _write(file: Path, world: str) -> None:
    rng = np.random.default_rng(1)
    if world == "arms":
        lines = ["arm,mean", *(f"{k},{0.1 + k / 20}" for k in range(10))]
    else:
        x = rng.integers(0, 2, (2000, 117))
        y = (x[:, :5].sum(1) > 2).astype(int).tolist()
        lines = [",".join([*(f"x{k}" for k in range(117)), "class"])]
        lines += [",".join([*map(str, row), "ab"[label]]) for row, label in zip(x.tolist(), y, strict=True)]
    file.write_text("\n".join(lines) + "\n", encoding="ascii")


if __name__ == "__main__":
    main()
