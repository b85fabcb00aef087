"""Where the very bits are promised: slices and the whole, fused and separate, in place and apart."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from kernels.cases import CASES

from dlkit.kernels import compile, w2v_window_loops
from dlkit.kernels.adam import adam, adam_shards
from dlkit.kernels.reduce import sum_shards
from dlkit.kernels.registry import load_all

ELEMENTWISE = ["sgd", "momentum", "adagrad", "rmsprop", "adam", "adam_shards", "sgld", "sum_shards"]
"""Kernels that threads may call on slices of one buffer."""

by_real = pytest.mark.parametrize("real", [np.float32, np.float64], ids=["float32", "float64"])


def part(a: Any, lo: int, hi: int) -> Any:
    if isinstance(a, tuple):
        return tuple(p[lo:hi] for p in a)
    return a[lo:hi] if isinstance(a, np.ndarray) else a


@by_real
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_slices_give_the_bits_of_the_whole(name: str, real: type) -> None:
    kernel = load_all()[name]
    make = CASES[name][-1].make
    whole, sliced = (make(np.random.default_rng(1), real) for _ in range(2))
    kernel(*whole)
    n = whole[0].size if isinstance(whole[0], np.ndarray) else whole[0][0].size
    cuts = [0, 1, 9, 1000, 2049, 4100, n]
    for lo, hi in pairwise(cuts):
        kernel(*(part(a, lo, hi) for a in sliced))
    for a, b in zip(whole, sliced, strict=True):
        np.testing.assert_array_equal(a, b)


@by_real
@pytest.mark.parametrize("shards", [1, 2, 3, 5])
def test_fused_adam_is_sum_then_adam(shards: int, real: type) -> None:
    rng = np.random.default_rng(2)
    n = 5003
    parts = tuple(rng.standard_normal(n).astype(real) for _ in range(shards))
    p, m = rng.standard_normal(n).astype(real), rng.standard_normal(n).astype(real)
    v = rng.random(n).astype(real)
    fused, separate = [a.copy() for a in (p, m, v)], [a.copy() for a in (p, m, v)]
    numbers = (1e-3, 0.9, 0.999, 1e-8, 0.01, 1, 7)
    adam_shards(fused[0], parts, *fused[1:], *numbers)
    g = np.empty(n, real)
    sum_shards(parts, g)
    adam(separate[0], g, *separate[1:], *numbers)
    for a, b in zip(fused, separate, strict=True):
        np.testing.assert_array_equal(a, b)


@by_real
@pytest.mark.parametrize("shards", [1, 2, 3, 5])
def test_sum_onto_the_first_shard(shards: int, real: type) -> None:
    rng = np.random.default_rng(3)
    parts = tuple((rng.standard_normal(5003) * 10.0**s).astype(real) for s in range(shards))
    wanted = parts[0].copy()
    for other in parts[1:]:
        wanted += other
    apart = np.empty_like(wanted)
    sum_shards(parts, apart)
    sum_shards(parts, parts[0])
    np.testing.assert_array_equal(apart, wanted)
    np.testing.assert_array_equal(parts[0], wanted)


def test_loops_of_word2vec_are_compiled_alike_whoever_calls_them_first() -> None:
    """The kernel `embed_windows` and the rounds share them; a sum must not depend on which came first."""
    shared, left = set(), [w2v_window_loops.embed_windows_loop]
    while left:
        one = left.pop()
        if one not in shared and not hasattr(one, compile._ELSEWHERE):
            shared.add(one)
            left += compile._called(one)
    assert len(shared) > 8
    assert [one.__name__ for one in shared if not hasattr(one, compile._AS_WRITTEN)] == []
