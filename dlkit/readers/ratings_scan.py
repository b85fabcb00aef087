"""Lines of ratings as numbers, at the speed of compiled code: names become indices, cells become floats.

A scan takes whole lines and stops at what it cannot decide: a table of names that is full, or a row that is
bad or unusual. The caller (ratings.py) grows the table or looks at the row with Python's means, and goes on.
Numba is imported at the first call.
"""

# What numba compiles has no annotations.
# ruff: noqa: PLR1714, SIM109
# mypy: disable-error-code="no-untyped-def,no-untyped-call"

import numpy as np

from dlkit.kernels.byte_keys import NO_ROOM, number_of
from dlkit.kernels.compile import borrows

DONE, OUTPUT_FULL, USERS_FULL, ITEMS_FULL, LOOK = range(5)
"""Why a scan ended."""

BLANKS = 0
"""As the delimiter's first byte: runs of blanks and tabs separate the cells."""

_NEWLINE, _RETURN, _QUOTE, _SPACE, _TAB = 10, 13, 34, 32, 9
_LONGEST_NUMBER = 18  # digits that an int64 holds


@borrows
def _digits(data, lo, hi):
    """The number that data[lo:hi] spells in digits alone, else -1."""
    if hi <= lo:
        return -1
    n = 0
    for k in range(lo, hi):
        d = int(data[k]) - 48
        if d < 0 or d > 9:
            return -1
        n = n * 10 + d
    return n


@borrows
def _number(data, lo, hi, powers):
    """data[lo:hi] as (float64, whether it is a plain decimal number of at most 18 digits)."""
    negative = False
    if lo < hi and (data[lo] == 45 or data[lo] == 43):
        negative = data[lo] == 45
        lo += 1
    digits, point, value = 0, -1, 0
    for k in range(lo, hi):
        c = int(data[k])
        if c == 46 and point < 0:
            point = digits
        elif 48 <= c <= 57:
            value = value * 10 + (c - 48)
            digits += 1
            if digits > _LONGEST_NUMBER:
                return 0.0, False
        else:
            return 0.0, False
    if digits == 0:
        return 0.0, False
    result = float(value)
    if point >= 0:
        result /= powers[digits - point]
    return (-result if negative else result), True


@borrows
def _date(data, lo, hi):
    """YYYY-MM-DD[ T]hh:mm[:ss] as (seconds since 1970, whether it is one)."""
    if hi - lo < 10 or data[lo + 4] != 45 or data[lo + 7] != 45:
        return 0.0, False
    year, month, day = (
        _digits(data, lo, lo + 4),
        _digits(data, lo + 5, lo + 7),
        _digits(data, lo + 8, lo + 10),
    )
    if year < 0 or month < 1 or month > 12 or day < 1 or day > 31:
        return 0.0, False
    seconds = 0
    if hi - lo >= 16:
        hour, minute = _digits(data, lo + 11, lo + 13), _digits(data, lo + 14, lo + 16)
        if hour < 0 or minute < 0 or data[lo + 13] != 58:
            return 0.0, False
        seconds = 3600 * hour + 60 * minute
        if hi - lo >= 19:
            second = _digits(data, lo + 17, lo + 19)
            if second < 0:
                return 0.0, False
            seconds += second
        elif hi - lo != 16:
            return 0.0, False
    elif hi - lo != 10:
        return 0.0, False
    # days from the civil calendar, with March as the first month
    y = year - 1 if month <= 2 else year
    m = month + 9 if month <= 2 else month - 3
    days = 365 * y + y // 4 - y // 100 + y // 400 + (153 * m + 2) // 5 + day - 1 - 719468
    return float(86400 * days + seconds), True


