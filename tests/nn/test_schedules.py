"""Schedules: their shapes, the warm-up, and what a plateau remembers."""

import math

import pytest
from pydantic import ValidationError

from dlkit.nn.optimizers import OPTIMIZERS
from dlkit.nn.schedules import SCHEDULES, Schedule, build


def schedule(text, base=0.1, epochs=10, warmup=0.0) -> Schedule:
    return Schedule(SCHEDULES.read(text), base, epochs, warmup)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("constant", {0: 0.1, 5: 0.1, 10: 0.1}),
        ({"name": "step", "every": 3, "ratio": 0.5}, {0: 0.1, 2.99: 0.1, 3: 0.05, 5.9: 0.05, 6: 0.025}),
        ({"name": "exponential", "ratio": 0.5}, {0: 0.1, 1: 0.05, 1.5: 0.1 * 0.5**1.5, 3: 0.0125}),
        ("cosine", {0: 0.1, 5: 0.05, 10: 0.0, 2.5: 0.05 * (1 + math.cos(math.pi / 4))}),
        ({"name": "cosine", "final": 0.2}, {0: 0.1, 5: 0.06, 10: 0.02}),
    ],
)
def test_shapes(text, expected: dict[float, float]) -> None:
    s = schedule(text)
    assert {p: s.lr(p) for p in expected} == pytest.approx(expected, abs=1e-15)


def test_warmup_rises_linearly_and_the_cosine_starts_after_it() -> None:
    s = schedule("cosine", epochs=12, warmup=2)
    assert [s.lr(p) for p in (0, 1, 2, 7, 12)] == pytest.approx([0.0, 0.05, 0.1, 0.05, 0.0], abs=1e-15)
    assert schedule("constant", warmup=4).lr(1) == pytest.approx(0.025)


def test_warmup_longer_than_the_run() -> None:
    s = schedule("cosine", epochs=2, warmup=4)
    assert [s.lr(p) for p in (0, 1, 2)] == pytest.approx([0.0, 0.025, 0.05])


def plateau(**keys) -> Schedule:
    return schedule({"name": "plateau", "ratio": 0.1, "patience": 1, **keys})


def test_plateau_waits_for_its_patience() -> None:
    s = plateau()
    rates = []
    for figure in (1.0, 0.9, 0.9, 0.9, 0.9, 0.9, 0.5, 0.6):
        s.observe(figure)
        rates.append(s.lr(1))
    assert rates == pytest.approx([0.1, 0.1, 0.1, 0.01, 0.01, 0.001, 0.001, 0.001])


def test_plateau_of_a_figure_that_should_rise() -> None:
    s = plateau(patience=0)
    s.observe(0.5, higher_is_better=True)
    s.observe(0.6, higher_is_better=True)
    assert s.lr(1) == 0.1
    s.observe(0.6, higher_is_better=True)
    assert s.lr(1) == pytest.approx(0.01)


def test_plateau_minds_min_delta_min_lr_and_nan() -> None:
    s = plateau(patience=0, min_delta=0.1, min_lr=0.005)
    s.observe(math.nan)
    assert s.drops == 1
    s.observe(1.0)
    s.observe(0.95)  # better, but by less than min_delta
    assert s.drops == 2
    assert s.lr(1) == 0.005


def test_plateau_goes_on_from_its_state() -> None:
    a, b = plateau(), plateau()
    a.observe(1.0)
    a.observe(2.0)
    b.load(a.state())
    a.observe(2.0), b.observe(2.0)
    assert a.lr(1) == b.lr(1) == pytest.approx(0.01)


def test_only_a_plateau_listens() -> None:
    s = schedule("cosine")
    before = s.state()
    s.observe(1.0)
    s.observe(2.0)
    assert s.state() == before


def test_built_from_the_optimizers_spec() -> None:
    spec = OPTIMIZERS.read(
        {"name": "sgd", "lr": 0.4, "schedule": {"name": "step", "every": 1}, "warmup": 0.5}
    )
    s = build(spec, 3)
    assert [s.lr(p) for p in (0.25, 0.5, 1.0)] == pytest.approx([0.2, 0.4, 0.04])


@pytest.mark.parametrize("text", ["linear", {"name": "step", "every": 0}, {"name": "cosine", "gamma": 0.5}])
def test_impossible_schedules_are_refused(text) -> None:
    with pytest.raises((ValidationError, ValueError)):
        SCHEDULES.read(text)
