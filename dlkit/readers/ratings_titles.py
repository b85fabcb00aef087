"""Titles of items, from a table; and small matrices of ratings with gaps."""

from pathlib import Path

import numpy as np

from dlkit.errors import DataError
from dlkit.readers import delimited
from dlkit.readers.cells import MISSING, number, quoted
from dlkit.readers.opening import display, read_bytes
from dlkit.readers.ratings import Piece
from dlkit.readers.ratings_layout import cells_of, sniff
from dlkit.readers.ratings_names import Names
from dlkit.readers.ratings_spec import TitlesSpec
from dlkit.readers.spec import Reference
from dlkit.readers.table import normalised


def decoded(path: Path, encoding: str) -> str:
    """A small text file. Raises DataError where it is not in this encoding."""
    name = display(path)
    data = delimited.without_bom(read_bytes(path), name) if encoding == "utf-8" else read_bytes(path)
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = 1 + data.count(b"\n", 0, error.start)
        text = f"not {encoding}: byte 0x{data[error.start]:02x}"
        raise DataError(
            text, where=f"{name}:{line}", hint="set the encoding: latin-1, shift_jis, ..."
        ) from error


def read_titles(path: Path, spec: TitlesSpec, items: Names) -> list[str]:
    """The title of each item, "" for one that has none. Raises DataError with the line."""
    name = display(path)
    lines = decoded(path, spec.encoding).replace("\r\n", "\n").replace("\r", "\n").split("\n")
    delimiter = spec.delimiter or sniff("\n".join(lines[:20]).encode())
    titles = [""] * len(items)
    id_column = title_column = -1
    for line, text in enumerate(lines, 1):
        if not text.strip():
            continue
        try:
            cells = cells_of(text, delimiter)
        except ValueError as error:
            raise DataError(str(error), where=f"{name}:{line}") from error
        if id_column < 0:
            id_column, title_column = (_column(one, cells, f"{name}:{line}") for one in (spec.id, spec.title))
        if len(cells) <= max(id_column, title_column):
            wanted = max(id_column, title_column) + 1
            raise DataError(f"expected {wanted} columns or more, found {len(cells)}", where=f"{name}:{line}")
        index = items.find(cells[id_column])
        if index >= 0:
            titles[index] = " ".join(cells[title_column].split())
    if not any(titles):
        raise DataError(
            "no id in it is one of an item", where=name, hint="check titles.id and titles.delimiter"
        )
    return titles


def _column(reference: Reference, first: list[str], where: str) -> int:
    """Index of a column by number or by its name in the first row. Raises DataError."""
    if isinstance(reference, str):
        if reference not in first:
            raise DataError(f"no column {reference} (there are {', '.join(first)})", where=where)
        return first.index(reference)
    index = reference + len(first) if reference < 0 else reference
    if not 0 <= index < len(first):
        raise DataError(f"no column {reference}: there are {len(first)}", where=where)
    return index


def read_matrix(path: Path, encoding: str, delimiter: str | None, users: Names, items: Names) -> Piece:
    """A table with a row a user and a column an item; a cell that is empty or NaN is no rating.

    The first row names the items, and the first column the users, where they hold text; else they are
    numbered
    from 1. Raises DataError with the line.
    """
    name = display(path)
    text = decoded(path, encoding)
    data = normalised(text.encode(), name)
    if not data.strip():
        raise DataError("the file is empty", where=name)
    delimiter = delimiter or sniff(data)
    rows = [(line, [cell.strip() for cell in row]) for line, row in delimited.records(data, delimiter, name)]
    columns = len(rows[0][1])
    titled = any(_is_name(cell) for cell in rows[0][1][1:])
    named = any(_is_name(row[0]) for _, row in rows[titled:])
    head = rows[0][1][named:] if titled else [str(k + 1) for k in range(columns - named)]
    numbers = [items.put(cell or str(k + 1)) for k, cell in enumerate(head)]
    triples: list[tuple[int, int, float]] = []
    for count, (line, row) in enumerate(rows[titled:], 1):
        if len(row) != columns:
            raise DataError(f"expected {columns} columns, found {len(row)}", where=f"{name}:{line}")
        user = users.put(row[0] if named and row[0] else str(count))
        for item, cell in zip(numbers, row[named:], strict=True):
            if cell.lower() in MISSING:
                continue
            value = number(cell)
            if value is None or not np.isfinite(value):
                text = f"expected a rating, NaN or nothing, found {quoted(cell)}"
                raise DataError(text, where=f"{name}:{line}")
            triples.append((user, item, value))
    if not triples:
        raise DataError("no rating in it", where=name)
    user_column, item_column, values = zip(*triples, strict=True)
    of_users, of_items = np.array(user_column, np.int32), np.array(item_column, np.int32)
    return Piece(of_users, of_items, np.array(values, np.float32), np.empty(0))


def _is_name(cell: str) -> bool:
    return number(cell) is None and cell.lower() not in MISSING
