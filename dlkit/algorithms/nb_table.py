"""Naive Bayes over tables: a delimited file read for its columns, then row by row, chunk by chunk."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from dlkit.algorithms.nb_columns import Columns, Rows
from dlkit.algorithms.nb_parts import UNSEEN, Kind
from dlkit.errors import DataError, UsageError
from dlkit.readers.again import Kept, Rereadable
from dlkit.readers.cells import MISSING, MISSING_TEXT, Faults, OnBadRow, number, quoted, read_texts
from dlkit.readers.column_facts import MOST_CLASSES, ColumnFacts
from dlkit.readers.encode import header_test, match_columns
from dlkit.readers.schema import Schema
from dlkit.readers.streamed_table import StreamedTable
from dlkit.readers.table import Table, find_column, number_text

KEPT_CELLS = 8 << 20
"""Cells of a table that is kept in memory between two readings; a larger one is read again."""


class TableSource:
    """Rows of a delimited file, as often as they are asked for; counts what it meets on the way."""

    def __init__(
        self, path: Path | Rereadable, recipe: Any, columns: Columns | None = None, *, need_label: bool = True
    ) -> None:
        """columns: as found in training; None: `fit` finds them."""
        self.recipe, self.columns, self.need_label = recipe, columns, need_label
        self._file = path if isinstance(path, Rereadable) else Rereadable(path)
        self.name = self._file.name
        self.on_bad_row: OnBadRow = recipe.on_bad_row
        self._forget()
        self._kept: Kept[Rows] = Kept(KEPT_CELLS, lambda chunk: chunk.x.size)

    def _forget(self) -> None:
        self.skipped = self.missing = self.unseen = 0
        self.first_fault = ""

    def _tables(self) -> StreamedTable:
        data, schema = self.recipe.data, self.columns.schema if self.columns else None
        first = schema is None or not self.need_label
        return StreamedTable(
            self._file.blocks(),
            self.name,
            header=data.header if schema is None else "auto",
            delimiter=data.delimiter,
            on_bad_row=self.on_bad_row if first or schema else "skip",
            is_header=header_test(schema) if schema else None,
            as_text=bool(self.recipe.columns) or self.recipe.model == "categorical",
        )

    # -- what the columns are -----------------------------------------------------------------------
    def fit(self) -> Columns:
        """Read the whole file once and settle columns, categories and classes. Raises DataError."""
        tables = self._tables()
        names, header = tables.layout.names, tables.layout.header
        spec = self.recipe.data

        def find(reference: str | int) -> int:
            return find_column(reference, names, header, self.name)

        label = find(-1 if spec.label is None else spec.label)
        ignored = {find(reference) for reference in spec.ignore}
        if label in ignored:
            raise DataError("the label column is among the ignored ones", where=self.name)
        places = [k for k in range(len(names)) if k not in ignored and k != label]
        if not places:
            raise DataError("no feature column is left besides the label", where=self.name)
        facts = {k: ColumnFacts(names[k]) for k in places}
        facts[label] = ColumnFacts(names[label], MOST_CLASSES)
        for table in tables:
            for k, fact in facts.items():
                fact.see(table, k)
        schema = Schema(task="classification", table=True, unseen="ignore", delimiter=spec.delimiter or "")
        schema.classes, schema.numeric_classes = facts[label].classes(self.name)
        schema.label, schema.label_positions = [names[label]], [label]
        schema.columns, schema.positions = [names[k] for k in places], places
        schema.width, schema.named = len(names), header
        kinds = self._kinds({names[k]: facts[k] for k in places})
        for name, k in zip(schema.columns, places, strict=True):
            category = kinds[name] == "categorical"
            schema.kinds.append("category" if category else "number")
            if category:
                schema.categories[name] = facts[k].categories(self.name)
        schema.row_shape = schema.input_shape = (schema.encoded_width,)
        self.columns = Columns(schema, list(kinds.values()))
        return self.columns

    def _kinds(self, facts: dict[str, ColumnFacts]) -> dict[str, Kind]:
        """The recipe's word for a column, else the model's, else by what it holds."""
        recipe = self.recipe
        strange = [name for name in recipe.columns if name not in facts]
        if strange:
            shown = ", ".join(list(facts)[:12]) + (", …" if len(facts) > 12 else "")
            raise UsageError(f"columns: there is no feature column {quoted(strange[0])}; there are {shown}")
        by_content: dict[str, Kind] = {"category": "categorical", "number": "gaussian"}
        whole: Kind | None = None if recipe.model in ("auto", "mixed") else recipe.model
        kinds = {
            name: recipe.columns.get(name) or whole or by_content[fact.kind] for name, fact in facts.items()
        }
        if "complement" in kinds.values() and len(set(kinds.values())) > 1:
            raise UsageError("complement weighs all columns or none: it knows no P(x|class) to multiply")
        return kinds

    # -- rows -------------------------------------------------------------------------------------
    def chunks(self) -> Iterator[Rows]:
        """All rows that are good. Raises DataError with file:line for one that is not, unless it is
        skipped.
        """
        if self._kept.chunks is not None:
            yield from self._kept.chunks
            return
        assert self.columns is not None, "fit comes first"
        self._forget()
        tables = self._tables()
        features, labels = match_columns(
            self.columns.schema, tables.layout.names, tables.layout.header, self.name, self.need_label
        )
        yield from self._kept.passing(self._rows(table, features, labels) for table in tables)
        if not self._kept.rows:
            because = f"; {self.first_fault}" if self.first_fault else ""
            raise DataError(f"no usable row{because}", where=self.name)

    def _rows(self, table: Table, features: list[int], labels: list[int]) -> Rows:
        assert self.columns is not None and table.lines is not None
        schema, faults = self.columns.schema, Faults(self.name, table.lines, self.on_bad_row)
        x = np.empty((len(table), len(features)))
        missing = unseen = 0
        for f, (k, name, kind) in enumerate(zip(features, schema.columns, self.columns.kinds, strict=True)):
            if kind == "categorical":
                x[:, f] = self._codes(table, k, name, faults)
            else:
                x[:, f] = self._numbers(table, k, name, kind, faults)
        y = self._labels(table, labels[0], faults) if self.need_label else np.full(len(table), -1)
        kept = faults.kept(len(table))
        if kept is not None:
            x, y = x[kept], y[kept]
        missing, unseen = int(np.isnan(x).sum()), int((x[:, self._categorical()] == UNSEEN).sum())
        self.missing, self.unseen = self.missing + missing, self.unseen + unseen
        self.skipped += table.skipped + len(faults.rows)
        self.first_fault = self.first_fault or table.first_fault or faults.first()
        return Rows(self.name, x, y, table.lines if kept is None else table.lines[kept])

    def _categorical(self) -> np.ndarray:
        assert self.columns is not None
        return np.array([kind == "categorical" for kind in self.columns.kinds])

    def _codes(self, table: Table, k: int, name: str, faults: Faults) -> np.ndarray:
        """(n,) codes of categories; NaN for missing ones, UNSEEN for new ones."""
        assert self.columns is not None
        codes = {text: float(code) for code, text in enumerate(self.columns.schema.categories[name])}
        cells = table.column(k)
        known = {}
        for cell in set(cells):
            text = cell.strip()
            known[cell] = np.nan if text.lower() in MISSING_TEXT else codes.get(text, UNSEEN)
        values = np.fromiter(map(known.__getitem__, cells), np.float64, len(cells))
        self._missing(values, name, faults)
        if self.recipe.data.unseen == "error":
            for row in np.flatnonzero(values == UNSEEN).tolist():
                faults.add(row, f"column {name}: category {quoted(cells[row])} was not in the training data")
        return values

    def _numbers(self, table: Table, k: int, name: str, kind: Kind, faults: Faults) -> np.ndarray:
        """(n,) float64, NaN for missing cells."""
        values = table.numbers(k)
        if values is None:
            cells = table.column(k)
            values = np.full(len(cells), np.nan)
            for row, cell in enumerate(cells):
                value = number(cell)
                if value is not None and np.isfinite(value):
                    values[row] = value
                elif cell.strip().lower() not in MISSING:
                    faults.add(row, f"column {name}: expected a number, found {quoted(cell)}")
            self._missing(values, name, faults)
        if kind in ("multinomial", "complement"):
            for row in np.flatnonzero(values < 0).tolist():
                found = number_text(float(values[row]))
                faults.add(row, f"column {name}: a count is 0 or more, found {found}")
        return values

    def _missing(self, values: np.ndarray, name: str, faults: Faults) -> None:
        if self.recipe.data.missing == "error":
            for row in np.flatnonzero(np.isnan(values)).tolist():
                faults.add(row, f"column {name}: the value is missing")

    def _labels(self, table: Table, k: int, faults: Faults) -> np.ndarray:
        """(n,) class codes; unknown and missing labels go to `faults`."""
        assert self.columns is not None
        schema = self.columns.schema
        codes = {text: code for code, text in enumerate(schema.classes)}
        texts = read_texts(table.column(k), schema.label[0], faults)
        if schema.numeric_classes:
            values = {text: number(text) for text in set(texts)}
            plain = {text: text if v is None else number_text(v) for text, v in values.items()}
            texts = [plain[text] for text in texts]
        y = np.array([codes.get(text, -1) for text in texts], np.int64)
        for row in np.flatnonzero(y < 0).tolist():
            shown = quoted(texts[row])
            faults.add(row, f"label {schema.label[0]}: class {shown} was not in the training data")
        return y
