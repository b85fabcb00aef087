"""From a table or arrays to numbers: fit a schema on the training file, apply it to any file."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.arrays import Arrays
from dlkit.readers.cells import MISSING_TEXT, Faults, OnBadRow, number, quoted, read_codes
from dlkit.readers.images import Form
from dlkit.readers.labels import (
    TaskChoice,
    encode_labels,
    fit_labels,
    fit_optional,
    labels_for,
    number_columns,
    optional_codes,
    raw_labels,
)
from dlkit.readers.opening import check_size
from dlkit.readers.schema import Schema
from dlkit.readers.spec import DataSpec
from dlkit.readers.table import Rows, Table, check_usable, find_column

MOST_CATEGORIES = 1000
_WITH_COMMA = re.compile(r"[+-]?\d+(,\d+)+")


@dataclass
class Encoded:
    """Rows as numbers, before preprocessing."""

    name: str
    x: np.ndarray
    """(n, width): float64 for a table (categories one-hot); for arrays flattened rows in the file's type."""
    y: np.ndarray | None
    """int64 (n,) or float64 (n, targets)."""
    lines: np.ndarray | None
    positions: np.ndarray
    """(n,) number of each row among all rows of the file."""
    total: int
    skipped: int
    first_fault: str
    unseen: int
    """Cells whose category was not known (encoded as zeros)."""
    names: np.ndarray | None = None
    """(n,) file of each row, where rows are files."""

    def take(self, rows: np.ndarray | slice | None) -> "Encoded":
        """Some of the rows, in the order given; None: all."""
        if rows is None:
            return self
        y = None if self.y is None else self.y[rows]
        lines = None if self.lines is None else self.lines[rows]
        names = None if self.names is None else self.names[rows]
        return Encoded(self.name, self.x[rows], y, lines, self.positions[rows], self.total, 0, "", 0, names)


def fit_schema(source: Table | Arrays, spec: DataSpec, task: TaskChoice) -> tuple[Schema, list[str]]:
    """Schema of the training file, and notes on what was decided. Raises DataError."""
    schema = Schema(task="regression", table=isinstance(source, Table), unseen=spec.unseen)
    quiet = Faults(source.name, None, "skip")
    if isinstance(source, Table):
        if spec.form != Form():
            raise DataError("color and resize are for images, not for a table", where=source.name)
        _fit_columns(source, spec, schema, last_is_label=task != "none")
        schema.row_shape = schema.input_shape = (schema.encoded_width,)
    else:
        schema.row_shape = source.x.shape[1:]
        schema.input_shape = (*schema.row_shape, 1) if len(schema.row_shape) == 2 else schema.row_shape
        targets = 1 if source.y is None or source.y.ndim == 1 else source.y.shape[1]
        schema.label = ["label"] if targets == 1 else [f"label_{k}" for k in range(targets)]
        if task == "none" and source.y is None:
            schema.label = []
    if spec.shape is not None:
        schema.input_shape = _image_shape(schema.row_shape, spec.shape, source.name)
    if task == "none":
        fit_optional(source, schema)
        return schema, []
    raw = raw_labels(source, schema.label_positions, schema.label, task, quiet)
    note = fit_labels(raw, source, task, schema)
    return schema, [note] if note else []


def _image_shape(row: tuple[int, ...], shape: list[int], name: str) -> tuple[int, ...]:
    """The shape that the recipe gives to a row of as many numbers. Raises DataError."""
    wanted = tuple(shape) if len(shape) == 3 else (*shape, 1)
    if np.prod(wanted) != np.prod(row):
        shown = "×".join(map(str, wanted))
        text = f"data.shape {shown} is {np.prod(wanted):,} numbers; a row has {np.prod(row):,}"
        raise DataError(text, where=name)
    return wanted