@borrows
def _blank_at(data, k, hi):
    """Bytes of the blank that begins at data[k], 0 where none does: what `str.strip` takes away, in UTF-8."""
    c = data[k]
    if c == _SPACE or 9 <= c <= 13 or 28 <= c <= 31:
        return 1
    if c == 0xC2 and k + 1 < hi and (data[k + 1] == 0x85 or data[k + 1] == 0xA0):
        return 2
    if k + 2 >= hi:
        return 0
    d, e = data[k + 1], data[k + 2]
    if c == 0xE2 and d == 0x80:
        wide = e <= 0x8A or e == 0xA8 or e == 0xA9 or e == 0xAF
    else:
        wide = (c == 0xE1 and d == 0x9A and e == 0x80) or (c == 0xE2 and d == 0x81 and e == 0x9F)
        wide = wide or (c == 0xE3 and d == 0x80 and e == 0x80)
    return 3 if wide else 0


@borrows
def _stripped(data, lo, hi, quotes):
    """Begin and end of a cell without the blanks around it, and where there may be quotes, without those."""
    lo, hi = _without_blanks(data, lo, hi)
    if quotes and hi - lo >= 2 and data[lo] == _QUOTE and data[hi - 1] == _QUOTE:
        lo, hi = _without_blanks(data, lo + 1, hi - 1)
    return lo, hi


@borrows
def _without_blanks(data, lo, hi):
    blank = 1
    while blank and lo < hi:
        blank = _blank_at(data, lo, hi)
        lo += blank
    blank = 1
    while blank and lo < hi:
        blank = 0
        for n in range(1, min(3, hi - lo) + 1):
            if _blank_at(data, hi - n, hi) == n:
                blank = n
                break
        hi -= blank
    return lo, hi


@borrows
def _split(data, at, stop, first, second, wanted, cells):
    """Cut the line at `at` into cells. cells: (4, 2) gets begin and end of the columns in `wanted` (4,).

    Returns (offset after the line, columns found or -1 for quotes and carriage returns to be looked at).
    """
    column, begin, blank, k = 0, at, first == BLANKS, at
    if blank:
        while k < stop and (data[k] == _SPACE or data[k] == _TAB):
            k += 1
        begin = k
    while True:
        end_of_line = k >= stop or data[k] == _NEWLINE
        cut = end_of_line
        if not cut:
            c = data[k]
            if c == _QUOTE and not blank:
                if k != begin:
                    for j in range(begin, k):
                        if data[j] != _SPACE:
                            return k, -1
                k += 1
                while k < stop and data[k] != _QUOTE and data[k] != _NEWLINE and data[k] != _RETURN:
                    k += 1
                if k >= stop or data[k] != _QUOTE or (k + 1 < stop and data[k + 1] == _QUOTE):
                    return k, -1
                k += 1
                if k < stop and data[k] != first and data[k] != _NEWLINE and data[k] != _RETURN:
                    return k, -1
                continue
            if c == _RETURN and not _ends_line(data, k, stop):
                return k, -1
            if blank:
                cut = c == _SPACE or c == _TAB
            else:
                cut = c == first and (second < 0 or (k + 1 < stop and data[k + 1] == second))
        if not cut:
            k += 1
            continue
        last = k
        while end_of_line and last > begin and data[last - 1] == _RETURN:
            last -= 1
        if blank and end_of_line and last == begin and column > 0:
            return k + 1, column  # blanks at the end of the line begin no cell
        for w in range(4):
            if wanted[w] == column:
                cells[w, 0], cells[w, 1] = _stripped(data, begin, last, not blank)
        column += 1
        if end_of_line:
            return k + 1, column
        k += 1 if second < 0 or blank else 2
        if blank:
            while k < stop and (data[k] == _SPACE or data[k] == _TAB):
                k += 1
        begin = k


@borrows
def _ends_line(data, k, stop):
    """Whether nothing follows the carriage return at data[k] on its line."""
    while k < stop and data[k] == _RETURN:
        k += 1
    return k >= stop or data[k] == _NEWLINE


