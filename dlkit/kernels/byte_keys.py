"""A hash table over spans of bytes, for compiled loops: open addressing, linear probing.

Key i is pool[ends[i - 1]:ends[i]] and its hash hashes[i]; slots hold i + 1, or 0 where they are free.
"""

# What numba compiles has no annotations.
# mypy: disable-error-code="no-untyped-def"

import numpy as np

from dlkit.kernels.compile import inlined

ABSENT, NO_ROOM = -1, -2


@inlined
def hash_bytes(data, lo, hi):
    """FNV-1a of 64 bits (Fowler, Noll, Vo), its high bits folded into the low ones that choose the slot."""
    h = np.uint64(0xCBF29CE484222325)
    for k in range(lo, hi):
        h = (h ^ np.uint64(data[k])) * np.uint64(0x100000001B3)
    return h ^ (h >> np.uint64(29))


@inlined
def number_of(data, lo, hi, slots, hashes, ends, pool, size, grow):
    """The number of the key data[lo:hi]. A new one gets the next number if `grow`, else it is ABSENT; NO_ROOM
    where it would fill more than half of the slots, or hashes and ends, or the pool. size: (2,) keys, bytes.
    """
    return number_hashed(hash_bytes(data, lo, hi), data, lo, hi, slots, hashes, ends, pool, size, grow)


@inlined
def number_hashed(h, data, lo, hi, slots, hashes, ends, pool, size, grow):
    """The same where the key's hash is known."""
    mask = np.uint64(slots.size - 1)
    slot = h & mask
    while slots[slot] != 0:
        key = slots[slot] - 1
        if hashes[key] == h:
            begin = ends[key - 1] if key > 0 else 0
            if ends[key] - begin == hi - lo:
                same = True
                for k in range(hi - lo):
                    if pool[begin + k] != data[lo + k]:
                        same = False
                        break
                if same:
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
