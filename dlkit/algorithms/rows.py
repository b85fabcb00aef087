"""Rows of a table on the device, and a network's passes over them: what training and questions share."""

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Algorithm
from dlkit.autograd import Tape, Variable
from dlkit.kernels.gather import gather_rows
from dlkit.nn.module import Module
from dlkit.nn.parameter import Flat
from dlkit.nn.step import shard_rows
from dlkit.readers.dataset import Dataset, TrainingData
from dlkit.readers.labels import TaskChoice
from dlkit.readers.prediction import PredictionRows, read_for_prediction
from dlkit.readers.preprocess import Preprocess
from dlkit.readers.schema import Schema
from dlkit.readers.training_data import read_training

EVALUATION_ROWS = 1024
"""Most rows of one evaluation chunk. Figures must not depend on the number of threads, so chunks do not."""
EVALUATION_BYTES = 32 << 20
"""About as many bytes of activations a chunk has, at most."""
PREDICTION_ROWS = 8 * EVALUATION_ROWS
"""Most rows of a file that are answered at once."""


@dataclass
class Rows:
    """One split on the device: inputs (n, d) as stored, targets (n,) or (n, k); input = x * scale + shift."""

    x: Any
    y: Any
    scale: Any
    shift: Any
    name: str = ""
    lines: np.ndarray | None = None
    """(n,) line of each row in the file `name`; None: not a text."""
    first: int = 0
    """Number of the first row in its file."""
    on_host: bool = False
    """x would crowd the device: what is needed of it is sent there when it is needed."""
    names: np.ndarray | None = None
    """(n,) file of each row, where rows are files."""

    def place(self, k: int) -> str:
        """Where row k comes from."""
        if self.names is not None:
            return str(self.names[k])
        return f"{self.name}: row {self.first + k}" if self.lines is None else f"{self.name}:{self.lines[k]}"

    def __len__(self) -> int:
        return len(self.x)


class RowReader(Algorithm):
    """An algorithm over rows, with what it needs to read them and to bring them to the device."""

    data: TrainingData
    """The run's own rows, after `read_data`."""
    schema: Schema
    preprocess: Preprocess

    @property
    def _task(self) -> TaskChoice:
        """What the labels are for: none, unless a subclass says otherwise."""
        return "none"

    def read_data(self) -> None:
        recipe, context = self.recipe, self.context
        self.data = read_training(
            recipe.data, self._task, context.streams, recipe.on_bad_row, context.base, dtype=recipe.dtype
        )
        self._take(self.data.schema, self.data.preprocess)
        for note in self.data.notes:
            context.log(note)

    @abstractmethod
    def _take(self, schema: Schema, preprocess: Preprocess) -> None:
        """Remember how rows are read, and what follows from it."""

    def inputs(self) -> list[Path]:
        return self.data.files

    def resolved_recipe(self) -> Any:
        """The recipe with data paths that hold from the current folder."""
        if not self.data.resolved:
            return self.recipe
        return self.recipe.model_copy(update={"data": self.recipe.data.model_copy(update=self.data.resolved)})

    def _rows(self, dataset: Dataset) -> Rows:
        backend = self.context.backend
        with backend.memory_errors(f"the {len(dataset)} rows of {dataset.name}", "data.train"):
            y = None if dataset.y is None else backend.asarray(dataset.y)
            free = backend.free_memory() if backend.name == "gpu" else None
            on_host = free is not None and dataset.x.nbytes > free // 2
            return Rows(
                dataset.x if on_host else backend.asarray(dataset.x),
                y,
                backend.asarray(dataset.scale),
                backend.asarray(dataset.shift),
                dataset.name,
                dataset.row_lines,
                on_host=on_host,
                names=dataset.names,
            )

    # -- rows of other files ----------------------------------------------------------------------
    def _read(self, source: str, *, need_label: bool) -> PredictionRows:
        return read_for_prediction(
            source,
            self.schema,
            self.preprocess,
            need_label=need_label,
            on_bad_row=self.recipe.on_bad_row,
            dtype=self.recipe.dtype,
            form=self.recipe.data.form,
        )

    def _tell(self, chunks: PredictionRows) -> None:
        """What was not as in training, once all rows are read."""
        if chunks.skipped:
            self.context.log(f"{chunks.skipped} bad rows left out; the first: {chunks.first_fault}")
        if chunks.unseen:
            self.context.log(f"{chunks.unseen} cells with a category unknown from training: all zeros")


