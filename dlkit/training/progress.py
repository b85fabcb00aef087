"""What the user sees while a run trains: a bar on a terminal, plain lines elsewhere; all of it on stderr.

No colours are used, so NO_COLOR is obeyed by itself. The result line alone goes to stdout.
"""

import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from dlkit.training.metrics import Number

LINE_SECONDS = 1.0
"""Least time between two epochs' lines (the first and the last are always shown)."""
INSIDE_SECONDS = 30.0
"""Off a terminal, a long epoch reports this often."""
BAR_SECONDS = 0.1
SHOWN = 4


def short_figure(value: Number) -> str:
    """Four decimals where they say something, else four digits: 0.9924, 12.5031, 3.1e-05, 1200."""
    if isinstance(value, int):
        return str(value)
    return f"{value:.4f}" if value == 0 or 0.001 <= abs(value) < 1000 else f"{value:.4g}"


def short_count(value: float) -> str:
    """4.1k, 56k, 1.2M."""
    for limit, unit in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= limit:
            return f"{value / limit:.1f}{unit}" if value < 10 * limit else f"{value / limit:.0f}{unit}"
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def short_bytes(value: float) -> str:
    """41 MB (powers of 1000)."""
    for limit, unit in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if value >= limit:
            return f"{value / limit:.1f} {unit}" if value < 10 * limit else f"{value / limit:.0f} {unit}"
    return f"{value:.0f} B"


def clock_text(seconds: float) -> str:
    """1:02, 2:03:04."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


class Display:
    """Lines and bar of one run."""

    def __init__(
        self,
        *,
        quiet: bool = False,
        verbose: bool = False,
        unit: str = "examples",
        stream: TextIO | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.stream = stream or sys.stderr
        self.quiet = quiet
        self.verbose = verbose
        self.unit = unit
        self.clock = clock
        self.terminal = not quiet and self.stream.isatty() and os.environ.get("TERM") != "dumb"
        self.told: list[str] = []
        """What the algorithm had to say so far."""
        self._bar: Any = None
        self._late: str | None = None
        self._last_line = -1e9
        self._last_inside = 0.0
        self.epochs = 0
        self.begin(0, 0.0)

    def begin(self, epochs: int, done: float) -> None:
        """Training starts with `done` of `epochs` epochs behind it."""
        self.epochs = epochs
        self._start, self._start_done = self.clock(), done
        self.begin_epoch()

    def begin_epoch(self) -> None:
        """Count steps and examples from here."""
        self._epoch_start = self._last_inside = self._last_bar = self.clock()
        self._examples = self._pending = 0

    # -- lines ----------------------------------------------------------------------------------
    def note(self, line: str) -> None:
        """A line worth knowing (unless -q)."""
        if self.quiet:
            return
        if self._bar is not None:
            self._bar.clear()
        print(line, file=self.stream, flush=True)

    def tell(self, line: str) -> None:
        """A line of the algorithm: skipped rows, what it took for granted. `told` keeps it, also with -q."""
        if line not in self.told:
            self.told.append(line)
        self.note(line)

    def detail(self, line: str) -> None:
        """A line for -v."""
        if self.verbose:
            self.note(line)

    def result(self, line: str) -> None:
        """The one line on stdout."""
        self.close()
        print(line, flush=True)

    def close(self) -> None:
        """Take the bar away; show the last epoch if its line was held back."""
        self._close_bar()
        if self._late is not None:
            self.note(self._late)
            self._late = None

    # -- epochs and steps -----------------------------------------------------------------------
    def step(self, epoch: int, step: int, steps: int, examples: int, loss: float | None) -> None:
        """One training step is done; cheap unless something is due to be shown."""
        if self.quiet:
            return
        self._examples += examples
        self._pending += 1
        now = self.clock()
        if self.terminal:
            if now - self._last_bar >= BAR_SECONDS:
                self._show_bar(epoch, step, steps, loss, now)
        elif now - self._last_inside >= INSIDE_SECONDS:
            self._last_inside = now
            of = f"/{steps}" if steps else ""
            self.note(
                f"{self._head(epoch)}  step {step}{of}{self._tail(epoch - 1 + _share(step, steps), loss)}"
            )

    def end_epoch(self, epoch: int, row: Mapping[str, Number], *, last: bool = False) -> None:
        """The line of an epoch; held back when the one before is less than a second old."""
        self._close_bar()
        names = [name for name in row if name not in ("epoch", "step")]
        names.sort(key=_split_order)
        if not self.verbose:
            names = names[:SHOWN]
        figures = "".join(f"  {name} {short_figure(row[name])}" for name in names)
        line = f"{self._head(epoch)}{figures}{self._tail(epoch, None)}"
        now = self.clock()
        if last or self.verbose or now - self._last_line >= LINE_SECONDS:
            self._last_line, self._late = now, None
            self.note(line)
        else:
            self._late = line

    # -- pieces ---------------------------------------------------------------------------------
    def _head(self, epoch: int) -> str:
        return f"epoch  {epoch:>{len(str(self.epochs))}}/{self.epochs}"

    def _tail(self, done: float, loss: float | None) -> str:
        """Loss, rate and time left; each only where it is known."""
        now = self.clock()
        text = f"  loss {short_figure(loss)}" if loss is not None else ""
        if self._examples and now > self._epoch_start:
            text += f"  {short_count(self._examples / (now - self._epoch_start))} {self.unit}/s"
        behind = done - self._start_done
        if behind > 0 and done < self.epochs:
            text += f"  eta {clock_text((now - self._start) / behind * (self.epochs - done))}"
        return text

    def _show_bar(self, epoch: int, step: int, steps: int, loss: float | None, now: float) -> None:
        if self._bar is None:
            from tqdm import tqdm

            layout = (
                "{desc} {percentage:3.0f}%|{bar:20}|{postfix}" if steps else "{desc} step {n_fmt}{postfix}"
            )
            self._bar = tqdm(
                total=steps or None, file=self.stream, leave=False, bar_format=layout, dynamic_ncols=True
            )
            self._bar.set_description_str(self._head(epoch), refresh=False)
        self._bar.n = step
        self._bar.set_postfix_str(self._tail(epoch - 1 + _share(step, steps), loss).strip(), refresh=False)
        self._bar.refresh()
        self._last_bar = now

    def _close_bar(self) -> None:
        if self._bar is not None:
            self._bar.close()
            self._bar = None


def _share(step: int, steps: int) -> float:
    return step / steps if steps else 0.0


def _split_order(name: str) -> int:
    """Validation before training before the rest (a learning rate)."""
    return 0 if name.startswith("valid_") else 1 if name.startswith("train_") else 2
