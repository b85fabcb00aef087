"""How a file of ratings is laid out: what separates the columns, and which of them holds what."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import islice

from dlkit.errors import DataError
from dlkit.readers import delimited
from dlkit.readers.cells import number
from dlkit.readers.ratings_spec import ColumnsSpec
from dlkit.readers.spec import Reference
from dlkit.readers.table import Header

KNOWN = {
    "user": "user userid uid username customer customerid member reviewer reviewerid ユーザ ユーザー 利用者",
    "item": "item itemid iid movie movieid product productid asin book bookid isbn song songid track artist "
    "artistid business title name アイテム 映画 商品",
    "rating": "rating ratings score value stars star rate count plays weight overall 評価 点数",
    "time": "time timestamp date datetime ts unixtime unixreviewtime 日時 日付",
}
"""Header names that say what a column holds, without blanks and signs, in lower case."""
ROLES = tuple(KNOWN)


@dataclass(frozen=True)
class RatingsLayout:
    """Where the cells of a row are."""

    delimiter: str
    """One character, ``::``, or a blank for runs of blanks."""
    width: int
    columns: tuple[int, int, int, int]
    """Columns of user, item, rating, time; -1 where there is none or none is wanted."""
    names: tuple[str, ...]
    """What messages call the columns."""
    body: int
    """Offset of the first row's first byte."""
    first_line: int


def sniff(data: bytes) -> str:
    """The delimiter of ratings that begin with `data`."""
    lines = [line for line in data[: 1 << 16].split(b"\n")[:20] if line.strip()]
    if lines and all(b"::" in line for line in lines[: max(len(lines) - 1, 1)]):
        return "::"
    return delimited.sniff_delimiter(data)


def cells_of(line: str, delimiter: str) -> list[str]:
    """The cells of one line, stripped. Raises ValueError for a quote that is not closed or a carriage return
    that ends no line."""
    line = line.rstrip("\r\n")
    if "\r" in line:
        raise ValueError("a carriage return in the middle of the line")
    if delimiter == "::":
        return [cell.strip().removeprefix('"').removesuffix('"') for cell in line.split("::")]
    try:
        (row,) = [row for _, row in delimited.records(line.encode(), delimiter, "")]
    except DataError as error:
        raise ValueError(error.problems[0].text) from error
    return [cell.strip() for cell in row]


def layout_of(
    data: bytes,
    name: str,
    columns: ColumnsSpec,
    *,
    header: Header = "auto",
    delimiter: str | None = None,
    need_rating: bool = True,
    need_time: bool = False,
) -> RatingsLayout:
    """Find out from the first rows. `data`: how the file begins, UTF-8 without BOM.

    need_rating: False for pairs, whose rating is not looked at. Raises DataError.
    """
    delimited.check_text(data, name)
    delimiter = delimiter or sniff(data)
    rows, offset, line = _first_rows(data, delimiter, name)
    if not rows:
        raise DataError("the file is empty", where=name)
    first, below = rows[0], rows[1:]
    titled = _is_header(first, below, columns) if header == "auto" else header
    names = first if titled else [f"column {k}" for k in range(len(first))]
    width = len(first) if titled else delimited.usual_width(list(enumerate(rows)))
    places = [_place(role, columns, first if titled else None, width, name) for role in ROLES]
    user, item, rating, time = _usual(places, width)
    for role, place in (("user", user), ("item", item)):
        if place is None:
            at = f"{name}:{line}"
            raise DataError(f"expected at least 2 columns, found {width}: no {role}", where=at)
    if need_time and time is None:
        raise DataError("no column of times, which the split needs", where=name, hint="set data.columns.time")
    wanted = (user, item, rating if need_rating else None, time if need_time else None)
    used = tuple(-1 if place is None else place for place in wanted)
    for k, place in enumerate(used):
        if place >= 0 and place in used[:k]:
            both = f"{ROLES[used.index(place)]} and {ROLES[k]}"
            raise DataError(f"{both} are to be read from one column ({place})", where=name)
    body, first_line = (offset, line + 1) if titled else (0, 1)
    called = tuple(names[k] if k < len(names) and titled else f"{k}" for k in range(width))
    return RatingsLayout(delimiter, width, (used[0], used[1], used[2], used[3]), called, body, first_line)


def _first_rows(data: bytes, delimiter: str, name: str) -> tuple[list[list[str]], int, int]:
    """Up to 50 rows; offset after the first one, and its line."""
    rows: list[list[str]] = []
    offset = first_line = at = 0
    for number_, line in enumerate(islice(BytesIO(data), 60), 1):
        at += len(line)
        if not line.strip() or (rows and not line.endswith(b"\n")):
            continue
        try:
            rows.append(cells_of(line.decode("utf-8"), delimiter))
        except ValueError as error:
            if not rows:
                raise DataError(str(error), where=f"{name}:{number_}") from error
            continue
        if len(rows) == 1:
            offset, first_line = at, number_
    return rows[:50], offset, first_line


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", "", name).lower()


def _is_header(first: Sequence[str], below: Sequence[Sequence[str]], columns: ColumnsSpec) -> bool:
    """Names that say what the columns hold; or no number where ratings are numbers."""
    given = [getattr(columns, role) for role in ROLES]
    if any(isinstance(one, str) for one in given):
        return True
    plain = [_plain(cell) for cell in first]
    if sum(any(cell in KNOWN[role].split() for cell in plain) for role in ("user", "item")) == 2:
        return True
    rating = columns.rating if isinstance(columns.rating, int) else 2
    if rating >= len(first) or number(first[rating]) is not None or not first[rating]:
        return False
    numbers = [number(row[rating]) is not None for row in below if len(row) == len(first)]
    return sum(numbers) * 2 >= len(numbers)


def _place(
    role: str, columns: ColumnsSpec, header: Sequence[str] | None, width: int, name: str
) -> int | None:
    """Index of the column that holds `role`; None: not known by name or number."""
    wanted: Reference | None = getattr(columns, role)
    if isinstance(wanted, str):
        if header is None or wanted not in header:
            there = f"there are {', '.join(header)}" if header else "the file has no header"
            raise DataError(f"no column {wanted} for the {role} ({there})", where=name)
        return list(header).index(wanted)
    if wanted is not None:
        index = wanted + width if wanted < 0 else wanted
        if not 0 <= index < width:
            raise DataError(f"no column {wanted} for the {role}: there are {width}", where=name)
        return index
    known = KNOWN[role].split()
    return next((k for k, cell in enumerate(header or ()) if _plain(cell) in known), None)


def _usual(places: list[int | None], width: int) -> list[int | None]:
    """Roles that no name or number places take the usual column, where it is there and free."""
    taken = {place for place in places if place is not None}
    free = [k if k < width and k not in taken else None for k in range(len(places))]
    return [k if place is None else place for place, k in zip(places, free, strict=True)]
