"""A person as the oracle: the rows to be labelled go out as a sheet, and come back with a label each.

Nothing waits at a prompt. The run ends when labels are needed that it has not, with its state saved, and goes
on with --resume once the sheet is filled in, or a file of answers knows the rows.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.protocol import Tree
from dlkit.errors import DataError
from dlkit.pictures.captions import captioned
from dlkit.pictures.tiles import as_bytes, png
from dlkit.readers.opening import read_bytes
from dlkit.readers.pool import LABEL, ROW, Pool, read_answers
from dlkit.training.metrics import to_csv

COLUMNS = 10
"""Images side by side on the picture of what is asked."""


class Person:
    """Labels so far, and the rows that somebody has to look at."""

    def __init__(self, active: Any, pool: Pool) -> None:
        self.active, self.pool = active, pool
        self.schema = pool.data.schema
        self.pending = np.zeros(0, np.int64)

    # -- asking -----------------------------------------------------------------------------------
    def begin(self) -> None:
        """Labels of the file and of the answers; without enough of them, rows by chance are asked first."""
        active = self.active
        known = self._answered()
        for row, code in known.items():
            if row < len(active.labels):
                active.labels[row] = code
        active.labelled[0] = np.flatnonzero(active.labels >= 0)
        missing = active.recipe.start - len(active.labelled[0])
        if missing > 0:
            rest = np.flatnonzero(active.labels < 0)
            self.pending = active.streams_of(0, 0).get("start").permutation(rest)[:missing]

    def ask(self, rows: np.ndarray) -> None:
        """Rows whose labels are wanted before the next round: what the answers do not know is pending."""
        known = self._answered()
        self._take({row: known[row] for row in rows.tolist() if row in known})
        self.pending = np.array([row for row in rows.tolist() if row not in known], np.int64)

    def _answered(self) -> dict[int, int]:
        """Codes of the file of answers, which may not be there yet."""
        name = self.active.recipe.answers
        if name is None or not Path(name).is_file():
            return {}
        return self._codes(read_bytes(Path(name)), name, set())

    def _codes(self, data: bytes, where: str, needed: set[int]) -> dict[int, int]:
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError("not UTF-8", where=where) from error
        found = read_answers(text, where, self.schema, needed=needed)
        if beyond := [row for row in found if row >= len(self.active.labels)]:
            raise DataError(f"row {beyond[0]}: the pool has {len(self.active.labels):,} rows", where=where)
        return found

    def _take(self, codes: dict[int, int]) -> None:
        """Labels by row of the pool."""
        rows = np.array(list(codes), np.int64)
        self.active.labels[rows] = np.array(list(codes.values()), np.int64)
        self.active.labelled[0] = np.concatenate([self.active.labelled[0], rows])

    # -- answers ----------------------------------------------------------------------------------
    def waits_for(self) -> str:
        """What is to be done; empty: nothing."""
        n = len(self.pending)
        return f"{n} rows to be labelled: fill in the column label, then --resume" if n else ""

    def answer(self, text: str | None, where: str) -> None:
        """The sheet as it came back. Raises DataError where a label is missing."""
        if not len(self.pending):
            return
        needed = set(self.pending.tolist())
        known = self._answered()
        if not needed <= set(known):
            if text is None:
                raise DataError("the rows that were asked about are not there", where=where)
            known = known | self._codes(text.encode(), where, needed - set(known))
        self._take({row: known[row] for row in self.pending.tolist()})
        self.pending = np.zeros(0, np.int64)

    # -- files ------------------------------------------------------------------------------------
    def files(self) -> Iterable[tuple[str, str | bytes]]:
        """ask.csv, and for images ask.png with each row's number; nothing where nothing is asked."""
        if not len(self.pending):
            return
        rows = self.pending.tolist()
        pool, learner = self.pool, self.active.learner
        header = [ROW, LABEL, "place", *pool.header]
        yield (
            "ask.csv",
            to_csv(header, ([str(row), "", learner.place(row), *pool.cells(row)] for row in rows)),
        )
        shape = self.schema.input_shape
        if len(shape) == 3 and shape[2] in (1, 3):
            yield "ask.png", self._picture(rows, shape)

    def _picture(self, rows: list[int], shape: tuple[int, ...]) -> bytes:
        train = self.pool.data.train
        x = train.x[rows].astype(np.float64)
        if train.x.dtype != np.uint8:
            low, high = float(x.min()), float(x.max())
            x = as_bytes(x, low, high)
        images = np.asarray(x, np.uint8).reshape(len(rows), *shape)
        return png(captioned(images, [str(row) for row in rows], COLUMNS))

    # -- state ------------------------------------------------------------------------------------
    def state(self) -> Tree:
        """Rows that are pending, and the labels so far."""
        return {"pending": self.pending.copy(), "labels": self.active.labels.copy()}

    def load(self, state: Tree) -> None:
        labels = np.array(state["labels"], np.int64)
        if labels.shape != self.active.labels.shape or labels.max(initial=-1) >= len(self.schema.classes):
            raise ValueError("labels of another pool")
        self.active.labels[...] = labels
        self.pending = np.array(state["pending"], np.int64)
