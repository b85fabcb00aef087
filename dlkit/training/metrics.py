"""The tables of a run: metrics.csv (no wall-clock values, so equal runs give equal bytes) and timing.csv."""

import csv
import io
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from dlkit.errors import DataError

Number = int | float


class Column(NamedTuple):
    """A documented column of metrics.csv; the name is `<split>_<measure>` (train_loss, valid_accuracy)."""

    name: str
    unit: str
    """"nats", "fraction", "count", ...; "1" where the figure has none."""
    doc: str
    higher_is_better: bool | None = None
    """Which way is good; None: told from the measure (see `better_when_higher`)."""


TIMING = ("epoch", "step", "seconds", "examples_per_second", "peak_memory_bytes")
LOWER_IS_BETTER = {
    "loss", "error", "rmse", "mae", "mse", "nll", "perplexity", "kl", "regret", "deviance", "log_loss",
}  # fmt: skip


def better_when_higher(column: Column) -> bool:
    """Whether a larger figure is a better one: as the column says, else by its measure (losses fall)."""
    if column.higher_is_better is not None:
        return column.higher_is_better
    measure = column.name.split("_", 1)[-1]
    return not any(measure == low or measure.endswith("_" + low) for low in LOWER_IS_BETTER)


def figure(value: Any) -> Number:
    """A metric as a Python int or float (NumPy scalars and 0-d arrays too). Raises TypeError for others."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, int | float):
        return value
    item = value.item() if hasattr(value, "item") else value
    if not isinstance(item, int | float):
        raise TypeError(f"a metric is a number, not {type(value).__name__}")
    return int(item) if isinstance(item, bool) else item


def text_of(value: Number | None) -> str:
    """Shortest text that reads back as the same number; nothing for a missing or NaN figure."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    return repr(value)


class MetricsTable:
    """The rows of metrics.csv: ints and floats under `epoch, step, <names>`."""

    def __init__(self, names: Sequence[str], rows: Iterable[Mapping[str, Number]] = ()) -> None:
        clash = sorted({"epoch", "step"} & set(names))
        if clash:
            raise ValueError(f"metric names {clash} belong to the position")
        self.names = ("epoch", "step", *names)
        self.rows: list[dict[str, Number]] = []
        for row in rows:
            self.append(row)

    def append(self, row: Mapping[str, Any]) -> dict[str, Number]:
        """Add a row; a name that no column documents is a bug of the algorithm (KeyError)."""
        unknown = sorted(set(row) - set(self.names))
        if unknown:
            raise KeyError(f"metrics {unknown} are not among the documented columns {list(self.names)}")
        clean = {name: figure(row[name]) for name in self.names if name in row}
        self.rows.append(clean)
        return clean

    def to_csv(self, count: int | None = None) -> str:
        """The file (its first `count` rows): one line an epoch, only columns that some row has."""
        rows = self.rows[:count]
        used = [name for name in self.names if name in ("epoch", "step") or any(name in row for row in rows)]
        return to_csv(used, ([text_of(row.get(name)) for name in used] for row in rows))


def to_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A CSV text with "\\n" line ends."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue()


def read_csv(text: str, name: str) -> list[dict[str, Number | str]]:
    """Rows of a table written by `to_csv`: numbers as numbers, empty cells left out.

    Raises DataError with name:line.
    """
    reader = csv.reader(io.StringIO(text))
    header = next(reader, None)
    if header is None:
        return []
    rows: list[dict[str, Number | str]] = []
    for cells in reader:
        if len(cells) != len(header):
            raise DataError(
                f"expected {len(header)} columns, found {len(cells)}", where=f"{name}:{reader.line_num}"
            )
        rows.append({key: _number(cell) for key, cell in zip(header, cells, strict=True) if cell})
    return rows


def _number(cell: str) -> Number | str:
    for kind in (int, float):
        try:
            return kind(cell)
        except ValueError:
            continue
    return cell


class Timing:
    """timing.csv: what an epoch cost. Its figures are this process's: a resumed epoch counts its own part."""

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self.rows: list[list[str]] = []
        self._began = self._trained = clock()
        self._examples = 0

    def begin_epoch(self) -> None:
        self._began = self._trained = self.clock()
        self._examples = 0

    def count(self, examples: int) -> None:
        self._examples += examples

    def end_steps(self) -> None:
        """Training steps end here; what follows is validation."""
        self._trained = self.clock()

    def end_epoch(self, epoch: int, step: int, peak_memory: int) -> None:
        rate = self._examples / max(self._trained - self._began, 1e-9)
        seconds = self.clock() - self._began
        self.rows.append([str(epoch), str(step), f"{seconds:.6f}", f"{rate:.6g}", str(peak_memory)])

    def to_csv(self) -> str:
        return to_csv(TIMING, self.rows)

    def go_on(self, text: str, epochs: int) -> None:
        """Take over the rows of an earlier timing.csv up to epoch `epochs`; later ones are done again."""
        cells = list(csv.reader(io.StringIO(text)))
        if cells and tuple(cells[0]) == TIMING:
            good = [row for row in cells[1:] if len(row) == len(TIMING) and row[0].isdecimal()]
            self.rows = [row for row in good if int(row[0]) <= epochs]
