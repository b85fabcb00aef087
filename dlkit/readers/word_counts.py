"""Documents as counts of numbered words: UCI's docword files and LDA-C's.

docword: the numbers of documents, of words and of entries, a line each, then lines `document word count`,
counted from 1. LDA-C: a document a line, `n word:count word:count ...` with n distinct words, from 0.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import re
from dataclasses import dataclass
from typing import Literal

import numpy as np

from dlkit.errors import DataError
from dlkit.kernels.compile import compiled
from dlkit.readers.cells import OnBadRow, quoted
from dlkit.readers.delimited import check_text, without_bom
from dlkit.readers.opening import check_size

CountFormat = Literal["docword", "ldac"]
LARGEST = 2**31 - 1
"""Greatest number of a word or document, and greatest count."""
NEWLINE, RETURN, BLANK, TAB, COLON, ZERO = 10, 13, 32, 9, 58, 48
FINE, STRANGE, TOO_LARGE = 0, 1, 2


@dataclass
class WordCounts:
    """Entries sorted by document: word `words[i]`, from 0, stands `counts[i]` times in the document."""

    words: np.ndarray
    """(n,) int64."""
    counts: np.ndarray
    """(n,) int64."""
    ends: np.ndarray
    """(documents + 1,) int64: entries ends[d]:ends[d + 1] are of document d."""
    lines: np.ndarray | None
    """(documents,) line of each document; None: a document is several lines."""
    vocabulary: int | None
    """Words that the file says there are; None: it does not say."""
    skipped: int = 0
    first_fault: str = ""


def format_of(head: bytes) -> CountFormat | None:
    """What the first bytes of a file look like; None: neither."""
    lines = [line.strip() for line in head.removeprefix(b"\xef\xbb\xbf").split(b"\n")]
    whole = [line for line in (lines[:-1] if len(lines) > 1 else lines) if line][:50]
    if len(whole) > 2 and all(re.fullmatch(rb"\d+", line) for line in whole[:3]):
        return "docword"
    pairs = rb"\d+([ \t]+\d+:\d+)*"
    if any(b":" in line for line in whole) and all(re.fullmatch(pairs, line) for line in whole):
        return "ldac"
    return None


def read_word_counts(data: bytes, form: CountFormat, name: str, on_bad_row: OnBadRow = "error") -> WordCounts:
    """Read a whole file, decompressed. Raises DataError with file:line."""
    data = without_bom(data, name)
    check_text(data, name)
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    faults = _Faults(name, on_bad_row)
    read = _docword if form == "docword" else _ldac
    found = read(data, name, faults)
    found.skipped, found.first_fault = faults.count, faults.first
    return found


class _Faults:
    """Bad lines: the first is an error, or all are left out and counted."""

    def __init__(self, name: str, on_bad_row: OnBadRow) -> None:
        self.name, self.on_bad_row = name, on_bad_row
        self.count, self.first = 0, ""

    def add(self, line: int, text: str) -> None:
        """Line number `line` (from 1) is bad."""
        where = f"{self.name}:{line}"
        if self.on_bad_row == "error":
            raise DataError(text, where=where)
        self.count += 1
        self.first = self.first or f"{where}: {text}"


# -- docword ------------------------------------------------------------------------------------------
def _docword(data: bytes, name: str, faults: _Faults) -> WordCounts:
    documents, words, entries, start, line = _header(data, name)
    check_size(24 * documents, name, f"a list of {documents:,} documents")
    rest = np.frombuffer(data, np.uint8)[start:]
    lines = int(np.count_nonzero(rest == NEWLINE)) + 1
    table, at = np.empty((lines, 3), np.int64), np.empty(lines, np.int64)
    kinds, used = np.empty(lines, np.uint8), compiled(_read_triples)
    count = used(rest, line, table, at, kinds)
    table, at, kinds = table[:count], at[:count], kinds[:count]
    whole = kinds == FINE
    inside = (table >= 1).all(1) & (table[:, 0] <= documents) & (table[:, 1] <= words)
    for row in np.flatnonzero(~whole | ~inside).tolist():
        if not whole[row]:
            text = f"expected `document word count`, found {_line_of(data, int(at[row]))}"
        else:
            d, w, c = table[row].tolist()
            text = f"a count of {c}"
            if not 1 <= d <= documents:
                text = f"document {d}, but the file begins with {documents:,} documents"
            elif not 1 <= w <= words:
                text = f"word {w}, but the file begins with {words:,} words"
        faults.add(int(at[row]), text)
    if count != entries:
        text = f"{entries:,} entries are announced, {count:,} follow"
        raise DataError(text, where=f"{name}:{_third(data)}", hint="the file may be cut off")
    table = table[whole & inside]
    order = np.argsort(table[:, 0], kind="stable")
    table = table[order]
    ends = np.searchsorted(table[:, 0], np.arange(1, documents + 2)).astype(np.int64)
    return WordCounts(table[:, 1] - 1, table[:, 2].copy(), ends, None, words)


def _header(data: bytes, name: str) -> tuple[int, int, int, int, int]:
    """Documents, words, entries; offset and number of the line behind them."""
    what = ("the number of documents", "the number of words", "the number of entries")
    found: list[int] = []
    start, line = 0, 1
    while len(found) < 3:
        end = data.find(b"\n", start)
        end = len(data) if end < 0 else end
        text = data[start:end].strip(b" \t\r")
        if start >= len(data) and not text:
            raise DataError(f"expected {what[len(found)]}, found the end", where=f"{name}:{line}")
        if text:
            if not re.fullmatch(rb"\d{1,18}", text) or (len(found) < 2 and int(text) > LARGEST):
                shown = quoted(text.decode("utf-8", "replace"))
                raise DataError(f"expected {what[len(found)]}, found {shown}", where=f"{name}:{line}")
            found.append(int(text))
        start, line = end + 1, line + 1
    return found[0], found[1], found[2], start, line


def _third(data: bytes) -> int:
    """The number of the third line that is not blank."""
    filled = (n for n, line in enumerate(data.split(b"\n", 1000), 1) if line.strip(b" \t\r"))
    return [n for n, _ in zip(filled, range(3), strict=False)][-1]


def _line_of(data: bytes, line: int) -> str:
    text = data.split(b"\n", line)[line - 1].rstrip(b"\r")
    return quoted(text.decode("utf-8"))


def _read_triples(data, line, table, at, kinds):
    """The numbers of each line that is not blank; returns how many there are."""
    count = 0
    i, end = 0, data.size
    while i <= end:
        fields = 0
        kind = FINE
        blank = True
        inside = False
        value = np.int64(0)
        while True:
            c = data[i] if i < end else NEWLINE
            i += 1
            last = c == NEWLINE
            if last or c in (BLANK, TAB, RETURN):
                if inside:
                    if fields < 3:
                        table[count, fields] = value
                    fields += 1
                    inside = False
                    value = np.int64(0)
                if last:
                    break
                continue
            blank = False
            if c < ZERO or c > ZERO + 9:
                kind = STRANGE
                continue
            inside = True
            value = value * 10 + (c - ZERO)
            if value > LARGEST:
                kind = max(kind, TOO_LARGE)
                value = np.int64(LARGEST)
        if not blank:
            at[count] = line
            kinds[count] = kind if fields == 3 else max(kind, STRANGE)
            if kinds[count] != FINE:
                table[count, :] = 1
            count += 1
        line += 1
    return count


# -- LDA-C --------------------------------------------------------------------------------------------
def _ldac(data: bytes, name: str, faults: _Faults) -> WordCounts:
    buffer = np.frombuffer(data, np.uint8)
    lines, pairs = (int(np.count_nonzero(buffer == c)) for c in (NEWLINE, COLON))
    words, counts = np.empty(pairs, np.int64), np.empty(pairs, np.int64)
    ends, at = np.zeros(lines + 2, np.int64), np.empty(lines + 1, np.int64)
    said, kinds = np.empty(lines + 1, np.int64), np.empty(lines + 1, np.uint8)
    documents = compiled(_read_pairs)(buffer, words, counts, ends, at, said, kinds)
    for d in np.flatnonzero(kinds[:documents] != FINE).tolist():
        line = int(at[d])
        found = int(ends[d + 1] - ends[d])
        if kinds[d] == TOO_LARGE:
            text = f"a number is beyond {LARGEST:,}, or a count is 0"
        elif kinds[d] == STRANGE:
            text = f"expected `n word:count word:count ...`, found {_line_of(data, line)}"
        else:
            text = f"{said[d]:,} words are announced, {found:,} follow"
        faults.add(line, text)
    good = kinds[:documents] == FINE
    sizes = np.diff(ends[: documents + 1])
    kept = np.repeat(good, sizes)
    used = int(ends[documents])
    ends = np.concatenate([np.zeros(1, np.int64), np.cumsum(sizes[good])])
    return WordCounts(words[:used][kept], counts[:used][kept], ends, at[:documents][good], None)


OTHER_NUMBER = 3


def _read_pairs(data, words, counts, ends, at, said, kinds):
    """The pairs of each line that is not blank; returns the number of documents."""
    documents = pair = 0
    i, end, line = 0, data.size, 1
    while i <= end:
        begun = pair
        kind = FINE
        first, blank, inside, colon = True, True, False, False
        value, word = np.int64(0), np.int64(0)
        while True:
            c = data[i] if i < end else NEWLINE
            i += 1
            last = c == NEWLINE
            if last or c in (BLANK, TAB, RETURN):
                if inside and first:
                    said[documents] = value
                    first = False
                elif inside and colon:
                    words[pair], counts[pair] = word, value
                    if value == 0:
                        kind = max(kind, TOO_LARGE) if kind != STRANGE else kind
                    pair += 1
                elif inside or colon:
                    kind = STRANGE
                inside, colon, value = False, False, np.int64(0)
                if last:
                    break
                continue
            blank = False
            if c == COLON and inside and not colon and not first:
                word, value, colon, inside = value, np.int64(0), True, False
            elif c < ZERO or c > ZERO + 9:
                kind = STRANGE
            else:
                inside = True
                value = value * 10 + (c - ZERO)
                if value > LARGEST:
                    kind = TOO_LARGE if kind == FINE else kind
                    value = np.int64(LARGEST)
        if not blank:
            at[documents] = line
            if kind == FINE and said[documents] != pair - begun:
                kind = OTHER_NUMBER
            kinds[documents] = kind
            ends[documents + 1] = pair
            documents += 1
        line += 1
    return documents
