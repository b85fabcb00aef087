"""Reading rows for a trained model, piece by piece, so that a file may be larger than memory."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

from dlkit.errors import DataError
from dlkit.readers.arrays import Arrays, How
from dlkit.readers.cells import OnBadRow
from dlkit.readers.dataset import Dataset
from dlkit.readers.encode import Encoded, encode, match_columns
from dlkit.readers.formats import binary_format
from dlkit.readers.images import Form
from dlkit.readers.opening import blocks, display, joined
from dlkit.readers.paths import find_data, resolve_path
from dlkit.readers.preprocess import Preprocess
from dlkit.readers.schema import Schema
from dlkit.readers.source import arrays_of, pieces
from dlkit.readers.streamed_table import StreamedTable
from dlkit.readers.table import Table, check_usable
from dlkit.readers.training_data import dataset, how_to_read


class PredictionRows(Iterator[Dataset]):
    """The rows of a file as datasets of bounded size; counts what it has met."""

    def __init__(
        self,
        path: Path,
        schema: Schema,
        preprocess: Preprocess,
        how: How,
        *,
        need_label: bool,
        dtype: str,
        chunk: int,
    ) -> None:
        self.path, self.schema, self.preprocess, self.how = path, schema, preprocess, how
        self.need_label, self.dtype, self.chunk = need_label, dtype, chunk
        self.name = display(path)
        self.rows = 0
        """Rows handed out so far."""
        self.skipped = 0
        """Bad rows left out so far."""
        self.unseen = 0
        """Cells with a category not seen in training, so far."""
        self.first_fault = ""
        self._datasets = self._read()

    def __next__(self) -> Dataset:
        return next(self._datasets)

    def _read(self) -> Iterator[Dataset]:
        sources = pieces(self.path, self.how, self.chunk)
        if sources is None:
            yield from self._file()
        else:
            for source in sources:
                yield from self._arrays(source)
        if not self.rows and not self.skipped:
            raise DataError("no rows", where=self.name)
        check_usable(self.rows, self.skipped, self.first_fault, self.name)

    def _file(self) -> Iterator[Dataset]:
        found = blocks(self.path)
        head = next(found, b"")
        kind = binary_format(self.path, head[:8])
        if kind is None:
            yield from self._text(chain([head], found))
            return
        data = joined(chain([head], found), self.name)
        yield from self._arrays(arrays_of(kind, data, self.path, self.how, []))

    def _arrays(self, source: Table | Arrays) -> Iterator[Dataset]:
        features: list[int] = []
        labels: list[int] = []
        if isinstance(source, Table) and self.schema.table:
            features, labels = self._match(source.names, source.header)
        yield from self._datasets_of(self._encode(source, features, labels))

    def _text(self, text: Iterator[bytes]) -> Iterator[Dataset]:
        how = self.how
        tables = StreamedTable(
            text,
            self.name,
            delimiter=how.delimiter,
            on_bad_row=how.on_bad_row,
            is_header=how.is_header,
            as_text=how.as_text,
        )
        features: list[int] = []
        labels: list[int] = []
        if self.schema.table:
            features, labels = self._match(tables.layout.names, tables.layout.header)
        for table in tables:
            for start in range(0, max(len(table), 1), self.chunk):
                encoded = self._encode(table.chunk(start, start + self.chunk), features, labels)
                yield from self._datasets_of(encoded)

    def _match(self, names: list[str], header: bool) -> tuple[list[int], list[int]]:
        return match_columns(self.schema, names, header, self.name, self.need_label)

    def _encode(self, source: Table | Arrays, features: list[int], labels: list[int]) -> Encoded:
        encoded = encode(
            source,
            self.schema,
            features,
            labels,
            need_label=self.need_label,
            on_bad_row=self.how.on_bad_row,
        )
        self.skipped += encoded.skipped
        self.unseen += encoded.unseen
        self.first_fault = self.first_fault or encoded.first_fault
        return encoded

    def _datasets_of(self, encoded: Encoded) -> Iterator[Dataset]:
        for start in range(0, len(encoded.x), self.chunk):
            part = encoded.take(slice(start, start + self.chunk))
            self.rows += len(part.x)
            yield dataset(part, self.schema, self.preprocess, self.dtype)


def read_for_prediction(
    source: str,
    schema: Schema,
    preprocess: Preprocess,
    *,
    need_label: bool = False,
    on_bad_row: OnBadRow = "error",
    base: Path | None = None,
    labels: str | None = None,
    dtype: str = "float32",
    chunk: int = 8192,
    form: Form = Form(),  # noqa: B008 - it never changes
) -> PredictionRows:
    """Rows of `source` (a path, or "-": standard input) as datasets of at most `chunk` rows.

    Their x is preprocessed, in the form that training data have: floats, or bytes with scale and shift.
    With `need_label` they have y and labels; else labels are not looked at. With a header on both sides
    columns are matched by name, else by count. `labels` names the labels file of an array; by default it
    is found by its name. `form`: what the recipe asked images to be made into.
    Raises DataError, at once for a file that is not there, else while iterating.
    """
    path = find_data(source, base).path
    labels_path = None if labels is None else resolve_path(labels, base).path
    how = how_to_read(schema, need_label=need_label, on_bad_row=on_bad_row, labels=labels_path, form=form)
    return PredictionRows(path, schema, preprocess, how, need_label=need_label, dtype=dtype, chunk=chunk)
