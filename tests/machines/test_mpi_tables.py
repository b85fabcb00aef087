"""mf, bayes-nb, apriori, word2vec under mpiexec: two ranks leave what one process leaves, byte for byte."""

import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.training.checkpoint import load
from tests.algorithms import basket_oracle

Start = Callable[..., subprocess.Popen[str]]
PATIENCE = 100
OF_THE_PROCESS = {"environment.json", "timing.csv", "checkpoint.h5"}
"""Files that tell of machines and times; of the checkpoint the state is compared."""

PIECES = [
    "--epochs", "2", "--dim", "20", "--negative", "3", "--lr", "0.2", "--set", "pieces=3", "--set",
    "piece_words=60", "--set", "map=null",
]  # fmt: skip


def ratings(path: Path, rng: np.random.Generator) -> None:
    cells = rng.permutation(60 * 40)[:1500].tolist()
    rows = [f"u{c // 40}::i{c % 40}::{r}" for c, r in zip(cells, rng.integers(1, 6, 1500), strict=True)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def texts(path: Path, rng: np.random.Generator) -> None:
    words = ["buy", "now", "無料", "lunch", "noon", "会議", "report", "win"]
    rows = [f"{'ham' if k % 3 else 'spam'}\t{' '.join(rng.choice(words, 6))}" for k in range(300)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")


def table(path: Path, rng: np.random.Generator) -> None:
    rows = [
        f"{rng.choice(['sunny', '雨', 'cloudy'])},{rng.normal():.3f},{rng.choice(['yes', 'no'])}"
        for _ in range(300)
    ]
    path.write_text("\n".join(["sky,wind,play", *rows]) + "\n", encoding="utf-8")


def baskets(path: Path, rng: np.random.Generator) -> None:
    made = basket_oracle.made(rng, 200, 9, 0.4)
    path.write_text("\n".join(" ".join(b) for b in made) + "\n", encoding="utf-8")


def sentences(path: Path, rng: np.random.Generator) -> None:
    words = ["鯨", "sea", "ship", "king", "queen", "城", "bread", "milk", "tea", "蜂蜜"]
    path.write_text("\n".join(" ".join(rng.choice(words, 12)) for _ in range(120)) + "\n", encoding="utf-8")


def alike(a: Any, b: Any, where: str) -> None:
    """States with the same keys, arrays and values."""
    if isinstance(a, dict):
        assert list(a) == list(b), where
        for key, value in a.items():
            alike(value, b[key], f"{where}/{key}")
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype, where
        np.testing.assert_array_equal(b, a, err_msg=where)
    else:
        assert a == b, where


@pytest.mark.parametrize(
    ("write", "command", "options"),
    [
        (ratings, "mf", ["--test", "0.2", "--epochs", "3", "--factors", "6", "--set", "model.blocks=4"]),
        (texts, "bayes-nb", ["--test", "0.2"]),
        (table, "bayes-nb", ["--test", "0.2"]),
        (baskets, "apriori", ["--min-support", "0.05", "--no-pictures"]),
        (baskets, "apriori", ["--min-support", "0.05", "--algorithm", "apriori", "--no-pictures"]),
        (sentences, "word2vec", [*PIECES, "--model", "skip-gram"]),
        (sentences, "word2vec", [*PIECES, "--model", "cbow", "--docs"]),
    ],
    ids=[
        "mf",
        "bayes-nb-text",
        "bayes-nb-table",
        "apriori-eclat",
        "apriori-levels",
        "word2vec",
        "word2vec-docs",
    ],
)
def test_two_ranks_leave_what_one_process_leaves(
    write: Callable[[Path, np.random.Generator], None],
    command: str,
    options: Sequence[str],
    mpiexec: Start,
    run_dlkit: Callable[..., Any],
    tmp_path: Path,
) -> None:
    write(tmp_path / "data.txt", np.random.default_rng(5))
    given = ["data.txt", *options, "--threads", "1", "--set", "shards=1"]
    several = mpiexec(2, "-m", "dlkit", command, *given, "-o", "two")
    stdout, stderr = several.communicate(timeout=PATIENCE)
    assert several.returncode == 0, stderr
    assert stdout.startswith("two   ") and stdout.count("\n") == 1 and "ranks  2" in stderr
    one = run_dlkit(command, *given, "-o", "one", cwd=tmp_path)
    assert one.code == 0, one.stderr
    names = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert names == sorted(path.name for path in (tmp_path / "two").iterdir())
    for name in set(names) - OF_THE_PROCESS:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name
    states = [load(tmp_path / name / "checkpoint.h5").tree["state"] for name in ("one", "two")]
    alike(*states, "state")
