"""A small run of every command that trains, for comparing devices: one entry an algorithm is all it takes."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Run:
    """One run of two epochs of a few steps.

    name: for messages. command: `dlkit COMMAND`. recipe: its text; nothing in it may depend on the number of
    epochs, which resuming changes. write: makes data.csv beside it. batches: --set values that make the same
    epochs of fewer and of more steps. predicts: whether `dlkit predict RUN data.csv` answers.
    """

    name: str
    command: str
    recipe: str
    write: Callable[[Path], None]
    batches: tuple[str, str] = ("batch=40", "batch=5")
    predicts: bool = True
    feeds: bool = True
    """Whether rows that would crowd the device are fed to it."""
    looks: bool = False
    """Whether the host looks at the loss of every step before it takes the step's changes."""
    asks: tuple[str, ...] = ()
    """Other questions to the finished run: `VERB ARGUMENT...` with RUN, FILE (what is written), data.csv."""


def _classes(folder: Path) -> None:
    """Three blobs in four dimensions, 83 rows: the last batch is smaller."""
    rng = np.random.default_rng(5)
    label = rng.integers(0, 3, 83)
    x = rng.standard_normal((83, 4)) + 2 * np.eye(3, 4)[label]
    _table(folder, x, [f"c{k}" for k in label])


def _numbers(folder: Path) -> None:
    """A noisy sine, 83 rows."""
    rng = np.random.default_rng(6)
    x = rng.uniform(-3, 3, (83, 1))
    y = np.sin(x[:, 0]) + 0.1 * rng.standard_normal(83)
    _table(folder, x, [f"{v:.6f}" for v in y])


def _images(folder: Path) -> None:
    """Bars, upright or lying, in 6×5 pixels of two colours, 83 rows."""
    rng = np.random.default_rng(7)
    label = rng.integers(0, 2, 83)
    x = rng.uniform(0, 0.3, (83, 6, 5, 2))
    for image, lying, at in zip(x, label, rng.integers(0, 5, 83), strict=True):
        (image[at] if lying else image[:, at])[...] += 0.7
    _table(folder, x.reshape(83, -1), [f"c{k}" for k in label])


def _ratings(folder: Path) -> None:
    """200 ratings of 20 users and 15 items."""
    rng = np.random.default_rng(8)
    cells = rng.permutation(300)[:200]
    rows = [f"u{c // 15},i{c % 15},{rng.integers(1, 6)}" for c in cells.tolist()]
    (folder / "data.csv").write_text("\n".join(["user,item,rating", *rows]) + "\n", encoding="utf-8")


def _pairs(folder: Path) -> None:
    """83 words of one to five letters, and the same turned round; held-out ones would be translated, and how
    often that waits for the device depends on what was learnt."""
    rng = np.random.default_rng(9)
    words = ["".join("abcd"[k] for k in rng.integers(0, 4, n)) for n in rng.integers(1, 6, 83).tolist()]
    lines = [f"{word}\t{word[::-1]}\n" for word in words]
    (folder / "data.csv").write_text("".join(lines), encoding="utf-8", newline="\n")


def _text(folder: Path) -> None:
    """90 lines of words that count up and down: a text of which the next symbol can be told."""
    rng = np.random.default_rng(10)
    starts = rng.integers(0, 6, 90).tolist()
    lines = [" ".join("abcdefgh"[k : k + 3][:: 1 - 2 * (k % 2)]) for k in starts]
    (folder / "data.csv").write_text("\n".join(lines) + "\n", encoding="utf-8", newline="\n")


def _labelled_lines(folder: Path) -> None:
    """83 lines of one to nine words, with the kind of their first one."""
    rng = np.random.default_rng(11)
    lines = []
    for n in rng.integers(1, 10, 83).tolist():
        words = rng.choice(["ab", "ba", "ca", "da ad", "ea"], n).tolist()
        lines.append(f"{'first' if words[0] in ('ab', 'ba') else 'other'}\t{' '.join([*words, 'z z'])}\n")
    (folder / "data.csv").write_text("".join(lines), encoding="utf-8", newline="\n")