def _fit_columns(table: Table, spec: DataSpec, schema: Schema, *, last_is_label: bool) -> None:
    def find(reference: str | int) -> int:
        return find_column(reference, table.names, table.header, table.name)

    given = spec.label if isinstance(spec.label, list) else [] if spec.label is None else [spec.label]
    given = given or ([-1] if last_is_label else [])
    schema.label_positions = [find(reference) for reference in given]
    if len(set(schema.label_positions)) < len(given):
        raise DataError("a label column is named twice", where=table.name)
    ignored = {find(reference) for reference in spec.ignore}
    forced = {find(reference) for reference in spec.categories}
    if ignored & set(schema.label_positions):
        raise DataError("the label column is among the ignored ones", where=table.name)
    out = ignored | set(schema.label_positions)
    schema.positions = [index for index in range(len(table.names)) if index not in out]
    if not schema.positions:
        raise DataError("no feature column is left besides the label", where=table.name)
    schema.label = [table.names[index] for index in schema.label_positions]
    schema.columns = [table.names[index] for index in schema.positions]
    schema.width, schema.named = len(table.names), table.header
    schema.delimiter = spec.delimiter or ""
    for index, name in zip(schema.positions, schema.columns, strict=True):
        kind = "category" if index in forced else table.kind(index)
        schema.kinds.append(kind)
        if kind == "category":
            schema.categories[name] = _categories(table, index)
            if index not in forced:
                _refuse_commas(schema.categories[name], name, table.name)


def _refuse_commas(categories: list[str], column: str, where: str) -> None:
    """Numbers written 1,5 would be as many categories. Raises DataError."""
    commas = [text for text in categories if _WITH_COMMA.fullmatch(text)]
    if 2 * len(commas) > len(categories):
        text = f"column {column}: {quoted(commas[0])} looks like a number written with a comma"
        raise DataError(text, where=where, hint="write a decimal point, or name it in data.categories")


def _categories(table: Table, index: int) -> list[str]:
    texts = {cell.strip() for cell in set(table.column(index))}
    found = sorted(text for text in texts if text.lower() not in MISSING_TEXT)
    if len(found) > MOST_CATEGORIES:
        text = f"column {table.names[index]} has {len(found):,} categories; the most is {MOST_CATEGORIES:,}"
        raise DataError(text, where=table.name, hint="leave it out with data.ignore")
    if not found:
        raise DataError(f"column {table.names[index]} has no value at all", where=table.name)
    return found


def header_test(schema: Schema) -> Callable[[Rows], bool]:
    """A test whether a file to be read with `schema` begins with a header."""
    wanted = set(schema.columns)

    def is_header(rows: Rows) -> bool:
        first = rows[0][1]
        if schema.named:
            known = wanted.union(schema.label).intersection(first)
            if wanted <= known or any(number(cell) is None for cell in known):
                return True
        return "number" in schema.kinds and any(first) and all(number(cell) is None for cell in first)

    return is_header


def match_columns(
    schema: Schema, names: Sequence[str], header: bool, name: str, need_label: bool
) -> tuple[list[int], list[int]]:
    """Positions of the features and of the label (empty if not needed) in another file.

    By name where both files have a header, else by count: all columns of the training file, or the
    features alone, or the features followed by the label. Raises DataError that names what is missing.
    """
    if header and schema.named:
        places = {column: index for index, column in enumerate(names)}
        need_label = need_label and (schema.task != "none" or set(schema.label) <= set(places))
        wanted = schema.columns + (schema.label if need_label else [])
        absent = [column for column in wanted if column not in places]
        if absent:
            shown = ", ".join(quoted(column) for column in absent[:20]) + (", …" if len(absent) > 20 else "")
            raise DataError(f"missing column{'s' * (len(absent) > 1)} {shown}", where=name)
        return [places[c] for c in schema.columns], [places[c] for c in schema.label] if need_label else []
    features, labels = len(schema.columns), len(schema.label)
    if schema.task == "none" and len(names) == features:
        need_label = False
    if len(names) == schema.width:
        return schema.positions, schema.label_positions if need_label else []
    if len(names) == features + labels:
        return list(range(features)), list(range(features, features + labels)) if need_label else []
    if len(names) == features and not need_label:
        return list(range(features)), []
    wanted_width = str(schema.width) if need_label else f"{features} (or {schema.width} with the label)"
    raise DataError(f"expected {wanted_width} columns, found {len(names)}", where=name)


