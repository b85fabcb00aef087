import resource
import sys
from pathlib import Path

import pytest

from benchmarks.measure import step_seconds
from benchmarks.pairs import (
    Contender,
    ContenderFailed,
    Run,
    alternate,
    last_object,
    median_of,
    run,
    speed_ratio,
)


def script(name: str, code: str, **more: object) -> Contender:
    return Contender(name, [sys.executable, "-S", "-c", code], **more)  # type: ignore[arg-type]


def made(name: str, seconds: float, peak: int = 0) -> Run:
    return Run(name, wall_seconds=2 * seconds, peak_bytes=peak, figures={"seconds": seconds})


def test_ratio_is_taken_pair_by_pair() -> None:
    # Medians 2 and 6 would say 3; the pairs say 1, 2 and 10: the machine's drift must not mix rounds.
    rounds = [[made("a", a), made("b", b)] for a, b in ((1, 10), (2, 4), (6, 6))]
    ratio = speed_ratio(rounds, "a", "b", "seconds")
    assert (ratio.median, ratio.low, ratio.high, ratio.pairs) == (2, 1, 10, 3)
    assert str(ratio) == "2.00× (1.00–10.00, 3 pairs)"


def test_ratio_above_one_means_ours_is_faster() -> None:
    rounds = [[made("ours", 2), made("peer", 3)]]
    assert speed_ratio(rounds, "ours", "peer", "seconds").median == 1.5
    assert speed_ratio(rounds, "ours", "peer", "wall_seconds").median == 1.5


def test_median_of_one_contender() -> None:
    rounds = [[made("a", seconds, peak=100 * seconds), made("b", 50)] for seconds in (1, 9, 3, 5)]
    assert median_of(rounds, "a", "seconds") == 4
    assert median_of(rounds, "a", "wall_seconds") == 8
    assert median_of(rounds, "a", "peak_bytes") == 400


def test_contenders_alternate_and_warm_ups_are_not_counted(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.touch()
    append = "import sys; f = open(sys.argv[1], 'a'); f.write(sys.argv[2]); f.close(); print('{{\"n\": {}}}')"
    contenders = [
        Contender(name, [sys.executable, "-S", "-c", append.format(n), str(log), name])
        for n, name in enumerate("AB")
    ]
    heard: list[Run] = []
    rounds = alternate(contenders, 3, warm_up=1, heard=heard.append)
    assert log.read_text() == "AB" * 4
    assert [[done.name for done in turn] for turn in rounds] == [["A", "B"]] * 3
    assert [done.figure("n") for done in heard] == [0, 1] * 3


def test_prepare_runs_before_every_process(tmp_path: Path) -> None:
    marker = tmp_path / "marker"
    take = script("taker", f"import os; os.remove({str(marker)!r})", prepare=marker.touch)
    assert len(alternate([take], 2, warm_up=1)) == 2  # a missing marker would fail the process
    assert not marker.exists()


def test_run_measures_the_child_not_the_parent() -> None:
    small = run(script("small", "print('{\"x\": 1}')"))
    big = run(script("big", "b = bytearray(b'x' * 150_000_000); print('{\"x\": 2}')"))
    after = run(script("small", "pass"))
    assert small.figures == {"x": 1}
    # The system counts the harness's own pages in until the child starts its program: those are the floor.
    floor = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    assert big.peak_bytes > 150_000_000
    assert after.peak_bytes < max(big.peak_bytes, floor + 1)
    assert after.figures == {}
    assert small.wall_seconds > 0


def test_environment_of_a_contender_reaches_it() -> None:
    code = "import os; print('{\"n\": %s}' % os.environ['OMP_NUM_THREADS'])"
    assert run(script("env", code, environment={"OMP_NUM_THREADS": "2"})).figure("n") == 2


def test_failure_shows_the_end_of_stderr() -> None:
    with pytest.raises(ContenderFailed, match=r"broken: exit code 3\nno such recipe"):
        run(script("broken", "import sys; sys.stderr.write('no such recipe'); sys.exit(3)"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", {}),
        ("hello\n", {}),
        ('{"a": 1}\n{"a": 2}\n', {"a": 2}),
        ('{"a": 1}\nnot json\n{broken\n', {"a": 1}),
        ('{"a": 1}\n[1]\n3\n', {"a": 1}),
    ],
)
def test_last_object(text: str, found: dict) -> None:
    assert last_object(text) == found


def test_step_seconds_counts_calls() -> None:
    calls: list[int] = []
    took = step_seconds(lambda: calls.append(1), warm_up_s=0.001, blocks=3, block_s=0.001)
    assert len(took["blocks"]) == 3
    assert len(calls) >= 3 + 3 * took["calls_a_block"]
    assert took["fastest"] == min(took["blocks"]) <= took["seconds"] <= max(took["blocks"])
