"""seq2seq: one pass against single steps, beams against every translation there is, words fed, memory."""

import itertools
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from dlkit.algorithms import seq2seq_search
from dlkit.algorithms.seq2seq import Seq2Seq
from dlkit.algorithms.seq2seq_batch import Batch, WordsFed, batch_of
from dlkit.algorithms.seq2seq_network import Translator
from dlkit.algorithms.seq2seq_recipe import TranslatorSpec
from dlkit.algorithms.seq2seq_search import Search, in_batches, penalty
from dlkit.autograd import Tape
from dlkit.backend import open_backend
from dlkit.backend.streams import Streams
from dlkit.backend.threads import ProductTeam, Team
from dlkit.nn.parameter import Flat
from dlkit.ops.word_loss import LOGITS, word_loss
from dlkit.readers.parallel import Corpus
from dlkit.readers.sentences import BEGIN, END, PAD, Sentences

BACKEND = open_backend("cpu", dtype="float64")
WORDS = 6
"""Numbers of the target: four marks and two words."""
SOURCE = np.array([[4, 5, 4], [5, PAD, 5], [6, PAD, 4]])
LENGTHS = np.array([3, 1, 3])
SPECS = [
    {"attention": score, "cell": cell, "layers": layers}
    for score, cell, layers in (
        ("dot", "gru", 1), ("general", "lstm", 2), ("additive", "gru", 2), ("none", "lstm", 1),
    )
]  # fmt: skip
by_spec = pytest.mark.parametrize("spec", SPECS, ids=lambda s: " ".join(map(str, s.values())))


def network(spec: dict[str, Any], seed: int = 1, *, sharp: float = 3.0) -> Translator:
    """A network with weights drawn at random, and opinions."""
    made = Translator(TranslatorSpec(embedding=5, units=4, dropout=0, **spec), 8, WORDS)
    Flat.allocate(made, BACKEND, Streams(seed))
    made.output.data *= sharp
    made.output_bias.data[...] = np.random.default_rng(seed).normal(size=WORDS)
    return made


def training(made: Translator, team: Any = None) -> Any:
    """The part of the algorithm that computes losses."""
    algorithm: Any = object.__new__(Seq2Seq)
    algorithm.network = made
    algorithm.context = SimpleNamespace(backend=BACKEND, team=team or Team(1, 1))
    return algorithm


def log_p_by_steps(made: Translator, words: list[int], row: int) -> float:
    """log p of a target and its </s>, word by word, of a sentence by itself; <pad> and <s> are no words."""
    encoder, tape = Tape(BACKEND), Tape(BACKEND)
    encoder.begin(training=False)
    n = LENGTHS[row : row + 1]
    source = made.encode(encoder, SOURCE[: n[0], row : row + 1], n)
    states, before, total = None, BEGIN, 0.0
    for word in [*words, END]:
        tape = Tape(BACKEND)
        tape.begin(training=False)
        h, states, _ = made.decode(tape, source, np.array([[before]]), states)
        z = made.logits(tape, h)[0].copy()
        z[: BEGIN + 1] = -np.inf
        total += float(z[word] - np.log(np.exp(z - z.max()).sum()) - z.max())
        before = word
    return total


def pairs(targets: list[list[int]]) -> Batch:
    """The three sources with these targets."""
    sides = []
    for rows in ([SOURCE[:n, k].tolist() for k, n in enumerate(LENGTHS)], targets):
        ids = np.array([i for row in rows for i in row], np.int32)
        sides.append(Sentences(ids, np.cumsum([0, *map(len, rows)])))
    return batch_of(Corpus("", *sides), np.arange(3))


# -- the loss -------------------------------------------------------------------------------------------
@by_spec
def test_one_pass_over_all_places_is_step_after_step(spec: dict[str, Any]) -> None:
    made = network(spec)
    made.output_bias.data[: BEGIN + 1] = -1e9  # the steps leave them out
    targets = [[4, 5, 5, 4], [5], [4, 4]]
    batch = pairs(targets)
    assert batch.before[:, 1].tolist() == [BEGIN, 5, PAD, PAD, PAD]
    assert batch.labels[:, 1].tolist() == [5, END, -1, -1, -1]
    tape = Tape(BACKEND)
    tape.begin(training=False)
    loss, (_, nll, _) = training(made).pair_loss(tape, batch, 1.0, 0.0)
    by_sentence = nll.reshape(batch.labels.shape).sum(0)
    for k, words in enumerate(targets):
        assert by_sentence[k] == pytest.approx(-log_p_by_steps(made, words, k), rel=1e-9)
    assert float(loss.data) == pytest.approx(by_sentence.sum())


@by_spec
def test_a_decoder_that_is_fed_its_own_words(spec: dict[str, Any]) -> None:
    """Where no true word is fed, what is fed is what a greedy search says, as far as the target goes."""
    made = network(spec, sharp=6.0)
    batch = pairs([[4, 5, 5, 4], [5], [4, 4]])
    fed = WordsFed(made, BACKEND)
    true = np.ones((5, 3), bool)
    assert (fed(batch, true) == batch.before).all()
    said = fed(batch, ~true)
    found = Search(made, BACKEND, Team(1, 1)).greedy(SOURCE, LENGTHS)
    for k, (one, length) in enumerate(zip(found, (4, 1, 2), strict=True)):
        wanted = [BEGIN, *one.ids, END][: length + 1]
        assert said[: len(wanted), k].tolist() == wanted
        assert (said[length + 1 :, k] == PAD).all()
    mixed = true.copy()
    mixed[1] = False
    once = fed(batch, mixed)
    assert (once[1] == said[1]).all() and (once[2:] == batch.before[2:]).all()


