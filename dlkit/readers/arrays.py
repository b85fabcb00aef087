"""Rows that are arrays of one shape - images, vectors - with labels from elsewhere."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers.cells import Faults, OnBadRow
from dlkit.readers.images import Form
from dlkit.readers.opening import check_size
from dlkit.readers.table import Header, Rows, Table, check_usable


@dataclass
class Arrays:
    """Rows of a file or of a folder of files."""

    name: str
    x: np.ndarray
    """(n, ...) as in the file: integers, booleans or floats."""
    y: np.ndarray | None
    """(n,) or (n, targets): numbers or text."""
    positions: np.ndarray
    """(n,) row number in the file."""
    from_idx: bool = False
    skipped: int = 0
    total: int = 0
    first_fault: str = ""
    names: np.ndarray | None = None
    """(n,) file of each row, below `name`, where rows are files."""
    start: int = 0
    """Number of the first row in the file, where this is a piece of it."""
    notes: list[str] = field(default_factory=list)
    """Lines worth telling the user."""

    def __len__(self) -> int:
        return len(self.x)

    def faults(self, on_bad_row: OnBadRow) -> Faults:
        """An empty list of bad rows."""
        names = None if self.names is None else self.names.tolist()
        return Faults(self.name, None, on_bad_row, names=names, start=self.start)


@dataclass(frozen=True)
class How:
    """How a file is to be read: what the recipe says about it."""

    header: Header = "auto"
    delimiter: str | None = None
    on_bad_row: OnBadRow = "error"
    as_text: bool = False
    """Some column is wanted as text even if all are numbers."""
    role: str = "train"
    """train, valid or test: which arrays of an .npz or HDF5 file are meant."""
    labels: Path | None = None
    """The labels file, where it is named; else it is looked for beside the file."""
    need_labels: bool = True
    labels_welcome: bool = False
    """Labels are taken where they are found and not missed where they are not."""
    label_is_column: bool = False
    """A two-dimensional array holds the label too: do not look for labels elsewhere."""
    is_header: Callable[[Rows], bool] | None = None
    """Tells whether a table begins with a header; None: by its looks."""
    form: Form = field(default_factory=Form)
    """What image files are made into."""
    array_form: Form = field(default_factory=Form)
    """What arrays of images are made into: only what the recipe asks for."""

    @property
    def labels_missed(self) -> bool:
        """Rows without labels will not do."""
        return self.need_labels and not self.labels_welcome


def checked(arrays: Arrays, how: How) -> Table | Arrays:
    """Rows and labels brought into shape and checked against each other, bad rows out; a table where it
    turns out to be one (a matrix whose label is a column). Raises DataError.
    """
    x, y, name = arrays.x, arrays.y, arrays.name
    if x.dtype.kind == "U":
        raise DataError("features have to be numbers, not text", where=name)
    if x.ndim == 0:
        raise DataError("a single number, not rows", where=name)
    arrays.x = x.reshape(len(x), 1) if x.ndim == 1 else x
    if y is not None:
        y = y.reshape(len(y)) if y.ndim == 2 and y.shape[1] == 1 else y
        if y.ndim not in {1, 2} or len(y) != len(x):
            raise DataError(f"{len(x):,} rows, but {y.shape[0] if y.ndim else 1:,} labels", where=name)
        arrays.y = y
    _leave_out_bad(arrays, how.on_bad_row)
    if arrays.x.ndim == 2 and y is None and (how.label_is_column or how.labels_missed):
        return _as_table(arrays)
    return arrays


def _leave_out_bad(arrays: Arrays, on_bad_row: OnBadRow) -> None:
    """Rows with NaN or infinity are bad. Raises DataError, or drops them."""
    faults = arrays.faults(on_bad_row)
    for what, values in (("value", arrays.x), ("label", arrays.y)):
        if values is not None and values.dtype.kind == "f":
            finite = np.isfinite(values).reshape(len(values), -1).all(axis=1)
            for row in np.flatnonzero(~finite).tolist():
                faults.add(row, f"a {what} that is missing or not finite (NaN or infinity)")
    kept = faults.kept(len(arrays))
    arrays.skipped += len(faults.rows)
    arrays.first_fault = arrays.first_fault or faults.first()
    if not arrays.start:  # pieces of a file are judged together
        check_usable(len(arrays) - len(faults.rows), arrays.total, arrays.first_fault, arrays.name)
    if kept is not None:
        arrays.x, arrays.positions = arrays.x[kept], arrays.positions[kept]
        arrays.y = None if arrays.y is None else arrays.y[kept]
        arrays.names = None if arrays.names is None else arrays.names[kept]


def _as_table(arrays: Arrays) -> Table:
    check_size(8 * arrays.x.size, arrays.name, "the table")
    matrix = arrays.x.astype(np.float64)
    names = [f"column_{i}" for i in range(matrix.shape[1])]
    table = Table(arrays.name, names, False, None, arrays.positions, matrix, total=arrays.total)
    table.skipped, table.first_fault = arrays.skipped, arrays.first_fault
    return table
