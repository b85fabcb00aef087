"""A pool of rows of which some have labels, and the sheet on which a person writes more."""

import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from dlkit.errors import DataError, UsageError
from dlkit.readers.arrays import How
from dlkit.readers.cells import OnBadRow, number, quoted
from dlkit.readers.dataset import Dataset, TrainingData
from dlkit.readers.formats import binary_format
from dlkit.readers.opening import STDIN, read_bytes
from dlkit.readers.paths import find_data
from dlkit.readers.schema import Schema
from dlkit.readers.source import load
from dlkit.readers.spec import DataSpec
from dlkit.readers.table import Table, number_text
from dlkit.readers.training_data import read_training

ROW, LABEL = "row", "label"
"""Columns of the sheet that are read again."""


@dataclass
class Pool:
    """Rows with codes of their labels, -1 where there is none yet, and their cells as the file has them."""

    data: TrainingData
    header: list[str]
    """Names of the feature columns; empty where the rows are no table."""
    columns: list[list[str]]

    def cells(self, row: int) -> list[str]:
        """The feature cells of a row."""
        return [column[row] for column in self.columns]


def read_pool(
    spec: DataSpec, classes: list[str], on_bad_row: OnBadRow, base: Path | None, dtype: str
) -> Pool:
    """Rows with and without labels. classes: those that the labels in the file may not show.

    Raises DataError; UsageError where there are fewer than two classes.
    """
    if spec.train == STDIN:
        raise UsageError("a pool is read again for its labels: name a file", where="data.train")
    path = find_data(spec.train, base).path
    table = path.is_file() and binary_format(path, read_bytes(path)[:8]) is None
    scale = "standard" if spec.scale == "auto" and table and spec.shape is None else spec.scale
    data = read_training(
        spec.model_copy(update={"scale": scale}), "none", None, on_bad_row, base, dtype=dtype
    )
    _classify(data, classes)
    header, columns = _as_written(spec, path, data, on_bad_row) if table else ([], [])
    return Pool(data, header, columns)


def _classify(data: TrainingData, given: list[str]) -> None:
    """Make the schema one of classes: those of the labels in the file and those given."""
    schema = data.schema
    old = list(schema.classes)
    schema.numeric_classes = all(number(c) is not None for c in [*old, *given])
    given = [number_text(float(c)) for c in given] if schema.numeric_classes else given
    both = {*old, *given}
    schema.classes = sorted(both, key=float) if schema.numeric_classes else sorted(both)
    if len(schema.classes) < 2:
        shown = f"one class only, {quoted(schema.classes[0])}" if schema.classes else "no label at all"
        raise UsageError(
            f"{data.train.name} shows {shown}", where="classes", hint="name all classes: classes"
        )
    schema.task = "classification"
    _name_label(schema)
    code = np.array([schema.classes.index(c) for c in old] + [-1], np.int64)
    data.train = _coded(data.train, code, schema)
    if data.test is not None:
        data.test = _coded(data.test, code, schema)
        assert data.test.y is not None
        if (data.test.y < 0).any():
            row = int(np.flatnonzero(data.test.y < 0)[0])
            lines = data.test.row_lines
            place = f"{data.test.name}: row {row}" if lines is None else f"{data.test.name}:{lines[row]}"
            raise DataError("a test row without a known label", where=place)


def _name_label(schema: Schema) -> None:
    """A label has a name and a column, even where the pool has none: then it would be the last."""
    if schema.label:
        return
    schema.label = [LABEL]
    if schema.table:
        schema.label_positions = [schema.width]
        schema.width += 1


def _coded(rows: Dataset, code: np.ndarray, schema: Schema) -> Dataset:
    """Codes by the merged classes."""
    y = np.full(len(rows), -1, np.int64) if rows.y is None else code[rows.y]
    return replace(rows, y=y, labels=np.array([*schema.classes, ""], object)[y])


def _as_written(
    spec: DataSpec, path: Path, data: TrainingData, on_bad_row: OnBadRow
) -> tuple[list[str], list[list[str]]]:
    """The feature columns of the good rows, as text."""
    how = How(header=spec.header, delimiter=spec.delimiter, on_bad_row=on_bad_row, as_text=True,
              need_labels=False, labels_welcome=True, label_is_column=True)  # fmt: skip
    table = load(path, how, [])
    if not isinstance(table, Table) or not data.schema.table or data.train.rows is None:
        return [], []
    rows = np.searchsorted(table.positions, data.train.rows).tolist()
    columns = [table.column(k) for k in data.schema.positions]
    return list(data.schema.columns), [[column[row] for row in rows] for column in columns]


# -- the sheet --------------------------------------------------------------------------------------------
def read_answers(text: str, where: str, schema: Schema, *, needed: set[int]) -> dict[int, int]:
    """Codes of the labels on a sheet by row of the pool; empty labels are left out.

    needed: rows that must have a label. Raises DataError with file:line.
    """
    reader = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=None))
    header = [name.strip() for name in next(reader, [])]
    absent = [name for name in (ROW, LABEL) if name not in header]
    if absent:
        hint = f"the first line names {quoted(', '.join(header))}; a comma stands between two columns"
        raise DataError(f"missing column {quoted(absent[0])}", where=f"{where}:1", hint=hint)
    at, said = header.index(ROW), len(header) - 1 - header[::-1].index(LABEL)
    found: dict[int, int] = {}
    lines: dict[int, int] = {}
    for cells in reader:
        place = f"{where}:{reader.line_num}"
        if not any(cell.strip() for cell in cells):
            continue
        if len(cells) != len(header):
            raise DataError(f"expected {len(header)} columns, found {len(cells)}", where=place)
        row, label = cells[at].strip(), cells[said].strip()
        if not (row.isascii() and row.isdigit()):
            raise DataError(f"column row: expected a whole number, found {quoted(row)}", where=place)
        if label:
            code = _code(label, schema, place)
            if found.get(int(row), code) != code:
                text = f"row {row} has another label than in line {lines[int(row)]}"
                raise DataError(text, where=place, hint="keep the right one")
            found[int(row)], lines[int(row)] = code, reader.line_num
        elif int(row) in needed:
            raise DataError(f"row {row} has no label yet", where=place, hint="fill in the column label")
    if missing := sorted(needed - set(found)):
        raise DataError(f"row {missing[0]} is missing", where=where, hint="keep the lines that were asked")
    return found


def _code(label: str, schema: Schema, place: str) -> int:
    value = number(label) if schema.numeric_classes else None
    text = label if value is None else number_text(value)
    if text not in schema.classes:
        shown = ", ".join(schema.classes[:12]) + (", …" if len(schema.classes) > 12 else "")
        raise DataError(f"{quoted(label)} is no class; there are {shown}", where=place)
    return schema.classes.index(text)
