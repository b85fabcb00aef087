"""What a row is given and what it hands back."""

import os
import platform
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.measure import say
from benchmarks.pairs import Contender, Run, run

HERE = Path(__file__).resolve().parent
PICTURES = HERE / "pictures"


@dataclass(frozen=True)
class Options:
    """The command line of ``python -m benchmarks``."""

    rounds: int = 7
    threads: int = 2
    peer_python: str = sys.executable
    """An interpreter that has the peer's packages."""

    def ours(self, name: str, module: str, *arguments: str, **more: Any) -> Contender:
        """A contender that runs `python -m module` where dlkit is installed."""
        return Contender(name, [sys.executable, "-m", module, *arguments], self.environment, **more)

    def peer(self, name: str, module: str, *arguments: str, **more: Any) -> Contender:
        """A contender that runs `python -m module` where the peer is installed."""
        return Contender(name, [self.peer_python, "-m", module, *arguments], self.environment, **more)

    @property
    def environment(self) -> Mapping[str, str]:
        """Every contender gets the same threads; dlkit itself holds BLAS at one for each of its own."""
        threads = str(self.threads)
        return {"OMP_NUM_THREADS": threads, "OPENBLAS_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}


@dataclass(frozen=True)
class Section:
    """A row's part of RESULTS.md."""

    title: str
    body: str
    versions: Mapping[str, str]


def heard(done: Run) -> None:
    """A run as a JSON line on stdout, as soon as it has ended."""
    plain = {key: value for key, value in done.figures.items() if isinstance(value, int | float | str)}
    say(contender=done.name, wall_seconds=done.wall_seconds, peak_bytes=done.peak_bytes, **plain)


def versions(*runs: Run) -> dict[str, str]:
    """Versions of our side, and those that the runs printed as "versions"."""
    found = {"python": platform.python_version(), "dlkit": version("dlkit"), "numpy": version("numpy")}
    found["numba"] = version("numba")
    for done in runs:
        found.update(done.figures.get("versions", {}))
    return found


def sgemm(options: Options, shapes: Sequence[str] = (), threads: int | None = None) -> Mapping[str, Any]:
    """Rates of `benchmarks.sgemm` in a process of its own; without shapes, big squares."""
    used = options.threads if threads is None else threads
    command = [sys.executable, "-m", "benchmarks.sgemm", "--threads", str(used), *shapes]
    return run(Contender(f"sgemm, {used} threads", command)).figures


def load() -> float:
    """Processes that ran in the last minute, on average: near 0 on a quiet machine."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
