"""The smallest training of every command that calls its kernels with the types that real ones do."""

import contextlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np


class Trifle(NamedTuple):
    """command; recipes, each run on data.csv; write: its lines."""

    command: str
    recipes: tuple[str, ...]
    write: Callable[[np.random.Generator], Iterable[str]]


def _table(rng: np.random.Generator) -> Iterable[str]:
    yield "a,b,c,d,y"
    for k in range(60):
        yield ",".join(f"{v:.3f}" for v in rng.random(4)) + f",c{k % 3}"


def _images(rng: np.random.Generator) -> Iterable[str]:
    yield ",".join([*(f"p{k}" for k in range(64)), "y"])
    for k in range(60):
        yield ",".join(f"{v:.3f}" for v in rng.random(64)) + f",c{k % 3}"


def _ratings(rng: np.random.Generator) -> Iterable[str]:
    for cell in rng.permutation(300)[:200].tolist():
        yield f"u{cell // 15},i{cell % 15},{cell % 5 + 1}"


def _baskets(rng: np.random.Generator) -> Iterable[str]:
    for _ in range(60):
        yield ",".join(f"i{k}" for k in sorted(rng.permutation(9)[:4].tolist()))


def _texts(rng: np.random.Generator) -> Iterable[str]:
    for k in range(60):
        yield f"c{k % 2}\t" + " ".join(f"w{v}" for v in rng.integers(0, 20, 8).tolist())


def _pairs(rng: np.random.Generator) -> Iterable[str]:
    for _ in range(40):
        word = "".join("abcd"[k] for k in rng.integers(0, 4, 4).tolist())
        yield f"{word}\t{word[::-1]}"


def _sentences(rng: np.random.Generator) -> Iterable[str]:
    for _ in range(60):
        yield " ".join(f"w{v}" for v in rng.integers(0, 20, 8).tolist())


def _arms(rng: np.random.Generator) -> Iterable[str]:
    yield from ("arm,mean", "a,0.2", "b,0.6")


_ROWS = "data: {train: data.csv, valid: 0.2, test: 0.2}\nepochs: 1\nbatch: 16\n"
_PIXELS = "data: {train: data.csv, label: y, shape: [8, 8], valid: 0.2}\nepochs: 1\nbatch: 16\n"
_GAN = "latent: 4\ngenerator: [{dense: 8}, batch_norm]\ndiscriminator: [{dense: 8}]\nwatch: {samples: 60}\n"
_MF = "data: {train: data.csv, test: 0.1}\nepochs: 1\n"

TRIFLES: dict[str, Trifle] = {
    one.command: one
    for one in (
        Trifle(
            "train-mlp",
            (
                _ROWS + "model: [{dense: 8}, batch_norm, {dropout: 0.3}, {dense: 8}, layer_norm]\n",
                _ROWS
                + "model: [{dense: {units: 8, activation: tanh}}]\noptimizer: {name: momentum, lr: 0.01}\n",
                _ROWS + "model: [{dense: 8}]\noptimizer: {name: sgd, lr: 0.01}\n",
            ),
            _table,
        ),
        Trifle(
            "train-cnn",
            (
                _PIXELS
                + "model: [{conv: {filters: 4, size: 3}}, {max_pool: 2}, {dense: 8}, {dropout: 0.5}]\n",
            ),
            _images,
        ),
        Trifle("vae", (_PIXELS + "encoder: [{dense: 8}]\ndecoder: [{dense: 8}]\nlatent: 2\n",), _images),
        Trifle("gan", (_PIXELS.replace(", valid: 0.2", "") + _GAN,), _images),
        Trifle(
            "mf",
            tuple(_MF + f"model: {name}\n" for name in ("svd", "svd++", "nmf", "als", "baseline")),
            _ratings,
        ),
        Trifle(
            "bayes-nb", ("data: {train: data.csv}\n", "data: {train: data.csv}\nmodel: gaussian\n"), _table
        ),
        Trifle(
            "apriori",
            tuple(
                f"data: data.csv\nmin_support: 0.1\nalgorithm: {name}\n"
                for name in ("apriori", "fp-growth", "eclat")
            ),
            _baskets,
        ),
        Trifle(
            "word2vec",
            tuple(
                "data: {train: data.csv, min_count: 1}\ndim: 8\nepochs: 1\nmap: null\n"
                f"model: {model}\nobjective: {goal}\n"
                for model in ("skip-gram", "cbow")
                for goal in ("negative", "hierarchical")
            ),
            _sentences,
        ),
        Trifle(
            "lda", ("data: data.csv\ntext: {no_below: 1, no_above: 1.0}\ntopics: 3\nepochs: 2\n",), _sentences
        ),
        Trifle(
            "rnn",
            tuple(
                "data: {train: data.csv, valid: 0.2}\nsteps: 5\nepochs: 1\nbatch: 4\n"
                f"model: {{embedding: 4, units: 8, cell: {cell}}}\n"
                for cell in ("lstm", "gru", "tanh")
            ),
            _sentences,
        ),
        Trifle(
            "seq2seq",
            (
                "data: {train: data.csv}\nsource_words: {tokens: characters, min_count: 1}\n"
                "target_words: {tokens: characters, min_count: 1}\n"
                "model: {embedding: 4, units: 8}\nepochs: 1\nbatch: 40\n",
            ),
            _pairs,
        ),
        Trifle(
            "qlearn",
            tuple(
                f"world: frozenlake-4x4\nmethod: {method}\nepisodes: 20\nepochs: 1\npictures: false\n"
                for method in ("q_learning", "sarsa", "expected_sarsa", "double_q")
            ),
            lambda rng: (),
        ),
        Trifle("bandit", ("data: {train: data.csv}\nruns: 2\nsteps: 20\nepochs: 1\n",), _arms),
        Trifle(
            "active",
            (
                "data: {train: data.csv, label: y, test: 0.2}\nstart: 6\nquery: 5\nepochs: 2\n"
                "mc_samples: 3\nstrategy: bald\n"
                "learner: {name: train-mlp, model: [{dense: 8}, {dropout: 0.3}], epochs: 2, batch: 10}\n",
            ),
            _table,
        ),
    )
}


def train(name: str, folder: Path) -> None:
    """Run the command's recipes in `folder`. Raises UserError where one does not end well."""
    from dlkit.recipe.document import load_document
    from dlkit.recipe.resolve import resolve
    from dlkit.training.driver import algorithm_of, run
    from dlkit.training.options import RunOptions

    one, algorithm = TRIFLES[name], algorithm_of(name, name)
    (folder / "data.csv").write_text("\n".join(one.write(np.random.default_rng(1))) + "\n", encoding="utf-8")
    for k, text in enumerate(one.recipes):
        path = folder / f"recipe-{k}.yaml"
        path.write_text(f"command: {name}\n{text}", encoding="utf-8")
        recipe = resolve(algorithm.Recipe, load_document(str(path)))
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            run(algorithm, recipe, RunOptions(folder / f"run-{k}", quiet=True, recipe_path=path))
