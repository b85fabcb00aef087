"""SIGINT and SIGTERM while a run trains: the first waits for the step, the second does not."""

import os
import signal
import threading
from types import FrameType, TracebackType
from typing import Any

from dlkit.errors import Interrupted

WATCHED = (signal.SIGINT, signal.SIGTERM)


class Signals:
    """Context manager. `received` is the first signal's number, or None.

    After the first signal the default actions are back, so that a second one ends the process at once,
    even inside a long compiled loop (a shell reports 130 or 143). Nothing is lost by that: files are
    replaced atomically. Ignored signals (a background job's SIGINT) stay ignored.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self.received: int | None = None
        self.quiet = quiet
        self.at_once = False
        """No step is under way to be finished: the first signal raises Interrupted where it arrives."""
        self._before: dict[signal.Signals, Any] = {}

    def __enter__(self) -> "Signals":
        if threading.current_thread() is threading.main_thread():
            for number in WATCHED:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _handle(self, signum: int, frame: FrameType | None) -> None:
        self.received = signum
        for number in self._before:
            signal.signal(number, signal.SIG_DFL)
        if self.at_once:
            raise Interrupted(signum, "interrupted; --resume goes on")
        if not self.quiet:  # os.write: the stream's own buffer may be in use where the signal arrived
            os.write(2, b"\nstopping after this step (once more: at once)\n")