def _transitions(folder: Path) -> None:
    """Nine states in a row and the end behind them; each step may slip, one state has a single action."""
    rows = ["state,action,next,probability,reward"]
    for s in range(9):
        after, before = ("end" if s == 8 else f"s{s + 1}"), f"s{max(s - 1, 0)}"
        rows += [f"s{s},on,{after},0.8,{int(s == 8)}", f"s{s},on,s{s},0.2,-0.1"]
        rows += [] if s == 4 else [f"s{s},back,{before},1,-0.1"]
    (folder / "data.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _sentences(folder: Path) -> None:
    """240 lines of six words."""
    rng = np.random.default_rng(9)
    rows = [" ".join(f"w{k}" for k in rng.integers(0, 30, 6).tolist()) for _ in range(240)]
    (folder / "data.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")


def _table(folder: Path, x: np.ndarray, last: list[str]) -> None:
    names = [f"x{j}" for j in range(x.shape[1])] + ["y"]
    rows = [",".join([*(f"{v:.6f}" for v in row), end]) for row, end in zip(x, last, strict=True)]
    (folder / "data.csv").write_text("\n".join([",".join(names), *rows]) + "\n", encoding="utf-8")


MLP = """\
command: train-mlp
data: {{train: data.csv, label: y, valid: 0.2, test: 0.1}}
{more}
epochs: 2
batch: 20
shards: 2
seed: 4
"""

CNN = """\
command: train-cnn
data: {train: data.csv, label: y, shape: [6, 5, 2], valid: 0.2, test: 0.1}
model:
  - conv: {filters: 4, size: 3, pad: same, groups: 2}
  - max_pool: {size: 2, stride: 1}
  - local_contrast: 3
  - residual: {layers: [{conv: {filters: 6, size: 3, pad: same, activation: identity}}, batch_norm]}
  - average_pool: {size: 2, pad: 1}
  - dropout: 0.2
  - global_pool
augment: {shift: 1, flip: horizontal, crop: {size: [5, 5]}}
optimizer: {name: momentum, lr: 0.02}
epochs: 2
batch: 20
shards: 2
seed: 4
"""

MF = """\
command: mf
data: {train: data.csv, valid: 0.2, test: 0.1}
model: {name: svd, factors: 5, lr: 0.02, blocks: 2}
ranking: null
epochs: 2
seed: 4
"""

GAN = """\
command: gan
data: {{train: data.csv, label: y, shape: [2, 2]}}
latent: 3
generator: [{{dense: 6}}, {{dense: {{units: 5, activation: identity}}}}, batch_norm, {{activation: relu}}]
{more}
optimizer: {{name: adam, lr: 0.002, beta1: 0.5}}
grid: {{every: 3, rows: 2, columns: 2}}
watch: {{samples: 60, modes: 3}}
epochs: 2
batch: 20
shards: 2
seed: 4
"""

VAE = """\
command: vae
data: {{train: data.csv, label: y, shape: [{shape}], valid: 0.2, test: 0.1}}
encoder: [{encoder}]
latent: 2
{more}
optimizer: {{name: adam, lr: 0.02}}
epochs: 2
batch: 20
shards: 2
seed: 4
"""

SEQ2SEQ = """\
command: seq2seq
data: {{train: data.csv}}
source_words: {{tokens: characters, min_count: 1}}
target_words: {{tokens: characters, min_count: 1}}
model: {{embedding: 6, units: 8, {more}}}
label_smoothing: 0.1
optimizer: {{name: adam, lr: 0.02, clip: null}}
epochs: 2
batch: 20
shards: 2
seed: 4
"""

RNN = """\
command: rnn
data: {{train: data.csv, valid: 0.2, test: 0.1{data}}}
task: {task}
model: {{embedding: 6, units: 8, {more}}}
steps: 5
optimizer: {{name: adam, lr: 0.02, clip: null}}
epochs: 2
batch: {batch}
shards: 2
seed: 4
"""

ACTIVE = """\
command: active
data: {train: data.csv, label: y, test: 0.2}
learner:
  name: train-mlp
  model: [{dense: 9}, {dropout: 0.3}]
  epochs: 2
  batch: 10
strategy: bald
start: 6
query: 5
candidates: 40
mc_samples: 3
runs: 2
epochs: 2
shards: 2
seed: 4
"""

QLEARN = """\
command: qlearn
transitions: data.csv
goals: [end]
{more}
epsilon: 0.3
pictures: false
epochs: 2
seed: 4
"""

WORD2VEC = """\
command: word2vec
data: {{train: data.csv, min_count: 2}}
{more}
dim: 9
window: 2
sample: 0
lr: 0.05
min_lr: 0.05
pieces: 3
piece_words: 60
map: null
epochs: 2
seed: 4
"""

RUNS = (
    Run(
        "mlp classes",
        "train-mlp",
        MLP.format(
            more="model: [{dense: 9}, batch_norm, {dropout: 0.3}, {dense: {units: 8, drop_connect: 0.2}}]\n"
            "optimizer: {name: adam, lr: 0.02}"
        ),
        _classes,
    ),
    Run(
        "mlp numbers",
        "train-mlp",
        MLP.format(
            more="model: [{dense: 9}, layer_norm, {activation: prelu}, {gaussian_dropout: 0.1}]\n"
            "activation: tanh\nnoise: learnt\nmc_samples: 3\n"
            "optimizer: {name: momentum, lr: 0.01, weight_decay: 0.001}"
        ),
        _numbers,
    ),
    Run(
        "cnn classes",
        "train-cnn",
        CNN,
        _images,
        asks=("evaluate RUN", "evaluate RUN data.csv --mc-samples 3"),
    ),
    Run(
        "vae",
        "vae",
        VAE.format(shape="2, 2", encoder="{dense: 9}, {dropout: 0.2}", more="binarize: true\nbeta: 0.5"),
        _classes,
        asks=(
            "evaluate RUN --iwae 3",
            "sample RUN --manifold -o FILE",
            "predict RUN data.csv --reconstruct -o FILE.png",
        ),
    ),
    Run(
        "vae of images",
        "vae",
        VAE.format(
            shape="6, 5, 2",
            encoder="{conv: {filters: 4, size: 3, stride: [2, 1], pad: same}}, batch_norm",
            more="likelihood: gaussian\ndecoder: [{dense: 60}, {reshape: [3, 5, 4]}, "
            "{conv_transpose: {filters: 2, size: 3, stride: [2, 1], pad: same, activation: identity}}]",
        ),
        _images,
    ),
    Run(
        "seq2seq",
        "seq2seq",
        SEQ2SEQ.format(more="attention: general, dropout: 0.2"),
        _pairs,
        feeds=False,
        asks=("evaluate RUN data.csv --beam 2", "predict RUN data.csv --n-best 2 --beam 3 -o FILE"),
    ),
    Run(
        "seq2seq lstm",
        "seq2seq",
        SEQ2SEQ.format(more="cell: lstm, layers: 2, attention: additive, dropout: 0, combine: false"),
        _pairs,
        feeds=False,
        asks=("evaluate RUN data.csv",),
    ),
    Run(
        "rnn lstm",
        "rnn",
        RNN.format(data="", task="language", more="layers: 2, dropout: 0.2, by_rows: false", batch=6),
        _text,
        ("batch=8", "batch=2"),
        feeds=False,
        asks=("evaluate RUN data.csv", "predict RUN --complete a"),
    ),
    Run(
        "rnn words",
        "rnn",
        RNN.format(
            data=", tokens: words, min_count: 1",
            task="language",
            batch=6,
            more="cell: gru, output: hierarchical, by_rows: true, variational: true, recurrent_dropout: 0.2",
        ),
        _text,
        ("batch=8", "batch=2"),
        feeds=False,
        asks=("evaluate RUN data.csv",),
    ),
    Run(
        "rnn classes",
        "rnn",
        RNN.format(
            data=", tokens: words, min_count: 1",
            task="classification",
            batch=20,
            more="cell: tanh, bidirectional: true, by_rows: true",
        ),
        _labelled_lines,
        feeds=False,
        asks=("evaluate RUN data.csv",),
    ),
    Run(
        "mf svd",
        "mf",
        MF,
        _ratings,
        ("model.blocks=1", "model.blocks=8"),
        feeds=False,
        asks=("evaluate RUN", "recommend RUN u3 --top 4", "similar RUN i2 --top 4"),
    ),
    Run(
        "qlearn",
        "qlearn",
        QLEARN.format(more="method: double_q\nalpha: {start: 0.5, half: 9}\nepisodes: 40\nseeds: 5"),
        _transitions,
        ("chunk=40", "chunk=4"),
        predicts=False,
        feeds=False,
    ),
    Run(
        "qlearn by a network",
        "qlearn",
        QLEARN.format(
            more="function: {name: mlp, model: [{dense: 9}, {dense: 8}], actors: 4, batch: 20, replay: 60, "
            "warm_up: 20, target_every: 5, steps: 30}"
        ),
        _transitions,
        ("function.steps=12", "function.steps=40"),
        predicts=False,
        feeds=False,
    ),
    Run(
        "gan",
        "gan",
        GAN.format(more="discriminator: [{dense: 6}, {dropout: 0.3}]\nlabel_smoothing: 0.1\nfakes: once"),
        _classes,
        predicts=False,
        asks=("sample RUN -n 6 -o FILE", "sample RUN --interpolate -n 2 -o FILE"),
    ),
    Run(
        "gan normalised",
        "gan",
        GAN.format(
            more="discriminator: [{dense: 6}, batch_norm]\nloss: least_squares\ndiscriminator_steps: 2"
        ),
        _classes,
        predicts=False,
    ),
    Run("active", "active", ACTIVE, _classes, ("learner.batch=6", "learner.batch=2")),
    Run(
        "word2vec",
        "word2vec",
        WORD2VEC.format(more="docs: true"),
        _sentences,
        ("piece_words=120", "piece_words=30"),
        feeds=False,
        looks=True,
    ),
    Run(
        "word2vec cbow",
        "word2vec",
        WORD2VEC.format(more="model: cbow\nobjective: hierarchical"),
        _sentences,
        ("piece_words=120", "piece_words=30"),
        feeds=False,
        looks=True,
    ),
)

HOST_ONLY = {
    "bayes-nb": "data: {train: data.csv}",
    "bandit": "data: {train: data.csv}",
    "lda": "data: {train: data.csv}",
}
"""Commands that have nothing for a GPU to do, with a recipe: --gpu is refused in one line."""

ONE_PASS = {"apriori"}
"""Commands of one epoch, which these runs of two do not fit: test_COMMAND_on_stand_in.py has their test."""