class RowNetwork(RowReader):
    """One network over rows."""

    model: Module
    input_shape: tuple[int, ...]
    """Shape in which the network takes a row."""
    totals: int
    """How many sums over rows `batch_loss` adds up."""

    # -- what a subclass says ---------------------------------------------------------------------
    @abstractmethod
    def _lay_out(self) -> None:
        """Set `model` and `input_shape`: the network as sizes; nothing is allocated yet."""

    @abstractmethod
    def batch_loss(self, tape: Tape, rows: Rows, index: Any, weight: float) -> tuple[Variable, list[Any]]:
        """The loss of rows `index`, weighted, and one array a total: per-row values to be summed."""

    @abstractmethod
    def figures(self, sums: np.ndarray, rows: int) -> dict[str, float]:
        """Measures from the sums (totals,) over `rows` rows."""

    def _allocate(self) -> None:
        """Parameters with their first values, and a tape for each shard."""
        backend = self.context.backend
        if self.context.describes_only:
            self.flat = Flat(self.model, backend)
        else:
            self.flat = Flat.allocate(self.model, backend, self.context.streams)
        team = self.context.team
        self._tapes = [
            Tape(backend, product=team.product, share=team.share, parts=team.parts)
            for _ in range(team.shards)
        ]

    # -- forward ----------------------------------------------------------------------------------
    def _inputs(self, tape: Tape, rows: Rows, index: Any) -> Any:
        """(len(index), d): some of the rows as the network takes them, in a buffer of the tape."""
        x = tape.empty((len(index), rows.x.shape[1]))
        table, at = self._on_device(rows, index)
        gather_rows(table, at, rows.scale, rows.shift, x)
        return x

    def _on_device(self, rows: Rows, index: Any) -> tuple[Any, Any]:
        """A table on the device and where in it rows `index` are: the whole table, or these rows alone."""
        if not rows.on_host:
            return rows.x, index
        backend = self.context.backend
        return backend.asarray(rows.x[backend.to_host(index)]), backend.asarray(np.arange(len(index)))

    def _over_chunks(
        self,
        n: int,
        fn: Callable[[Tape, Any], Any],
        *,
        passes: int = 1,
        stream: str | None = None,
        noise: bool | None = None,
        first: int = 0,
    ) -> list[Any]:
        """fn(tape, indices) for chunks of range(n), in chunk order.

        stream: random stream of the passes; noise: is dropout on (default: where there is a stream).
        first: number of the first row in its file, so that each chunk of a long file draws its own numbers.
        """
        size = self._chunk_rows(passes)
        starts = range(0, n, size)
        arange = self.context.backend.asarray(np.arange(n))
        team, comm = self.context.team, self.context.comm
        mine = range(len(starts))[shard_rows(len(starts), comm.size, comm.rank)]
        results: list[Any] = [None] * len(mine)
        noise = stream is not None if noise is None else noise

        def work(shard: int) -> None:
            tape = self._tapes[shard]
            for j in range(shard, len(mine), team.shards):
                k = mine[j]
                rng = self.context.streams.get(stream, first + starts[k]) if stream else None
                tape.begin(training=False, noise=noise, rng=rng)
                with np.errstate(all="ignore"):  # figures and answers that are not finite are told as such
                    results[j] = fn(tape, arange[starts[k] : starts[k] + size])

        team.map(work)
        return [result for part in comm.gather(results) for result in part]

    def _chunk_rows(self, passes: int) -> int:
        """Rows of one evaluation chunk that goes through the network `passes` times."""
        return max(self._evaluation_rows() // passes, 1)

    def _evaluation_rows(self) -> int:
        """Rows of one evaluation chunk: fewer where a row takes much memory, so that a chunk is bounded."""
        each = self.model.activation_size(self.input_shape) * self.context.backend.dtype.itemsize
        room = max(EVALUATION_BYTES // max(each, 1), 1)
        return min(EVALUATION_ROWS, 1 << (room.bit_length() - 1))

    def _figures(self, rows: Rows) -> dict[str, float]:
        """Measures over rows, noise off; the team shares the chunks, sums go in chunk order."""
        sums = self._sums(rows, lambda tape, index: self.batch_loss(tape, rows, index, 1.0)[1])
        return self.figures(sums, len(rows))

    def _sums(
        self, rows: Rows, measures: Callable[[Tape, Any], list[Any]], *, stream: str | None = None
    ) -> np.ndarray:
        """Sums over rows of the per-row values that measures(tape, index) gives: float64 (their number,)."""
        xp = self.context.backend.xp

        def add_up(tape: Tape, index: Any) -> Any:
            return xp.stack([m.sum(dtype=np.float64) for m in measures(tape, index)])

        parts = self._over_chunks(len(rows), add_up, stream=stream, noise=False)
        return self.context.backend.to_host(xp.stack(parts)).sum(0)


def named(split: str, figures: dict[str, float]) -> dict[str, float]:
    """Measures under their names in metrics.csv: `<split>_<measure>`."""
    return {f"{split}_{name}": value for name, value in figures.items()}
