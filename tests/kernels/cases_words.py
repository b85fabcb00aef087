"""Cases of the kernels that cut text into words, number them and count them."""

from typing import Any

import numpy as np
from kernels.cases import Args, Rng, cases

from dlkit.kernels.words import CODE_POINTS

LETTERS = np.zeros(CODE_POINTS, np.uint8)
LETTERS[[ord(c) for c in "aZ9_äß日本語😀"]] = 1
ASCII_IMAGE = np.zeros(128, np.uint8)
for _c in "abcdefghijklmnopqrstuvwxyz0123456789_":
    ASCII_IMAGE[[ord(_c), ord(_c.upper())]] = ord(_c)
CHARACTERS = list("abcXYZ09_ \t\n.,-äß日本語€😀é")
DOCUMENTS = (0, 1, 7, 60)


def text(rng: Rng, documents: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Documents of up to 40 characters with a byte between them; some are empty."""
    pieces = ["".join(rng.choice(CHARACTERS, rng.integers(0, 40))).encode() for _ in range(documents)]
    lengths = np.array([len(piece) for piece in pieces], np.int64)
    ends = np.cumsum(lengths + 1) - 1
    return np.frombuffer(b"|".join(pieces), np.uint8).copy(), ends - lengths, ends


def spans(room: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.zeros(room, np.uint8), np.zeros(room, np.int64), np.zeros(room, np.int64)


@cases("segment_words", documents=DOCUMENTS, shortest=(1, 2))
def _segment_words(rng: Rng, real: type, documents: int, shortest: int) -> Args:
    data, starts, ends = text(rng, documents)
    out = spans(len(data) + documents)
    units, used = np.zeros(documents, np.int64), np.zeros(2, np.int64)
    return data, starts, ends, ASCII_IMAGE, LETTERS, shortest, *out, units, used


@cases("segment_characters", documents=DOCUMENTS)
def _segment_characters(rng: Rng, real: type, documents: int) -> Args:
    data, starts, ends = text(rng, documents)
    units, used = np.zeros(documents, np.int64), np.zeros(2, np.int64)
    return data, starts, ends, ASCII_IMAGE, LETTERS, *spans(len(data)), units, used


@cases("index_spans", count=(0, 1, 7, 300), grow=(0, 1), room=(8, 1024, 1 << 20))
def _index_spans(rng: Rng, real: type, count: int, grow: int, room: int) -> Args:
    """With little room the work stops on the way; in a large table places are prepared. Keys of 0 to 26
    bytes."""
    flat = rng.integers(97, 100, 40).astype(np.uint8)
    first = rng.integers(0, 38, count)
    last = np.minimum(first + rng.integers(0, 3, count) * rng.integers(0, 14, count), 40)
    table = (np.zeros(room, np.int32), np.zeros(room // 2, np.uint64), np.zeros(room // 2, np.int64))
    return (
        flat,
        first,
        last,
        grow,
        *table,
        np.zeros(4 * room if room < 1 << 20 else 1 << 14, np.uint8),
        np.full(count, -9, np.int32),
        np.zeros(3, np.int64),
    )


@cases("place_keys", count=(0, 1, 7, 300))
def _place_keys(rng: Rng, real: type, count: int) -> Args:
    return rng.integers(0, 1 << 40, count).astype(np.uint64), np.zeros(1024, np.int32)


def words(rng: Rng, documents: int) -> tuple[np.ndarray, np.ndarray]:
    """Word numbers from -1 to 10, and how many each document has."""
    units = rng.integers(0, 20, documents)
    return rng.integers(-1, 11, int(units.sum())).astype(np.int32), units


@cases("tally_words", documents=DOCUMENTS, once=(0, 1))
def _tally_words(rng: Rng, real: type, documents: int, once: int) -> Args:
    ids, units = words(rng, documents)
    tally, seen = rng.integers(0, 9, (11, 3)), np.zeros(11, np.int64)
    return ids, units, rng.integers(0, 3, documents), once, tally, rng.integers(0, 9, 11), seen


@cases("add_rows", shape=((0, 0), (1, 1), (5, 2), (40, 3)))
def _add_rows(rng: Rng, real: type, shape: tuple[int, int]) -> Args:
    rows, columns = shape
    part = rng.integers(0, 3, shape)
    return rng.permutation(50)[:rows], rng.permutation(3)[:columns], part, rng.integers(0, 9, (50, 3))


@cases("score_words", documents=DOCUMENTS, once=(0, 1))
def _score_words(rng: Rng, real: type, documents: int, once: int) -> Args:
    ids, units = words(rng, documents)
    weights: Any = rng.standard_normal((11, 4)).astype(real)
    return ids, units, once, weights, rng.standard_normal((documents, 4)).astype(real), np.zeros(11, np.int64)
