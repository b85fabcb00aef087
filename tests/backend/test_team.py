"""The team: order of results, sums in shard order, errors, and nobody left waiting."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from dlkit.backend.threads import Team

TEAMS = [(1, 1), (1, 2), (2, 2), (1, 5), (2, 5), (3, 4), (8, 3)]
LIMIT = 30.0


@pytest.fixture(params=TEAMS, ids=lambda p: f"{p[0]} threads, {p[1]} shards")
def team(request: pytest.FixtureRequest) -> Iterator[Team]:
    with Team(*request.param) as team:
        yield team


def within_limit(act: Callable[[], Any]) -> Any:
    """What `act` returns or raises, from a thread of its own: a deadlock fails the test and no more."""
    outcome: list[Any] = []

    def run() -> None:
        try:
            outcome.append((act(), None))
        except BaseException as error:
            outcome.append((None, error))

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive(), "deadlock"
    result, error = outcome[0]
    if error is not None:
        raise error
    return result


def test_results_are_in_shard_order_however_often(team: Team) -> None:
    def once(k: int) -> list[tuple[int, int]]:
        return team.map(lambda s: (s, k))

    for k in range(50):
        assert within_limit(lambda k=k: once(k)) == [(s, k) for s in range(team.shards)]


def test_shard_zero_runs_on_the_callers_thread(team: Team) -> None:
    names = team.map(lambda s: threading.current_thread())
    assert names[0] is threading.current_thread()
    assert len(set(names)) == team.shards


def test_no_more_run_at_once_than_threads(team: Team) -> None:
    lock, running, most = threading.Lock(), 0, 0

    def work(shard: int) -> None:
        nonlocal running, most
        for _ in range(3):
            with lock:
                running += 1
                most = max(most, running)
            time.sleep(0.001)
            with lock:
                running -= 1
            team.all_sum(shard, np.zeros(1))

    within_limit(lambda: team.map(work))
    assert most <= team.threads


def test_sum_is_in_shard_order(team: Team) -> None:
    """The bits of ((a0 + a1) + a2) + ...; a different order differs in float32 for these numbers."""
    rng = np.random.default_rng(0)
    parts = [(rng.standard_normal(1000) * 10.0**s).astype(np.float32) for s in range(team.shards)]
    wanted = parts[0].copy()
    for part in parts[1:]:
        wanted += part

    def work(shard: int) -> list[np.ndarray]:
        time.sleep(0.002 * ((7 * shard) % 3))
        return [team.all_sum(shard, parts[shard]) for _ in range(3)]

    for sums in within_limit(lambda: team.map(work)):
        for total in sums:
            assert total.dtype == np.float32
            np.testing.assert_array_equal(total, wanted)


def test_sums_are_each_shards_own(team: Team) -> None:
    def work(shard: int) -> np.ndarray:
        mine = np.ones(4)
        total = team.all_sum(shard, mine)
        total += shard  # must not reach the others
        again = team.all_sum(shard, np.full(4, 2.0))
        return np.concatenate([total, again])

    for shard, got in enumerate(within_limit(lambda: team.map(work))):
        np.testing.assert_array_equal(got, [team.shards + shard] * 4 + [2.0 * team.shards] * 4)


def test_input_of_a_sum_may_be_reused(team: Team) -> None:
    def work(shard: int) -> list[float]:
        buffer, sums = np.zeros(3), []
        for k in range(20):
            buffer[:] = k
            sums.append(float(team.all_sum(shard, buffer)[0]))
        return sums

    for sums in within_limit(lambda: team.map(work)):
        assert sums == [float(k * team.shards) for k in range(20)]


def test_first_failing_shards_exception_comes_out(team: Team) -> None:
    def work(shard: int) -> int:
        if shard == team.shards - 1:
            raise KeyError(shard)
        return shard

    with pytest.raises(KeyError):
        within_limit(lambda: team.map(work))
    assert within_limit(lambda: team.map(lambda s: s)) == list(range(team.shards))


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("failing", [0, -1])
def test_failure_releases_those_who_wait_in_a_sum(team: Team, failing: int, when: str) -> None:
    bad = failing % team.shards

    def work(shard: int) -> None:
        if shard == bad:
            if when == "after":
                time.sleep(0.02)
            raise ValueError("of the shard itself")
        if when == "before":
            time.sleep(0.02)
        team.all_sum(shard, np.zeros(2))

    for _ in range(3):
        with pytest.raises(ValueError, match="of the shard itself"):
            within_limit(lambda: team.map(work))
    sums = within_limit(lambda: team.map(lambda s: float(team.all_sum(s, np.ones(1))[0])))
    assert sums == [float(team.shards)] * team.shards


def test_unequal_numbers_of_sums_are_an_error_not_a_hang() -> None:
    with Team(2, 3) as team, pytest.raises(RuntimeError, match="all_sum"):
        within_limit(lambda: team.map(lambda s: team.all_sum(s, np.zeros(1)) if s else None))


def test_arrays_of_unequal_shape_are_an_error_not_a_hang() -> None:
    with Team(2, 3) as team, pytest.raises(ValueError, match="shapes"):
        within_limit(lambda: team.map(lambda s: team.all_sum(s, np.zeros(2 + s))))


def test_interrupt_of_the_callers_shard_waits_for_the_others() -> None:
    ended = []

    def work(shard: int) -> None:
        if shard == 0:
            raise KeyboardInterrupt
        time.sleep(0.05)
        ended.append(shard)

    with Team(3, 3) as team:
        with pytest.raises(KeyboardInterrupt):
            within_limit(lambda: team.map(work))
        assert sorted(ended) == [1, 2]


def test_map_inside_map_is_refused() -> None:
    with Team(2, 2) as team, pytest.raises(RuntimeError, match="inside"):
        within_limit(lambda: team.map(lambda s: team.map(lambda t: t)))


def test_close_ends_the_threads() -> None:
    before = threading.active_count()
    team = Team(2, 4)
    team.map(lambda s: s)
    assert threading.active_count() == before + 3
    team.close()
    team.close()
    assert threading.active_count() == before
    with pytest.raises(RuntimeError, match="closed"):
        team.map(lambda s: s)


@pytest.mark.parametrize("sizes", [(0, 1), (1, 0)])
def test_sizes_below_one_are_refused(sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 1"):
        Team(*sizes)
