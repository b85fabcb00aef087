"""The sampler of lda: bits of the reference, the exact posterior, threads and parts."""

import itertools
import math

import numpy as np
import pytest

from dlkit.algorithms import lda_sampler
from dlkit.kernels.lda import lda_sample
from tests.algorithms.lda_corpora import drawn, sampler

ALPHA, BETA = np.array([0.7, 0.2]), 0.4


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("topics", "length"), [(2, 6), (7, 20), (33, 12)])
def test_sweeps_have_the_bits_of_the_reference(
    dtype: str, topics: int, length: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    words, ends = drawn(12, 15, 3, length)
    alpha = np.random.default_rng(1).random(topics) + 0.05
    ours, plain = (sampler(words, ends, 15, topics, dtype=dtype) for _ in range(2))
    for sweep in range(4):
        ours.step(sweep, 0, alpha, BETA)
        with monkeypatch.context() as m:
            m.setattr(lda_sampler, "lda_sample", lda_sample.reference)
            plain.step(sweep, 0, alpha, BETA)
        np.testing.assert_array_equal(ours.parts[0].z, plain.parts[0].z)
        np.testing.assert_array_equal(ours.word_topics, plain.word_topics)
        np.testing.assert_array_equal(ours.sizes, plain.sizes)
        np.testing.assert_array_equal(ours.topics_of_documents[1], plain.topics_of_documents[1])


def joint(z: tuple[int, ...], words: list[int], owner: list[int], vocabulary: int) -> float:
    """p(words, z | alpha, beta), word after word: what came before foretells the next."""
    p = 1.0
    for i, (k, w, d) in enumerate(zip(z, words, owner, strict=True)):
        same = [j for j in range(i) if owner[j] == d]
        p *= (sum(z[j] == k for j in same) + ALPHA[k]) / (len(same) + ALPHA.sum())
        mine = [j for j in range(i) if z[j] == k]
        p *= (sum(words[j] == w for j in mine) + BETA) / (len(mine) + vocabulary * BETA)
    return p


def test_the_exact_posterior_of_a_tiny_corpus() -> None:
    """All 2^6 topics of six words, against how often long sampling visits them."""
    words, ends, owner = [0, 1, 0, 2, 2, 0], [0, 3, 5, 6], [0, 0, 0, 1, 1, 2]
    exact = {z: joint(z, words, owner, 3) for z in itertools.product(range(2), repeat=6)}
    total = sum(exact.values())
    made = sampler(words, ends, 3, 2)
    part = made.parts[0]
    order = np.argsort(words, kind="stable")
    visits = dict.fromkeys(exact, 0)
    sweeps = 20_000
    for sweep in range(sweeps):
        made.step(sweep, 0, ALPHA, BETA)
        found = np.empty(6, int)
        found[order] = part.z
        visits[tuple(found.tolist())] += 1
    for z, weight in exact.items():
        p = weight / total
        assert visits[z] / sweeps == pytest.approx(p, abs=6 * math.sqrt(p / sweeps) + 1e-3), z


@pytest.mark.parametrize("shards", [2, 3])
def test_threads_do_not_change_a_bit(shards: int) -> None:
    words, ends = drawn(40, 30, 4, 25)
    alpha = np.full(4, 0.2)
    found = []
    for threads in (1, 2, 3):
        made = sampler(words, ends, 30, 4, threads=threads, shards=shards, dtype="float32")
        for sweep in range(5):
            made.step(sweep, 0, alpha, 0.1)
        found.append(
            (np.concatenate([part.z for part in made.parts]), made.word_topics, made.topics_of_documents[1])
        )
        made.context.team.close()
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_counts_are_those_of_the_topics(monkeypatch: pytest.MonkeyPatch) -> None:
    """After many steps over several parts: counts, totals and lists are what the topics say."""
    monkeypatch.setattr(lda_sampler, "TOKENS_A_STEP", 100)
    words, ends = drawn(40, 30, 4, 25)
    made = sampler(words, ends, 30, 6, shards=2)
    assert made.steps > 3 and len(made.parts) == 2 * made.steps
    for sweep in range(3):
        told = sum(made.step(sweep, number, np.full(6, 0.2), 0.1) for number in range(made.steps))
        assert told == len(words)
    counts, documents = np.zeros((30, 6), int), np.zeros((40, 6), int)
    for part in made.parts:
        np.add.at(counts, (part.word_of_token, part.z), 1)
        np.add.at(documents, (part.members[part.documents], part.z), 1)
    np.testing.assert_array_equal(made.word_topics, counts)
    np.testing.assert_array_equal(made.totals, counts.sum(0))
    owner, topics, times = made.topics_of_documents
    listed = np.zeros((40, 6), int)
    np.add.at(listed, (owner, topics), times)
    np.testing.assert_array_equal(listed, documents)
    assert (times > 0).all()
    np.testing.assert_array_equal(np.bincount(words, minlength=30), counts.sum(1))


def test_the_state_goes_on_bit_for_bit() -> None:
    words, ends = drawn(20, 12, 3, 15)
    alpha = np.full(5, 0.1)
    whole, part = (sampler(words, ends, 12, 5, dtype="float32") for _ in range(2))
    for sweep in range(6):
        whole.step(sweep, 0, alpha, 0.1)
    for sweep in range(3):
        part.step(sweep, 0, alpha, 0.1)
    again = sampler(words, ends, 12, 5, dtype="float32")
    again.load(part.state())
    for sweep in range(3, 6):
        again.step(sweep, 0, alpha, 0.1)
    np.testing.assert_array_equal(again.parts[0].z, whole.parts[0].z)
    for name, value in whole.state().items():
        np.testing.assert_array_equal(again.state()[name], value, err_msg=name)


@pytest.mark.parametrize("spoil", ["z", "sizes", "times", "topics", "parts"])
def test_a_state_of_other_documents_is_refused(spoil: str) -> None:
    words, ends = drawn(20, 12, 3, 15)
    made = sampler(words, ends, 12, 5)
    state = made.state()
    if spoil == "parts":
        state["parts"] = 2
    else:
        state[spoil] = np.roll(state[spoil], 1) if spoil != "sizes" else state[spoil][:-1]
    with pytest.raises(ValueError, match="topics"):
        sampler(words, ends, 12, 5).load(state)


def test_planted_topics_are_found() -> None:
    words, ends = drawn(200, 40, 4, 60)
    made = sampler(words, ends, 40, 4, dtype="float32", shards=2)
    for sweep in range(60):
        made.step(sweep, 0, np.full(4, 0.3), 0.05)
    phi = (made.word_topics + 0.05) / (made.totals + 40 * 0.05)
    own = np.array_split(np.arange(40), 4)
    mass = np.array([[phi[mine, k].sum() for k in range(4)] for mine in own])
    assert sorted(mass.argmax(axis=1).tolist()) == [0, 1, 2, 3]
    assert mass.max(axis=1).min() > 0.97
