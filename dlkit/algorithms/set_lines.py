"""itemsets.csv put together from pieces: an item's label, and what follows the items of a set.

There may be millions of sets, but only as many labels as items and few different supports: each piece is
written once as text, a set is a list of their numbers, and one loop copies bytes.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import csv
import io
from collections.abc import Sequence

import numpy as np

from dlkit.algorithms.found import Found
from dlkit.algorithms.transactions import compiled

HEADER = b"items,length,count,support,closed,maximal\n"


def one_cell(items: Sequence[str]) -> str:
    """Items as one text: separated by commas, quoted as in CSV where needed (csv.reader undoes it)."""
    if not any(set(item) & set(',"\r\n') or item != item.strip() for item in items):
        return ",".join(items)
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(items)
    return out.getvalue()


def itemsets_csv(
    labels: Sequence[str], found: Found, closed: np.ndarray, maximal: np.ndarray, n: int
) -> bytes:
    """A line a set: items, length, count, support in n baskets, closed, maximal (0 or 1)."""
    if not len(found):
        return HEADER
    items = len(labels)
    cells = [one_cell([label]) for label in labels]
    inside = [cell.replace('"', '""') for cell in cells]  # of a cell that is itself quoted
    alone = [
        f'"{text}"' if set(cell) & set(',"\r\n') else cell for cell, text in zip(cells, inside, strict=True)
    ]
    followed = [f'"{text}' for text in inside]
    further = [f",{text}" for text in inside]
    ends, which = _line_ends(found, closed, maximal, n)
    texts = [text.encode() for text in (*alone, *followed, *further, *ends)]

    last = (
        np.cumsum(found.lengths + 1, dtype=np.int64) - 1
    )  # where each set's end stands in the list of pieces
    is_end = np.zeros(int(last[-1]) + 1, bool)
    is_end[last] = True
    pieces = np.empty(len(is_end), np.int32)
    pieces[~is_end] = found.members + 2 * items
    pieces[last] = which + 3 * items
    first = last - found.lengths
    pieces[first] -= np.where(found.lengths == 1, 2 * items, items).astype(np.int32)
    bounds = np.cumsum([0, *map(len, texts)], dtype=np.int64)
    out = np.empty(int(np.diff(bounds)[pieces].sum()), np.uint8)
    compiled(_copy)(np.frombuffer(b"".join(texts), np.uint8), bounds, pieces, out)
    return HEADER + out.tobytes()


def _line_ends(found: Found, closed: np.ndarray, maximal: np.ndarray, n: int) -> tuple[list[str], np.ndarray]:
    """The different ends of lines, and which of them each set has."""
    flags = 2 * closed.astype(np.int64) + maximal
    keys, which = np.unique(
        (found.counts * (found.lengths.max() + 1) + found.lengths) * 4 + flags, return_inverse=True
    )
    ends = []
    for key in keys.tolist():
        count, length = divmod(key // 4, int(found.lengths.max()) + 1)
        quote = '"' if length > 1 else ""
        ends.append(f"{quote},{length},{count},{count / n!r},{key // 2 % 2},{key % 2}\n")
    return ends, which.astype(np.int32)


def _copy(pool, bounds, pieces, out):
    at = 0
    for piece in pieces:
        for k in range(bounds[piece], bounds[piece + 1]):
            out[at] = pool[k]
            at += 1
