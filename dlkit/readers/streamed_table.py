"""A delimited text of any length as tables of some MiB each, cut at the ends of rows."""

from collections.abc import Callable, Iterator

from dlkit.errors import DataError
from dlkit.readers.cells import OnBadRow
from dlkit.readers.delimited import WHITESPACE, record_end
from dlkit.readers.table import (
    LONGEST_ROW,
    Header,
    Layout,
    Rows,
    Table,
    head_and_rest,
    layout_of,
    read_body,
)

_HEAD = 1 << 18
PIECE = 1 << 20
"""Bytes after which a table ends, with its row."""


class StreamedTable(Iterator[Table]):
    """The rows of a delimited text, table by table. `layout` is known before the first one is asked for.

    Raises DataError with file:line for what is no table, and for rows of another width unless they are
    skipped.
    """

    def __init__(
        self,
        pieces: Iterator[bytes],
        name: str,
        *,
        header: Header = "auto",
        delimiter: str | None = None,
        on_bad_row: OnBadRow = "error",
        is_header: Callable[[Rows], bool] | None = None,
        as_text: bool = False,
    ) -> None:
        """pieces: the bytes as they come. The bounds of the tables depend on the bytes alone."""
        self.name, self.on_bad_row, self.as_text = name, on_bad_row, as_text
        head, rest = head_and_rest(pieces, name, _HEAD)
        self.layout: Layout = layout_of(head, name, header, delimiter, is_header)
        self._bodies = self._cut(head[self.layout.body :], rest)

    def __next__(self) -> Table:
        body, line = next(self._bodies)
        return read_body(
            body, self.layout, self.name, on_bad_row=self.on_bad_row, first_line=line, as_text=self.as_text
        )

    def _cut(self, pending: bytes, pieces: Iterator[bytes]) -> Iterator[tuple[bytes, int]]:
        """Whole rows, at least PIECE bytes of them, with the number of their first line."""
        line, delimiter, ended = self.layout.first_line, self.layout.delimiter, False
        while not ended or pending:
            while len(pending) < PIECE and not ended:
                more = next(pieces, b"")
                ended = not more
                pending += more
            end = len(pending) if ended else record_end(pending, delimiter, first=False)
            if end:
                if pending[:end].strip():
                    yield pending[:end], line
                line += pending.count(b"\n", 0, end)
                pending = pending[end:]
                continue
            if len(pending) > LONGEST_ROW:
                quote = "" if delimiter == WHITESPACE else "; is a quote left open?"
                text = f"a row of more than {LONGEST_ROW >> 20} MiB{quote}"
                raise DataError(text, where=f"{self.name}:{line}")
            more = next(pieces, b"")
            ended = not more
            pending += more
