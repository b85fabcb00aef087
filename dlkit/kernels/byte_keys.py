"""A hash table over spans of bytes, for compiled loops: open addressing, linear probing.

Key i is pool[ends[i - 1]:ends[i]] and its hash hashes[i]; slots hold i + 1, or 0 where they are free.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from dlkit.kernels.compile import borrows, inlined

ABSENT, NO_ROOM = -1, -2


LENGTH, FACTOR = 0xFF51AFD7ED558CCD, 0x9E3779B97F4A7C15
"""Odd numbers: what is multiplied by them can be told from what it was."""


@inlined
@borrows
def hash_bytes(data, lo, hi):
    """Of 64 bits, of the bytes and their number, eight at a time, 0 for those missing behind the last."""
    n = hi - lo
    h = np.uint64(n) * np.uint64(LENGTH)
    while n >= 8:
        h = mixed(h ^ eight_bytes(data, lo))
        lo += 8
        n -= 8
    return mixed(h ^ fewer_bytes(data, lo, n))


@inlined
@borrows
def mixed(x):
    """Another number for every number; the low bits, which choose the slot, hang on all of them."""
    x = (x ^ (x >> np.uint64(32))) * np.uint64(FACTOR)
    return x ^ (x >> np.uint64(32))


@inlined
@borrows
def eight_bytes(data, at):
    """One load: a compiler sees that, where no index may be negative."""
    k = np.uint64(at)
    low = _four_bytes(data, k)
    return low | (_four_bytes(data, k + np.uint64(4)) << np.uint64(32))


@inlined
@borrows
def _four_bytes(data, k):
    low = np.uint64(data[k]) | (np.uint64(data[k + np.uint64(1)]) << np.uint64(8))
    high = np.uint64(data[k + np.uint64(2)]) | (np.uint64(data[k + np.uint64(3)]) << np.uint64(8))
    return low | (high << np.uint64(16))


@inlined
@borrows
def fewer_bytes(data, at, n):
    """The n < 8 bytes from `at`, zeros above them; two loads that overlap say the same where they do."""
    k = np.uint64(at)
    if n >= 4:
        rest = np.uint64(n - 4)
        return _four_bytes(data, k) | (_four_bytes(data, k + rest) << (np.uint64(8) * rest))
    if n <= 0:
        return np.uint64(0)
    half, last = np.uint64(n >> 1), np.uint64(n - 1)
    ends = np.uint64(data[k]) | (np.uint64(data[k + last]) << (np.uint64(8) * last))
    return ends | (np.uint64(data[k + half]) << (np.uint64(8) * half))


@inlined
@borrows
def same_bytes(a, i, b, j, n):
    """Whether the n bytes of a from i are those of b from j."""
    while n >= 8:
        if eight_bytes(a, i) != eight_bytes(b, j):
            return False
        i += 8
        j += 8
        n -= 8
    return fewer_bytes(a, i, n) == fewer_bytes(b, j, n)


@inlined
@borrows
def number_of(data, lo, hi, slots, hashes, ends, pool, size, grow):
    """The number of the key data[lo:hi]. A new one gets the next number if `grow`, else it is ABSENT; NO_ROOM
    where it would fill more than half of the slots, or hashes and ends, or the pool. size: (2,) keys, bytes.
    """
    return number_hashed(hash_bytes(data, lo, hi), data, lo, hi, slots, hashes, ends, pool, size, grow)


@inlined
@borrows
def number_hashed(h, data, lo, hi, slots, hashes, ends, pool, size, grow):
    """The same where the key's hash is known."""
    mask = np.uint64(slots.size - 1)
    slot = h & mask
    while slots[slot] != 0:
        key = slots[slot] - 1
        if hashes[key] == h:
            begin = ends[key - 1] if key > 0 else 0
            if ends[key] - begin == hi - lo and same_bytes(pool, begin, data, lo, hi - lo):
                return key
        slot = (slot + np.uint64(1)) & mask
    if not grow:
        return ABSENT
    keys, used = size[0], size[1]
    if 2 * (keys + 1) > slots.size or keys == hashes.size or used + hi - lo > pool.size:
        return NO_ROOM
    for k in range(hi - lo):
        pool[used + k] = data[lo + k]
    slots[slot] = keys + 1
    hashes[keys] = h
    ends[keys] = used + hi - lo
    size[0] = keys + 1
    size[1] = used + hi - lo
    return keys
