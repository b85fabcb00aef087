"""Figures of lda against direct computation: likelihood, priors, perplexity, coherence, relevance."""

import math
from itertools import pairwise

import numpy as np
import pytest

from dlkit.algorithms.lda_coherence import coherence
from dlkit.algorithms.lda_documents import Completion, Topics, shares_of
from dlkit.algorithms.lda_priors import digamma
from dlkit.kernels.lda import lda_list
from dlkit.readers.documents import Documents
from tests.algorithms.lda_corpora import context, drawn, sampler


@pytest.fixture(scope="module")
def trained():  # type: ignore[no-untyped-def]
    words, ends = drawn(60, 20, 4, 30)
    made = sampler(words, ends, 20, 4)
    for sweep in range(20):
        made.step(sweep, 0, np.full(4, 0.3), 0.1)
    return made


def test_likelihood_is_the_product_of_predictions(trained) -> None:  # type: ignore[no-untyped-def]
    """p(w, z) word after word, each foretold by those before: no gamma function in it."""
    alpha, beta = np.array([0.5, 0.1, 1.3, 0.2]), 0.07
    part = trained.parts[0]
    of_document = np.zeros((len(trained.sizes), 4))
    of_topic = np.zeros((20, 4))
    total = 0.0
    for d, w, k in zip(part.documents, part.word_of_token, part.z, strict=True):
        total += math.log((of_document[d, k] + alpha[k]) / (of_document[d].sum() + alpha.sum()))
        total += math.log((of_topic[w, k] + beta) / (of_topic[:, k].sum() + 20 * beta))
        of_document[d, k] += 1
        of_topic[w, k] += 1
    told = trained.counts().log_likelihood(alpha, beta)
    assert told == pytest.approx(total / len(part.z), rel=1e-12)


def test_digamma() -> None:
    euler = 0.57721566490153286
    known = {
        1: -euler,
        0.5: -euler - 2 * math.log(2),
        2: 1 - euler,
        10: 2.251752589066721,
        1e-3: -1000.5755719318,
    }
    for at, value in known.items():
        assert digamma(np.array([at]))[0] == pytest.approx(value, rel=1e-12)
    x = np.geomspace(1e-5, 1e6, 200)
    np.testing.assert_allclose(digamma(x + 1) - digamma(x), 1 / x, rtol=1e-6, atol=1e-12)


def test_a_fitted_prior_is_where_the_likelihood_is_flat(trained) -> None:  # type: ignore[no-untyped-def]
    counts = trained.counts()
    alpha, beta = np.full(4, 0.3), 0.1
    for _ in range(60):
        alpha, beta = counts.fitted_alpha(alpha, symmetric=False), counts.fitted_beta(beta)
    best = counts.log_likelihood(alpha, beta)
    for k in range(4):
        for factor in (0.98, 1.02):
            other = alpha.copy()
            other[k] *= factor
            assert counts.log_likelihood(other, beta) < best
    assert max(counts.log_likelihood(alpha, beta * f) for f in (0.98, 1.02)) < best


def test_each_step_of_the_fixed_point_raises_the_likelihood(trained) -> None:  # type: ignore[no-untyped-def]
    counts = trained.counts()
    alpha = np.full(4, 2.0)
    for symmetric in (True, False):
        before = counts.log_likelihood(alpha, 0.1)
        alpha = counts.fitted_alpha(alpha, symmetric)
        assert counts.log_likelihood(alpha, 0.1) > before
        assert symmetric == (len(set(alpha.tolist())) == 1)


def test_a_topic_that_nothing_has_keeps_a_prior() -> None:
    words, ends = drawn(10, 8, 2, 10)
    made = sampler(words, ends, 8, 3)
    for part in made.parts:
        part.z[part.z == 2] = 0
    part = made.parts[0]
    part.sizes[:], part.listed[:] = 0, 0
    lda_list(part.documents, part.z, 3, part.starts, part.listed, part.sizes)
    made._count()
    alpha = made.counts().fitted_alpha(np.full(3, 0.1), symmetric=False)
    assert 0 < alpha[2] < alpha[:2].min()


def documents(words: np.ndarray, ends: np.ndarray) -> Documents:
    return Documents("test", words.astype(np.int32), ends, None)


