"""Text as a table of numbered cells: every distinct cell gets a number at its first appearance.

One pass over the bytes, so that a file of a million short cells takes some hundredths of a second. Rows may
be of any width. Cells are compared as bytes: "7" and "07" are two cells.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from dlkit.errors import DataError
from dlkit.kernels.compile import borrows, compiled
from dlkit.readers.delimited import WHITESPACE

EMPTY = -1
"""Code of a cell with nothing in it."""

_TAB, _LINE_FEED, _RETURN, _BLANK, _QUOTE = 9, 10, 13, 32, 34


@dataclass
class CellCodes:
    """The cells of a text, row after row."""

    codes: np.ndarray
    """(cells,) int32: number of each cell's text, EMPTY for empty ones."""
    starts: np.ndarray
    """(rows + 1,) int64: row r is codes[starts[r] : starts[r + 1]]."""
    lines: np.ndarray
    """(rows,) int64: line of each row in the file, from 1."""
    texts: list[str]
    """The distinct cells, in order of first appearance."""

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def widths(self) -> np.ndarray:
        """(rows,) cells of each row."""
        return np.diff(self.starts)


_SHORT = 8
"""Bytes that one number holds."""
_BASIS, _PRIME = 14695981039346656037, 1099511628211
_POSITION, _CELLS, _ROWS, _KNOWN, _LINE, _ROW_LINE, _SEPARATED, _FAULT = range(8)


def cell_codes(data: bytes, delimiter: str, name: str) -> CellCodes:
    """Cut UTF-8 text (checked before) into cells at `delimiter` (one ASCII character, or WHITESPACE).

    Blanks around cells and blank lines are left out. Quotes as in CSV, except where blanks separate. Raises
    DataError with name:line for a quote that is not closed or is followed by more text.
    """
    text, blanks = np.frombuffer(data, np.uint8), delimiter == WHITESPACE
    bound, row_bound = compiled(_bounds)(text, ord(delimiter), blanks)
    codes, lines = np.empty(bound, np.int32), np.empty(row_bound, np.int64)
    starts = np.zeros(row_bound + 1, np.int64)
    known, stops = _Known(1 << 12), np.zeros(256, bool)
    stops[[ord(delimiter), _LINE_FEED, _RETURN, *([_TAB] if blanks else [])]] = True
    at = np.array([0, 0, 0, 0, 1, 1, 0, 0])
    while at[_POSITION] <= text.size:
        compiled(_scan)(text, ord(delimiter), blanks, stops, codes, starts, lines, *known.arrays, at)
        if at[_FAULT]:
            what = ["a quote that is opened but not closed", "text after a closing quote"][at[_FAULT] - 1]
            hint = "a cell that begins with a quote is read as CSV"
            raise DataError(what, where=f"{name}:{at[_LINE]}", hint=hint)
        if at[_POSITION] <= text.size:
            known.grow()
    count = at[_KNOWN]
    _, begins, ends, doubled, _ = known.arrays
    places = zip(begins[:count].tolist(), ends[:count].tolist(), strict=True)
    if data.isascii():
        whole = data.decode("ascii")
        texts = [whole[a:b] for a, b in places]
    else:
        texts = [data[a:b].decode() for a, b in places]
    for code in np.flatnonzero(doubled[:count]).tolist():
        texts[code] = texts[code].replace('""', '"')
    cells = CellCodes(codes[: at[_CELLS]], starts[: at[_ROWS] + 1], lines[: at[_ROWS]], texts)
    if doubled[:count].any():
        _merge_equal(cells)
    return cells


class _Known:
    """The distinct cells so far, in a hash table at most half full."""

    def __init__(self, capacity: int) -> None:
        self.arrays: tuple[np.ndarray, ...] = (
            np.full(2 * capacity, -1, np.int32),
            np.empty(capacity, np.int64),
            np.empty(capacity, np.int64),
            np.empty(capacity, np.uint8),
            np.empty(capacity, np.uint64),
        )

    def grow(self) -> None:
        """Room for four times as many; called when it is full."""
        slots, *old = self.arrays
        count = len(slots) // 2
        larger = _Known(4 * count)
        for into, a in zip(larger.arrays[1:], old, strict=True):  # slots are entered anew
            into[:count] = a
        compiled(_enter)(larger.arrays[0], larger.arrays[4], count)
        self.arrays = larger.arrays


def _merge_equal(cells: CellCodes) -> None:
    """Cells that differ by their quotes alone are one."""
    first = {text: code for code, text in reversed(list(enumerate(cells.texts)))}
    if len(first) == len(cells.texts):
        return
    kept = sorted(first.values())
    number = {code: new for new, code in enumerate(kept)}
    table = np.array([number[first[text]] for text in cells.texts] + [EMPTY], np.int32)
    cells.codes = table[cells.codes]
    cells.texts = [cells.texts[code] for code in kept]


def rows_of(cells: CellCodes, count: int) -> list[list[str]]:
    """The first `count` rows as text."""
    bounds = cells.starts[: count + 1].tolist()
    codes = cells.codes[: bounds[-1]].tolist()
    return [["" if c == EMPTY else cells.texts[c] for c in codes[a:b]] for a, b in pairwise(bounds)]


