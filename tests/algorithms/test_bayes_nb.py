"""Counting in a stream: the same sums for any threads, machines and interruptions; words beyond the limit."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dlkit.algorithms.bayes_nb import BayesNB
from dlkit.algorithms.nb_figures import Confusion
from dlkit.algorithms.protocol import Context
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import Team
from dlkit.readers import streamed_table, text
from dlkit.readers.streamed_split import RowSplit
from tests.algorithms.bayes import read, trained
from tests.machines.thread_ranks import on_ranks


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """600 documents in about 20 chunks."""
    monkeypatch.setattr(text, "CHUNK", 1000)
    rng = np.random.default_rng(3)
    words = [f"w{k}" for k in range(300)] + ["Öl", "日本"]
    lines = []
    for _ in range(600):
        label = int(rng.integers(3))
        chosen = rng.zipf(1.5, rng.integers(1, 12)) * (label + 1) % len(words)
        lines.append(f"class {label}\t{' '.join(words[k] for k in chosen)}")
    path = tmp_path / "corpus.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    # the fixture's chunks come from blocks of the file, which are larger than it
    monkeypatch.setattr("dlkit.readers.again.blocks", lambda path, name: _pieces(Path(path)))
    return path


def _pieces(path: Path) -> Any:
    data = path.read_bytes()
    yield from (data[start : start + 700] for start in range(0, len(data), 700))


def same(a: Any, b: Any) -> None:
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert list(a) == list(b)
        for key in a:
            same(a[key], b[key])
    elif isinstance(a, np.ndarray):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)
    else:
        assert a == b


MODELS: list[dict[str, Any]] = [{}, {"model": "bernoulli"}, {"text": {"ngrams": [1, 2], "min_df": 2}}]


@pytest.mark.parametrize("keys", MODELS)
def test_threads_change_nothing(corpus: Path, keys: dict[str, Any]) -> None:
    alone = trained(corpus, data={"test": 0.2}, **keys)
    assert alone.done > 10
    same(trained(corpus, 3, data={"test": 0.2}, **keys).state(), alone.state())


@pytest.mark.parametrize("keys", MODELS)
def test_ranks_change_nothing(corpus: Path, keys: dict[str, Any]) -> None:
    alone = trained(corpus, data={"test": 0.2}, **copy.deepcopy(keys)).state()

    def rank(comm: Any) -> Any:
        recipe = BayesNB.Recipe.model_validate({"data": {"train": str(corpus), "test": 0.2}, **keys})
        given = Context(open_backend("cpu", dtype="float64"), Streams(1), Team(1, 1), comm=comm)
        made = BayesNB(recipe, given)
        made.read_data()
        made.build()
        steps = [progress.step for progress in made.train_epoch(1)]
        made.end_epoch(1)
        return steps, made.state()

    outcomes = on_ranks(3, rank)
    assert len({str(steps) for steps, _ in outcomes}) == 1
    for _, state in outcomes:
        same(state, alone)


@pytest.mark.parametrize("stop", [1, 7])
@pytest.mark.parametrize("shards", [1, 2])
def test_a_pass_that_was_interrupted_goes_on(corpus: Path, stop: int, shards: int) -> None:
    """Also with another number of threads than before."""
    whole = trained(corpus)
    part = read(corpus, shards)
    for progress in part.train_epoch(1):
        if progress.step == stop:
            break
    saved = copy.deepcopy(part.state())
    again = read(corpus)
    again.load(saved)
    same(again.state(), saved)
    for _ in again.train_epoch(1, skip=stop):
        pass
    again.end_epoch(1)
    same(again.state(), whole.state())


def test_an_unfinished_pass_can_be_asked(corpus: Path) -> None:
    part = read(corpus)
    next(iter(part.train_epoch(1)))
    restored = BayesNB.restore(part.recipe, copy.deepcopy(part.state()), part.context)
    assert len(next(iter(restored.predict(str(corpus), {}))).columns[0])


@pytest.mark.parametrize("kinds", ["auto", "bernoulli"])
def test_a_long_table_is_counted_piece_by_piece(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kinds: str
) -> None:
    rng = np.random.default_rng(4)
    y = rng.integers(0, 2, 500)
    rows = [f"{rng.normal() + c:.3f},{'abc'[rng.integers(3)] if kinds == 'auto' else c},{'ny'[c]}" for c in y]
    path = tmp_path / "t.csv"
    path.write_text("\n".join(["a,b,label", *rows]) + "\n", encoding="utf-8")
    whole = trained(path, model=kinds)
    assert whole.done == 1
    monkeypatch.setattr(streamed_table, "PIECE", 1000)
    monkeypatch.setattr(streamed_table, "_HEAD", 500)
    monkeypatch.setattr("dlkit.readers.again.blocks", lambda path, name: _pieces(Path(path)))
    pieces = trained(path, model=kinds)
    assert pieces.done > 3
    one, other = whole.state()["evidence"], pieces.state()["evidence"]
    same(other["columns"], one["columns"])
    for part in one["parts"]:
        for key, value in one["parts"][part].items():
            np.testing.assert_allclose(other["parts"][part][key], value, rtol=1e-12)


def test_too_many_words_are_pruned_and_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text, "CHUNK", 4000)
    lines = [f"{'ab'[k % 2]}\tevery {'odd' if k % 2 else 'even'} once{k} rare{k}" for k in range(3000)]
    path = tmp_path / "t.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    monkeypatch.setattr("dlkit.readers.again.blocks", lambda path, name: _pieces(Path(path)))
    told: list[str] = []
    made = read(path, text={"distinct_limit": 1000})
    made.context.log = told.append
    made.evidence.log = told.append  # type: ignore[attr-defined]
    largest = 0
    for _ in made.train_epoch(1):
        largest = max(largest, len(made.evidence.counts.vocabulary))  # type: ignore[attr-defined]
    row = made.end_epoch(1)
    assert largest <= 1000
    assert told and "more than 1,000 distinct words" in told[0]
    assert row["train_pruned"] > 4000
    counts = made.evidence.counts  # type: ignore[attr-defined]
    found = dict(zip(counts.vocabulary.words(), counts.counts.sum(1).tolist(), strict=False))
    assert (found["every"], found["odd"], found["even"]) == (3000, 1500, 1500)


def test_given_and_uniform_priors(corpus: Path) -> None:
    given = trained(corpus, prior={"class 0": 2.0, "class 1": 1.0, "class 2": 1.0})
    np.testing.assert_allclose(np.exp(given.prior), [0.5, 0.25, 0.25])
    np.testing.assert_allclose(np.exp(trained(corpus, prior="uniform").prior), 1 / 3)


def test_row_splits() -> None:
    streams = Streams(5)
    split = RowSplit.of_test(streams, 0.25, 0, "t")
    whole = split.is_test(0, 20_000)
    assert 0.23 < whole.mean() < 0.27
    parts = [split.is_test(first, 1700) for first in range(0, 20_000 - 1700, 1700)]
    np.testing.assert_array_equal(np.concatenate(parts), whole[: 1700 * len(parts)])
    assert split.is_test(5, 0).shape == (0,)
    for wanted in (1, 4096, 9_999):
        assert RowSplit.of_test(streams, wanted, 10_000, "t").is_test(0, 10_000).sum() == wanted
    folds = sum(RowSplit.of_fold(streams, k, 7).is_test(0, 5000).astype(int) for k in range(7))
    assert (folds == 1).all()


def test_figures_against_scikit_learn() -> None:
    metrics = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(8)
    true = rng.integers(0, 3, 200)
    p = rng.dirichlet(np.ones(3), 200)
    p[np.arange(200), true] += 0.5
    p /= p.sum(1, keepdims=True)
    said = p.argmax(1)
    confusion = Confusion(["a", "b", "c"])
    for rows in (slice(0, 90), slice(90, 200)):
        confusion.add(true[rows], said[rows], p[rows])
    figures = confusion.figures("b")
    np.testing.assert_array_equal(confusion.matrix, metrics.confusion_matrix(true, said))
    assert figures["accuracy"] == pytest.approx(metrics.accuracy_score(true, said))
    assert figures["mcc"] == pytest.approx(metrics.matthews_corrcoef(true, said))
    assert figures["loss"] == pytest.approx(metrics.log_loss(true, p))
    assert figures["macro_f1"] == pytest.approx(metrics.f1_score(true, said, average="macro"))
    assert figures["caught"] == pytest.approx(metrics.recall_score(true == 1, said == 1))
    assert figures["blocked"] == pytest.approx(((said == 1) & (true != 1)).sum() / (true != 1).sum())
    nothing = Confusion(["a", "b"])
    nothing.add(np.zeros(3, np.int64), np.zeros(3, np.int64), np.full((3, 2), 0.5))
    assert nothing.mcc() == 0.0 and nothing.figures("b")["caught"] == 0.0
