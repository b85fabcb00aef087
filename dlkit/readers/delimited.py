"""Delimited text: which character separates the columns, and cutting text into rows and cells.

Everything works on UTF-8 bytes; NumPy's and csv's C code do the work a cell.
"""

import codecs
import csv
import io
import re
from collections import Counter
from collections.abc import Iterator

import numpy as np

from dlkit.errors import DataError

Row = list[str]
WHITESPACE = " "
"""The delimiter that stands for runs of blanks and tabs; quotes mean nothing there."""

_SAMPLE = 1 << 18
_SAMPLE_ROWS = 100


def without_bom(data: bytes, name: str) -> bytes:
    """`data` without the UTF-8 byte order mark; UTF-16 and UTF-32 are refused with a DataError."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError("the text is UTF-16; save it as UTF-8", where=name)
    return data.removeprefix(codecs.BOM_UTF8)


def check_text(data: bytes, name: str, first_line: int = 1) -> None:
    """Raise DataError, with the line, unless `data` is UTF-8 text without NUL characters."""
    nul = data.find(b"\0")
    if nul >= 0:
        line = first_line + data.count(b"\n", 0, nul)
        raise DataError("a NUL byte; this is not a text file", where=f"{name}:{line}")
    if data.isascii():
        return
    try:
        data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = first_line + data.count(b"\n", 0, error.start)
        column = error.start - data.rfind(b"\n", 0, error.start)
        text = f"not UTF-8: byte 0x{data[error.start]:02x} at byte {column} of the line"
        raise DataError(text, where=f"{name}:{line}", hint="save it as UTF-8") from error


def record_end(data: bytes, delimiter: str, *, first: bool) -> int:
    """Offset after the first (or else the last) line end that is not inside quotes; 0 if there is none.

    A line end is outside quotes where the number of quotes before it is even.
    """
    if delimiter == WHITESPACE or b'"' not in data:
        return 1 + (data.find(b"\n") if first else data.rfind(b"\n"))
    codes = np.frombuffer(data, np.uint8)
    inside = np.bitwise_xor.accumulate(codes == ord('"'))
    ends = np.flatnonzero((codes == ord("\n")) & ~inside)
    return int(ends[0 if first else -1]) + 1 if len(ends) else 0


def sample_of(data: bytes, delimiter: str) -> bytes:
    """The first whole rows of `data`: some 256 KiB, or one row where that is longer."""
    if len(data) <= _SAMPLE:
        return data
    end = record_end(data[:_SAMPLE], delimiter, first=False)
    return data[: end or record_end(data, delimiter, first=True) or len(data)]


def sniff_delimiter(data: bytes) -> str:
    """Tab, semicolon, comma, bar or runs of blanks: whichever cuts the first rows into equally many cells."""
    text = data[: 1 << 16].decode("utf-8", "replace").lstrip("\ufeff")
    text = re.sub(r'"[^"]*"', "q", text)
    lines = [line for line in re.split(r"[\r\n]+", text) if line.strip()]
    if len(data) > 1 << 16 and len(lines) > 1:
        lines.pop()
    lines = lines[:20]
    if not lines:
        return ","
    for delimiter in "\t;,|":
        counts = {line.count(delimiter) for line in lines}
        if len(counts) == 1 and counts != {0}:
            # rows that end in a tab are padded, not one column wider
            padded = delimiter == "\t" and all(line.endswith("\t") for line in lines)
            return WHITESPACE if padded else delimiter
    widths = {len(line.split()) for line in lines}
    if len(widths) == 1 and widths != {1} and not any(set(line) & set(";,|") for line in lines):
        return WHITESPACE
    present = [delimiter for delimiter in "\t;,|" if delimiter in lines[0]]
    if present:
        return max(present, key=lines[0].count)
    return WHITESPACE if len(lines[0].split()) > 1 else ","


def records(data: bytes, delimiter: str, name: str, first_line: int = 1) -> Iterator[tuple[int, Row]]:
    """(line number, cells) of every row that is not blank; cells are stripped of blanks around them.

    `data` has passed `check_text`. Lines end where `record_end` sees them end: at line feeds. Raises
    DataError for quotes that do not match, absurdly long cells and carriage returns inside a line.
    """
    lines = io.TextIOWrapper(io.BytesIO(data), "utf-8", newline="\n")
    if delimiter == WHITESPACE:
        for number, line in enumerate(lines, first_line):
            if row := line.split():
                yield number, row
        return
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    number = first_line
    try:
        for row in reader:
            if len(row) > 1 or (row and row[0].strip()):
                yield number, row
            number = first_line + reader.line_num
    except csv.Error as error:
        reason = str(error)
        if "field limit" in reason:
            reason = f"a cell of more than {csv.field_size_limit():,} characters"
        elif "end of data" in reason:
            reason = "a quote that is opened but not closed"
        elif "new-line character" in reason:
            reason = "a carriage return in the middle of the line"
        raise DataError(reason, where=f"{name}:{number}") from error


def sample_rows(data: bytes, delimiter: str, name: str) -> list[tuple[int, Row]]:
    """The first rows (at most 100) of `data`, to tell header and width from."""
    rows = []
    for number, row in records(sample_of(data, delimiter), delimiter, name):
        rows.append((number, [cell.strip() for cell in row]))
        if len(rows) == _SAMPLE_ROWS:
            break
    return rows


def usual_width(rows: list[tuple[int, Row]]) -> int:
    """The most common number of cells; the earlier one of equals."""
    return Counter(len(row) for _, row in rows).most_common(1)[0][0]


def numeric_matrix(
    data: bytes, delimiter: str, width: int, first_line: int
) -> tuple[np.ndarray, np.ndarray] | None:
    """Read a table that is numbers only, at C speed: ((n, width) float64, (n,) line numbers).

    None where any cell is no finite number, or rows differ: the caller then looks for the place.
    """
    if b'"' in data:
        return None
    try:
        lines = data.decode("ascii").split("\n")
        if not any(line.strip() for line in lines):
            return None
        separator = None if delimiter == WHITESPACE else delimiter
        matrix = np.loadtxt(lines, np.float64, comments=None, delimiter=separator, ndmin=2)
    except (ValueError, OverflowError):
        return None
    if matrix.shape[1] != width or not np.isfinite(matrix).all():
        return None
    if len(matrix) == len(lines) - (lines[-1] == ""):
        return matrix, np.arange(first_line, first_line + len(matrix))
    numbers = np.array([number for number, line in enumerate(lines, first_line) if line.strip()])
    return (matrix, numbers) if len(numbers) == len(matrix) else None
