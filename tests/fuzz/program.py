"""Runs a command line in this process, under guard, and says what a good end looks like."""

import contextlib
import faulthandler
import io
import signal
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from hypothesis import settings

from dlkit.cli import main

BUSY_SECONDS = 20.0
"""Nothing here computes for a second; what computes for this long hangs."""

SECONDS = 300.0
"""What has not ended by then waits for something; a machine with other work is never as slow as that."""


def share(part: float) -> settings:
    """Settings of a test that has this part of its target's cases (500 in CI, FUZZ_CASES in `make fuzz`)."""
    return settings(max_examples=max(round(part * settings.default.max_examples), 1))


class Hang(BaseException):
    """Passes through everything that catches exceptions."""


@dataclass
class Ended:
    """What a command line left behind."""

    code: int
    stdout: str
    stderr: str
    warned: list[str] = field(default_factory=list)

    @property
    def errors(self) -> list[str]:
        """The lines of a failure, each checked: `error: ` and something that a terminal can show."""
        assert self.code in (1, 2), self
        lines = self.stderr.removesuffix("\n").split("\n")
        for line in lines:
            assert line.startswith("error: ") and line.isprintable(), self
            assert "internal error" not in line and len(line) < 2000, self
        return lines


def run(*arguments: object, stdin: bytes = b"") -> Ended:
    """``dlkit ARGUMENTS`` to its end. Raises Hang; a traceback or warning fails the test."""
    out, err, given = io.BytesIO(), io.BytesIO(), io.TextIOWrapper(io.BytesIO(stdin), encoding="utf-8")
    stdout = io.TextIOWrapper(out, encoding="utf-8", newline="")
    stderr = io.TextIOWrapper(err, encoding="utf-8", errors="backslashreplace", newline="")
    with (
        warnings.catch_warnings(record=True) as warned,
        contextlib.redirect_stdout(stdout),
        contextlib.redirect_stderr(stderr),
        _standard_input(given),
        time_limit(),
    ):
        warnings.simplefilter("always")
        code = main([str(argument) for argument in arguments])
        sys.stdout.flush()
        sys.stderr.flush()
    ended = Ended(code, out.getvalue().decode(), err.getvalue().decode(), [str(one) for one in warned])
    assert "Traceback" not in ended.stderr and not ended.warned, ended
    if code == 0:
        assert "error: " not in ended.stderr, ended
    else:
        assert ended.errors
    return ended


@contextlib.contextmanager
def _standard_input(given: io.TextIOWrapper) -> Iterator[None]:
    before, sys.stdin = sys.stdin, given
    try:
        yield
    finally:
        sys.stdin = before


@contextlib.contextmanager
def time_limit(busy: float = BUSY_SECONDS, whole: float = SECONDS) -> Iterator[None]:
    """Raise Hang after `busy` seconds of computing or `whole` on the clock.

    Where even that is not heard, the process ends and shows its stacks.
    """
    if threading.current_thread() is not threading.main_thread():
        raise RuntimeError("signals reach the main thread only")

    def ring(signum: int, frame: FrameType | None) -> Any:
        raise Hang(f"still running after {busy if signum == signal.SIGPROF else whole} s")

    timers = {signal.SIGPROF: (signal.ITIMER_PROF, busy), signal.SIGALRM: (signal.ITIMER_REAL, whole)}
    before = {number: signal.signal(number, ring) for number in timers}
    for timer, seconds in timers.values():
        signal.setitimer(timer, seconds)
    faulthandler.dump_traceback_later(2 * whole, exit=True, file=sys.__stderr__)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        for number, (timer, _) in timers.items():
            signal.setitimer(timer, 0)
            signal.signal(number, before[number])
