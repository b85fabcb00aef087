"""Labels: classes or numbers, which of the two, and their codes."""

from collections.abc import Sequence
from typing import Literal

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.arrays import Arrays
from dlkit.readers.cells import MISSING, MISSING_TEXT, Faults, number, quoted, read_numbers, read_texts
from dlkit.readers.schema import Schema
from dlkit.readers.table import Table, number_text

TaskChoice = Literal["auto", "classification", "regression", "none"]
"""What the labels are for; none: the rows are learnt from without labels (images to be imitated)."""
Raw = np.ndarray | list[str]
"""Labels as read: (n, targets) float64 with NaN where bad, or n texts."""

MOST_AUTO_CLASSES = 20
"""Whole numbers with at most so many distinct values (and two rows a value) are taken for classes."""
MOST_CLASSES = 10_000


def raw_labels(
    source: Table | Arrays, positions: Sequence[int], names: Sequence[str], task: TaskChoice, faults: Faults
) -> Raw:
    """The labels of a training file; bad cells go to `faults`. Raises DataError where text cannot be."""
    if isinstance(source, Arrays):
        return _raw_of_array(source, task)
    if len(positions) == 1 and task != "regression":
        index = positions[0]
        if _is_text(source, index, task):
            return read_texts(source.column(index), names[0], faults)
    return number_columns(source, positions, names, faults)


def number_columns(
    table: Table, positions: Sequence[int], names: Sequence[str], faults: Faults
) -> np.ndarray:
    """(n, columns) float64 of numeric columns; bad cells go to `faults` and are NaN."""
    values = np.empty((len(table), len(positions)))
    for k, (index, name) in enumerate(zip(positions, names, strict=True)):
        column = table.numbers(index)
        values[:, k] = read_numbers(table.column(index), name, faults) if column is None else column
    return values


def _is_text(table: Table, index: int, task: TaskChoice) -> bool:
    """Is the label column text? Where classes are wanted, one text among numbers makes it text."""
    if table.numbers(index) is not None:
        return False
    if task == "auto" or table.kind(index) == "category":
        return table.kind(index) == "category"
    present = (cell for cell in table.column(index) if cell.strip().lower() not in MISSING)
    return any(number(cell) is None for cell in present)


def _raw_of_array(arrays: Arrays, task: str) -> Raw:
    if arrays.y is None:
        text = "no labels were found for these rows"
        raise DataError(text, where=arrays.name, hint="name their file: data.labels")
    if arrays.y.dtype.kind != "U":
        return arrays.y.reshape(len(arrays.y), -1).astype(np.float64)
    if task == "regression" or arrays.y.ndim > 1:
        raise DataError("regression needs numbers as labels, not text", where=arrays.name)
    return [str(label).strip() for label in arrays.y]


def fit_labels(raw: Raw, source: Table | Arrays, task: TaskChoice, schema: Schema) -> str:
    """Decide the task and list the classes in `schema`. Returns a note on the decision ("" if none).

    Task auto: text is classification; several targets are regression; the labels of an IDX file are classes;
    whole numbers with at most 20 distinct values, each on two rows on average, are classes; else regression.
    """
    note = ""
    if task == "auto":
        schema.task, why = _choose(raw, source)
        note = f"task: {schema.task} ({why})"
    else:
        schema.task = task
    if schema.task == "regression":
        return note
    if isinstance(raw, list):
        schema.classes = sorted({text for text in raw if text.lower() not in MISSING_TEXT})
    else:
        if raw.shape[1] > 1:
            raise DataError("classification takes one label column", where=source.name)
        values = np.unique(raw[~np.isnan(raw)])
        if len(values) <= MOST_CLASSES:
            schema.classes = [number_text(value) for value in values.tolist()]
        else:
            schema.classes = [""] * len(values)
        schema.numeric_classes = True
    what = f"label {', '.join(schema.label)}"
    if len(schema.classes) < 2:
        found = f": {quoted(schema.classes[0])}" if schema.classes else ""
        raise DataError(f"{what} has fewer than two classes{found}", where=source.name)
    if len(schema.classes) > MOST_CLASSES:
        text = f"{what} has {len(schema.classes):,} classes; the most is {MOST_CLASSES:,}"
        raise DataError(text, where=source.name, hint="is it a regression target?")
    return note


