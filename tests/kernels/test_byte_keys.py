"""The hash table over bytes: every byte of a key matters, to the key and to the slot it is looked for in."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dlkit.kernels.byte_keys import hash_bytes
from dlkit.kernels.compile import compiled, named
from dlkit.kernels.index import hash_of
from dlkit.readers.vocabulary import Vocabulary


def hash_in_a_loop(data, lo, hi):
    return hash_bytes(data, lo, hi)


@given(st.binary(max_size=40), st.binary(max_size=3))
def test_the_compiled_hash_is_the_written_one(piece: bytes, before: bytes) -> None:
    data = np.frombuffer(before + piece, np.uint8)
    found = int(compiled(hash_in_a_loop)(data, len(before), len(data)))
    assert found % (1 << 64) == hash_of(piece)


@pytest.mark.parametrize("length", range(1, 26))
@pytest.mark.parametrize("place", [0, -1])
def test_keys_that_differ_in_one_byte_lie_apart(length: int, place: int) -> None:
    """Users' numbers count up in one digit: in one slot, each of them would be looked for long."""
    pieces = []
    for byte in range(256):
        piece = bytearray(b"u" * length)
        piece[place] = byte
        pieces.append(hash_of(bytes(piece)))
    assert len(set(pieces)) == 256
    slots = np.array([h % 4096 for h in pieces])
    assert np.bincount(slots).max() <= 5


def test_zeros_and_lengths_are_told_apart() -> None:
    assert len({hash_of(b"\0" * n) for n in range(100)}) == 100
    vocabulary = Vocabulary()
    words = ["\0" * n for n in range(20)] + ["a" * n for n in range(1, 30)] + ["日本", "日本\0"]
    assert vocabulary.add(words).tolist() == list(range(len(words)))
    assert vocabulary.words() == words


def test_what_borrows_is_compiled_under_another_name(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the code compiled before would be found in the cache."""
    before = named(hash_in_a_loop).__qualname__
    assert named(hash_in_a_loop).__qualname__ == before
    monkeypatch.delattr(hash_bytes, "dlkit_borrows")
    assert named(hash_in_a_loop).__qualname__ != before
