"""Reading what a training command needs: training, validation and test rows, ready for a model."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from dlkit.errors import DataError
from dlkit.readers import split
from dlkit.readers.arrays import Arrays, How
from dlkit.readers.cells import OnBadRow, skipped_rows
from dlkit.readers.dataset import Dataset, TrainingData
from dlkit.readers.encode import Encoded, encode, encode_training, fit_schema, header_test, match_columns
from dlkit.readers.images import Form
from dlkit.readers.labels import TaskChoice
from dlkit.readers.paths import Found, find_data, resolve_path
from dlkit.readers.preprocess import Kind, Preprocess, TargetScale
from dlkit.readers.schema import Schema
from dlkit.readers.source import load
from dlkit.readers.spec import DataSpec
from dlkit.readers.table import Table, check_usable


def read_training(
    spec: DataSpec,
    task: TaskChoice = "auto",
    streams: split.Draws | None = None,
    on_bad_row: OnBadRow = "error",
    base: Path | None = None,
    *,
    dtype: str = "float32",
) -> TrainingData:
    """Read all that `spec` names; fit schema and preprocessing on the training rows.

    Classes and categories are those of the whole training file; scales come from the training rows alone.
    `streams` draws splits (stream "split"); `base` is the recipe's folder. Raises DataError.
    """
    return _Reading(spec, task, streams, on_bad_row, base, dtype).data()


@dataclass
class _Reading:
    """One call of `read_training`: what is given, and what has been found on the way."""

    spec: DataSpec
    task: TaskChoice
    streams: split.Draws | None
    on_bad_row: OnBadRow
    base: Path | None
    dtype: str
    files: list[Path] = field(default_factory=list)
    resolved: dict[str, str] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    skipped: int = 0
    unseen: int = 0

    def data(self) -> TrainingData:
        spec = self.spec
        whole, schema = self._training_file()
        train_rows, valid_rows, test_rows = self._divide(whole, schema)
        train = whole if len(train_rows) == len(whole.x) else whole.take(train_rows)
        valid = self._other("valid", schema) if isinstance(spec.valid, str) else self._part(whole, valid_rows)
        test = self._other("test", schema) if isinstance(spec.test, str) else self._part(whole, test_rows)
        kind = spec.scale
        if kind == "auto":
            imagelike = self.task == "none" or len(schema.input_shape) == 3
            kind = "range" if whole.x.dtype == np.uint8 else "image" if imagelike else "standard"
        preprocess = self._fit(train, schema, kind)
        schema.input_shape = schema.input_shape if kind != "pca" else (preprocess.width,)

        def ready(part: Encoded) -> Dataset:
            return dataset(part, schema, preprocess, self.dtype)

        return TrainingData(
            train=ready(train),
            valid=ready(valid) if valid else None,
            test=ready(test) if test else None,
            schema=schema,
            preprocess=preprocess,
            skipped=self.skipped,
            unseen=self.unseen,
            files=self.files,
            resolved=self.resolved,
            notes=self.notes,
            names={
                key: name
                for key, name in (("train", spec.train), ("valid", spec.valid), ("test", spec.test))
                if isinstance(name, str)
            },
        )

    def _training_file(self) -> tuple[Encoded, Schema]:
        spec = self.spec
        labels = None if spec.labels is None else self._find("labels", resolve_path(spec.labels, self.base))
        how = How(
            header=spec.header,
            delimiter=spec.delimiter,
            on_bad_row=self.on_bad_row,
            as_text=bool(spec.categories),
            labels=labels,
            label_is_column=spec.label is not None and spec.labels is None,
            labels_welcome=self.task == "none",
            form=spec.form,
            array_form=spec.form,
        )
        path = self._find("train", find_data(spec.train, self.base))
        source = load(path, how, self.files)
        self._tell(source)
        schema, notes = fit_schema(source, spec, self.task)
        self.notes += notes
        whole = encode_training(source, schema, self.on_bad_row)
        self._count(whole)
        return whole, schema

    def _find(self, key: str, found: Found) -> Path:
        if found.written != getattr(self.spec, key):
            self.resolved[key] = found.written
        return found.path

    def _tell(self, source: Table | Arrays) -> None:
        self.notes += source.notes if isinstance(source, Arrays) else []

    def _count(self, part: Encoded) -> None:
        self.skipped += part.skipped
        self.unseen += part.unseen
        if part.skipped:
            self.notes.append(skipped_rows(part.name, part.skipped, part.first_fault))
        if part.unseen:
            self.notes.append(f"{part.name}: {part.unseen:,} cells with a category not seen in training")

    def _divide(
        self, whole: Encoded, schema: Schema
    ) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
        """Row indices of training, validation and test."""
        spec, count = self.spec, len(whole.x)
        classes = None if schema.task == "regression" else whole.y
        test = train = valid = None
        if spec.test_rows is not None:
            test = self._row_file("test_rows", whole)
        elif spec.fold is not None and spec.train_rows is None:
            if spec.fold.of > count:
                raise DataError(f"fold: {spec.fold.of} folds of {count} rows", where=whole.name)
            folds = split.fold_of(count, classes, spec.fold.of, self._draws(split.FOLDS))
            test = np.flatnonzero(folds == spec.fold.index)
        elif spec.test is not None and not isinstance(spec.test, str):
            wanted = split.rows_wanted(spec.test, count, "test", whole.name)
            test = split.hold_out(np.arange(count), classes, wanted, self._draws(split.TEST))
        if spec.train_rows is not None:
            train = self._row_file("train_rows", whole)
            if test is not None and (both := np.intersect1d(train, test)).size:
                number = whole.positions[both[0]]
                raise DataError(f"row {number} is in train_rows and in test_rows", where=whole.name)
        else:
            train = np.arange(count) if test is None else np.setdiff1d(np.arange(count), test, True)
        if spec.valid is not None and not isinstance(spec.valid, str):
            wanted = split.rows_wanted(spec.valid, len(train), "valid", whole.name)
            of_train = None if classes is None else classes[train]
            valid = split.hold_out(train, of_train, wanted, self._draws(split.VALID))
            train = train[~np.isin(train, valid)]
        if not len(train):
            raise DataError("no training row is left", where=whole.name)
        return train, valid, test

    def _row_file(self, key: str, whole: Encoded) -> np.ndarray:
        """Indices of the rows that a file of row numbers names."""
        pattern = str(getattr(self.spec, key))
        if "{fold}" in pattern and self.spec.fold is None:  # `folds` sets it for each member of the family
            raise DataError("{fold} stands for the index of a fold", where=pattern, hint="give folds")
        name = pattern if self.spec.fold is None else pattern.replace("{fold}", str(self.spec.fold.index))
        found = resolve_path(name, self.base)
        if found.written != name and self.base is not None:
            self.resolved[key] = str(self.base / pattern)
        self.files.append(found.path)
        rows = split.kept_rows(split.read_row_numbers(found.path, whole.total), whole.positions, whole.total)
        if not len(rows):
            raise DataError("none of these rows is left", where=str(found.path))
        return rows

    def _draws(self, position: int) -> np.random.Generator:
        if self.streams is None:
            raise ValueError("streams are needed to divide rows at random")
        return self.streams.get("split", position)

    def _part(self, whole: Encoded, rows: np.ndarray | None) -> Encoded | None:
        return None if rows is None else whole.take(rows)

    def _other(self, key: str, schema: Schema) -> Encoded:
        """The rows of a validation or test file."""
        found = find_data(getattr(self.spec, key), self.base)
        how = how_to_read(schema, need_label=True, on_bad_row=self.on_bad_row, form=self.spec.form)
        source = load(self._find(key, found), replace(how, header=self.spec.header, role=key), self.files)
        self._tell(source)
        features: list[int] = []
        labels: list[int] = []
        if isinstance(source, Table) and schema.table:
            features, labels = match_columns(schema, source.names, source.header, source.name, True)
        part = encode(source, schema, features, labels, need_label=True, on_bad_row=self.on_bad_row)
        check_usable(len(part.x), part.total, part.first_fault, part.name)
        self._count(part)
        return part

    def _fit(self, train: Encoded, schema: Schema, kind: Kind) -> Preprocess:
        preprocess = Preprocess.fit(
            train.x,
            kind,
            numeric=schema.numeric if schema.table else None,
            components=self.spec.components,
            epsilon=self.spec.epsilon,
            channels=schema.input_shape[2] if len(schema.input_shape) == 3 else None,
            name=train.name,
        )
        if schema.task == "regression" and train.y is not None:
            preprocess.targets = TargetScale.fit(train.y, train.name)
        return preprocess


def how_to_read(
    schema: Schema,
    *,
    need_label: bool,
    on_bad_row: OnBadRow,
    labels: Path | None = None,
    form: Form = Form(),  # noqa: B008 - it never changes
) -> How:
    """How a file is read that has to fit `schema`. form: what the recipe asked images to be made into."""
    text_labels = bool(schema.classes) and not schema.numeric_classes
    return How(
        delimiter=schema.delimiter or None,
        on_bad_row=on_bad_row,
        as_text=bool(schema.categories) or text_labels,
        role="test",
        labels=labels,
        need_labels=need_label,
        label_is_column=schema.table,
        labels_welcome=schema.task == "none",
        is_header=header_test(schema),
        form=_form_of(schema, form),
        array_form=form,
    )


def _form_of(schema: Schema, asked: Form) -> Form:
    """What image files have to be made into to be rows like those of training."""
    row = schema.row_shape
    if schema.table or len(row) not in {2, 3} or (len(row) == 3 and row[2] not in {1, 3}):
        return asked
    color: Literal["grey", "rgb"] = "rgb" if len(row) == 3 and row[2] == 3 else "grey"
    return Form(color, asked.resize, (row[0], row[1]))


def dataset(part: Encoded, schema: Schema, preprocess: Preprocess, dtype: Any) -> Dataset:
    """Rows ready for a model; 8-bit rows that only need scale and shift stay bytes.

    Raises DataError, with the place, for values that `dtype` cannot hold.
    """
    real = np.dtype(dtype)
    y, labels = part.y, None
    if y is not None and schema.task != "regression":
        labels = np.array([*schema.classes, ""], object)[y]  # code -1: no known class
    elif y is not None and preprocess.targets is not None:
        labels, y = y, preprocess.targets.standardise(y).astype(real)
    scale, shift = np.ones(1, real), np.zeros(1, real)
    if part.x.dtype == np.uint8 and preprocess.is_affine:
        x = np.ascontiguousarray(part.x)
        scale, shift = preprocess.scale.astype(real), preprocess.shift.astype(real)
    else:
        x = preprocess.apply(part.x, real)
        if part.x.dtype != np.uint8:
            _check_finite(x, part, real)
    return Dataset(x, y, part.name, part.lines, part.positions, labels, part.names, scale, shift)


def _check_finite(x: np.ndarray, part: Encoded, dtype: np.dtype) -> None:
    finite = np.isfinite(x).all(axis=1)
    if not finite.all():
        row = int(np.flatnonzero(~finite)[0])
        number = part.positions[row]
        place = f"{part.name}: row {number}" if part.lines is None else f"{part.name}:{part.lines[row]}"
        raise DataError(f"a value too large for {dtype}", where=place)
