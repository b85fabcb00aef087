"""How a context becomes numbers, in training and later: the columns of a table, or the items of a basket."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import numpy as np

from dlkit.errors import DataError, UsageError
from dlkit.readers.baskets import Baskets, BasketSpec, read_baskets
from dlkit.readers.cells import OnBadRow
from dlkit.readers.encode import encode, match_columns
from dlkit.readers.paths import resolve_path
from dlkit.readers.prediction import read_for_prediction
from dlkit.readers.preprocess import Preprocess
from dlkit.readers.schema import Schema
from dlkit.readers.table import Table, check_usable
from dlkit.readers.training_data import dataset

Tree = dict[str, Any]


class ContextForm(ABC):
    """From rows of a file to (n, d) numbers."""

    kind: str
    width: int
    """d."""
    unseen = 0
    """Categories or items so far that training had not: zeros."""

    @abstractmethod
    def read(self, source: str, on_bad_row: OnBadRow) -> Iterator[np.ndarray]:
        """The contexts of a file (or "-"), some rows at a time. Raises DataError with file:line."""

    @abstractmethod
    def of_table(self, table: Table, on_bad_row: OnBadRow) -> tuple[np.ndarray, np.ndarray]:
        """(m, d) numbers of the good rows of a table that has more columns, and which rows they are."""

    @abstractmethod
    def state(self) -> Tree:
        """For a checkpoint; `from_state` is the inverse."""


class PlainContexts(ContextForm):
    """No context at all: every decision is the same."""

    kind = "none"
    width = 0

    def read(self, source: str, on_bad_row: OnBadRow) -> Iterator[np.ndarray]:
        raise UsageError("these decisions have no context to answer for", hint="dlkit inspect shows the arms")

    def of_table(self, table: Table, on_bad_row: OnBadRow) -> tuple[np.ndarray, np.ndarray]:
        return np.zeros((len(table), 0)), np.arange(len(table))

    def state(self) -> Tree:
        return {"kind": self.kind}


class TableContexts(ContextForm):
    """Columns of a table: numbers scaled, categories one-hot."""

    kind = "table"

    def __init__(self, schema: Schema, preprocess: Preprocess) -> None:
        self.schema, self.preprocess = schema, preprocess
        self.width = preprocess.width

    def read(self, source: str, on_bad_row: OnBadRow) -> Iterator[np.ndarray]:
        pieces = read_for_prediction(
            source, self.schema, self.preprocess, on_bad_row=on_bad_row, dtype="float64"
        )
        for piece in pieces:
            yield piece.x
        self.unseen += pieces.unseen

    def of_table(self, table: Table, on_bad_row: OnBadRow) -> tuple[np.ndarray, np.ndarray]:
        features, _ = match_columns(self.schema, table.names, table.header, table.name, False)
        encoded = encode(table, self.schema, features, [], need_label=False, on_bad_row=on_bad_row)
        check_usable(len(encoded.x), table.total, encoded.first_fault, table.name)
        self.unseen += encoded.unseen
        x = dataset(encoded, self.schema, self.preprocess, "float64").x
        return x, np.searchsorted(table.positions, encoded.positions)

    def state(self) -> Tree:
        return {"kind": self.kind, "schema": self.schema.to_dict(), "preprocess": self.preprocess.state()}


class BasketContexts(ContextForm):
    """Items of a basket: 1 where it holds the item."""

    kind = "baskets"

    def __init__(self, items: list[str]) -> None:
        self.items = items
        self.width = len(items)

    def matrix(self, baskets: Baskets, items: list[str]) -> np.ndarray:
        """(baskets, items) of 0 and 1."""
        column = {item: k for k, item in enumerate(items)}
        place = np.array([column.get(item, -1) for item in baskets.items] or [-1], np.int64)
        x = np.zeros((len(baskets), len(items)))
        which = np.repeat(np.arange(len(baskets)), np.diff(baskets.starts))
        at = place[baskets.codes]
        x[which[at >= 0], at[at >= 0]] = 1
        return x

    def read(self, source: str, on_bad_row: OnBadRow) -> Iterator[np.ndarray]:
        baskets = read_baskets(resolve_path(source).path, BasketSpec(train=source), on_bad_row)
        self.unseen += sum(item not in set(self.items) for item in baskets.items)
        yield self.matrix(baskets, self.items)

    def of_table(self, table: Table, on_bad_row: OnBadRow) -> tuple[np.ndarray, np.ndarray]:
        """A log of baskets has a column of 0 and 1 for each item."""
        absent = [item for item in self.items if item not in table.names]
        if absent:
            raise DataError(f"missing columns {', '.join(absent[:20])}", where=table.name)
        columns = [table.numbers(table.names.index(item)) for item in self.items]
        wrong = [item for item, column in zip(self.items, columns, strict=True) if column is None]
        if wrong:
            raise DataError(f"column {wrong[0]}: expected 0 and 1", where=table.name)
        return np.column_stack([c for c in columns if c is not None]), np.arange(len(table))

    def state(self) -> Tree:
        return {"kind": self.kind, "items": list(self.items)}


def from_state(state: Tree) -> ContextForm:
    """The inverse of ContextForm.state. Raises ValueError, LookupError, TypeError."""
    if state["kind"] == PlainContexts.kind:
        return PlainContexts()
    if state["kind"] == BasketContexts.kind:
        return BasketContexts([str(item) for item in state["items"]])
    if state["kind"] != TableContexts.kind:
        raise ValueError(f"contexts of kind {state['kind']!r}")
    return TableContexts(Schema.from_dict(state["schema"]), Preprocess.from_state(state["preprocess"]))
