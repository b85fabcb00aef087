"""A vocabulary as a hash table over bytes: spans of text in, numbers out, in the order of first appearance.

The table is that of byte_keys.py.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numpy as np

from dlkit.kernels import checks
from dlkit.kernels.byte_keys import FACTOR, LENGTH, NO_ROOM, hash_bytes, number_hashed, number_of
from dlkit.kernels.registry import kernel

MASK = (1 << 64) - 1


def hash_of(piece: bytes) -> int:
    """The hash of byte_keys.py."""
    h = len(piece) * LENGTH & MASK
    for k in range(0, len(piece) + 1, 8):
        h ^= int.from_bytes(piece[k : k + 8], "little")
        h = (h ^ h >> 32) * FACTOR & MASK
        h ^= h >> 32
    return h


def index_spans_reference(
    flat: Any,
    first: Any,
    last: Any,
    grow: int,
    slots: Any,
    hashes: Any,
    ends: Any,
    pool: Any,
    ids: Any,
    used: Any,
) -> None:
    """ids[t] = number of the key flat[first[t]:last[t]]; a new key gets the next number if `grow`, else -1.

    flat: (N,) uint8. first, last: (T,) int64. The table: slots (power of two,) int32, hashes (K,) uint64,
    ends (K,) int64, pool (P,) uint8. ids: (T,) int32. used: (3,) int64: spans done, keys, bytes of the pool;
    the work goes on from there and stops before a key that would fill more than half of the slots, or K, or
    P.
    """
    known = {bytes(pool[ends[i - 1] if i else 0 : ends[i]]): i for i in range(used[1])}
    for t in range(used[0], len(first)):
        piece = bytes(flat[first[t] : last[t]])
        if piece not in known and grow:
            keys, size = int(used[1]), int(used[2])
            if 2 * (keys + 1) > len(slots) or keys == len(hashes) or size + len(piece) > len(pool):
                return
            hashes[keys] = hash_of(piece)
            _place(slots, int(hashes[keys]), keys)
            pool[size : size + len(piece)] = list(piece)
            ends[keys] = size + len(piece)
            known[piece] = keys
            used[1:] = keys + 1, size + len(piece)
        ids[t] = known.get(piece, -1)
        used[0] = t + 1


def _place(slots: Any, h: int, key: int) -> None:
    at = h % len(slots)
    while slots[at]:
        at = (at + 1) % len(slots)
    slots[at] = key + 1


def _index_spans_cpu(flat, first, last, grow, slots, hashes, ends, pool, ids, used):
    if slots.size >= _LARGE:
        return _index_large(flat, first, last, grow, slots, hashes, ends, pool, ids, used)
    size = used[1:]
    for t in range(used[0], first.size):
        key = number_of(flat, first[t], last[t], slots, hashes, ends, pool, size, grow)
        if key == NO_ROOM:
            used[0] = t
            return np.uint64(0)
        ids[t] = key
    used[0] = first.size
    return np.uint64(0)


def _index_large(flat, first, last, grow, slots, hashes, ends, pool, ids, used):
    """In a table of millions of words nearly every look is a wait for memory. So for some spans at a time the
    places to be looked at are touched before they are needed, and the waits are one."""
    size, mask = used[1:], np.uint64(slots.size - 1)
    codes, keys = np.empty(_AHEAD, np.uint64), np.empty(_AHEAD, np.int64)
    touched = np.uint64(0)
    for begin in range(used[0], first.size, _AHEAD):
        end = min(begin + _AHEAD, first.size)
        for t in range(begin, end):
            codes[t - begin] = hash_bytes(flat, first[t], last[t])
        for t in range(begin, end):
            keys[t - begin] = slots[codes[t - begin] & mask] - 1
        for t in range(begin, end):
            if keys[t - begin] >= 0:
                touched += hashes[keys[t - begin]] + np.uint64(ends[keys[t - begin]])
        for t in range(begin, end):
            if keys[t - begin] > 0:
                touched += pool[ends[keys[t - begin] - 1]]
        for t in range(begin, end):
            key = number_hashed(
                codes[t - begin], flat, first[t], last[t], slots, hashes, ends, pool, size, grow
            )
            if key == NO_ROOM:
                return touched
            ids[t] = key
            used[0] = t + 1
    return touched  # so that the looks are not left out


_LARGE = 1 << 20
"""Slots of a table that no longer fits into a core's own cache."""
_AHEAD = 32
"""Spans looked at together."""


def _check_index(
    flat: Any, first: Any, last: Any, grow: int, slots: Any, hashes: Any, ends: Any, pool: Any, ids: Any,
    used: Any
) -> None:  # fmt: skip
    name = "index_spans"
    checks.shaped(name, "flat", flat, flat.shape, np.uint8)
    checks.shaped(name, "first", first, first.shape, np.int64)
    checks.shaped(name, "last", last, first.shape, np.int64)
    checks.shaped(name, "ids", ids, first.shape, np.int32)
    checks.shaped(name, "used", used, (3,), np.int64)
    checks.shaped(name, "ends", ends, hashes.shape, np.int64)
    checks.shaped(name, "hashes", hashes, hashes.shape, np.uint64)
    checks.shaped(name, "pool", pool, pool.shape, np.uint8)
    _check_slots(name, slots, int(used[1]))
    if len(first) and not (first.min() >= 0 and (first <= last).all() and last.max() <= len(flat)):
        raise ValueError(f"{name}: expected spans inside the {len(flat)} bytes of flat")
    if not (0 <= used[0] <= len(first) and 0 <= used[1] <= len(hashes) and 0 <= used[2] <= len(pool)):
        raise ValueError(f"{name}: used: {used.tolist()} is beyond the arrays")


def _check_slots(name: str, slots: Any, keys: int) -> None:
    checks.shaped(name, "slots", slots, slots.shape, np.int32)
    if len(slots) & (len(slots) - 1) or len(slots) <= keys:
        raise ValueError(f"{name}: slots: expected a power of two above {keys}, got {len(slots)}")


index_spans = kernel(
    "index_spans", index_spans_reference, cpu=_index_spans_cpu, check=_check_index,
    updates="slots hashes ends pool ids used",
)  # fmt: skip


def place_keys_reference(hashes: Any, slots: Any) -> None:
    """Put keys 0, 1, ... into free slots by their hashes. hashes: (K,) uint64; slots: (power of two,) int32,
    zeros.
    """
    for key, h in enumerate(hashes.tolist()):
        _place(slots, h, key)


def _place_keys_cpu(hashes, slots):
    mask = np.uint64(slots.size - 1)
    for key in range(hashes.size):
        at = hashes[key] & mask
        while slots[at] != 0:
            at = (at + np.uint64(1)) & mask
        slots[at] = key + 1


def _check_place(hashes: Any, slots: Any) -> None:
    checks.shaped("place_keys", "hashes", hashes, hashes.shape, np.uint64)
    _check_slots("place_keys", slots, len(hashes))


place_keys = kernel(
    "place_keys", place_keys_reference, cpu=_place_keys_cpu, check=_check_place, updates="slots"
)
