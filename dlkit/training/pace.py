"""When to save: often enough to lose little, seldom enough to cost little."""

import os
import time
from collections.abc import Callable

from dlkit.errors import UsageError

SHARE = 20
"""Saving takes at most one part in SHARE of the time."""
INSIDE_SECONDS = 30.0
"""Inside an epoch a save is due after this long."""
VARIABLE = "DLKIT_CHECKPOINT_SECONDS"
"""Environment variable that replaces the policy: save whenever this many seconds have passed."""


class Pace:
    """Says when the next save is due from how long the last one took."""

    def __init__(self, fixed: float | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self.fixed = fixed
        self.clock = clock
        self.cost = 0.0
        self.last = clock()

    def due_after_epoch(self) -> bool:
        """At the end of an epoch: once SHARE times the last save's duration has passed."""
        return self._elapsed(SHARE * self.cost)

    def due_inside_epoch(self) -> bool:
        return self._elapsed(max(INSIDE_SECONDS, SHARE * self.cost))

    def _elapsed(self, seconds: float) -> bool:
        return self.clock() - self.last >= (seconds if self.fixed is None else self.fixed)

    def saved(self, began: float) -> None:
        """A save that began at `began` (of this clock) has ended now."""
        self.last = self.clock()
        self.cost = self.last - began


def fixed_seconds(option: float | None) -> float | None:
    """The option, or else the environment variable. Raises UsageError."""
    text = os.environ.get(VARIABLE)
    if option is not None or not text:
        return option
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    if not seconds >= 0:
        raise UsageError(f"{VARIABLE}: expected seconds, got {text!r}")
    return seconds