@borrows
def _plain(data, at, stop, first, slots, cells):
    """The same as `_split` for a line of nothing but cells and one-byte delimiters, which most lines are.

    slots: (width,) where in `cells` each column goes, -1: nowhere. Columns found are 0 where the line holds a
    quote, a blank of any kind or more columns: `_split` looks at it.
    """
    column, begin, k = 0, at, at
    while True:
        c = data[k] if k < stop else np.uint8(_NEWLINE)
        if (
            c != first
            and c > _SPACE
            and c != _QUOTE
            and (c < 0xC2 or c > 0xE3 or not _wide_blank(data, k, stop))
        ):
            k += 1
            continue
        end = k
        if c == _RETURN and k + 1 < stop and data[k + 1] == _NEWLINE:
            k, c = k + 1, np.uint8(_NEWLINE)
        if (c != first and c != _NEWLINE) or column == slots.size:
            return at, 0
        if slots[column] >= 0:
            cells[slots[column], 0], cells[slots[column], 1] = begin, end
        column += 1
        k += 1
        if c == _NEWLINE:
            return k, column
        begin = k


@borrows
def _wide_blank(data, k, stop):
    """Whether a blank of several bytes begins at data[k], or may."""
    c, d = data[k], data[k + 1] if k + 1 < stop else np.uint8(0)
    if c == 0xC2:
        return d == 0x85 or d == 0xA0
    return (c == 0xE2 and (d == 0x80 or d == 0x81)) or (c == 0xE1 and d == 0x9A) or (c == 0xE3 and d == 0x80)


@borrows
def _blank_line(data, at, stop):
    """Offset after the line at `at` if there are only blanks on it, else -1."""
    k = at
    while k < stop and data[k] != _NEWLINE:
        if data[k] != _SPACE and data[k] != _TAB and data[k] != _RETURN:
            return -1
        k += 1
    return k + 1


def scan(
    data, at, first, second, width, wanted, insert, powers,
    user_slots, user_hashes, user_ends, user_pool, user_size,
    item_slots, item_hashes, item_ends, item_pool, item_size,
    users, items, values, times, place,
):  # fmt: skip
    """Read lines of `data` from offset `at` on. Returns why it ended.

    wanted: (4,) columns of user, item, rating, time, -1 where there is none. users, items, values, times: the
    output; place: (3,) offset of the next line, rows written, lines passed. A row at which the scan
    stops is not counted.
    """
    stop = data.size
    cells, slots = np.zeros((4, 2), np.int64), np.full(width, -1)
    for w in range(4):
        if wanted[w] >= 0:
            slots[wanted[w]] = w
    row, lines, status, columns = 0, 0, DONE, 0
    while at < stop:
        after = at
        if first != BLANKS and second < 0:
            after, columns = _plain(data, at, stop, first, slots, cells)
        if after == at or columns == 1:
            after = _blank_line(data, at, stop)
            if after >= 0:
                at, lines = after, lines + 1
                continue
            after, columns = _split(data, at, stop, first, second, wanted, cells)
        if row == users.size:
            status = OUTPUT_FULL
            break
        good = columns == width and cells[0, 1] > cells[0, 0] and cells[1, 1] > cells[1, 0]
        value, time = 1.0, 0.0
        if good and wanted[2] >= 0:
            value, good = _number(data, cells[2, 0], cells[2, 1], powers)
        if good and wanted[3] >= 0:
            time, good = _number(data, cells[3, 0], cells[3, 1], powers)
            if not good:
                time, good = _date(data, cells[3, 0], cells[3, 1])
        if not good:
            status = LOOK
            break
        user = number_of(
            data, cells[0, 0], cells[0, 1], user_slots, user_hashes, user_ends, user_pool, user_size, insert
        )
        if user == NO_ROOM:
            status = USERS_FULL
            break
        item = number_of(
            data, cells[1, 0], cells[1, 1], item_slots, item_hashes, item_ends, item_pool, item_size, insert
        )
        if item == NO_ROOM:
            status = ITEMS_FULL
            break
        users[row], items[row], values[row] = user, item, value
        if wanted[3] >= 0:
            times[row] = time
        row += 1
        at, lines = after, lines + 1
    place[0], place[1], place[2] = at, row, lines
    return status


POWERS = 10.0 ** np.arange(_LONGEST_NUMBER + 1)
"""Divisors of decimal fractions; exact in float64."""