def _scan(text, separator, blanks, stops, codes, starts, lines, slots, begins, ends, doubled, hashes, at):
    """Read on from at[_POSITION] to the end, a fault, or a full table (growing it here would cost the loop
    its speed). stops: (256,) bool, what ends a cell; begins, ends, doubled, hashes: by code."""
    i, cells, rows, known, line, row_line, separated, fault = at
    while i <= text.size and known < begins.size:  # one cell, and the character that ended it
        if i < text.size and text[i] <= _BLANK:
            i = _after_blanks(text, i, separator)
        if not blanks and i < text.size and text[i] == _QUOTE:
            row_line = line if cells == starts[rows] else row_line
            a, b, i, twice, last_line, fault = _quoted(text, i + 1, separator, line)
            if fault:
                break
            line = last_line
            a, b = _trimmed(text, a, b)
            h = _hash(text, a, b, twice)
        else:
            a, twice, word, h = i, 0, np.uint64(0), np.uint64(_BASIS)
            while True:
                end = min(i + _SHORT, text.size)
                while i < end and not stops[text[i]]:
                    word = (word << np.uint64(8)) | np.uint64(text[i])
                    i += 1
                if i < end or i == text.size or stops[text[i]]:
                    break
                h, word = (h ^ word) * np.uint64(_PRIME), np.uint64(0)
            b = i
            if b > a and (text[b - 1] == _BLANK or text[b - 1] == _TAB):
                a, b = _trimmed(text, a, b)
                h = _hash(text, a, b, 0)
            else:
                h = _mixed(word if b - a <= _SHORT else (h ^ word) * np.uint64(_PRIME))
        ended = text[i] if i < text.size else _LINE_FEED
        more = ended not in (_LINE_FEED, _RETURN)
        separated = separated or (more and not blanks)
        if b > a:
            slot = np.int64(h) & np.int64(slots.size - 1)
            code = np.int64(slots[slot])  # the usual case is seen to here: a call costs more than all of it
            same = code >= 0 and hashes[code] == h and ends[code] - begins[code] == b - a
            if not (same and b - a <= _SHORT and doubled[code] == twice):
                code, slot = _find(text, a, b, twice, h, slots, begins, ends, doubled, hashes)
            if code < 0:
                code = known
                begins[code], ends[code], doubled[code], hashes[code] = a, b, twice, h
                slots[slot] = code
                known += 1
            codes[cells] = code
            cells += 1
        elif not blanks and separated:
            codes[cells] = EMPTY
            cells += 1
        if not more:
            if cells > starts[rows]:
                lines[rows] = row_line
                rows += 1
                starts[rows] = cells
            if ended == _LINE_FEED or not (i + 1 < text.size and text[i + 1] == _LINE_FEED):
                line += 1
                row_line = line
            separated = False
        i += 1
    at[:] = (i, cells, rows, known, line, row_line, separated, fault)


@borrows
def _bounds(text, separator, blanks):
    """No fewer than the cells and the rows of a text."""
    separators = ends = 0
    for c in text:
        ends += c in (_LINE_FEED, _RETURN)
        separators += c == separator or (blanks and c == _TAB)
    return separators + ends + 1, ends + 1


@borrows
def _after_blanks(text, i, separator):
    while i < text.size and (text[i] == _BLANK or (text[i] == _TAB and separator != _TAB)):
        i += 1
    return i


@borrows
def _quoted(text, i, separator, line):
    """The cell whose first character after the quote is at i: (a, b, end, doubled quotes, line, fault)."""
    a, twice = i, 0
    while i < text.size:
        if text[i] == _QUOTE:
            if not (i + 1 < text.size and text[i + 1] == _QUOTE):
                break
            twice = 1
            i += 1
        lone_return = text[i] == _RETURN and not (i + 1 < text.size and text[i + 1] == _LINE_FEED)
        line += text[i] == _LINE_FEED or lone_return
        i += 1
    if i >= text.size:
        return a, i, i, twice, line, 1
    b = i
    i = _after_blanks(text, i + 1, separator)
    ends = i >= text.size or text[i] in (separator, _LINE_FEED, _RETURN)
    return a, b, i, twice, line, 0 if ends else 2


@borrows
def _trimmed(text, a, b):
    while a < b and text[a] in (_BLANK, _TAB):
        a += 1
    while b > a and text[b - 1] in (_BLANK, _TAB):
        b -= 1
    return a, b


@borrows
def _hash(text, a, b, twice):
    """Of a cell of up to eight bytes (none of which is 0) it tells the cell; of longer ones it is made as
    FNV-1a (Fowler, Noll, Vo), eight bytes at a time."""
    h, word = np.uint64(_BASIS), np.uint64(0)
    for k in range(a, b):
        if k - a >= _SHORT and (k - a) % _SHORT == 0:
            h, word = (h ^ word) * np.uint64(_PRIME), np.uint64(0)
        word = (word << np.uint64(8)) | np.uint64(text[k])
    return _mixed(word if b - a <= _SHORT else (h ^ word) * np.uint64(_PRIME) ^ np.uint64(twice))


def _mixed(word):
    """Another number for every number: the factor is odd. The low bits hang on all of them."""
    word = word * np.uint64(0x9E3779B97F4A7C15)
    return word ^ (word >> np.uint64(32))


@borrows
def _find(text, a, b, twice, h, slots, begins, ends, doubled, hashes):
    """(code, its slot), or (-1, the slot where it belongs)."""
    mask = np.int64(slots.size - 1)
    slot = np.int64(h) & mask
    while slots[slot] >= 0:
        code = np.int64(slots[slot])
        if hashes[code] == h and ends[code] - begins[code] == b - a and doubled[code] == twice:
            k = 0 if b - a > _SHORT else b - a
            while k < b - a and text[begins[code] + k] == text[a + k]:
                k += 1
            if k == b - a:
                return code, slot
        slot = (slot + 1) & mask
    return np.int64(-1), slot


def _enter(slots, hashes, count):
    """Put the codes 0 ... count - 1 into an empty table."""
    mask = np.int64(slots.size - 1)
    for code in range(count):
        slot = np.int64(hashes[code]) & mask
        while slots[slot] >= 0:
            slot = (slot + 1) & mask
        slots[slot] = code
