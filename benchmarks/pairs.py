"""Contenders in alternation: separate processes A B A B ..., ratios pair by pair, peak memory of each.

A machine's speed drifts (heat, neighbours); two runs side by side in time drift together, so the
ratio of a pair says more than the ratio of two averages. Standard library only: on Linux a child's
ru_maxrss starts at its parent's resident size, so the parent must stay small.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Contender:
    """A command to time: its last line on stdout may be a JSON object of its own figures."""

    name: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    prepare: Callable[[], object] | None = None
    """Called before each run, untimed (empty a cache, remove a run directory)."""


@dataclass(frozen=True)
class Run:
    """One process from start to end."""

    name: str
    wall_seconds: float
    peak_bytes: int
    figures: Mapping[str, Any]

    def figure(self, key: str) -> float:
        """A figure the process printed, or "wall_seconds", "peak_bytes"."""
        return float(getattr(self, key) if key in ("wall_seconds", "peak_bytes") else self.figures[key])


class ContenderFailed(Exception):
    """A contender that did not end with exit code 0."""


def run(contender: Contender) -> Run:
    """Run to the end; raises ContenderFailed with the end of its stderr."""
    if contender.prepare:
        contender.prepare()
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen(
            list(contender.command),
            cwd=ROOT,
            env={**os.environ, **contender.environment},
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        )
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - start
        process.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        if process.returncode:
            tail = err.read().decode(errors="replace")[-2000:]
            raise ContenderFailed(f"{contender.name}: exit code {process.returncode}\n{tail}")
        figures = last_object(out.read().decode(errors="replace"))
    return Run(contender.name, wall, usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024), figures)


def last_object(text: str) -> dict[str, Any]:
    """The last line that is a JSON object; empty where there is none."""
    for line in reversed(text.splitlines()):
        if line.startswith("{"):
            try:
                found = json.loads(line)
            except json.JSONDecodeError:
                continue
            if isinstance(found, dict):
                return found
    return {}


def alternate(
    contenders: Sequence[Contender],
    rounds: int,
    *,
    warm_up: int = 1,
    heard: Callable[[Run], object] = lambda run: None,
) -> list[list[Run]]:
    """`rounds` lists of one Run for each contender, in turn; `warm_up` rounds before are not counted.

    `heard` is called after each counted run.
    """
    for _ in range(warm_up):
        for contender in contenders:
            run(contender)
    counted = []
    for _ in range(rounds):
        turn = []
        for contender in contenders:
            turn.append(run(contender))
            heard(turn[-1])
        counted.append(turn)
    return counted


@dataclass(frozen=True)
class Ratio:
    """How many times as fast: peer's time over ours, pair by pair. Above 1 we are faster."""

    median: float
    low: float
    high: float
    pairs: int

    def __str__(self) -> str:
        pairs = "1 pair" if self.pairs == 1 else f"{self.pairs} pairs"
        return f"{self.median:.2f}× ({self.low:.2f}–{self.high:.2f}, {pairs})"


def speed_ratio(rounds: Sequence[Sequence[Run]], ours: str, peer: str, key: str) -> Ratio:
    """Ratio of the figure `key` (a time: less is better) between two contenders of each round."""
    pairs = []
    for turn in rounds:
        times = {run.name: run.figure(key) for run in turn}
        pairs.append(times[peer] / times[ours])
    return Ratio(statistics.median(pairs), min(pairs), max(pairs), len(pairs))


def median_of(rounds: Sequence[Sequence[Run]], name: str, key: str) -> float:
    """The median over the rounds of one contender's figure."""
    return statistics.median(run.figure(key) for turn in rounds for run in turn if run.name == name)