def test_rows_shared_out_give_the_gradients_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where logits are made a few rows at a time."""
    rng = np.random.default_rng(5)
    h, w, b = rng.normal(size=(40, 3)), rng.normal(size=(2000, 3)), rng.normal(size=2000)
    labels = rng.integers(-1, 2000, 40)
    found = []
    with ProductTeam(2, 3) as team:
        shared = {"product": team.product, "share": team.share, "parts": team.parts}
        for how, most in (({}, LOGITS), (shared, LOGITS), (shared, 14 * 2000)):
            monkeypatch.setattr("dlkit.ops.word_loss.LOGITS", most)
            tape = Tape(BACKEND, **how)
            tape.begin(training=True)
            given = [tape.constant(a, needs_grad=True) for a in (h, w, b)]
            loss, *measures = word_loss(tape, *given, labels, 0.5, smoothing=0.1)
            tape.backward(loss)
            found.append([loss.data, *measures, *(v.grad for v in given)])
    for one in found[1:]:
        for a, expected in zip(one, found[0], strict=True):
            np.testing.assert_allclose(a, expected, rtol=1e-11, atol=1e-13)


def test_memory_grows_with_the_words_not_with_words_times_vocabulary() -> None:
    vocabulary, n = 20_000, 4
    rng = np.random.default_rng(6)
    w, b = rng.normal(size=(vocabulary, n)), np.zeros(vocabulary)
    held = []
    for rows in (500, 2000):
        tape = Tape(BACKEND)
        tape.begin(training=True)
        given = [tape.constant(a, needs_grad=True) for a in (rng.normal(size=(rows, n)), w, b)]
        loss, *_ = word_loss(tape, *given, rng.integers(0, vocabulary, rows), 1 / rows)
        tape.backward(loss)
        held.append(tape.buffer_bytes())
    assert held[1] - held[0] < 1500 * 8 * (2 * n + 8) + w.nbytes, "a few numbers a row, and dW once more"
    assert held[1] < 1.5 * LOGITS * 8 < 2000 * vocabulary * 8


# -- the search -----------------------------------------------------------------------------------------
@by_spec
@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_a_wide_beam_finds_the_best_of_all(
    spec: dict[str, Any], alpha: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every translation of up to three words, by brute force."""
    monkeypatch.setattr(seq2seq_search, "longest_answer", lambda n: 4)
    made = network(spec)
    words = range(END + 1, WORDS)
    every = [list(ids) for n in range(4) for ids in itertools.product(words, repeat=n)]
    for row, best in enumerate(Search(made, BACKEND, Team(1, 1)).beams(SOURCE, LENGTHS, 40, alpha=alpha)):
        scores = {tuple(ids): log_p_by_steps(made, ids, row) / penalty(len(ids) + 1, alpha) for ids in every}
        wanted = sorted(scores, key=lambda ids: -scores[ids])
        complete = [h for h in best if tuple(h.ids) in scores]
        assert [tuple(h.ids) for h in complete[:5]] == wanted[:5]
        for one in complete[:5]:
            assert one.score == pytest.approx(scores[tuple(one.ids)], rel=1e-8)


@by_spec
def test_greedy_is_a_beam_of_one_and_a_sentence_does_not_depend_on_its_batch(spec: dict[str, Any]) -> None:
    made = network(spec)
    search = Search(made, BACKEND, Team(1, 1))
    together = search.greedy(SOURCE, LENGTHS)
    for row, one in enumerate(together):
        n = LENGTHS[row : row + 1]
        alone = search.greedy(SOURCE[: n[0], row : row + 1], n)[0]
        beam = search.beams(SOURCE, LENGTHS, 1)[row][0]
        assert one.ids == alone.ids == beam.ids
        assert len(one.ids) <= 2 * n[0] + 10
        assert one.log_p == pytest.approx(alone.log_p, rel=1e-9)
        assert one.log_p == pytest.approx(beam.log_p, rel=1e-9)
        if spec["attention"] == "none":
            assert one.weights is None
        else:
            assert one.weights is not None and one.weights.shape == (len(one.ids), n[0])
            np.testing.assert_allclose(one.weights.sum(1), 1)
            assert beam.weights is not None
            np.testing.assert_allclose(one.weights, beam.weights, rtol=1e-9)
        if len(one.ids) < 2 * n[0] + 10:
            assert one.log_p == pytest.approx(log_p_by_steps(made, one.ids, row), rel=1e-9)


def test_batches_of_sentences() -> None:
    lengths = np.array([5, 1, 9, 2, 2, 30])
    chunks = [rows.tolist() for rows in in_batches(lengths, 2, 20)]
    assert chunks == [[1, 3], [4, 0], [2], [5]]
