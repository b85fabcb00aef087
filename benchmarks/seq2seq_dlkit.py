"""dlkit's side of the seq2seq row: steps of `dlkit seq2seq` as the driver takes them; greedy translations."""

import platform
import tempfile
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np

from benchmarks.measure import say, step_seconds
from benchmarks.seq2seq import Sizes, parser, sizes_of
from benchmarks.vae_dlkit import steps
from dlkit.algorithms import seq2seq_asked, seq2seq_search
from dlkit.algorithms.seq2seq import Seq2Seq
from dlkit.readers.sentences import END, MARKS, Sentences
from dlkit.recipe.resolve import resolve
from dlkit.training.options import RunOptions
from dlkit.training.progress import Display
from dlkit.training.session import prepare

NETWORK = ("bidirectional=false", "combine=false", "relu=true", "dropout=0")


def write_pairs(path: Path, sizes: Sizes) -> None:
    """Some 40 batches of made-up sentences in which every word of both vocabularies stands."""
    rng = np.random.default_rng(1)
    known, rows = sizes.words - len(MARKS), 40 * sizes.pairs
    lines = []
    for length in (sizes.steps, sizes.steps - 1):  # </s> is a place of the target
        repeated = np.arange(rows * length) % known
        lines.append(rng.permutation(repeated).reshape(rows, length))
    with path.open("w", encoding="utf-8") as file:
        for source, target in zip(*lines, strict=True):
            file.write(" ".join(f"s{i}" for i in source) + "\t" + " ".join(f"t{i}" for i in target) + "\n")


def main() -> None:
    parse = parser(__doc__)
    parse.add_argument(
        "--split", choices=["batch", "products"], help="what is cut (the command's own choice)"
    )
    asked = parse.parse_args()
    sizes = sizes_of(asked)
    sets = [f"model.{one}" for one in NETWORK] + ["optimizer.clip=null"]
    sets += [f"{side}_words.min_count=1" for side in ("source", "target")]
    sets += [f"split={asked.split}"] if asked.split else []
    units = {"model.units": sizes.units, "model.embedding": sizes.units}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "pairs.tsv"
        write_pairs(path, sizes)
        given = {"data.train": str(path), "batch": sizes.pairs, **units}
        recipe: Any = resolve(Seq2Seq.Recipe, None, sets, given)
        options = RunOptions(directory=Path(folder), threads=asked.threads)
        prepared = prepare(Seq2Seq, recipe, options, Display(quiet=True))
    algorithm: Any = prepared.algorithm
    took = translating(algorithm, sizes, asked.beam) if asked.translate else training(algorithm)
    used = algorithm.context.team.hands.shards
    prepared.close()
    say(**took, threads=asked.threads, shards=used, versions={"python": platform.python_version()})


def training(algorithm: Any) -> dict[str, Any]:
    """A training step."""
    step = steps(algorithm)
    return step_seconds(lambda: next(step))


def translating(algorithm: Any, sizes: Sizes, beam: int) -> dict[str, Any]:
    """Translations of a file, as `dlkit predict` makes them; each ends where it is as long as its
    source, on either side."""
    algorithm.network.output_bias.data[END] = -1e9
    rng, lengths = np.random.default_rng(2), sizes.sentences()
    ids = rng.integers(len(MARKS), sizes.words, sum(lengths)).astype(np.int32)
    sentences = Sentences(ids, np.cumsum([0, *lengths]))
    words = [algorithm.source.words(sentences[k].tolist()) for k in range(len(lengths))]

    def translate() -> None:
        algorithm.translations(sentences, words, beam=beam, alpha=1.0)

    own = mock.patch.object(seq2seq_search, "longest_answer", lambda n: n)
    with own, mock.patch.object(seq2seq_asked, "JUDGED_PAIRS", sizes.pairs):
        return step_seconds(translate)


if __name__ == "__main__":
    main()
