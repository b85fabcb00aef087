"""Acquisition functions against their formulas, written out for one row at a time."""

import math

import numpy as np
import pytest

from dlkit.algorithms.acquisition import OF_DRAWS, SCORES, STRATEGIES, highest


@pytest.fixture
def p() -> np.ndarray:
    """(draws, rows, classes) probabilities, some of them 0."""
    raw = np.random.default_rng(1).gamma(0.3, size=(7, 11, 4)) + 1e-12
    raw[:, 0] = [1, 0, 0, 0]
    return raw / raw.sum(-1, keepdims=True)


def by_hand(name: str, draws: list[list[float]]) -> float:
    classes, count = range(len(draws[0])), len(draws)
    mean = [sum(draw[c] for draw in draws) / count for c in classes]
    entropy = lambda q: -sum(v * math.log(v) for v in q if v > 0)  # noqa: E731
    if name == "least_confident":
        return 1 - max(mean)
    if name == "margin":
        first, second = sorted(mean)[-1:-3:-1]
        return second - first
    if name == "entropy":
        return entropy(mean)
    if name == "bald":
        return entropy(mean) - sum(map(entropy, draws)) / count
    spread = [math.sqrt(sum((draw[c] - mean[c]) ** 2 for draw in draws) / count) for c in classes]
    return sum(spread) / len(mean)


@pytest.mark.parametrize("name", SCORES)
def test_scores_are_the_formulas(name: str, p: np.ndarray) -> None:
    wanted = [by_hand(name, p[:, row].tolist()) for row in range(p.shape[1])]
    np.testing.assert_allclose(SCORES[name](p), wanted, atol=1e-12)


@pytest.mark.parametrize("name", SCORES)
def test_what_is_certain_is_asked_last(name: str, p: np.ndarray) -> None:
    assert highest(SCORES[name](p), p.shape[1])[-1] == 0


def test_draws_that_agree_tell_ambiguous_from_unfamiliar() -> None:
    ambiguous = np.full((6, 1, 2), 0.5)
    unfamiliar = np.array([[[1.0, 0.0]], [[0.0, 1.0]]] * 3)
    both = np.concatenate([ambiguous, unfamiliar], axis=1)
    assert SCORES["entropy"](both)[0] == pytest.approx(SCORES["entropy"](both)[1])
    for name in OF_DRAWS:
        one, other = SCORES[name](both)
        assert one == pytest.approx(0, abs=1e-12) and other > 0.3


def test_every_strategy_has_a_score() -> None:
    assert {*SCORES, "random"} == set(STRATEGIES)


def test_highest_first_and_the_earlier_of_equal_ones() -> None:
    np.testing.assert_array_equal(highest(np.array([1.0, 3.0, 3.0, 2.0, 3.0]), 4), [1, 2, 4, 3])
    assert len(highest(np.zeros(2), 5)) == 2