def test_folding_in_finds_the_mode() -> None:
    """Of log p(w|theta) + sum alpha_k log theta_k: no small change of theta is better."""
    rng = np.random.default_rng(3)
    alpha = np.array([0.3, 0.1, 0.8])
    phi = np.ascontiguousarray(rng.dirichlet(np.full(9, 0.4), 3).T + 1e-3)
    words = rng.integers(0, 9, 25)
    given = documents(np.append(words, -1), np.array([0, 26, 26]))
    theta = shares_of(given, Topics(phi, alpha, 3000), context(shards=2))
    np.testing.assert_allclose(theta[1], alpha / alpha.sum())  # nothing is known of an empty document

    def objective(shares: np.ndarray) -> float:
        return float(np.log(phi[words] @ shares).sum() + (alpha * np.log(shares)).sum())

    assert theta[0].sum() == pytest.approx(1)
    for _ in range(200):
        other = theta[0] * np.exp(0.02 * rng.standard_normal(3))
        assert objective(other / other.sum()) <= objective(theta[0]) + 1e-12


@pytest.mark.parametrize("shards", [1, 3])
def test_perplexity_is_that_of_the_second_halves(shards: int) -> None:
    words, ends = drawn(15, 12, 3, 20)
    phi = np.ascontiguousarray(np.random.default_rng(4).dirichlet(np.full(12, 0.5), 3).T + 1e-3)
    topics = Topics(phi, np.array([0.2, 0.4, 0.1]), 30)
    whole = documents(words, ends)
    how = context(shards=shards)
    completion = Completion(whole, how)
    first = how.streams.get("halves").random(len(words)) < 0.5
    logs = []
    for d in range(15):
        mine = np.arange(ends[d], ends[d + 1])
        given, asked = words[mine[first[mine]]], words[mine[~first[mine]]]
        share = topics.alpha / topics.alpha.sum()
        for _ in range(30):
            joint = share * phi[given]
            share = topics.alpha + (joint / joint.sum(axis=1, keepdims=True)).sum(axis=0)
            share /= share.sum()
        logs += np.log(phi[asked] @ share).tolist()
    assert completion.tokens == len(logs)
    assert completion.perplexity(topics) == pytest.approx(math.exp(-np.mean(logs)), rel=1e-9)


def test_coherence_is_that_of_the_documents() -> None:
    words, ends = drawn(30, 9, 3, 8)
    sets = [set(words[a:b].tolist()) for a, b in pairwise(ends)]
    top = np.array([[0, 1, 2], [5, 0, -1], [7, -1, -1]])
    told = coherence(top, words, ends)

    def held(*some: int) -> int:
        return sum(set(some) <= one for one in sets)

    for k, ranks in enumerate(([0, 1, 2], [5, 0])):
        pairs = [(ranks[i], ranks[j]) for i in range(len(ranks)) for j in range(i)]
        umass = [math.log((held(i, j) + 1) / held(j)) for i, j in pairs]
        npmi = []
        for i, j in pairs:
            p = held(i, j) / 30
            npmi.append(
                math.log(p / (held(i) / 30 * held(j) / 30)) / -math.log(p)
                if 0 < p < 1
                else 2.0 * (p == 1) - 1
            )
        assert told.umass[k] == pytest.approx(np.mean(umass))
        assert told.npmi[k] == pytest.approx(np.mean(npmi))
    assert np.isnan(told.umass[2]) and np.isnan(told.npmi[2])


def test_relevance_orders_by_probability_and_lift() -> None:
    from dlkit.algorithms.lda_model import TopicModel
    from dlkit.readers.vocabulary import Vocabulary

    vocabulary = Vocabulary()
    vocabulary.add(["everywhere", "of one", "of two", "never"])
    counts = np.array([[50, 50], [20, 0], [0, 10], [0, 0]], np.int32)
    empty = np.zeros(0, np.int64)
    model = TopicModel(
        vocabulary, counts, np.ones(2), 0.01, [], None, empty, (empty, empty), np.zeros((2, 2))
    )
    assert model.top(2)[0].tolist() == [[0, 1], [0, 2]]
    assert model.top(2, 0.1)[0].tolist() == [[1, 0], [2, 0]]
    assert model.top(4)[0].tolist() == [[0, 1, -1, -1], [0, 2, -1, -1]]