def fit_optional(source: Table | Arrays, schema: Schema) -> None:
    """List in `schema` the classes of rows that are learnt from without labels, where there are such labels.

    They serve to colour and to sort: labels that are no classes (measurements, several a row) are left aside.
    """
    schema.task = "none"
    if len(schema.label) != 1:
        return
    raw = raw_labels(source, schema.label_positions, schema.label, "auto", Faults(source.name, None, "skip"))
    if isinstance(raw, list):
        classes = sorted({text for text in raw if text.lower() not in MISSING_TEXT})
    elif _choose(raw, source)[0] == "classification":
        classes = [number_text(value) for value in np.unique(raw[~np.isnan(raw)]).tolist()]
        schema.numeric_classes = True
    else:
        return
    schema.classes = classes if len(classes) <= MOST_CLASSES else []


def optional_codes(source: Table | Arrays, positions: Sequence[int], schema: Schema) -> np.ndarray | None:
    """int64 (n,) class codes of rows whose labels are welcome but not needed; -1: none that is known.

    None: this file has no labels.
    """
    there = bool(positions) if isinstance(source, Table) else source.y is not None and source.y.ndim == 1
    if not schema.classes or not there:
        return None
    aside = Faults(source.name, None, "skip")  # a bad label does not spoil its row
    return encode_labels(labels_for(source, positions, schema, aside), schema, aside)


def _choose(raw: Raw, source: Table | Arrays) -> tuple[Literal["classification", "regression"], str]:
    if isinstance(raw, list):
        return "classification", "the label is text"
    if raw.shape[1] > 1:
        return "regression", f"{raw.shape[1]} targets"
    if isinstance(source, Arrays) and source.from_idx:
        return "classification", "labels of an IDX file"
    values = raw[~np.isnan(raw)]
    if np.any(values != np.floor(values)):
        return "regression", "the label is not whole numbers"
    distinct = len(np.unique(values))
    if distinct <= min(MOST_AUTO_CLASSES, len(values) // 2):
        return "classification", f"{distinct} distinct whole numbers as label"
    return "regression", f"{distinct:,} distinct numbers as label"


def encode_labels(raw: Raw, schema: Schema, faults: Faults) -> np.ndarray:
    """int64 (n,) class codes, or float64 (n, targets) in the file's units; unknown classes go to `faults`."""
    if schema.task == "regression":
        if isinstance(raw, list):
            raise DataError("regression needs numbers as labels, not text", where=faults.name)
        return raw
    if isinstance(raw, list):
        codes = {text: code for code, text in enumerate(schema.classes)}
        y = np.array([codes.get(text, -1) for text in raw], np.int64)
    else:
        classes = np.array([float(text) for text in schema.classes])
        values = raw[:, 0]
        y = np.minimum(np.searchsorted(classes, values), len(classes) - 1)
        y[classes[y] != values] = -1
    for row in np.flatnonzero(y < 0).tolist():
        shown = quoted(raw[row]) if isinstance(raw, list) else number_text_or_nan(raw[row, 0])
        faults.add(row, f"label {schema.label[0]}: class {shown} was not in the training data")
    return y


def number_text_or_nan(value: float) -> str:
    """A number in its shortest form; NaN too."""
    return "NaN" if np.isnan(value) else number_text(float(value))


def labels_for(source: Table | Arrays, positions: Sequence[int], schema: Schema, faults: Faults) -> Raw:
    """The labels of another file than the training file, read as the schema says."""
    classes = schema.task != "regression"
    if isinstance(source, Arrays):
        raw = _raw_of_array(source, schema.task)
        if isinstance(raw, list) and schema.numeric_classes:
            raise DataError("labels have to be numbers, as in training", where=source.name)
        if not isinstance(raw, list) and classes and not schema.numeric_classes:
            return [number_text(value) for value in raw[:, 0].tolist()]
        if not isinstance(raw, list) and raw.shape[1] != len(schema.label):
            text = f"expected {len(schema.label)} labels a row, found {raw.shape[1]}"
            raise DataError(text, where=source.name)
        return raw
    if classes and not schema.numeric_classes:
        return read_texts(source.column(positions[0]), schema.label[0], faults)
    return number_columns(source, positions, schema.label, faults)
