"""What a training step takes on each side, beside the machine's sgemm: a table and the ratios."""

from collections.abc import Mapping, Sequence
from typing import Protocol

from benchmarks.pairs import Run, median_of, speed_ratio
from benchmarks.results import bytes_text, seconds_text, table


class Work(Protocol):
    """How much a contender does."""

    @property
    def batch(self) -> int: ...

    @property
    def flop(self) -> int: ...


def step_table(
    rounds: Sequence[Sequence[Run]],
    work: Work | Mapping[str, Work],
    peak: float,
    *,
    what: str = "a step (median)",
    unit: str = "images/s",
    flop: int | None = None,
) -> str:
    """A row a contender. work: of each by its name, or of all; flop: operations, if not those of a step.

    peak: GFLOP/s of sgemm at its best.
    """
    rows = []
    for name in (run.name for run in rounds[0]):
        done = work[name] if isinstance(work, Mapping) else work
        seconds = median_of(rounds, name, "seconds")
        rate = (done.flop if flop is None else flop) / seconds / 1e9
        rows.append(
            [
                name,
                seconds_text(seconds),
                f"{done.batch / seconds:,.0f}",
                f"{rate:.0f}",
                f"{100 * rate / peak:.0f} %",
                bytes_text(median_of(rounds, name, "peak_bytes")),
            ]
        )
    return table(["", what, unit, "GFLOP/s", f"of sgemm's {peak:.0f} GFLOP/s", "peak memory"], rows)


def verdict(
    rounds: Sequence[Sequence[Run]], ours: str, peer: str, fused: str, *, bar: float, aim: float
) -> str:
    """The ratios against the peer, with what was asked for, and against its fused optimizer."""
    return "\n".join(
        [
            f"- against {peer}: {speed_ratio(rounds, ours, peer, 'seconds')}; bar {bar}×, aim {aim}×",
            f"- against {fused}: {speed_ratio(rounds, ours, fused, 'seconds')}",
        ]
    )