def encode(
    source: Table | Arrays,
    schema: Schema,
    features: Sequence[int],
    labels: Sequence[int],
    *,
    need_label: bool,
    on_bad_row: OnBadRow,
) -> Encoded:
    """Rows of any file as numbers. `features` and `labels` are column positions (unused for arrays).

    Raises DataError for the first bad row, with its place, unless bad rows are skipped (and counted).
    """
    lines = names = None
    if isinstance(source, Table):
        lines = source.lines
        faults = Faults(source.name, lines, on_bad_row)
    else:
        names = source.names
        faults = source.faults(on_bad_row)
    unseen = 0
    if schema.table:
        if not isinstance(source, Table):
            raise DataError("expected a table, as in training, found arrays", where=source.name)
        x, unseen = _encode_features(source, schema, features, faults)
    else:
        x = _rows_of(source, schema)
    y = None
    if need_label and schema.task == "none":
        y = optional_codes(source, labels, schema)
    elif need_label:
        if not schema.table and isinstance(source, Table):
            raise DataError("no labels were found for these rows", where=source.name)
        y = encode_labels(labels_for(source, labels, schema, faults), schema, faults)
    skipped, first_fault = source.skipped, source.first_fault
    kept = faults.kept(len(source))
    encoded = Encoded(source.name, x, y, lines, source.positions, source.total, 0, "", 0, names).take(kept)
    encoded.skipped = skipped + len(faults.rows)
    encoded.first_fault, encoded.unseen = first_fault or faults.first(), unseen
    return encoded


def encode_training(source: Table | Arrays, schema: Schema, on_bad_row: OnBadRow) -> Encoded:
    """The training file itself as numbers. Raises DataError, also where no row is left."""
    encoded = encode(
        source, schema, schema.positions, schema.label_positions, need_label=True, on_bad_row=on_bad_row
    )
    check_usable(len(encoded.x), encoded.total, encoded.first_fault, encoded.name)
    return encoded


def _encode_features(
    table: Table, schema: Schema, positions: Sequence[int], faults: Faults
) -> tuple[np.ndarray, int]:
    """(n, encoded width) float64 and how many cells had an unseen category."""
    if not schema.categories:
        first = positions[0]
        if table.matrix is not None and list(positions) == list(range(first, first + len(positions))):
            return table.matrix[:, first : first + len(positions)], 0
        return number_columns(table, positions, schema.columns, faults), 0
    check_size(16 * len(table) * schema.encoded_width, table.name, "the table with its categories one-hot")
    x = np.zeros((len(table), schema.encoded_width))
    at = unseen = 0
    for index, name, kind in zip(positions, schema.columns, schema.kinds, strict=True):
        if kind == "number":
            x[:, at] = number_columns(table, [index], [name], faults)[:, 0]
            at += 1
            continue
        categories = schema.categories[name]
        codes = read_codes(table.column(index), {text: k for k, text in enumerate(categories)}, name, faults)
        known = np.flatnonzero(codes >= 0)
        x[known, at + codes[known]] = 1
        at += len(categories)
        strange = [row for row in np.flatnonzero(codes < 0).tolist() if row not in faults.rows]
        if schema.unseen == "error":
            for row in strange:
                shown = quoted(table.column(index)[row])
                faults.add(row, f"column {name}: category {shown} was not in the training data")
        else:
            unseen += len(strange)
    return x, unseen


def _rows_of(source: Table | Arrays, schema: Schema) -> np.ndarray:
    """(n, size of a row) in the source's own type."""
    size = int(np.prod(schema.row_shape))
    shape = "×".join(map(str, schema.row_shape))
    if isinstance(source, Table):
        if source.matrix is None or source.matrix.shape[1] != size:
            raise DataError(f"expected rows of {shape} = {size} numbers, as in training", where=source.name)
        return source.matrix
    row = schema.row_shape
    alike = {row, (size,), (*row, 1)} | ({row[:-1]} if row[-1] == 1 else set())
    if source.x.shape[1:] not in alike:
        found = "×".join(map(str, source.x.shape[1:]))
        raise DataError(f"expected rows of shape {shape}, as in training, found {found}", where=source.name)
    return source.x.reshape(len(source.x), size)
