"""The commands that the fault tests run. A new command joins with one line in CASES."""

import json
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DLKIT = ("-m", "dlkit")
SLOW_COUNTING = (str(ROOT / "tests" / "faults" / "slow_counting.py"),)
ASKING = """
import json, sys
from dlkit.cli import main
sys.exit(next(filter(None, map(main, json.loads(sys.argv[1]))), 0))
"""
TOY = (str(ROOT / "tests" / "training" / "toy.py"),)


@dataclass(frozen=True)
class Case:
    """A command line without -o, run in the checkout's root."""

    arguments: list[str]
    program: tuple[str, ...] = DLKIT
    environment: dict[str, str] = field(default_factory=dict)
    asks: list[list[str]] = field(default_factory=list)
    """What a finished run can be asked: verbs with what follows the run's directory."""

    @property
    def name(self) -> str:
        return "-".join(
            [self.arguments[0], *(["folds"] if any("folds" in a for a in self.arguments) else [])]
        )

    def command(self, directory: Path, *flags: str) -> list[str]:
        # One thread: tests run side by side, and the bits are those of any number of threads.
        threads = [] if self.program == TOY or "--threads" in self.arguments else ["--threads", "1"]
        return [sys.executable, *self.program, *self.arguments, *threads, "-o", str(directory), *flags]

    def asking(self, directory: Path) -> list[str]:
        """A process that asks everything in turn and stops at the first that fails."""
        lines = [[verb, str(directory), *rest] for verb, *rest in self.asks]
        return [sys.executable, "-c", ASKING, json.dumps(lines)]


CASES = [
    Case(["toy-regression", "epochs=15", "sleep=0.002"], TOY),
    Case(["toy-regression", "epochs=6", "sleep=0.002", "folds=2"], TOY),
    Case(["toy-counting", "chunks=150", "sleep=0.002"], TOY),
    Case(
        ["train-mlp", "data/digits.csv", "--epochs", "3", "--valid", "0.1", "--threads", "2"],
        asks=[["inspect"], ["predict", "data/digits.csv"]],
    ),
    Case(
        ["train-cnn", "recipes/lenet-digits.yaml", "--epochs", "3", "--set", "augment.shift=1"],
        asks=[["inspect"], ["predict", "data/digits.csv"]],
    ),
    Case(
        ["vae", "recipes/vae-digits.yaml", "--epochs", "6", "--valid", "0.1"],
        asks=[["inspect"], ["predict", "data/digits.csv"], ["evaluate"]],
    ),
    Case(
        ["gan", "recipes/gan-digits.yaml", "--epochs", "3", "--set", "grid.every=20"],
        asks=[["inspect"], ["evaluate", "-n", "200"]],
    ),
    Case(
        ["seq2seq", "recipes/seq2seq-reverse.yaml", "--epochs", "2", "--units", "16", "--batch", "200"],
        asks=[["inspect"], ["predict", "data/golf.csv"], ["evaluate"]],
    ),
    Case(
        ["rnn", "data/alice.txt", "--valid", "0.1", "--test", "0.1", "--epochs", "8", "--units", "24"],
        asks=[["inspect"], ["predict", "data/golf.csv"], ["evaluate"], ["sample", "--length", "20"]],
    ),
    Case(
        ["bayes-nb", "data/digits.csv", "--test", "0.2"],
        SLOW_COUNTING,
        asks=[["inspect"], ["predict", "data/digits.csv"], ["evaluate"]],
    ),
    Case(
        ["mf", "data/ratings-article.csv", "--format", "matrix", "--epochs", "90", "--factors", "3"],
        SLOW_COUNTING,
        asks=[["inspect"], ["recommend", "User 4"], ["similar", "Movie 1"]],
    ),
    Case(
        ["bandit", "data/golf.csv", "--runs", "2", "--steps", "150", "--epochs", "40", "--set", "logs=1"],
        asks=[["inspect"], ["predict", "data/golf.csv"]],
    ),
    Case(
        ["active", "data/digits.csv", "--test", "0.4", "--epochs", "6", "--runs", "2"],
        asks=[["inspect"], ["predict", "data/digits.csv"], ["evaluate"]],
    ),
    Case(
        ["qlearn", "recipes/dog-trick.yaml", "--epochs", "12", "--set", "pictures=false", "--chunk", "20"],
        SLOW_COUNTING,
        asks=[["inspect"], ["evaluate", "-n", "100"]],
    ),
    Case(
        ["word2vec", "recipes/word2vec-demo.yaml", "--epochs", "12", "--set", "map=null"],
        SLOW_COUNTING,
        asks=[["inspect"], ["similar", "king"], ["predict", "data/sentences.txt"]],
    ),
    Case(
        ["apriori", "data/golf.csv", "--min-support", "2", "--format", "rows", "--set", "pictures=false"],
        SLOW_COUNTING,
        asks=[["inspect"], ["predict", "data/golf.csv"], ["recommend", "sunny"]],
    ),
    Case(
        ["lda", "recipes/lda-planted.yaml", "--epochs", "12", "--set", "pictures=false", "--valid", "0.2"],
        SLOW_COUNTING,
        asks=[["inspect", "--topics"], ["predict", "data/docword.bars.txt"], ["similar", "7"]],
    ),
]
