"""Off-policy values: what a policy would have earned, from somebody else's log."""

import numpy as np
import pytest

from dlkit.algorithms.off_policy import Estimates, judged

MEANS = np.array([[0.2, 0.7, 0.4], [0.9, 0.1, 0.5]])
"""(classes of context, actions) probability of a reward of 1."""
AUTHOR = np.array([[0.6, 0.1, 0.3], [0.2, 0.5, 0.3]])
TARGET = np.array([[0.0, 0.8, 0.2], [0.7, 0.0, 0.3]])
VALUE = float((TARGET * MEANS).sum(1).mean())


def logged(rng: np.random.Generator, n: int, author: np.ndarray) -> tuple[np.ndarray, ...]:
    x = rng.integers(2, size=n)
    a = (rng.random((n, 1)) > author.cumsum(1)[x][:, :-1]).sum(1)
    r = (rng.random(n) < MEANS[x, a]).astype(np.float64)
    return x, a, r, author[x, a]


def test_ips_is_unbiased_and_its_error_is_told() -> None:
    rng = np.random.default_rng(1)
    found, errors, snips, replay = [], [], [], []
    for _ in range(400):
        x, a, r, p = logged(rng, 200, AUTHOR)
        one = judged(TARGET[x], a, r, p, rng.random((200, 2)))
        found.append(one.ips)
        errors.append(one.ips_error)
        snips.append(one.snips)
        replay.append(one.replay if one.known else np.nan)
    spread = np.std(found, ddof=1)
    assert np.mean(found) == pytest.approx(VALUE, abs=3 * spread / 20)
    assert np.mean(errors) == pytest.approx(spread, rel=0.1)
    assert np.std(snips) < spread, "what SNIPS is for"
    assert np.mean(snips) == pytest.approx(VALUE, abs=0.02)
    assert np.nanmean(replay) == pytest.approx(VALUE, abs=0.03), "the log is thinned out to a fair one"


def test_replay_of_a_fair_log_keeps_a_share_of_one_in_k() -> None:
    rng = np.random.default_rng(2)
    x, a, r, p = logged(rng, 30_000, np.full((2, 3), 1 / 3))
    one = judged(TARGET[x], a, r, p, rng.random((30_000, 2)))
    assert one.known / one.rows == pytest.approx(1 / 3, abs=0.01)
    assert one.replay == pytest.approx(VALUE, abs=0.015)
    assert one.ips == pytest.approx(VALUE, abs=0.02)


def test_a_log_of_ones_own_has_weight_one() -> None:
    rng = np.random.default_rng(3)
    x, a, r, p = logged(rng, 500, AUTHOR)
    one = judged(AUTHOR[x], a, r, p, rng.random((500, 2)))
    assert one.ips == pytest.approx(r.mean()) and one.snips == pytest.approx(r.mean())
    assert one.effective == pytest.approx(500) and one.logged == r.sum()


def test_snips_stays_between_the_rewards() -> None:
    terms = np.sum([Estimates.terms(1.0, 30.0, False), Estimates.terms(0.0, 0.5, False)], axis=0)
    one = Estimates(*terms)
    assert one.ips == 15 and one.snips < 1


def test_without_any_agreement_there_is_no_replay() -> None:
    one = Estimates(*np.array(Estimates.terms(1.0, 0.0, False)))
    figures = one.figures()
    assert "replay_value" not in figures and "snips_value" not in figures and "ips_error" not in figures
    assert figures["ips_value"] == 0 and figures["effective_rows"] == 0
